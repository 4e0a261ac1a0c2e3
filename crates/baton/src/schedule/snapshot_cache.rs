//! Answers sync tasks: with a snapshot that was made in advance, where the task asks for the plain full sync, the
//! snapshot is young and nothing was written since; with the result of an equal sync that runs already, under the same
//! conditions; with a fresh sync otherwise. A snapshot answers at most one task. The session has said its first heartbeat
//! before it comes here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::watch::{Mark, WriteLog};
use super::watchdog::Watchdog;
use crate::c1z::StorageEngine;
use crate::task::{Code, SyncProgress, SyncRequest, SyncRun, SyncRunner, SyncedFile, TaskError};
use process::telemetry::Metrics;
use process::telemetry::metrics::{Outcome, SyncSource};

/// When a snapshot may answer.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotConfig {
    /// `--sync-max-age`: how old its data may be, counted from the start of its sync.
    pub max_age: Duration,
    /// `--storage-engine`, which wins over the task's.
    pub storage_engine: Option<StorageEngine>,
    /// Syncs that run at once; 0 is taken as 1.
    pub concurrency: usize,
}

struct Snapshot {
    file: SyncedFile,
    started: Instant,
    mark: Mark,
}

type Ended = Option<Result<SyncedFile, TaskError>>;

/// A sync that runs, for equal ones that come meanwhile.
struct Running {
    number: u64,
    request: SyncRequest,
    started: Instant,
    mark: Mark,
    ended: watch::Receiver<Ended>,
}

#[derive(Default)]
struct State {
    snapshot: Option<Snapshot>,
    running: Vec<Running>,
    /// Syncs so far.
    number: u64,
    /// How long the last plain sync took.
    last_took: Option<Duration>,
    /// It was said that a snapshot is too old when it is made.
    said_too_slow: bool,
}

/// Answers sync tasks, and makes snapshots.
pub struct SnapshotCache {
    config: SnapshotConfig,
    inner: Arc<dyn SyncRunner>,
    writes: WriteLog,
    watchdog: Watchdog,
    metrics: Arc<Metrics>,
    room: Semaphore,
    state: Mutex<State>,
}

/// Takes a sync off the list of those that run.
struct Entry<'a> {
    cache: &'a SnapshotCache,
    number: u64,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let mut state = self.cache.state();
        state.running.retain(|running| running.number != self.number);
    }
}

impl SnapshotCache {
    /// A cache without a snapshot. Without [`Self::refresh`] every task gets a fresh sync.
    pub fn new(
        config: SnapshotConfig,
        inner: Arc<dyn SyncRunner>,
        writes: WriteLog,
        watchdog: Watchdog,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            config,
            inner,
            writes,
            watchdog,
            metrics,
            room: Semaphore::new(config.concurrency.max(1)),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a snapshot; it replaces the one before. A failed sync leaves that one. None is made where it would be too old
    /// as soon as it is made, or while a plain sync runs anyway.
    pub async fn refresh(&self, token: CancellationToken) -> Result<(), TaskError> {
        if self.is_too_slow() || self.equal(&SyncRequest::default()).is_some() {
            return Ok(());
        }
        let permit = self.room(&token).await?;
        let (started, mark) = (Instant::now(), self.writes.mark());
        let (file, shared) = self.sync(SyncRequest::default(), token).await?;
        drop(permit);
        tracing::info!(sync_id = file.sync_id, size_bytes = file.size_bytes, "snapshot made");
        if !shared {
            self.state().snapshot = Some(Snapshot { file, started, mark });
        }
        Ok(())
    }

    /// Whether a plain sync takes longer than a snapshot may be old.
    fn is_too_slow(&self) -> bool {
        let max_age = self.config.max_age;
        let mut state = self.state();
        let took = state.last_took.unwrap_or_default();
        let is_too_slow = max_age.is_zero() || took >= max_age;
        if is_too_slow && !state.said_too_slow {
            tracing::warn!(
                took_s = took.as_secs(),
                sync_max_age_s = max_age.as_secs(),
                "no snapshot is made: a sync takes longer than a snapshot may be old. Raise --sync-max-age or drop \
                 --sync-interval"
            );
        }
        state.said_too_slow = is_too_slow;
        is_too_slow
    }

    /// The snapshot, if it may answer. It is dropped where it never may again.
    fn take(&self, request: &SyncRequest) -> Option<SyncedFile> {
        let mut state = self.state();
        let snapshot = state.snapshot.as_ref()?;
        if !self.is_good(snapshot.started, snapshot.mark) {
            tracing::info!(
                age_ms = snapshot.started.elapsed().as_millis(),
                "snapshot dropped: too old or outdated"
            );
            state.snapshot = None;
            return None;
        }
        if !request.is_plain() || !self.is_engine_of(request) {
            return None;
        }
        state.snapshot.take().map(|snapshot| snapshot.file)
    }

    /// Whether nobody can tell what began then from what begins now.
    fn is_good(&self, started: Instant, mark: Mark) -> bool {
        started.elapsed() < self.config.max_age && self.writes.quiet_since(mark)
    }

    /// An equal sync that runs, if it may answer.
    fn equal(&self, request: &SyncRequest) -> Option<(Mark, watch::Receiver<Ended>)> {
        let state = self.state();
        let mut running = state.running.iter();
        running
            .find(|running| running.request == *request && self.is_good(running.started, running.mark))
            .map(|running| (running.mark, running.ended.clone()))
    }

    async fn room(&self, token: &CancellationToken) -> Result<SemaphorePermit<'_>, TaskError> {
        let cancelled = || TaskError::cancelled("the sync was cancelled before it started");
        tokio::select! {
            biased;
            () = token.cancelled() => Err(cancelled()),
            permit = self.room.acquire() => permit.map_err(|_| cancelled()),
        }
    }

