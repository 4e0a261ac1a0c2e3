//! What was decided of tasks, by their ids, until C1 has it and somewhat longer: a task that C1 offers again is answered
//! with the verdict that it has, and not worked on twice. What is kept is the `FinishTask` itself, in which secrets are
//! encrypted for their recipients. Bounded in number, bytes and time; gone with the process, after which live state
//! decides.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prost::Message as _;
use tokio::time::Instant;

use crate::proto::c1::connectorapi::baton::v1 as pb;
use crate::proto::c1::connectorapi::baton::v1::baton_service_finish_task_request::FinalState;
use crate::task::TaskEnd;
use process::telemetry::metrics::Outcome;

const MAX_KEPT: usize = 1000;
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// C1 has offered a task again long before this, if it ever does.
const KEPT_FOR: Duration = Duration::from_hours(1);

/// The verdicts of one process. Clones share them.
#[derive(Clone, Default)]
pub struct Verdicts(Arc<Mutex<Shelf>>);

impl std::fmt::Debug for Verdicts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Verdicts").field(&self.lock().kept.len()).finish()
    }
}

/// One verdict in the form in which it is sent.
#[derive(Clone)]
pub(super) struct Verdict {
    pub(super) request: pb::BatonServiceFinishTaskRequest,
    pub(super) outcome: Outcome,
    pub(super) end: TaskEnd,
    /// Of the task's content: an id that names something else is another task.
    pub(super) fingerprint: u64,
}

impl Verdict {
    /// C1 may not ask for another attempt at this.
    fn is_final(&self) -> bool {
        match &self.request.final_state {
            Some(FinalState::Success(_)) => true,
            Some(FinalState::Error(error)) => error.non_retryable,
            None => false,
        }
    }
}

struct Kept {
    verdict: Verdict,
    bytes: usize,
    since: Instant,
    /// The connection on which C1 did not take it; it is sent again on another.
    missed_on: Option<u64>,
}

#[derive(Default)]
struct Shelf {
    /// Oldest first.
    kept: VecDeque<Kept>,
    bytes: usize,
}

impl Shelf {
    fn position(&self, id: &str) -> Option<usize> {
        self.kept.iter().position(|kept| kept.verdict.request.task_id == id)
    }

    fn remove(&mut self, position: usize) {
        if let Some(kept) = self.kept.remove(position) {
            self.bytes = self.bytes.saturating_sub(kept.bytes);
        }
    }

    fn prune(&mut self) {
        while let Some(oldest) = self.kept.front() {
            let is_old = oldest.since.elapsed() >= KEPT_FOR;
            if !is_old && self.kept.len() <= MAX_KEPT && self.bytes <= MAX_BYTES {
                return;
            }
            self.remove(0);
        }
    }
}

impl Verdicts {
    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many C1 did not take so far and are sent again. One that C1 refused for good is none of them: nothing more can be
    /// done about it, and a gauge that stays up for an hour would say otherwise. It is kept in case C1 offers the task again,
    /// and counted once as a failed delivery and as a task that ended unreported.
    pub fn unreported(&self) -> usize {
        self.lock().kept.iter().filter(|kept| kept.missed_on.is_some()).count()
    }

    /// A number for the content of a task.
    pub(super) fn fingerprint(task: &pb::Task) -> u64 {
        let mut hasher = DefaultHasher::new();
        let content = pb::Task {
            task_type: task.task_type.clone(),
            ..pb::Task::default()
        };
        hasher.write(&content.encode_to_vec());
        hasher.finish()
    }

    /// Keeps a verdict that is about to be sent.
    pub(super) fn keep(&self, verdict: Verdict) {
        let bytes = verdict.request.encoded_len();
        let mut verdicts = self.lock();
        if let Some(position) = verdicts.position(&verdict.request.task_id) {
            verdicts.remove(position);
        }
        verdicts.bytes = verdicts.bytes.saturating_add(bytes);
        verdicts.kept.push_back(Kept {
            verdict,
            bytes,
            since: Instant::now(),
            missed_on: None,
        });
        verdicts.prune();
    }

    /// C1 has it. Only what was written for good is still worth keeping: anything else C1 may want done again.
    pub(super) fn taken(&self, id: &str) {
        let mut verdicts = self.lock();
        let Some(position) = verdicts.position(id) else { return };
        let is_settled = |kept: &Kept| kept.verdict.end.writes && kept.verdict.is_final();
        match verdicts.kept.get_mut(position).filter(|kept| is_settled(kept)) {
            Some(kept) => kept.missed_on = None,
            None => verdicts.remove(position),
        }
    }

