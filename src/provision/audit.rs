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
        tracing::info!(
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

/// The write that was sent and has no audit line yet. A task that is dropped meanwhile, because its process ends or it
/// panicked, leaves the line here: the write may have taken effect.
#[derive(Debug)]
pub(super) struct Unfinished {
    audit: Arc<dyn AuditSink>,
    task_id: TaskId,
    open: Mutex<Option<(&'static str, String)>>,
}

impl Unfinished {
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

    /// It is told, or known to have failed.
    pub(super) fn over(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Some((operation, object)) = self.open.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        self.audit.record(&Change {
            task_id: self.task_id.clone(),
            operation,
            object,
            before: String::new(),
            after: String::new(),
            request_id: None,
            outcome: ChangeOutcome::Unknown,
        });
    }
}
