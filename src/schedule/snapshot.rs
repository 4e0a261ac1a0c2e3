//! The desk where sync tasks are answered: by a snapshot that was made in advance, where the task asks for the plain
//! full sync, the snapshot is young and nothing was written since; by a fresh sync otherwise. A snapshot answers at
//! most one task. The session has said its first heartbeat before it comes here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::watch::{Mark, WriteLog};
use crate::task::{Code, StorageEngine, SyncRequest, SyncRunner, SyncedFile, TaskError};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{Outcome, SyncSource};

/// When a snapshot may answer.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotConfig {
    /// `--sync-max-age`: how old its data may be, counted from the start of its sync.
    pub max_age: Duration,
    /// `--storage-engine`, which wins over the task's.
    pub storage_engine: StorageEngine,
}

struct Snapshot {
    file: SyncedFile,
    started: Instant,
    mark: Mark,
}

/// Answers sync tasks, and makes snapshots.
pub struct SyncDesk {
    config: SnapshotConfig,
    inner: Arc<dyn SyncRunner>,
    writes: WriteLog,
    metrics: Arc<Metrics>,
    shelf: Mutex<Option<Snapshot>>,
}

impl SyncDesk {
    /// A desk without a snapshot. Without [`Self::refresh`] every task gets a fresh sync.
    pub fn new(config: SnapshotConfig, inner: Arc<dyn SyncRunner>, writes: WriteLog, metrics: Arc<Metrics>) -> Self {
        Self {
            config,
            inner,
            writes,
            metrics,
            shelf: Mutex::new(None),
        }
    }

    /// Makes a snapshot; it replaces the one before. A failed sync leaves that one.
    pub async fn refresh(&self, token: CancellationToken) -> Result<(), TaskError> {
        let (started, before) = (Instant::now(), self.writes.mark());
        let file = self.sync(SyncRequest::default(), token).await?;
        tracing::info!(sync_id = file.sync_id, size_bytes = file.size_bytes, "snapshot made");
        let mut slot = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(Snapshot {
            file,
            started,
            mark: before,
        });
        Ok(())
    }

    /// The snapshot, if it may answer. It leaves the shelf in any case where it never may again.
    fn take(&self, request: &SyncRequest) -> Option<SyncedFile> {
        let mut slot = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = slot.as_ref()?;
        let is_young = snapshot.started.elapsed() < self.config.max_age;
        if !is_young || !self.writes.quiet_since(snapshot.mark) {
            tracing::info!(
                age_ms = snapshot.started.elapsed().as_millis(),
                "snapshot dropped: too old or outdated"
            );
            *slot = None;
            return None;
        }
        if !request.is_plain() {
            return None;
        }
        slot.take().map(|snapshot| snapshot.file)
    }

    async fn sync(&self, request: SyncRequest, token: CancellationToken) -> Result<SyncedFile, TaskError> {
        let started = Instant::now();
        let outcome = self.inner.run(request, token).await;
        let label = match &outcome {
            Ok(_) => Outcome::Success,
            Err(error) if error.code == Code::Cancelled => Outcome::Cancelled,
            Err(_) => Outcome::Error,
        };
        self.metrics.sync(label, started.elapsed());
        outcome
    }

    /// Says once per task that the asked-for format is not written (c1z.md §1.4).
    fn note_engine(&self, asked: StorageEngine) {
        let engine = match self.config.storage_engine {
            StorageEngine::Unspecified => asked,
            forced => forced,
        };
        if engine == StorageEngine::Pebble {
            self.metrics.engine_fallbacks.inc();
            tracing::warn!(
                storage_engine = "pebble",
                "storage engine is not written; sqlite is used"
            );
        }
    }
}