    /// C1 did not take it on this connection.
    pub(super) fn missed(&self, id: &str, connection: u64) {
        let mut verdicts = self.lock();
        if let Some(position) = verdicts.position(id)
            && let Some(kept) = verdicts.kept.get_mut(position)
        {
            kept.missed_on = Some(connection);
        }
    }

    /// The verdict of a task that is offered again.
    pub(super) fn of(&self, id: &str, fingerprint: u64) -> Option<Verdict> {
        let mut verdicts = self.lock();
        verdicts.prune();
        let position = verdicts.position(id)?;
        let verdict = verdicts.kept.get(position).map(|kept| kept.verdict.clone());
        verdict.filter(|verdict| verdict.fingerprint == fingerprint)
    }

    /// Verdicts that C1 did not take on an earlier connection. Each is given out once for each connection.
    pub(super) fn to_send_again(&self, connection: u64) -> Vec<Verdict> {
        let mut verdicts = self.lock();
        verdicts.prune();
        let missed = verdicts.kept.iter_mut().filter_map(|kept| {
            let is_due = kept.missed_on.is_some_and(|missed_on| missed_on != connection);
            is_due.then(|| {
                kept.missed_on = Some(connection);
                kept.verdict.clone()
            })
        });
        missed.collect()
    }

    /// Another session begins, perhaps in another term: others may have worked on what was not reported, so it is told
    /// only when C1 asks.
    pub(super) fn begin_session(&self) {
        for kept in &mut self.lock().kept {
            kept.missed_on = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::c1::connectorapi::baton::v1::baton_service_finish_task_request as finish;
    use crate::task::TaskId;

    fn verdict(id: &str, writes: bool, non_retryable: Option<bool>, filler: usize) -> Verdict {
        let final_state = match non_retryable {
            None => FinalState::Success(finish::Success::default()),
            Some(non_retryable) => FinalState::Error(finish::Error {
                non_retryable,
                ..Default::default()
            }),
        };
        Verdict {
            request: pb::BatonServiceFinishTaskRequest {
                host_id: "h".repeat(filler),
                task_id: id.to_owned(),
                final_state: Some(final_state),
                ..Default::default()
            },
            outcome: Outcome::Success,
            end: TaskEnd::new(TaskId::new(id), "grant", writes),
            fingerprint: 7,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_writes_that_are_final_outlive_their_report() {
        let verdicts = Verdicts::default();
        for (id, writes, non_retryable, kept) in [
            ("done", true, None, true),
            ("refused", true, Some(true), true),
            ("in trouble", true, Some(false), false),
            ("sync", false, None, false),
        ] {
            verdicts.keep(verdict(id, writes, non_retryable, 0));
            assert!(verdicts.of(id, 7).is_some(), "{id}");
            verdicts.taken(id);
            assert_eq!(verdicts.of(id, 7).is_some(), kept, "{id}");
        }
        assert!(verdicts.of("done", 8).is_none(), "another task under the same id");
        tokio::time::advance(KEPT_FOR).await;
        assert!(verdicts.of("done", 7).is_none(), "after an hour");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_missed_is_sent_once_on_each_other_connection_of_the_session() {
        let verdicts = Verdicts::default();
        verdicts.keep(verdict("a", true, None, 0));
        assert!(verdicts.to_send_again(1).is_empty(), "it is under way");
        verdicts.missed("a", 1);
        assert!(verdicts.to_send_again(1).is_empty(), "the same connection");
        assert_eq!(verdicts.to_send_again(2).len(), 1);
        assert!(verdicts.to_send_again(2).is_empty(), "once");
        assert_eq!(verdicts.to_send_again(3).len(), 1);
        verdicts.begin_session();
        assert!(verdicts.to_send_again(4).is_empty());
        assert!(verdicts.of("a", 7).is_some(), "C1 may ask");
    }

    #[tokio::test(start_paused = true)]
    async fn number_and_bytes_are_bounded() {
        let verdicts = Verdicts::default();
        for number in 0..=MAX_KEPT {
            verdicts.keep(verdict(&number.to_string(), true, None, 0));
        }
        assert!(verdicts.of("0", 7).is_none() && verdicts.of("1", 7).is_some());
        for id in ["x", "y", "z"] {
            verdicts.keep(verdict(id, true, None, MAX_BYTES / 2));
        }
        assert!(verdicts.of("x", 7).is_none() && verdicts.of("z", 7).is_some());
        assert!(verdicts.lock().bytes <= MAX_BYTES);
    }
}
