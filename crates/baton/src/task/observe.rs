//! What is told of each task that ended, for Events and whoever else watches.

use super::{Reply, SyncFacts, TaskError, TaskId};
use process::error::ErrorClass;

/// How a task ended, as far as this process knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskEnd {
    /// The task.
    pub id: TaskId,
    /// Its kind, a bounded label.
    pub kind: &'static str,
    /// It changes the target system.
    pub writes: bool,
    /// Nothing was decided for tasks that C1 cancelled before they started, and for Hello.
    pub verdict: Option<Verdict>,
    /// C1 has the verdict. Where it does not, the end is told once more as soon as it does.
    pub reported: bool,
}

/// What a task was answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A sync was uploaded.
    Synced(SyncFacts),
    Done,
    /// Failed, or was cancelled.
    Failed(ErrorClass),
}

impl TaskEnd {
    /// Nothing decided yet.
    pub const fn new(id: TaskId, kind: &'static str, writes: bool) -> Self {
        Self {
            id,
            kind,
            writes,
            verdict: None,
            reported: true,
        }
    }

    /// Remembers the answer.
    pub fn decided(&mut self, verdict: &Result<Reply, TaskError>) {
        self.verdict = Some(match verdict {
            Ok(Reply::Synced(file)) => Verdict::Synced(file.facts),
            Ok(_) => Verdict::Done,
            Err(error) => Verdict::Failed(error.class()),
        });
    }
}

/// Told of each task that ended, after its `FinishTask`, and again if C1 took that only later. Must not block.
pub trait TaskObserver: Send + Sync {
    /// A task begins; it has no verdict yet.
    fn began(&self, _task: &TaskEnd) {}

    /// A task has ended.
    fn ended(&self, end: &TaskEnd);

    /// C1 is not reached, for this reason, or it is (again). Told after every Hello and poll.
    fn reached(&self, _unreached: Option<&str>) {}
}
