//! One rate bucket (pingone-api.md §5), pure: time comes in as an argument.
//!
//! Starts at its ceiling with a burst of a tenth of a second. A refusal pauses it for what PingOne asked, halves the
//! rate once per pause, then lets it grow by a twentieth of the ceiling per clean second, and for a minute not beyond
//! nine tenths of the rate at which the refusal came.

use std::time::Duration;

use tokio::time::Instant;

/// From this rate on a bucket that was never refused does not count: there is no limit in sight.
const UNLIMITED: f64 = 20_000.0;
/// What a bucket may hold back, in seconds of its rate.
const BURST_SECONDS: f64 = 0.1;
/// How long a refusal is remembered.
const MEMORY: Duration = Duration::from_mins(1);
/// The least rate that refusals lead to.
const FLOOR: f64 = 0.5;

/// A token bucket that learns from refusals.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    ceiling: f64,
    rate: f64,
    /// When the next request may start if no burst is left.
    next: Instant,
    paused_until: Option<Instant>,
    /// Requests that were sent before this moment belong to the last pause.
    halved_at: Option<Instant>,
    /// Not beyond this rate until then.
    cap: Option<(f64, Instant)>,
    grown_at: Instant,
    window: (Instant, u32, f64),
}

impl Bucket {
    pub(crate) fn new(ceiling: f64, now: Instant) -> Self {
        Self {
            ceiling,
            rate: ceiling,
            next: now,
            paused_until: None,
            halved_at: None,
            cap: None,
            grown_at: now,
            window: (now, 0, 0.0),
        }
    }

    /// A new ceiling; what was learned from refusals stays.
    pub(crate) fn set_ceiling(&mut self, ceiling: f64) {
        if self.halved_at.is_none() || ceiling < self.rate {
            self.rate = ceiling;
        }
        self.ceiling = ceiling;
    }

    /// Takes a place and answers how long to wait for it.
    pub(crate) fn reserve(&mut self, now: Instant) -> Duration {
        if self.rate >= UNLIMITED && self.halved_at.is_none() {
            return Duration::ZERO;
        }
        self.grow(now);
        let earliest = now.checked_sub(Duration::from_secs_f64(BURST_SECONDS)).unwrap_or(now);
        let start = self.next.max(earliest).max(self.paused_until.unwrap_or(earliest));
        self.next = start + Duration::from_secs_f64(1.0 / self.rate.max(FLOOR));
        let wait = start.saturating_duration_since(now);
        self.count(now);
        wait
    }

    /// How much longer a pause lasts that began after a place was taken.
    pub(crate) fn pause_left(&self, now: Instant) -> Duration {
        self.paused_until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// A request that was sent at `sent` came back refused, with this wish.
    pub(crate) fn refused(&mut self, sent: Instant, now: Instant, wait: Duration) {
        let until = now + wait;
        if self.halved_at.is_none_or(|halved| sent > halved) {
            let reached = self.measured(now).min(self.rate).max(FLOOR);
            self.rate = (reached / 2.0).max(FLOOR);
            self.cap = Some((reached * 0.9, until + MEMORY));
            self.halved_at = Some(now);
        }
        self.paused_until = Some(self.paused_until.map_or(until, |known| known.max(until)));
        self.next = self.next.max(until);
        self.grown_at = self.grown_at.max(until);
    }

    /// The rate at which requests may start now.
    #[cfg(test)]
    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }

    fn grow(&mut self, now: Instant) {
        let clean = now.saturating_duration_since(self.grown_at).as_secs_f64();
        if clean < 0.1 || self.halved_at.is_none() {
            return;
        }
        self.grown_at = now;
        let limit = match self.cap {
            Some((cap, until)) if now < until => cap.min(self.ceiling),
            _ => self.ceiling,
        };
        let grown = self.rate + clean * self.ceiling.min(UNLIMITED) / 20.0;
        self.rate = grown.min(limit).max(self.rate.min(self.ceiling));
    }

    fn count(&mut self, now: Instant) {
        let (begun, count, previous) = self.window;
        let span = now.saturating_duration_since(begun).as_secs_f64();
        self.window = if span >= 1.0 {
            (now, 1, f64::from(count) / span)
        } else {
            (begun, count + 1, previous)
        };
    }

