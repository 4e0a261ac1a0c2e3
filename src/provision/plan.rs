//! Dry run: every read and check, but the writes are only written down.

use std::collections::BTreeSet;
use std::fmt;

use baton::task::{Code, TaskError};
use pingone::{Operation, WriteCall};

/// The flag, for texts.
pub const DRY_RUN: &str = "--dry-run (BATON_DRY_RUN)";
/// Longest list of calls in an error text, in bytes.
const SHOWN_MAX_BYTES: usize = 700;

/// The calls that a task would have made, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    calls: Vec<WriteCall>,
    /// The reads that found nothing against them.
    checks: BTreeSet<Operation>,
}

impl Plan {
    pub(crate) fn add(&mut self, call: &WriteCall) {
        self.calls.push(call.clone());
    }

    /// The same plan after these reads.
    pub(super) fn checked_by(self, checks: BTreeSet<Operation>) -> Self {
        Self { checks, ..self }
    }

    /// One line per call: method, path under the environment, media type, body without secrets. It holds personal data: for
    /// standard output alone.
    pub fn lines(&self) -> Vec<String> {
        self.calls.iter().map(WriteCall::to_string).collect()
    }

    /// The calls themselves.
    pub fn calls(&self) -> &[WriteCall] {
        &self.calls
    }

    /// What service mode answers: nothing was written, which flag is why, and what was checked. Names and ids only, because
    /// C1 and logs keep it.
    pub(super) fn refusal(&self) -> TaskError {
        let shown = self.to_string();
        let shown = shown
            .get(..shown.floor_char_boundary(SHOWN_MAX_BYTES))
            .unwrap_or_default();
        let mut message = format!("{DRY_RUN} is on, nothing was written; it would send: {shown}");
        let checks: Vec<&str> = self.checks.iter().map(|check| check.as_str()).collect();
        if !checks.is_empty() {
            message = format!("{message}; checked: {}", checks.join(", "));
        }
        TaskError::new(Code::FailedPrecondition, message)
    }
}

/// Names and ids.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.calls.is_empty() {
            return f.write_str("nothing");
        }
        let outlines: Vec<String> = self.calls.iter().map(WriteCall::outline).collect();
        f.write_str(&outlines.join("; "))
    }
}
