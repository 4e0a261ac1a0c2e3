//! How many requests are under way at a time (pingone-api.md §5): as many as the rate needs at the latency seen; without
//! a limit in sight grown while that raises throughput; at most what the settings allow. Pure: time comes in as an
//! argument.

use std::time::Duration;

use tokio::time::Instant;

/// Requests under way at the start.
const START: usize = 8;
/// The least time for which a size is tried before it is judged; a slow server gets longer.
const TRIAL: Duration = Duration::from_millis(200);
/// And how many latencies that is.
const TRIAL_LATENCIES: f64 = 1.5;
/// The part of its growth by which a larger size must raise throughput to stay.
const WORTH: f64 = 0.25;
/// Trials without growth after one that was not worth it.
const REST: u32 = 20;
/// More places than rate × latency: latency is a mean.
const HEADROOM: f64 = 1.5;
/// Weight of a new latency in the mean.
const NEW: f64 = 0.1;

/// Places whose number follows what it brings.
#[derive(Debug)]
pub(crate) struct InFlight {
    size: usize,
    used: usize,
    most: usize,
    /// Answers before this moment belong to the size before.
    begun: Instant,
    done: u32,
    /// Somebody found no place since the trial began.
    crowded: bool,
    best: f64,
    grown_from: Option<usize>,
    /// Nothing was in vain yet: grow fast.
    eager: bool,
    rest: u32,
    /// Mean latency in seconds.
    latency: f64,
}

impl InFlight {
    pub(crate) fn new(most: usize, now: Instant) -> Self {
        let most = most.max(1);
        Self {
            size: START.min(most),
            used: 0,
            most,
            begun: now,
            done: 0,
            crowded: false,
            best: 0.0,
            grown_from: None,
            eager: true,
            rest: 0,
            latency: 0.0,
        }
    }

    /// Takes a place if there is one.
    pub(crate) fn enter(&mut self) -> bool {
        let free = self.used < self.size;
        if free {
            self.used += 1;
        } else {
            self.crowded = true;
        }
        free
    }

    /// Gives a place back.
    pub(crate) fn leave(&mut self) {
        self.used = self.used.saturating_sub(1);
    }

    /// A request ended after `latency`, under a limit of `rate` per second if there is one in sight.
    pub(crate) fn finished(&mut self, now: Instant, latency: Duration, rate: Option<f64>) {
        let seconds = latency.as_secs_f64();
        self.latency = if self.latency > 0.0 {
            self.latency + (seconds - self.latency) * NEW
        } else {
            seconds
        };
        if let Some(rate) = rate {
            self.restart(now);
            self.size = self.size.max(places(rate * self.latency * HEADROOM)).min(self.most);
            return;
        }
        if now < self.begun {
            return;
        }
        self.done += 1;
        let span = now.saturating_duration_since(self.begun).as_secs_f64();
        if span < TRIAL.as_secs_f64().max(self.latency * TRIAL_LATENCIES) {
            return;
        }
        let next = self.judge(f64::from(self.done) / span);
        self.restart(now);
        if next != self.size {
            // What comes back within a latency was sent at the old size.
            self.begun = now + Duration::from_secs_f64(self.latency.min(30.0));
            self.size = next;
        }
    }

    fn restart(&mut self, now: Instant) {
        self.begun = now;
        self.done = 0;
        self.crowded = false;
    }

    /// The size from now on.
    fn judge(&mut self, throughput: f64) -> usize {
        let size = self.size;
        if let Some(before) = self.grown_from.take() {
            if throughput < self.best * worth(before, size) {
                // Not worth it: back, and leave it for a while.
                self.rest = REST;
                self.eager = false;
                return before;
            }
            self.best = throughput;
        } else {
            self.best = throughput;
            if self.rest > 0 {
                self.rest -= 1;
                return size;
            }
        }
        if !self.crowded || size >= self.most {
            return size;
        }
        self.grown_from = Some(size);
        let step = if self.eager { size } else { (size / 2).max(1) };
        (size + step).min(self.most)
    }
}

/// The factor by which throughput must grow where the size grew from `before` to `size`.
fn worth(before: usize, size: usize) -> f64 {
    let count = |size: usize| u32::try_from(size).map_or(f64::MAX, f64::from);
    1.0 + (count(size) / count(before.max(1)) - 1.0) * WORTH
}

/// Whole places for a number that need not be one.
fn places(wanted: f64) -> usize {
    let wanted = wanted.ceil().clamp(1.0, 4_096.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 1..=4096"
    )]
    let wanted = wanted as usize;
    wanted
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "small numbers of a simulation")]
mod tests {
    use super::*;

    /// Runs for `seconds` against a server that answers after `latency`, at most `knee` at a time.
    fn settle(knee: usize, latency: f64, most: usize, seconds: f64, rate: Option<f64>) -> usize {
        let start = Instant::now();
        let mut in_flight = InFlight::new(most, start);
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        // Times at which each request under way ends; whoever ends is followed by another.
        let mut ends: Vec<f64> = (0..in_flight.size).map(|_| latency).collect();
        loop {
            ends.sort_by(f64::total_cmp);
            let now = ends.remove(0);
            if now > seconds {
                return in_flight.size;
            }
            in_flight.crowded = true;
            let load = (ends.len() + 1).max(knee) as f64 / knee as f64;
            in_flight.finished(at(now), Duration::from_secs_f64(latency * load), rate);
            while ends.len() < in_flight.size {
                let spread = 1.0 + (ends.len() % 7) as f64 * 0.01;
                let load = (ends.len() + 1).max(knee) as f64 / knee as f64;
                ends.push(now + latency * load * spread);
            }
        }
    }

    #[test]
    fn grows_while_that_raises_throughput_and_no_further() {
        for latency in [0.002, 0.05, 0.3, 1.0] {
            let seconds = 20.0 + latency * 20.0;
            for (knee, most, least, largest) in [
                (4, 64, 8, 16),
                (30, 64, 26, 48),
                (1_000, 64, 64, 64),
                (1_000, 1, 1, 1),
                (1_000, 200, 200, 200),
            ] {
                let size = settle(knee, latency, most, seconds, None);
                assert!(
                    (least..=largest).contains(&size),
                    "latency {latency}, knee {knee}: {size}"
                );
            }
        }
    }

    #[test]
    fn a_slow_server_gets_its_places_within_seconds() {
        assert_eq!(settle(1_000, 0.3, 64, 3.0, None), 64);
    }

    #[test]
    fn a_known_rate_gets_what_it_needs_at_the_latency_seen() {
        for (rate, latency, expected) in [(100.0, 0.05, 8), (100.0, 0.4, 60), (40.0, 0.3, 18), (100.0, 2.0, 64)] {
            let size = settle(1_000, latency, 64, latency * 1.5 + 0.1, Some(rate));
            assert!(size.abs_diff(expected) <= 1, "{rate} × {latency}: {size}");
        }
    }

    #[test]
    fn a_smaller_size_takes_effect_as_places_are_left() {
        let mut in_flight = InFlight::new(64, Instant::now());
        assert!((0..8).all(|_| in_flight.enter()) && !in_flight.enter());
        in_flight.size = 6;
        in_flight.leave();
        in_flight.leave();
        assert!(!in_flight.enter());
        in_flight.leave();
        assert!(in_flight.enter() && !in_flight.enter());
    }
}
