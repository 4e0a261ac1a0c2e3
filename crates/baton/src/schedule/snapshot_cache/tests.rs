use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::schedule::testing;
use crate::task::SyncTarget;
use process::runtime::liveness::Liveness;

/// Syncs that take a minute and are numbered.
struct Numbered(AtomicUsize);

impl SyncRunner for Numbered {
    fn run(&self, _: SyncRequest, token: CancellationToken, _: SyncProgress) -> SyncRun<'_> {
        Box::pin(async move {
            let number = self.0.fetch_add(1, Ordering::SeqCst);
            tokio::select! {
                () = token.cancelled() => return Err(TaskError::cancelled("cancelled")),
                () = tokio::time::sleep(Duration::from_mins(1)) => {}
            }
            let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
            Ok(SyncedFile::new(path, 0, number.to_string()))
        })
    }
}

fn cache() -> (SnapshotCache, WriteLog, Arc<Metrics>) {
    let metrics = testing::metrics();
    let config = SnapshotConfig {
        max_age: Duration::from_mins(5),
        storage_engine: None,
        concurrency: 2,
    };
    let watchdog = Watchdog::new(Liveness::new(), Arc::clone(&metrics));
    let writes = WriteLog::new();
    let inner = Arc::new(Numbered(AtomicUsize::new(0)));
    (
        SnapshotCache::new(config, inner, writes.clone(), watchdog, Arc::clone(&metrics)),
        writes,
        metrics,
    )
}

async fn run(cache: &SnapshotCache, request: SyncRequest) -> Result<SyncedFile, TaskError> {
    let progress = SyncProgress::default();
    cache.run(request, CancellationToken::new(), progress).await
}

fn partial(name: &str) -> SyncRequest {
    SyncRequest {
        resource_type_ids: vec![name.to_owned()],
        ..SyncRequest::default()
    }
}

async fn ask(cache: &SnapshotCache, request: SyncRequest) -> (String, bool) {
    let started = Instant::now();
    let file = run(cache, request).await.unwrap();
    (file.sync_id.clone(), started.elapsed().is_zero())
}

