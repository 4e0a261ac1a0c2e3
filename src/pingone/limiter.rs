//! All work of the process shares these buckets (pingone-api.md §5). Writes have a bucket of their own and never
//! stand behind reads; reads additionally share one total, because a licence or an address may have one number for
//! all of them. What was learned outlives a sync.

use std::sync::Mutex;
use std::time::Duration;

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

/// The limits of one client.
#[derive(Debug)]
pub(crate) struct Limiter {
    groups: Vec<Mutex<Bucket>>,
    reads: Mutex<Bucket>,
    reads_in_flight: InFlight,
    writes_in_flight: InFlight,
    automatic: bool,
}

impl Limiter {
    /// `rate` is `pingone-rate-limit`: 0 is automatic.
    pub(crate) fn new(rate: u32, most_in_flight: usize) -> Self {
        let now = Instant::now();
        let automatic = rate == 0;
        let ceiling = if automatic { DEFAULT_CEILING } else { f64::from(rate) };
        Self {
            groups: RateGroup::ALL
                .iter()
                .map(|group| Mutex::new(Bucket::new(of_group(*group, ceiling), now)))
                .collect(),
            reads: Mutex::new(Bucket::new(ceiling, now)),
            reads_in_flight: InFlight::new(most_in_flight, now),
            writes_in_flight: InFlight::new(WRITES_IN_FLIGHT.min(most_in_flight), now),
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
        for (group, bucket) in RateGroup::ALL.iter().zip(&self.groups) {
            if let Ok(mut bucket) = bucket.lock() {
                bucket.set_ceiling(of_group(*group, ceiling));
            }
        }
        if let Ok(mut reads) = self.reads.lock() {
            reads.set_ceiling(ceiling);
        }
    }

    /// Waits for a place under way and for the group's turn.
    pub(crate) async fn enter(&self, group: RateGroup, stats: &Stats) -> Place<'_> {
        let in_flight = self.in_flight(group);
        // The turn is taken first: a place is only held while a request is really under way.
        let begun = Instant::now();
        let mut waited = false;
        loop {
            let wait = self.reserve(group, Instant::now());
            if wait.is_zero() {
                break;
            }
            waited = true;
            tokio::time::sleep(wait).await;
            // A pause that began meanwhile holds for those who waited, too.
            if self.pause_left(group, Instant::now()).is_zero() {
                break;
            }
        }
        if waited {
            stats.wait(group, begun.elapsed());
        }
        in_flight.enter().await
    }

    fn in_flight(&self, group: RateGroup) -> &InFlight {
        if group.is_read() {
            &self.reads_in_flight
        } else {
            &self.writes_in_flight
        }
    }

    fn reserve(&self, group: RateGroup, now: Instant) -> Duration {
        let own = self
            .bucket(group)
            .and_then(|bucket| bucket.lock().ok().map(|mut bucket| bucket.reserve(now)));
        let total = if group.is_read() {
            self.reads.lock().ok().map(|mut reads| reads.reserve(now))
        } else {
            None
        };
        own.unwrap_or_default().max(total.unwrap_or_default())
    }

    fn pause_left(&self, group: RateGroup, now: Instant) -> Duration {
        let bucket = self
            .bucket(group)
            .and_then(|bucket| bucket.lock().ok().map(|bucket| bucket.pause_left(now)));
        bucket.unwrap_or_default()
    }

    fn bucket(&self, group: RateGroup) -> Option<&Mutex<Bucket>> {
        self.groups.get(group as usize)
    }

    /// A request was refused for its rate.
    pub(crate) fn refused(&self, group: RateGroup, sent: Instant, wish: Option<Duration>) {
        if let Some(mut bucket) = self.bucket(group).and_then(|bucket| bucket.lock().ok()) {
            bucket.refused(sent, Instant::now(), wish.unwrap_or(UNNAMED_PAUSE));
        }
    }

    /// A request ended.
    pub(crate) fn finished(&self, group: RateGroup) {
        self.in_flight(group).finished(Instant::now());
    }

    /// The rate at which a group's requests may start now.
    #[cfg(test)]
    pub(crate) fn rate(&self, group: RateGroup) -> f64 {
        self.bucket(group)
            .and_then(|bucket| bucket.lock().ok().map(|bucket| bucket.rate()))
            .unwrap_or_default()
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
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn reads_of_different_groups_share_one_total() {
        let limiter = Limiter::new(100, 64);
        let stats = Stats::default();
        let begun = Instant::now();
        for n in 0..400 {
            let group = if n % 2 == 0 {
                RateGroup::DirectoryReads
            } else {
                RateGroup::RoleAssignments
            };
            drop(limiter.enter(group, &stats).await);
        }
        let seconds = begun.elapsed().as_secs_f64();
        assert!((3.7..=4.2).contains(&seconds), "{seconds}");
        assert!(stats.waited() > Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn writes_do_not_stand_behind_reads() {
        let limiter = Limiter::new(10, 64);
        let stats = Stats::default();
        for _ in 0..20 {
            limiter.reserve(RateGroup::DirectoryReads, Instant::now());
        }
        let begun = Instant::now();
        drop(limiter.enter(RateGroup::DirectoryWrites, &stats).await);
        assert!(begun.elapsed() < Duration::from_millis(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_pauses_its_group_alone() {
        let limiter = Limiter::new(100, 64);
        let stats = Stats::default();
        limiter.refused(RateGroup::RoleAssignments, Instant::now(), Some(Duration::from_secs(5)));
        let begun = Instant::now();
        drop(limiter.enter(RateGroup::DirectoryReads, &stats).await);
        assert!(begun.elapsed() < Duration::from_secs(1));
        drop(limiter.enter(RateGroup::RoleAssignments, &stats).await);
        assert!(begun.elapsed() >= Duration::from_secs(5));
    }

    #[test]
    fn the_licence_counts_only_by_the_share_of_one_address() {
        let limiter = Limiter::new(0, 64);
        assert!(limiter.is_automatic());
        assert!((limiter.rate(RateGroup::DirectoryReads) - 100.0).abs() < f64::EPSILON);
        limiter.licence_rate(400.0);
        assert!((limiter.rate(RateGroup::DirectoryReads) - 140.0).abs() < 1e-9);
        assert!((limiter.rate(RateGroup::Audit) - 3.0).abs() < f64::EPSILON);
    }
}
