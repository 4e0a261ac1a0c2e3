//! Sync tasks as the daemon runs them: watched, shared by equal ones, and made in advance only where that is of use.

use std::sync::Arc;
use std::time::Duration;

use baton::schedule::{SnapshotCache, SnapshotConfig, WEDGED_AFTER, Watchdog, WriteLog};
use baton::task::{Dispatcher, NoEventFeed, PROVISIONING_DISABLED, Parts, TaskKind, TaskRunner, Writes};
use process::runtime::liveness::Liveness;
use process::telemetry::Metrics;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::fake::{FakeSyncs, SyncPlan, actions};
use super::rig::{Rig, Setup};
use super::script::sync;
use crate::captured::Captured;

/// Syncs by plan behind the cache, and what counts them.
struct Cached {
    syncs: Arc<FakeSyncs>,
    cache: Arc<SnapshotCache>,
    metrics: Arc<Metrics>,
    _dir: tempfile::TempDir,
}

fn cached(max_age: Duration) -> Cached {
    let dir = tempfile::tempdir().unwrap();
    let syncs = FakeSyncs::new(dir.path().join("syncs"));
    let metrics = Arc::new(Metrics::new(baton_ping_one::BUILD, &TaskKind::NAMES).unwrap());
    let config = SnapshotConfig {
        max_age,
        storage_engine: None,
        concurrency: 2,
    };
    let watchdog = Watchdog::new(Liveness::new(), Arc::clone(&metrics));
    let inner = Arc::clone(&syncs) as _;
    let cache = SnapshotCache::new(config, inner, WriteLog::new(), watchdog, Arc::clone(&metrics));
    Cached {
        syncs,
        cache: Arc::new(cache),
        metrics,
        _dir: dir,
    }
}

impl Cached {
    async fn rig(&self, slots: usize) -> Rig {
        let parts = Parts {
            syncs: Arc::clone(&self.cache) as _,
            writes: Writes::Refused(PROVISIONING_DISABLED),
            actions: Arc::new(actions()),
            events: Arc::new(NoEventFeed),
        };
        let runner: Arc<dyn TaskRunner> = Arc::new(Dispatcher::new(parts, CancellationToken::new()));
        Rig::started(Setup {
            slots,
            runner: Some(runner),
            ..Setup::default()
        })
        .await
    }

    fn runs(&self) -> usize {
        self.syncs.requests.lock().unwrap().len()
    }
}

/// Code and text with which C1 heard of the end of a task; it did within the time.
async fn end_of(rig: &Rig, id: &str, within: Duration) -> (i32, String) {
    let finish = timeout(within, rig.server.finished(id)).await.expect("never reported");
    let status = finish.unwrap().status.unwrap_or_default();
    (status.code, status.message)
}

#[tokio::test(start_paused = true)]
async fn a_sync_that_stands_still_is_ended_and_reported_and_the_next_one_runs() {
    let cached = cached(Duration::ZERO);
    let rig = cached.rig(1).await;
    for plan in [SyncPlan::UntilCancelled, SyncPlan::Deaf] {
        cached.syncs.plan(plan);
        let id = rig.server.queue(sync());
        rig.server.wait_until(|server| server.count("Heartbeat") > 0).await;
        let (code, message) = end_of(&rig, &id, WEDGED_AFTER + Duration::from_mins(2)).await;
        assert_eq!(code, 4, "{plan:?}: {message}");
        assert!(message.contains("no progress for 20 minutes"), "{plan:?}: {message}");
        assert!(rig.server.uploads(&id).is_empty());
    }
    cached.syncs.plan(SyncPlan::File(Duration::from_secs(1), 1000));
    let next = rig.server.queue(sync());
    assert_eq!(end_of(&rig, &next, Duration::from_mins(2)).await.0, 0);
    assert!(cached.metrics.render().unwrap().contains("syncs_running 0"));
    assert_eq!(cached.syncs.files(), 0);
    assert!(rig.server.violations().is_empty(), "{:?}", rig.server.violations());
}

#[tokio::test(start_paused = true)]
async fn equal_sync_tasks_are_answered_by_one_sync() {
    let cached = cached(Duration::from_mins(5));
    let rig = cached.rig(4).await;
    cached.syncs.plan(SyncPlan::File(Duration::from_mins(1), 1000));
    let ids: Vec<_> = (0..3).map(|_| rig.server.queue(sync())).collect();
    for id in &ids {
        assert_eq!(end_of(&rig, id, Duration::from_mins(5)).await.0, 0);
        assert!(rig.server.uploads(id).iter().any(|upload| upload.file.is_some()));
    }
    assert_eq!(cached.runs(), 1);
    assert!(rig.server.violations().is_empty(), "{:?}", rig.server.violations());
}

/// A plain sync takes a minute, and a snapshot may be that old.
#[tokio::test(start_paused = true)]
async fn a_snapshot_that_can_never_be_young_enough_is_said_once_and_not_made() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(captured.clone());
    let dispatch = tracing::Dispatch::new(subscriber.finish());
    let guard = tracing::dispatcher::set_default(&dispatch);
    let cached = cached(Duration::from_mins(1));
    cached.syncs.plan(SyncPlan::File(Duration::from_mins(1), 1000));
    let refresh = || cached.cache.refresh(CancellationToken::new());
    refresh().await.unwrap();
    assert_eq!(cached.runs(), 1, "nobody knew how long one takes");
    let started = Instant::now();
    for _ in 0..5 {
        refresh().await.unwrap();
        sleep(Duration::from_secs(1)).await;
    }
    drop(guard);
    assert_eq!((cached.runs(), started.elapsed()), (1, Duration::from_secs(5)));
    let log = captured.text();
    assert_eq!(log.matches("no snapshot is made").count(), 1, "{log}");
}
