//! What was asked of PingOne since the client was made: counters that a report or a metric reads.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::operation::{Operation, RateGroup};

/// Hears of every request, for metrics. Must not block.
pub trait RequestObserver: Send + Sync + fmt::Debug {
    /// A request was answered (`status` is the HTTP status) or failed without an answer (`None`).
    fn finished(&self, operation: Operation, status: Option<u16>, elapsed: Duration);
    /// A request is repeated, for this bounded reason.
    fn retried(&self, operation: Operation, reason: &'static str);
}

/// Live counters of one client.
#[derive(Debug)]
pub struct Stats {
    requests: Vec<AtomicU64>,
    refused: AtomicU64,
    retries: AtomicU64,
    bytes: AtomicU64,
    waited_nanos: Vec<AtomicU64>,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            requests: Operation::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            refused: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            waited_nanos: RateGroup::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Stats {
    pub(crate) fn request(&self, operation: Operation) {
        if let Some(counter) = self.requests.get(operation as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn refused_once(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn retried_once(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.bytes
            .fetch_add(u64::try_from(bytes).unwrap_or(0), Ordering::Relaxed);
    }

    pub(crate) fn wait(&self, group: RateGroup, time: Duration) {
        if let Some(counter) = self.waited_nanos.get(group as usize) {
            counter.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// All requests, repeated ones included.
    pub fn requests(&self) -> u64 {
        self.requests
            .iter()
            .map(|counter| counter.load(Ordering::Relaxed))
            .sum()
    }

    /// Requests by operation; operations that did not occur are left out.
    pub fn by_operation(&self) -> BTreeMap<&'static str, u64> {
        Operation::ALL
            .iter()
            .zip(&self.requests)
            .map(|(operation, counter)| (operation.as_str(), counter.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// Requests that were refused for their rate.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Requests that were repeated.
    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Bytes of bodies, decompressed.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Time that requests waited for the rate limit, summed over all requests.
    pub fn waited(&self) -> Duration {
        Duration::from_nanos(
            self.waited_nanos
                .iter()
                .map(|counter| counter.load(Ordering::Relaxed))
                .sum(),
        )
    }

    /// The same by rate group.
    pub fn waited_by_group(&self) -> BTreeMap<&'static str, Duration> {
        RateGroup::ALL
            .iter()
            .zip(&self.waited_nanos)
            .map(|(group, counter)| (group.as_str(), Duration::from_nanos(counter.load(Ordering::Relaxed))))
            .filter(|(_, time)| !time.is_zero())
            .collect()
    }
}
