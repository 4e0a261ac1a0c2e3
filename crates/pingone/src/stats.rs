//! What was asked of PingOne since the client was made: counters that a report or a metric reads.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use uuid::Uuid;

use super::operation::{Operation, RateGroup};

/// Hears of every request, for metrics. Must not block.
pub trait RequestObserver: Send + Sync + fmt::Debug {
    /// A request was answered (`status` is the HTTP status) or failed without an answer (`None`).
    fn finished(&self, operation: Operation, status: Option<u16>, elapsed: Duration);
    /// A request is repeated, for this bounded reason.
    fn retried(&self, operation: Operation, reason: &'static str);
}

/// How a request ended, for counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatusClass {
    /// 2xx
    Success,
    /// 3xx, which is never followed
    Redirect,
    /// 4xx but 429
    ClientError,
    /// 429
    Refused,
    /// 5xx, and what HTTP does not know
    ServerError,
    /// No answer
    None,
}

impl StatusClass {
    /// Every class.
    pub const ALL: [Self; 6] = [
        Self::Success,
        Self::Redirect,
        Self::ClientError,
        Self::Refused,
        Self::ServerError,
        Self::None,
    ];

    /// The class of a status; `None` is no answer.
    pub const fn of(status: Option<u16>) -> Self {
        match status {
            Some(200..300) => Self::Success,
            Some(300..400) => Self::Redirect,
            Some(429) => Self::Refused,
            Some(400..500) => Self::ClientError,
            Some(_) => Self::ServerError,
            None => Self::None,
        }
    }

    /// The label in metrics and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "2xx",
            Self::Redirect => "3xx",
            Self::ClientError => "4xx",
            Self::Refused => "429",
            Self::ServerError => "5xx",
            Self::None => "none",
        }
    }
}

/// Why requests are repeated.
const RETRY_REASONS: [&str; 3] = ["transient", "throttled", "token"];

/// Live counters of one client.
#[derive(Debug)]
pub struct Stats {
    /// By operation, and in it by status class.
    requests: Vec<[AtomicU64; StatusClass::ALL.len()]>,
    retries: [AtomicU64; RETRY_REASONS.len()],
    bytes: AtomicU64,
    lenient_fields: AtomicU64,
    waited_nanos: [AtomicU64; RateGroup::ALL.len()],
    /// The time that PingOne last told, and when that was heard.
    clock: Mutex<Option<(Timestamp, Instant)>>,
    /// What was written to, and when last.
    written: Mutex<HashMap<Uuid, Instant>>,
}

/// What was written to is forgotten after this.
const WRITTEN_KEPT: Duration = Duration::from_mins(5);

impl Default for Stats {
    fn default() -> Self {
        Self {
            requests: Operation::ALL.iter().map(|_| Default::default()).collect(),
            retries: Default::default(),
            bytes: AtomicU64::new(0),
            lenient_fields: AtomicU64::new(0),
            waited_nanos: Default::default(),
            clock: Mutex::new(None),
            written: Mutex::default(),
        }
    }
}

/// The counters at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// Requests by operation and status class; what did not occur is left out.
    pub requests: BTreeMap<(&'static str, &'static str), u64>,
    /// Requests that were refused for their rate.
    pub refused: u64,
    /// Repeated requests by reason: `transient`, `throttled`, `token`.
    pub retries: BTreeMap<&'static str, u64>,
    /// Bytes of bodies, decompressed.
    pub bytes: u64,
    /// Optional members whose type was not the documented one.
    pub lenient_fields: u64,
    /// How long the limiter held requests back, by rate group.
    pub waited: BTreeMap<&'static str, Duration>,
}