    /// Requests per second that really went out lately.
    fn measured(&self, now: Instant) -> f64 {
        let (begun, count, previous) = self.window;
        let span = now.saturating_duration_since(begun).as_secs_f64();
        if span < 0.2 {
            previous.max(f64::from(count))
        } else {
            (f64::from(count) / span).max(previous)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server with a bucket of its own: `limit` per second, burst of one second.
    struct Server {
        limit: f64,
        tokens: f64,
        last: Instant,
    }

    impl Server {
        fn take(&mut self, now: Instant) -> bool {
            let gained = now.saturating_duration_since(self.last).as_secs_f64() * self.limit;
            self.tokens = (self.tokens + gained).min(self.limit);
            self.last = now;
            if self.tokens >= 1.0 {
                self.tokens -= 1.0;
                return true;
            }
            false
        }
    }

    /// Sends `count` requests one after the other as the bucket allows; answers seconds and refusals.
    fn simulate(bucket: &mut Bucket, limit: f64, count: u32, start: Instant) -> (f64, u32) {
        let mut server = Server {
            limit,
            tokens: limit,
            last: start,
        };
        let (mut now, mut done, mut refusals) = (start, 0, 0);
        while done < count {
            now += bucket.reserve(now);
            if server.take(now) {
                done += 1;
            } else {
                refusals += 1;
                bucket.refused(now, now + Duration::from_millis(1), Duration::from_secs(1));
            }
        }
        (now.duration_since(start).as_secs_f64(), refusals)
    }

    #[test]
    fn a_known_limit_is_used_to_the_full_and_never_exceeded() {
        let start = Instant::now();
        let (seconds, refusals) = simulate(&mut Bucket::new(100.0, start), 100.0, 3_000, start);
        assert_eq!(refusals, 0);
        assert!((28.5..=31.5).contains(&seconds), "{seconds}");
    }

    #[test]
    fn an_unknown_limit_is_learned() {
        let start = Instant::now();
        let (seconds, refusals) = simulate(&mut Bucket::new(100.0, start), 40.0, 3_000, start);
        assert!(seconds < 3_000.0 / 40.0 * 1.25, "{seconds}");
        assert!(refusals < 60, "{refusals}");
    }

    #[test]
    fn a_refusal_halves_once_per_pause() {
        let start = Instant::now();
        let mut bucket = Bucket::new(100.0, start);
        let mut now = start;
        for _ in 0..200 {
            now += bucket.reserve(now);
        }
        bucket.refused(now, now, Duration::from_secs(2));
        let halved = bucket.rate();
        assert!((45.0..=52.0).contains(&halved), "{halved}");
        for _ in 0..20 {
            bucket.refused(now, now, Duration::from_secs(2));
        }
        assert!((bucket.rate() - halved).abs() < f64::EPSILON);
        assert!(bucket.reserve(now) >= Duration::from_secs(2));
        assert_eq!(bucket.pause_left(now), Duration::from_secs(2));
    }

    #[test]
    fn growth_is_a_twentieth_a_second_and_capped_for_a_minute() {
        let start = Instant::now();
        let mut bucket = Bucket::new(100.0, start);
        let mut now = start;
        for _ in 0..200 {
            now += bucket.reserve(now);
        }
        bucket.refused(now, now, Duration::ZERO);
        let halved = bucket.rate();
        bucket.reserve(now + Duration::from_secs(2));
        assert!((bucket.rate() - halved - 10.0).abs() < 0.5, "{}", bucket.rate());
        bucket.reserve(now + Duration::from_secs(50));
        assert!((85.0..=92.0).contains(&bucket.rate()), "{}", bucket.rate());
        bucket.reserve(now + Duration::from_secs(70));
        assert!((bucket.rate() - 100.0).abs() < 0.5, "{}", bucket.rate());
    }

    #[test]
    fn no_limit_in_sight_costs_no_wait_until_a_refusal() {
        let start = Instant::now();
        let mut bucket = Bucket::new(100_000.0, start);
        assert!((0..100_000).all(|_| bucket.reserve(start).is_zero()));
        bucket.refused(start, start, Duration::from_secs(1));
        assert!(!bucket.reserve(start).is_zero());
    }

    #[test]
    fn a_new_ceiling_keeps_what_was_learned() {
        let start = Instant::now();
        let mut bucket = Bucket::new(100.0, start);
        bucket.reserve(start);
        bucket.refused(start, start, Duration::ZERO);
        let learned = bucket.rate();
        bucket.set_ceiling(200.0);
        assert!((bucket.rate() - learned).abs() < f64::EPSILON);
        bucket.set_ceiling(0.6);
        assert!(bucket.rate() <= 0.6);
    }
}
