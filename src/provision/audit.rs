//! One audit line for each change (who asked, what, before, after, PingOne's correlation id); never a secret and never
//! a value of a person's profile.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::task::TaskId;

/// How sure a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// PingOne said so.
    Done,
    /// The answer was lost; a read showed the change.
    Confirmed,
    /// The answer was lost, or not waited for, and no read could tell.
    Unknown,
}

impl ChangeOutcome {
    /// The value in the line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Confirmed => "confirmed_by_read",
            Self::Unknown => "unknown",
        }
    }
}

/// One change of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Who asked.
    pub task_id: TaskId,
    /// The operation's label, such as `add_membership`.
    pub operation: &'static str,
    /// What was changed, by ids.
    pub object: String,
    /// How it was.
    pub before: String,
    /// How it is.
    pub after: String,
    /// PingOne's correlation id, where there was an answer.
    pub request_id: Option<String>,
    /// How sure it is.
    pub outcome: ChangeOutcome,
}

/// Takes audit lines. Must not block.
pub trait AuditSink: Send + Sync + fmt::Debug {
    /// Keeps one.
    fn record(&self, change: &Change);
}

/// Audit lines as log records with `audit` = true.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditLog;

impl AuditSink for AuditLog {
    fn record(&self, change: &Change) {
        // Whatever the log level, this target is on (telemetry).
        tracing::info!(
            target: "baton_ping_one::audit",
            audit = true,
            task_id = change.task_id.as_str(),
            operation = change.operation,
            object = change.object,
            before = change.before,
            after = change.after,
            request_id = change.request_id.as_deref().unwrap_or_default(),
            outcome = change.outcome.as_str(),
            "the directory was changed"
        );
    }
}

/// How a change is called in the audit line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'a> {
    /// What is changed, by ids.
    pub(crate) object: &'a str,
    /// How it was.
    pub(crate) before: &'a str,
    /// How it will be.
    pub(crate) after: &'a str,
}

/// One task's audit lines. A task that is dropped in the middle of a write, because its process ends or it panicked,
/// leaves a line too: the write may have taken effect.
#[derive(Debug)]
pub(super) struct Trail {
    audit: Arc<dyn AuditSink>,
    task_id: TaskId,
    /// The write that was sent and has no line yet.
    open: Mutex<Option<(&'static str, String)>>,
}

impl Trail {
    pub(super) fn new(audit: Arc<dyn AuditSink>, task_id: TaskId) -> Self {
        Self {
            audit,
            task_id,
            open: Mutex::default(),
        }
    }

    /// A write of this operation on this object is about to be sent.
    pub(super) fn begins(&self, operation: &'static str, object: &str) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some((operation, object.to_owned()));
    }

    /// It is known to have failed, or what became of it is told.
    pub(super) fn over(&self) -> Option<(&'static str, String)> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Leaves an audit line.
    pub(super) fn tell(
        &self,
        operation: &'static str,
        told: Told<'_>,
        outcome: ChangeOutcome,
        request_id: Option<String>,
    ) {
        self.over();
        self.audit.record(&Change {
            task_id: self.task_id.clone(),
            operation,
            object: told.object.to_owned(),
            before: told.before.to_owned(),
            after: told.after.to_owned(),
            request_id,
            outcome,
        });
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        if let Some((operation, object)) = self.over() {
            let told = Told {
                object: &object,
                before: "",
                after: "",
            };
            self.tell(operation, told, ChangeOutcome::Unknown, None);
        }
    }
}