async fn refresh(cache: &SnapshotCache) {
    cache.refresh(CancellationToken::new()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_answers_one_plain_task_at_once_and_no_second() {
    let (cache, _, metrics) = cache();
    refresh(&cache).await;
    assert_eq!(ask(&cache, SyncRequest::default()).await, ("0".to_owned(), true));
    assert_eq!(ask(&cache, SyncRequest::default()).await, ("1".to_owned(), false));
    let text = metrics.render().unwrap();
    assert!(text.contains("sync_answers_total{source=\"snapshot\"} 1"));
    assert!(text.contains("sync_answers_total{source=\"fresh\"} 1"));
}

#[tokio::test(start_paused = true)]
async fn age_counts_from_the_start_of_its_sync() {
    for (wait, used) in [(239, true), (240, false)] {
        let (cache, ..) = cache();
        refresh(&cache).await;
        tokio::time::advance(Duration::from_secs(wait)).await;
        assert_eq!(ask(&cache, SyncRequest::default()).await.1, used, "{wait}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_during_its_sync_or_after_it_outdates_it() {
    let (cache, writes, _) = cache();
    let write = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        drop(writes.begin());
    };
    tokio::join!(refresh(&cache), write);
    assert!(!ask(&cache, SyncRequest::default()).await.1, "during");
    refresh(&cache).await;
    drop(writes.begin());
    assert!(!ask(&cache, SyncRequest::default()).await.1, "after");
    let still_running = writes.begin();
    refresh(&cache).await;
    assert!(
        !ask(&cache, SyncRequest::default()).await.1,
        "before, and still running"
    );
    drop(still_running);
}

#[tokio::test(start_paused = true)]
async fn a_task_with_any_field_set_gets_a_fresh_sync_and_leaves_the_snapshot() {
    let target = SyncTarget {
        resource_type: "user".to_owned(),
        id: "u".to_owned(),
        parent: None,
    };
    let plain = SyncRequest::default;
    let cases = [
        SyncRequest {
            skip_expand_grants: true,
            ..plain()
        },
        SyncRequest {
            skip_entitlements_and_grants: true,
            ..plain()
        },
        SyncRequest {
            skip_grants: true,
            ..plain()
        },
        SyncRequest {
            targets: vec![target],
            ..plain()
        },
        SyncRequest {
            resource_type_ids: vec!["user".to_owned()],
            ..plain()
        },
        SyncRequest {
            special: true,
            ..plain()
        },
        SyncRequest {
            storage_engine: Some(StorageEngine::Sqlite),
            ..plain()
        },
    ];
    for request in cases {
        let (cache, ..) = cache();
        refresh(&cache).await;
        assert!(!ask(&cache, request).await.1);
        assert!(ask(&cache, plain()).await.1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_the_asked_for_engine_answers() {
    for (setting, asked, answers) in [
        (None, StorageEngine::Pebble, true),
        (None, StorageEngine::Sqlite, false),
        // The setting beats the task.
        (Some(StorageEngine::Sqlite), StorageEngine::Pebble, true),
    ] {
        let (mut cache, ..) = cache();
        cache.config.storage_engine = setting;
        refresh(&cache).await;
        let request = SyncRequest {
            storage_engine: Some(asked),
            ..SyncRequest::default()
        };
        assert_eq!(ask(&cache, request).await.1, answers, "{setting:?} {asked}");
    }
}

#[tokio::test(start_paused = true)]
async fn equal_syncs_share_one_run_and_others_run_beside_it() {
    let (cache, _, metrics) = cache();
    let later = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        run(&cache, SyncRequest::default()).await.unwrap()
    };
    let started = Instant::now();
    let (first, second, other) = tokio::join!(run(&cache, SyncRequest::default()), later, run(&cache, partial("user")));
    let first = first.unwrap();
    assert_eq!((&first.sync_id, first.path()), (&second.sync_id, second.path()));
    assert_ne!(other.unwrap().sync_id, first.sync_id);
    assert_eq!(started.elapsed(), Duration::from_mins(1));
    let path = first.path().to_owned();
    drop(first);
    assert!(path.exists(), "the other one still uploads it");
    drop(second);
    assert!(!path.exists());
    assert!(
        metrics
            .render()
            .unwrap()
            .contains("sync_answers_total{source=\"shared\"} 1")
    );
}

#[tokio::test(start_paused = true)]
async fn a_write_during_a_shared_sync_makes_the_later_one_run_by_itself() {
    let (cache, writes, _) = cache();
    let later = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        run(&cache, SyncRequest::default()).await.unwrap().sync_id
    };
    let write = async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        drop(writes.begin());
    };
    let (first, second, ()) = tokio::join!(run(&cache, SyncRequest::default()), later, write);
    assert_ne!(first.unwrap().sync_id, second);
}

#[tokio::test(start_paused = true)]
async fn who_shares_a_sync_that_is_cancelled_runs_it_again() {
    let (cache, ..) = cache();
    let token = CancellationToken::new();
    let first = cache.run(SyncRequest::default(), token.clone(), SyncProgress::default());
    let cancel = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        token.cancel();
    };
    let (first, second, ()) = tokio::join!(first, run(&cache, SyncRequest::default()), cancel);
    assert_eq!(first.unwrap_err().code, Code::Cancelled);
    assert_eq!(second.unwrap().sync_id, "1");
}

#[tokio::test(start_paused = true)]
async fn no_more_syncs_run_at_once_than_there_is_room_for() {
    let (cache, ..) = cache();
    let started = Instant::now();
    let asked = ["user", "group", "role"].map(|name| run(&cache, partial(name)));
    for ended in futures_util::future::join_all(asked).await {
        ended.unwrap();
    }
    assert_eq!(started.elapsed(), Duration::from_mins(2), "two and then one");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_would_be_too_old_is_not_made() {
    let (mut cache, ..) = cache();
    cache.config.max_age = Duration::from_secs(59);
    refresh(&cache).await;
    let started = Instant::now();
    refresh(&cache).await;
    assert!(started.elapsed().is_zero() && cache.state().said_too_slow);
    // The next plain sync tells how long one takes now.
    cache.state().last_took = Some(Duration::from_secs(10));
    refresh(&cache).await;
    assert_eq!(started.elapsed(), Duration::from_mins(1));
}
