//! All work of the process shares these buckets (pingone-api.md §5). Writes have a bucket of their own and never
//! stand behind reads; reads additionally share one total, because a licence or an address may have one number for
//! all of them, and what writes use of it is taken off. What was learned outlives a sync.
//!
//! Who waits for a turn stands in line, and only the head of the line looks at the bucket: a pause or a new rate holds
//! for everybody at once, and nobody has reserved what he then cannot use.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::MutexGuard;
use tokio::time::Instant;

use super::bucket::Bucket;
use super::in_flight::{InFlight, Place};
use super::operation::RateGroup;
use super::stats::Stats;

/// Requests a second where neither the settings nor the licence say anything (the older published rule).
const DEFAULT_CEILING: f64 = 100.0;
/// Share of the licence's rate that one address gets by default.
const ADDRESS_SHARE: f64 = 0.35;
/// Audit: ten a second for the licence, of which one address gets its share.
const AUDIT_CEILING: f64 = 3.0;
/// Writes under way at a time, beside the reads.
const WRITES_IN_FLIGHT: usize = 16;
/// Wait after a refusal that names none.
const UNNAMED_PAUSE: Duration = Duration::from_millis(500);

/// A turn did not come in time; so long it would have taken, as far as can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong(pub(crate) Duration);

/// A rate group: its bucket, and the line of those who wait for a turn.
#[derive(Debug)]
struct Group {
    bucket: Mutex<Bucket>,
    line: tokio::sync::Mutex<()>,
}

/// The limits of one client.
#[derive(Debug)]
pub(crate) struct Limiter {
    groups: [Group; RateGroup::ALL.len()],
    reads: Mutex<Bucket>,
    reads_in_flight: InFlight,
    writes_in_flight: InFlight,
    /// A token is fetched by one at a time, while others hold places and wait for it.
    tokens_in_flight: InFlight,
    automatic: bool,
}

impl Limiter {
    /// `rate` is `pingone-rate-limit`: 0 is automatic.
    pub(crate) fn new(rate: u32, most_in_flight: usize) -> Self {
        let now = Instant::now();
        let automatic = rate == 0;
        let ceiling = if automatic { DEFAULT_CEILING } else { f64::from(rate) };
        Self {
            groups: RateGroup::ALL.map(|group| Group {
                bucket: Mutex::new(Bucket::new(of_group(group, ceiling), now)),
                line: tokio::sync::Mutex::new(()),
            }),
            reads: Mutex::new(Bucket::new(ceiling, now)),
            reads_in_flight: InFlight::new(most_in_flight, now),
            writes_in_flight: InFlight::new(WRITES_IN_FLIGHT.min(most_in_flight), now),
            tokens_in_flight: InFlight::new(1, now),
            automatic,
        }
    }

    /// Whether the ceiling is to be learned from the licence.
    pub(crate) fn is_automatic(&self) -> bool {
        self.automatic
    }

    /// The licence's smallest directory number, per second; one address gets its share of it.
    pub(crate) fn licence_rate(&self, per_second: f64) {
        let ceiling = (per_second * ADDRESS_SHARE).max(1.0);
        for group in RateGroup::ALL {
            self.bucket(group, |bucket| bucket.set_ceiling(of_group(group, ceiling)));
        }
        self.total(|reads| reads.set_ceiling(ceiling));
    }