impl Stats {
    /// PingOne told its time.
    pub(crate) fn clock_told(&self, at: Timestamp) {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, Instant::now()));
    }

    /// PingOne's time as its last answer told it, and the moment of that; early by a second at most. `None` before one did.
    pub fn clock(&self) -> Option<(Timestamp, Instant)> {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A write to these objects is sent, or was answered.
    pub(crate) fn wrote(&self, ids: &[Uuid]) {
        let now = Instant::now();
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.retain(|_, at| now.duration_since(*at) < WRITTEN_KEPT);
        written.extend(ids.iter().map(|id| (*id, now)));
    }

    /// Objects that this client, or a clone of it, wrote to at most so long ago, five minutes at most: those that the write's
    /// path names, and whom it joins to them.
    pub fn written_within(&self, time: Duration) -> Vec<Uuid> {
        let now = Instant::now();
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = written.iter().filter(|(_, at)| now.duration_since(**at) <= time);
        recent.map(|(id, _)| *id).collect()
    }

    pub(crate) fn request(&self, operation: Operation, class: StatusClass) {
        let counters = self.requests.get(operation as usize);
        if let Some(counter) = counters.and_then(|counters| counters.get(class as usize)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn retry(&self, reason: &'static str) {
        let at = RETRY_REASONS.iter().position(|known| *known == reason);
        if let Some(counter) = at.and_then(|at| self.retries.get(at)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.bytes
            .fetch_add(u64::try_from(bytes).unwrap_or(0), Ordering::Relaxed);
    }

    /// Counts members of an unexpected type; answers how many there were before.
    pub(crate) fn lenient(&self, fields: u64) -> u64 {
        self.lenient_fields.fetch_add(fields, Ordering::Relaxed)
    }

    pub(crate) fn wait(&self, group: RateGroup, time: Duration) {
        if let Some(counter) = self.waited_nanos.get(group as usize) {
            counter.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    fn of_class(&self, class: StatusClass) -> u64 {
        let counters = self.requests.iter().filter_map(|counters| counters.get(class as usize));
        counters.map(|counter| counter.load(Ordering::Relaxed)).sum()
    }

    /// All requests, repeated ones and those for a token included.
    pub fn requests(&self) -> u64 {
        StatusClass::ALL.into_iter().map(|class| self.of_class(class)).sum()
    }

    /// Requests by operation; operations that did not occur are left out.
    pub fn by_operation(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for ((operation, _), count) in self.by_operation_and_class() {
            *counts.entry(operation).or_insert(0) += count;
        }
        counts
    }

    /// Requests by operation and status class; what did not occur is left out.
    pub fn by_operation_and_class(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        let mut counts = BTreeMap::new();
        for (operation, counters) in Operation::ALL.iter().zip(&self.requests) {
            for (class, counter) in StatusClass::ALL.iter().zip(counters) {
                let count = counter.load(Ordering::Relaxed);
                if count > 0 {
                    counts.insert((operation.as_str(), class.as_str()), count);
                }
            }
        }
        counts
    }

    /// Everything at once.
    pub fn snapshot(&self) -> StatsSnapshot {
        StatsSnapshot {
            requests: self.by_operation_and_class(),
            refused: self.refused(),
            retries: self.retries_by_reason(),
            bytes: self.bytes(),
            lenient_fields: self.lenient_fields(),
            waited: self.waited_by_group(),
        }
    }

    /// Requests that were refused for their rate.
    pub fn refused(&self) -> u64 {
        self.of_class(StatusClass::Refused)
    }

    /// Requests that were repeated.
    pub fn retries(&self) -> u64 {
        self.retries.iter().map(|counter| counter.load(Ordering::Relaxed)).sum()
    }

    /// The same by reason; reasons that did not occur are left out.
    pub fn retries_by_reason(&self) -> BTreeMap<&'static str, u64> {
        RETRY_REASONS
            .iter()
            .zip(&self.retries)
            .map(|(reason, counter)| (*reason, counter.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// Optional members whose type was not the documented one: read as their text where that makes sense, else absent.
    pub fn lenient_fields(&self) -> u64 {
        self.lenient_fields.load(Ordering::Relaxed)
    }

    /// Bytes of bodies, decompressed.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How long the limiter held requests back: the time in which the first of a line waited for its turn, summed over
    /// the rate groups. Those behind it in the line are not counted again.
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
