//! Counts writes to the target system, so that a snapshot from before one is not used after it. A provisioner holds a
//! [`WriteGuard`] for as long as it works on a task.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
struct Counts {
    /// Writes that began or ended so far.
    marks: AtomicU64,
    running: AtomicU64,
}

/// The writes so far. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct WriteLog(Arc<Counts>);

/// A point between writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(u64);

impl WriteLog {
    /// No write so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// A write begins; it ends when the guard is dropped.
    pub fn begin(&self) -> WriteGuard {
        self.0.running.fetch_add(1, Ordering::SeqCst);
        self.0.marks.fetch_add(1, Ordering::SeqCst);
        WriteGuard(Arc::clone(&self.0))
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.0.marks.load(Ordering::SeqCst))
    }

    /// Whether no write began, ran or ended since the mark.
    pub(super) fn quiet_since(&self, mark: Mark) -> bool {
        self.0.running.load(Ordering::SeqCst) == 0 && self.mark() == mark
    }
}

/// A write that is under way until this is dropped.
#[derive(Debug)]
pub struct WriteGuard(Arc<Counts>);

impl Drop for WriteGuard {
    fn drop(&mut self) {
        self.0.marks.fetch_add(1, Ordering::SeqCst);
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_began_ran_or_ended_since_is_noticed() {
        let log = WriteLog::new();
        let mark = log.mark();
        assert!(log.quiet_since(mark));
        let write = log.begin();
        assert!(!log.quiet_since(mark), "began");
        let during = log.mark();
        assert!(!log.quiet_since(during), "runs");
        drop(write);
        assert!(!log.quiet_since(during), "ended");
        assert!(log.quiet_since(log.mark()));
    }
}