    /// Waits for an equal sync. `None`: it gave nothing that answers the other one.
    async fn share(
        &self,
        (mark, mut ended): (Mark, watch::Receiver<Ended>),
        token: &CancellationToken,
    ) -> Option<Result<SyncedFile, TaskError>> {
        let waited = tokio::select! {
            biased;
            () = token.cancelled() => return Some(Err(TaskError::cancelled("the sync was cancelled"))),
            waited = ended.wait_for(Option::is_some) => waited.ok()?.clone()?,
        };
        match waited {
            Ok(_) if !self.writes.quiet_since(mark) => None,
            Err(error) if error.code == Code::Cancelled => None,
            shared => Some(shared),
        }
    }

    /// Runs a sync; `true` if an equal one shares its result.
    async fn sync(&self, request: SyncRequest, token: CancellationToken) -> Result<(SyncedFile, bool), TaskError> {
        let started = Instant::now();
        let is_plain = request.is_plain();
        let (sender, ended) = watch::channel(None);
        let entry = self.enter(request.clone(), ended);
        let progress = SyncProgress::default();
        let run = |token| self.inner.run(request, token, progress.clone());
        let watched = self.watchdog.watch(&progress, &token, run).await;
        let outcome = watched.unwrap_or_else(|wedged| Err(wedged.into()));
        let label = match &outcome {
            Ok(_) => Outcome::Success,
            Err(error) if error.code == Code::Cancelled => Outcome::Cancelled,
            Err(_) => Outcome::Error,
        };
        self.metrics.sync(label, started.elapsed());
        if is_plain && outcome.is_ok() {
            self.state().last_took = Some(started.elapsed());
        }
        drop(entry);
        let shared = sender.receiver_count() > 0;
        if shared {
            sender.send_replace(Some(outcome.clone()));
        }
        Ok((outcome?, shared))
    }

    fn enter(&self, request: SyncRequest, ended: watch::Receiver<Ended>) -> Entry<'_> {
        let mark = self.writes.mark();
        let mut state = self.state();
        state.number = state.number.wrapping_add(1);
        let number = state.number;
        state.running.push(Running {
            number,
            request,
            started: Instant::now(),
            mark,
            ended,
        });
        Entry { cache: self, number }
    }

    async fn answer(
        &self,
        request: SyncRequest,
        token: CancellationToken,
    ) -> Result<(SyncedFile, SyncSource), TaskError> {
        loop {
            if let Some(file) = self.take(&request) {
                return Ok((file, SyncSource::Snapshot));
            }
            if let Some(equal) = self.equal(&request) {
                match self.share(equal, &token).await {
                    Some(shared) => return shared.map(|file| (file, SyncSource::Shared)),
                    None => continue,
                }
            }
            let _permit = self.room(&token).await?;
            // While this one waited, an equal one may have begun.
            if self.equal(&request).is_none() {
                let (file, _) = self.sync(request, token).await?;
                return Ok((file, SyncSource::Fresh));
            }
        }
    }

    /// Whether a snapshot is the kind of file that the task would get (c1z-v3.md §10).
    fn is_engine_of(&self, request: &SyncRequest) -> bool {
        let made = self.config.storage_engine.unwrap_or_default();
        let wanted = self.config.storage_engine.or(request.storage_engine);
        wanted.unwrap_or_default() == made
    }
}

impl SyncRunner for SnapshotCache {
    fn run(&self, request: SyncRequest, token: CancellationToken, _: SyncProgress) -> SyncRun<'_> {
        Box::pin(async move {
            let (file, source) = self.answer(request, token).await?;
            tracing::info!(source = source.as_str(), sync_id = file.sync_id, "sync answered");
            self.metrics.sync_answer(source);
            Ok(file)
        })
    }
}

#[cfg(test)]
mod tests;