impl SyncRunner for SyncDesk {
    fn run(&self, request: SyncRequest, token: CancellationToken) -> BoxFuture<'_, Result<SyncedFile, TaskError>> {
        Box::pin(async move {
            self.note_engine(request.storage_engine);
            if let Some(file) = self.take(&request) {
                tracing::info!(source = "snapshot", sync_id = file.sync_id, "sync answered");
                self.metrics.sync_answer(SyncSource::Snapshot);
                return Ok(file);
            }
            let file = self.sync(request, token).await?;
            tracing::info!(source = "fresh", sync_id = file.sync_id, "sync answered");
            self.metrics.sync_answer(SyncSource::Fresh);
            Ok(file)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::task::SyncTarget;
    use crate::telemetry::BuildInfo;

    /// Syncs that take a minute and are numbered.
    struct Numbered(AtomicUsize);

    impl SyncRunner for Numbered {
        fn run(&self, _: SyncRequest, _: CancellationToken) -> BoxFuture<'_, Result<SyncedFile, TaskError>> {
            Box::pin(async {
                tokio::time::sleep(Duration::from_mins(1)).await;
                let number = self.0.fetch_add(1, Ordering::SeqCst);
                let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
                Ok(SyncedFile::new(path, 0, number.to_string()))
            })
        }
    }

    fn desk() -> (SyncDesk, WriteLog, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::new(BuildInfo::CURRENT, &[]).unwrap());
        let config = SnapshotConfig {
            max_age: Duration::from_mins(5),
            storage_engine: StorageEngine::Unspecified,
        };
        let writes = WriteLog::new();
        let inner = Arc::new(Numbered(AtomicUsize::new(0)));
        (
            SyncDesk::new(config, inner, writes.clone(), Arc::clone(&metrics)),
            writes,
            metrics,
        )
    }

    async fn ask(desk: &SyncDesk, request: SyncRequest) -> (String, bool) {
        let started = Instant::now();
        let file = desk.run(request, CancellationToken::new()).await.unwrap();
        (file.sync_id.clone(), started.elapsed().is_zero())
    }

    async fn refresh(desk: &SyncDesk) {
        desk.refresh(CancellationToken::new()).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_answers_one_plain_task_at_once_and_no_second() {
        let (desk, _, metrics) = desk();
        refresh(&desk).await;
        assert_eq!(ask(&desk, SyncRequest::default()).await, ("0".to_owned(), true));
        assert_eq!(ask(&desk, SyncRequest::default()).await, ("1".to_owned(), false));
        let text = metrics.render().unwrap();
        assert!(text.contains("sync_answers_total{source=\"snapshot\"} 1"));
        assert!(text.contains("sync_answers_total{source=\"fresh\"} 1"));
    }

    #[tokio::test(start_paused = true)]
    async fn age_counts_from_the_start_of_its_sync() {
        for (wait, used) in [(239, true), (240, false)] {
            let (desk, ..) = desk();
            refresh(&desk).await;
            tokio::time::advance(Duration::from_secs(wait)).await;
            assert_eq!(ask(&desk, SyncRequest::default()).await.1, used, "{wait}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_during_its_sync_or_after_it_outdates_it() {
        let (desk, writes, _) = desk();
        let write = async {
            tokio::time::sleep(Duration::from_secs(30)).await;
            drop(writes.begin());
        };
        tokio::join!(refresh(&desk), write);
        assert!(!ask(&desk, SyncRequest::default()).await.1, "during");
        refresh(&desk).await;
        drop(writes.begin());
        assert!(!ask(&desk, SyncRequest::default()).await.1, "after");
        let still_running = writes.begin();
        refresh(&desk).await;
        assert!(!ask(&desk, SyncRequest::default()).await.1, "before, and still running");
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
        ];
        for request in cases {
            let (desk, ..) = desk();
            refresh(&desk).await;
            assert!(!ask(&desk, request).await.1);
            assert!(ask(&desk, plain()).await.1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_format_that_is_not_written_is_counted_and_not_refused() {
        let (desk, _, metrics) = desk();
        let request = SyncRequest {
            storage_engine: StorageEngine::Pebble,
            ..SyncRequest::default()
        };
        ask(&desk, request).await;
        assert!(metrics.render().unwrap().contains("storage_engine_fallbacks_total 1"));
    }
}
