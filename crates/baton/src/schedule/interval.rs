//! A run every so often, with jitter, by the monotonic clock.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use process::runtime::liveness::Pulse;
use process::runtime::shutdown::Term;

/// How far a pause may differ from the interval, so that many daemons spread out.
const JITTER: f64 = 0.1;

/// How often to run.
#[derive(Debug, Clone, Copy)]
pub struct IntervalConfig {
    /// `--sync-interval`, from start to start.
    pub every: Duration,
    /// A run that takes longer counts as wedged (liveness).
    pub run_limit: Duration,
}

/// When the next run is due.
#[derive(Debug, Clone)]
pub struct Interval {
    every: Duration,
    next: Instant,
}

impl Interval {
    /// The first run is due at once.
    pub const fn new(every: Duration, now: Instant) -> Self {
        Self { every, next: now }
    }

    /// When the next run is due.
    pub const fn next(&self) -> Instant {
        self.next
    }

    /// A run that started at `started` has ended now. Runs that were missed meanwhile collapse into one, due at once.
    /// `chance` is between 0 and 1.
    pub fn ran(&mut self, started: Instant, now: Instant, chance: f64) {
        let factor = 1.0 - JITTER + 2.0 * JITTER * chance.clamp(0.0, 1.0);
        let planned = started.checked_add(self.every.mul_f64(factor)).unwrap_or(now);
        self.next = planned.max(now);
    }
}

/// Runs the job at its times until the term stops. The job gets a token that ends with the term, and reports its own
/// failures.
pub async fn run<F, W>(config: IntervalConfig, term: &Term, pulse: &Pulse, job: F)
where
    F: Fn(CancellationToken) -> W,
    W: Future<Output = ()>,
{
    run_with(config, term, pulse, chance, job).await;
}

/// A number between 0 and 1; without random bytes there is no jitter, which is harmless here.
fn chance() -> f64 {
    let mut bytes = [0u8; 2];
    aws_lc_rs::rand::fill(&mut bytes).map_or(0.5, |()| f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX))
}

async fn run_with<F, W>(config: IntervalConfig, term: &Term, pulse: &Pulse, chance: fn() -> f64, job: F)
where
    F: Fn(CancellationToken) -> W,
    W: Future<Output = ()>,
{
    let mut interval = Interval::new(config.every, Instant::now());
    loop {
        pulse.due_within(interval.next().saturating_duration_since(Instant::now()));
        tokio::select! {
            biased;
            () = term.stopping().cancelled() => return,
            () = sleep_until(interval.next()) => {}
        }
        pulse.due_within(config.run_limit);
        let started = Instant::now();
        job(term.stopping().child_token()).await;
        interval.ran(started, Instant::now(), chance());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use process::runtime::liveness::Liveness;
    use process::runtime::shutdown::Shutdown;

    const HOUR: Duration = Duration::from_hours(1);

    async fn starts(job_takes: &[u64], for_hours: u32) -> Vec<u64> {
        let shutdown = Shutdown::new();
        let term = shutdown.term();
        let liveness = Liveness::new();
        let pulse = liveness.register("schedule", Duration::ZERO);
        let base = Instant::now();
        let seen = Mutex::new(Vec::new());
        let config = IntervalConfig {
            every: HOUR,
            run_limit: 10 * HOUR,
        };
        let job = |_| {
            let mut seen = seen.lock().unwrap();
            let takes = job_takes.get(seen.len()).copied().unwrap_or(0);
            seen.push(base.elapsed().as_secs());
            tokio::time::sleep(Duration::from_secs(takes))
        };
        let end = async {
            tokio::time::sleep((HOUR * for_hours).checked_sub(Duration::from_secs(1)).unwrap()).await;
            let late: Vec<_> = liveness.states().iter().map(|one| one.late_by).collect();
            assert_eq!(late, [None]);
            term.end();
        };
        tokio::join!(run_with(config, &term, &pulse, || 0.5, job), end);
        seen.into_inner().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn runs_at_once_and_then_every_interval_from_start_to_start() {
        assert_eq!(starts(&[600, 0, 1200], 4).await, [0, 3600, 7200, 10800]);
    }

    #[tokio::test(start_paused = true)]
    async fn missed_runs_collapse_into_one() {
        // The first run takes three and a half hours: one run follows at once, and the next an hour after that.
        assert_eq!(starts(&[12600], 5).await, [0, 12600, 16200]);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_vary_by_a_tenth() {
        let now = Instant::now();
        for (chance, wanted) in [(0.0, 3240), (0.5, 3600), (1.0, 3960)] {
            let mut interval = Interval::new(HOUR, now);
            interval.ran(now, now, chance);
            assert_eq!((interval.next() - now).as_millis().div_ceil(1000), wanted);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_is_wedged_fails_liveness() {
        let shutdown = Shutdown::new();
        let term = shutdown.term();
        let liveness = Liveness::new();
        let pulse = liveness.register("schedule", Duration::ZERO);
        let config = IntervalConfig {
            every: HOUR,
            run_limit: HOUR,
        };
        let wedged = run_with(config, &term, &pulse, || 0.5, |_| std::future::pending());
        let _elapsed = tokio::time::timeout(HOUR * 2, wedged).await;
        assert!(liveness.states()[0].late_by.is_some());
    }
}
