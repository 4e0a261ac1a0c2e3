//! One audit line for each write that was sent (who asked, what, before, after, PingOne's correlation id); never a secret
//! and never a value of a person's profile.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use baton::task::TaskId;

/// How sure a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// PingOne said so.
    Done,
    /// The answer was lost; a read showed the change.
    Confirmed,
    /// The answer was lost, or not waited for, and no read could tell.
    Unknown,
    /// PingOne refused and did nothing.
    Refused,
}

impl ChangeOutcome {
    /// The value in the line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Confirmed => "confirmed_by_read",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
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
        macro_rules! line {
            ($text:literal) => {
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
                    $text
                )
            };
        }
        match change.outcome {
            ChangeOutcome::Done | ChangeOutcome::Confirmed => line!("the directory was changed"),
            ChangeOutcome::Unknown => line!("the directory may have been changed"),
            ChangeOutcome::Refused => line!("a change of the directory was refused"),
        }
    }
}

/// What the audit line says of a change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AuditEntry<'a> {
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
    open: Mutex<Option<Change>>,
}

impl Trail {
    pub(super) fn new(audit: Arc<dyn AuditSink>, task_id: TaskId) -> Self {
        Self {
            audit,
            task_id,
            open: Mutex::default(),
        }
    }

    /// A write is about to be sent.
    pub(super) fn begins(&self, operation: &'static str, entry: AuditEntry<'_>) {
        let change = self.change(operation, entry, ChangeOutcome::Unknown, None);
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(change);
    }

    /// It has its line, or was not sent.
    pub(super) fn over(&self) -> Option<Change> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Leaves an audit line.
    pub(super) fn record(
        &self,
        operation: &'static str,
        entry: AuditEntry<'_>,
        outcome: ChangeOutcome,
        request_id: Option<String>,
    ) {
        self.over();
        self.audit.record(&self.change(operation, entry, outcome, request_id));
    }

    fn change(
        &self,
        operation: &'static str,
        entry: AuditEntry<'_>,
        outcome: ChangeOutcome,
        request_id: Option<String>,
    ) -> Change {
        Change {
            task_id: self.task_id.clone(),
            operation,
            object: entry.object.to_owned(),
            before: entry.before.to_owned(),
            after: entry.after.to_owned(),
            request_id,
            outcome,
        }
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        if let Some(change) = self.over() {
            self.audit.record(&change);
        }
    }
}
