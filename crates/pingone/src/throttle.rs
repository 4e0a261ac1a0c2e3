//! What every request passes, the token's too: the limiter on the way out, counters and observer on the way back.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::limiter::{Limiter, Place, TooLong};
use super::operation::Operation;
use super::stats::{RequestObserver, Stats, StatusClass};

/// Limiter, counters and observer of one client.
#[derive(Debug)]
pub(crate) struct Throttle {
    pub(crate) limiter: Arc<Limiter>,
    pub(crate) stats: Arc<Stats>,
    observer: Option<Arc<dyn RequestObserver>>,
}

impl Throttle {
    /// `rate` is `pingone-rate-limit`: 0 is automatic.
    pub(crate) fn new(rate: u32, most_in_flight: usize, observer: Option<Arc<dyn RequestObserver>>) -> Self {
        let stats = Arc::<Stats>::default();
        Self {
            limiter: Limiter::new(rate, most_in_flight, Arc::clone(&stats)),
            stats,
            observer,
        }
    }

    /// Waits for the turn of a request.
    pub(crate) async fn enter(&self, operation: Operation, deadline: Instant) -> Result<Place, TooLong> {
        self.limiter.enter(operation.group(), deadline).await
    }

    /// A request that was sent at `sent` was answered with `status`, or got no answer; `retry_after` is what it asks us to wait.
    pub(crate) fn left(&self, operation: Operation, status: Option<u16>, sent: Instant, retry_after: Option<Duration>) {
        let group = operation.group();
        match status {
            Some(429) => self.limiter.refused(group, sent, retry_after),
            Some(_) => self.limiter.finished(group, sent),
            None => {}
        }
        self.stats.request(operation, StatusClass::of(status));
        if let Some(observer) = &self.observer {
            observer.finished(operation, status, sent.elapsed());
        }
    }

    /// A request is repeated, for this bounded reason.
    pub(crate) fn retried(&self, operation: Operation, reason: &'static str) {
        self.stats.retry(reason);
        if let Some(observer) = &self.observer {
            observer.retried(operation, reason);
        }
    }
}
