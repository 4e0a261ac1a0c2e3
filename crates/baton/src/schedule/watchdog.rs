//! Watches that a running sync gets on. It beats into liveness and metrics while it does; one that stands still is
//! cancelled and reported, so that it holds neither its slot nor the next sync.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::task::{Code, SyncProgress, TaskError};
use process::runtime::liveness::Liveness;
use process::telemetry::Metrics;

/// Without any progress for so long a sync is wedged. Longer than a single read is repeated, which fails by itself.
pub const WEDGED_AFTER: Duration = Duration::from_mins(20);
/// How long a cancelled sync may take to end by itself.
const CANCEL_LIMIT: Duration = Duration::from_secs(30);
/// How often progress is looked for.
const LOOK: Duration = Duration::from_secs(10);

/// Watches syncs.
#[derive(Debug, Clone)]
pub struct Watchdog {
    liveness: Liveness,
    metrics: Arc<Metrics>,
}

/// The sync stood still and was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sync made no progress for {} minutes and was ended", WEDGED_AFTER.as_secs() / 60)]
pub struct Wedged;

impl From<Wedged> for TaskError {
    fn from(wedged: Wedged) -> Self {
        Self::new(Code::DeadlineExceeded, wedged.to_string())
    }
}

impl Watchdog {
    /// Beats into these.
    pub const fn new(liveness: Liveness, metrics: Arc<Metrics>) -> Self {
        Self { liveness, metrics }
    }

    /// Runs a sync as long as it gets on. The sync gets a token of its own, which ends with `token`.
    pub async fn watch<F, W, T>(&self, progress: &SyncProgress, token: &CancellationToken, sync: F) -> Result<T, Wedged>
    where
        F: FnOnce(CancellationToken) -> W,
        W: Future<Output = T>,
    {
        let _running = self.metrics.sync_running();
        let token = token.child_token();
        let mut work = std::pin::pin!(sync(token.clone()));
        tokio::select! {
            biased;
            ended = work.as_mut() => return Ok(ended),
            () = self.stands_still(progress) => {}
        }
        tracing::error!(limit_s = WEDGED_AFTER.as_secs(), "a sync made no progress; it is ended");
        token.cancel();
        // Whatever it answers now, it answers because it was ended.
        drop(timeout(CANCEL_LIMIT, work).await);
        Err(Wedged)
    }

    async fn stands_still(&self, progress: &SyncProgress) {
        let pulse = self.liveness.register("sync", WEDGED_AFTER + CANCEL_LIMIT);
        let (mut count, mut moved) = (progress.count(), Instant::now());
        self.metrics.sync_progressed_now();
        while moved.elapsed() < WEDGED_AFTER {
            sleep(LOOK).await;
            let now = progress.count();
            if now != count {
                (count, moved) = (now, Instant::now());
                pulse.due_within(WEDGED_AFTER + CANCEL_LIMIT);
                self.metrics.sync_progressed_now();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::schedule::testing::metrics;
    use process::runtime::liveness::LoopState;

    /// The one loop that a sync adds.
    const IN_TIME: LoopState = LoopState {
        name: "sync",
        late_by: None,
    };

    fn watchdog() -> (Watchdog, Arc<Metrics>) {
        let metrics = metrics();
        (Watchdog::new(Liveness::new(), Arc::clone(&metrics)), metrics)
    }

    #[tokio::test(start_paused = true)]
    async fn a_sync_that_gets_on_is_left_alone_however_long_it_takes() {
        let (watchdog, metrics) = watchdog();
        let (rows, progress) = (Arc::new(AtomicU64::new(0)), SyncProgress::default());
        let seen = Arc::clone(&rows);
        progress.read_from(move || seen.load(Ordering::Relaxed));
        let sync = |_| async {
            for _ in 0..20 {
                sleep(WEDGED_AFTER.saturating_sub(LOOK)).await;
                rows.fetch_add(1, Ordering::Relaxed);
                let text = metrics.render().unwrap();
                assert!(text.contains("syncs_running 1"));
                assert!(!text.contains("sync_progress_timestamp_seconds 0\n"));
                assert_eq!(watchdog.liveness.states(), [IN_TIME], "it beats all the time");
            }
        };
        let ended = watchdog.watch(&progress, &CancellationToken::new(), sync).await;
        assert_eq!(ended, Ok(()));
        assert!(metrics.render().unwrap().contains("syncs_running 0"));
        assert!(watchdog.liveness.states().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_sync_that_nobody_runs_any_more_fails_liveness() {
        let (watchdog, _) = watchdog();
        let (progress, token) = (SyncProgress::default(), CancellationToken::new());
        let mut run = Box::pin(watchdog.watch(&progress, &token, |_| std::future::pending::<()>()));
        assert!(timeout(LOOK, &mut run).await.is_err());
        assert_eq!(watchdog.liveness.states(), [IN_TIME]);
        // A whole look beside the promise and what liveness adds to it.
        sleep(WEDGED_AFTER + CANCEL_LIMIT + 4 * LOOK).await;
        let states = watchdog.liveness.states();
        assert!(states.len() == 1 && states[0].late_by.is_some(), "{states:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_sync_that_stands_still_is_cancelled_and_a_deaf_one_is_dropped() {
        let (watchdog, metrics) = watchdog();
        let started = Instant::now();
        let cancelled = watchdog
            .watch(
                &SyncProgress::default(),
                &CancellationToken::new(),
                |token| async move {
                    token.cancelled().await;
                },
            )
            .await;
        assert_eq!((cancelled, started.elapsed()), (Err(Wedged), WEDGED_AFTER));
        let deaf = watchdog
            .watch(&SyncProgress::default(), &CancellationToken::new(), |_| {
                std::future::pending::<()>()
            })
            .await;
        assert_eq!(deaf, Err(Wedged));
        assert_eq!(started.elapsed(), 2 * WEDGED_AFTER + CANCEL_LIMIT);
        assert!(metrics.render().unwrap().contains("syncs_running 0"));
    }
}
