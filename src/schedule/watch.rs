//! Notes every write to the target system, so that a snapshot from before it is not used after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;

use crate::task::{
    AccountCreated, ActionCall, ActionOutcome, Annotation, CreateAccountRequest, DeleteResourceRequest, GrantReply,
    GrantRequest, Provisioner, RevokeReply, RevokeRequest, RotateCredentialsRequest, Rotated, TaskError, WriteContext,
};

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
    pub fn begin(&self) -> impl Drop + Send + use<> {
        self.0.running.fetch_add(1, Ordering::SeqCst);
        self.0.marks.fetch_add(1, Ordering::SeqCst);
        Guard(Arc::clone(&self.0))
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.0.marks.load(Ordering::SeqCst))
    }

    /// Whether no write began, ran or ended since the mark.
    pub(super) fn quiet_since(&self, mark: Mark) -> bool {
        self.0.running.load(Ordering::SeqCst) == 0 && self.mark() == mark
    }
}

struct Guard(Arc<Counts>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.marks.fetch_add(1, Ordering::SeqCst);
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A provisioner whose calls are noted.
pub struct WatchedProvisioner {
    inner: Arc<dyn Provisioner>,
    log: WriteLog,
}

impl WatchedProvisioner {
    /// Notes the calls of `inner` in `log`.
    pub fn new(inner: Arc<dyn Provisioner>, log: WriteLog) -> Self {
        Self { inner, log }
    }

    fn noted<'a, T: 'a>(&self, call: BoxFuture<'a, Result<T, TaskError>>) -> BoxFuture<'a, Result<T, TaskError>> {
        let guard = self.log.begin();
        Box::pin(async move {
            let outcome = call.await;
            drop(guard);
            outcome
        })
    }
}

impl Provisioner for WatchedProvisioner {
    fn grant(&self, request: GrantRequest, context: WriteContext) -> BoxFuture<'_, Result<GrantReply, TaskError>> {
        self.noted(self.inner.grant(request, context))
    }

    fn revoke(&self, request: RevokeRequest, context: WriteContext) -> BoxFuture<'_, Result<RevokeReply, TaskError>> {
        self.noted(self.inner.revoke(request, context))
    }

    fn create_account(
        &self,
        request: CreateAccountRequest,
        context: WriteContext,
    ) -> BoxFuture<'_, Result<AccountCreated, TaskError>> {
        self.noted(self.inner.create_account(request, context))
    }

    fn delete_resource(
        &self,
        request: DeleteResourceRequest,
        context: WriteContext,
    ) -> BoxFuture<'_, Result<Vec<Annotation>, TaskError>> {
        self.noted(self.inner.delete_resource(request, context))
    }

    fn rotate_credentials(
        &self,
        request: RotateCredentialsRequest,
        context: WriteContext,
    ) -> BoxFuture<'_, Result<Rotated, TaskError>> {
        self.noted(self.inner.rotate_credentials(request, context))
    }

    fn run_action(&self, call: ActionCall, context: WriteContext) -> BoxFuture<'_, Result<ActionOutcome, TaskError>> {
        self.noted(self.inner.run_action(call, context))
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