    /// Waits for the group's turn and a place under way; fails at once where a pause lasts longer than the caller can
    /// wait, and when his time is over.
    pub(crate) async fn enter(&self, group: RateGroup, deadline: Instant, stats: &Stats) -> Result<Place<'_>, TooLong> {
        tokio::time::timeout_at(deadline, self.turn(group, deadline, stats))
            .await
            .unwrap_or_else(|_| {
                let now = Instant::now();
                Err(TooLong(self.earliest(group, now).saturating_duration_since(now)))
            })
    }

    async fn turn(&self, group: RateGroup, deadline: Instant, stats: &Stats) -> Result<Place<'_>, TooLong> {
        let mut head: Option<MutexGuard<'_, ()>> = None;
        loop {
            if head.is_none() && !self.is_free(group) {
                self.in_time(group, deadline)?;
                head = Some(self.line(group).lock().await);
            }
            // The place is taken first: who has his turn sends at once, so that requests leave as evenly as the
            // bucket lets them.
            let place = self.in_flight(group).enter().await;
            let Err(until) = self.start(group, Instant::now()) else {
                return Ok(place);
            };
            if head.is_none() {
                // A limit came into sight meanwhile: join the line.
                continue;
            }
            let mut until = until;
            loop {
                let begun = Instant::now();
                if until > deadline {
                    return Err(TooLong(until.saturating_duration_since(begun)));
                }
                tokio::time::sleep_until(until).await;
                stats.wait(group, begun.elapsed());
                match self.start(group, Instant::now()) {
                    Ok(()) => return Ok(place),
                    Err(later) => until = later,
                }
            }
        }
    }

    fn in_time(&self, group: RateGroup, deadline: Instant) -> Result<(), TooLong> {
        match self.bucket(group, |bucket| bucket.paused_until()) {
            Some(until) if until > deadline => Err(TooLong(until.saturating_duration_since(Instant::now()))),
            _ => Ok(()),
        }
    }

    /// Starts a request, or tells when it may.
    fn start(&self, group: RateGroup, now: Instant) -> Result<(), Instant> {
        let ready = self.earliest(group, now);
        if ready > now {
            return Err(ready);
        }
        self.bucket(group, |bucket| bucket.take(now));
        if group.counts_in_total() {
            self.total(|reads| reads.take(now));
        }
        Ok(())
    }

    fn earliest(&self, group: RateGroup, now: Instant) -> Instant {
        let own = self.bucket(group, |bucket| bucket.ready_at(now));
        if group.is_read() {
            own.max(self.total(|reads| reads.ready_at(now)))
        } else {
            own
        }
    }

    fn is_free(&self, group: RateGroup) -> bool {
        self.limit(group).is_none()
    }

    /// The rate that limits a group now, if any does.
    fn limit(&self, group: RateGroup) -> Option<f64> {
        let own = self.bucket(group, |bucket| bucket.limit());
        let total = if group.is_read() {
            self.total(|reads| reads.limit())
        } else {
            None
        };
        match (own, total) {
            (Some(own), Some(total)) => Some(own.min(total)),
            (own, total) => own.or(total),
        }
    }

    fn in_flight(&self, group: RateGroup) -> &InFlight {
        match group {
            RateGroup::DirectoryWrites => &self.writes_in_flight,
            RateGroup::Token => &self.tokens_in_flight,
            _ => &self.reads_in_flight,
        }
    }

    fn group(&self, group: RateGroup) -> &Group {
        // In the order of `RateGroup::ALL`.
        let [directory, assignments, configuration, writes, audit, token] = &self.groups;
        match group {
            RateGroup::DirectoryReads => directory,
            RateGroup::RoleAssignments => assignments,
            RateGroup::Configuration => configuration,
            RateGroup::DirectoryWrites => writes,
            RateGroup::Audit => audit,
            RateGroup::Token => token,
        }
    }

    fn line(&self, group: RateGroup) -> &tokio::sync::Mutex<()> {
        &self.group(group).line
    }

    fn bucket<T>(&self, group: RateGroup, act: impl FnOnce(&mut Bucket) -> T) -> T {
        act(&mut self.group(group).bucket.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn total<T>(&self, act: impl FnOnce(&mut Bucket) -> T) -> T {
        act(&mut self.reads.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A request that was sent at `sent` came back and was not refused for its rate, or got no answer.
    pub(crate) fn finished(&self, group: RateGroup, sent: Instant) {
        self.bucket(group, |bucket| bucket.accepted(sent));
        let now = Instant::now();
        let latency = now.saturating_duration_since(sent);
        self.in_flight(group).finished(now, latency, self.limit(group));
    }

    /// A request was refused for its rate.
    pub(crate) fn refused(&self, group: RateGroup, sent: Instant, wish: Option<Duration>) {
        self.bucket(group, |bucket| {
            bucket.refused(sent, Instant::now(), wish.unwrap_or(UNNAMED_PAUSE));
        });
    }

    /// The rate at which a group's requests may start now.
    #[cfg(test)]
    pub(crate) fn rate(&self, group: RateGroup) -> f64 {
        self.bucket(group, |bucket| bucket.rate())
    }
}

fn of_group(group: RateGroup, ceiling: f64) -> f64 {
    if group == RateGroup::Audit {
        ceiling.min(AUDIT_CEILING)
    } else {
        ceiling
    }
}

#[cfg(test)]
mod tests;
