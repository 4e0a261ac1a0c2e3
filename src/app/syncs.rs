//! C1's sync tasks, and those of our own clock, on the sync engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tempfile::TempPath;
use tokio_util::sync::CancellationToken;

use super::history::History;
use super::one_shot;
use crate::config::{Config, SyncSettings};
use crate::error::ErrorClass;
use crate::k8s::lease::Notes;
use crate::model::{ResourceId, ResourceType};
use crate::pingone::Client;
use crate::provision::read_error;
use crate::sync::{self, Counts, SyncError, SyncOptions, SyncReport};
use crate::task::{Code, SyncFacts, SyncRequest, SyncRunner, SyncedFile, TaskError};
use crate::telemetry::Metrics;

/// Runs each sync into a file of its own.
pub(super) struct Syncs {
    client: Client,
    settings: SyncSettings,
    temp_dir: PathBuf,
    concurrency: usize,
    metrics: Arc<Metrics>,
    history: History,
}

impl Syncs {
    /// Syncs with these settings, each whole one held against what `history` knows.
    pub(super) fn new(config: &Config, client: Client, history: History, metrics: Arc<Metrics>) -> Self {
        Self {
            client,
            settings: config.sync.clone(),
            temp_dir: config.temp_dir.clone(),
            concurrency: config.pingone.max_in_flight,
            metrics,
            history,
        }
    }

    /// What goes onto the Lease for the next leader.
    pub(super) fn notes(&self) -> Notes {
        self.history.notes()
    }

    /// What the task asks for, on top of the settings (c1-protocol.md §9.4).
    fn options(&self, request: &SyncRequest, file: &Path) -> Result<SyncOptions, TaskError> {
        let mut options = self.plain(file);
        // In a daemon the task decides on these; the settings have no effect (c1-protocol.md §12.2).
        options.skip_entitlements_and_grants = request.skip_entitlements_and_grants;
        options.skip_grants = request.skip_grants;
        options.expand_grants = !request.skip_expand_grants;
        if !request.resource_type_ids.is_empty() {
            let unknown = request
                .resource_type_ids
                .iter()
                .find(|id| ResourceType::from_id(id).is_none());
            if let Some(unknown) = unknown {
                let message = format!("resource type {unknown} does not exist in this connector");
                return Err(TaskError::new(Code::InvalidArgument, message));
            }
            let wanted = request
                .resource_type_ids
                .iter()
                .filter_map(|id| ResourceType::from_id(id));
            options.resource_types = wanted.collect();
        }
        options.targeted = !request.targets.is_empty();
        options.targets = request
            .targets
            .iter()
            .filter_map(|target| {
                let kind = ResourceType::from_id(&target.resource_type);
                if kind.is_none() {
                    tracing::warn!(resource_type = %target.resource_type, "a target's type is unknown; it is left out");
                }
                kind.map(|kind| ResourceId::new(kind, &target.id))
            })
            .collect();
        Ok(options)
    }

    fn plain(&self, file: &Path) -> SyncOptions {
        let mut options = one_shot::options(&self.settings, &self.temp_dir, file);
        options.concurrency = self.concurrency;
        options
    }

    /// A full sync with the settings' own options, atomically into `file`.
    pub(super) async fn replace(&self, file: &Path, token: CancellationToken) -> Result<SyncReport, SyncError> {
        let report = self.run_guarded(self.plain(file), token).await?;
        self.history.remember(report.counts);
        Ok(report)
    }

    /// C1 has a whole sync of these counts: the next is held against it.
    pub(super) fn uploaded(&self, counts: Counts) {
        self.history.remember(counts);
    }

    /// The shrink gate compares whole syncs only.
    async fn run_guarded(&self, mut options: SyncOptions, token: CancellationToken) -> Result<SyncReport, SyncError> {
        let whole = options.is_whole();
        options.shrink.previous = None;
        if whole {
            options.shrink.accept = self.history.accepts();
            options.shrink.previous = self.history.last();
        }
        let report = sync::run(self.client.clone(), options, Arc::default(), token).await?;
        self.count(&report);
        Ok(report)
    }

    async fn sync(&self, request: SyncRequest, token: CancellationToken) -> Result<SyncedFile, TaskError> {
        let path = tempfile::Builder::new()
            .prefix("baton-sdk-sync-upload")
            .suffix(".c1z")
            .tempfile_in(&self.temp_dir)
            .map(tempfile::NamedTempFile::into_temp_path)
            .map_err(|error| {
                let dir = self.temp_dir.display();
                TaskError::new(
                    Code::Unavailable,
                    format!("no file can be made in {dir} ({})", error.kind()),
                )
            })?;
        let options = self.options(&request, &path)?;
        let whole = options.is_whole();
        match self.run_guarded(options, token).await {
            Ok(report) => Ok(finished(path, report, whole)),
            Err(error) => Err(failed(&error)),
        }
    }

    fn count(&self, report: &SyncReport) {
        self.metrics.c1z_size("c1z", report.file.size_bytes);
        self.metrics.c1z_size("sqlite", report.file.decoded_size_bytes);
        for kind in ResourceType::ALL {
            let count = report
                .file
                .stats
                .resources_by_resource_type
                .get(kind.id())
                .copied()
                .unwrap_or(0);
            self.metrics.sync_objects(kind.id(), count);
        }
    }
}

/// What those who watch are told of a sync.
pub(super) fn facts(report: &SyncReport) -> SyncFacts {
    let stats = &report.file.stats;
    SyncFacts {
        resources: stats.resources_by_resource_type.values().sum(),
        grants: stats.grants_by_resource_type.values().sum(),
        took: report.elapsed,
        whole: None,
    }
}

fn finished(path: TempPath, report: SyncReport, whole: bool) -> SyncedFile {
    let facts = SyncFacts {
        whole: whole.then_some(report.counts),
        ..facts(&report)
    };
    SyncedFile::new(path, report.file.size_bytes, report.sync_id).with_facts(facts)
}

/// Only a verdict on the data itself is final; everything else may be tried again (c1-protocol.md §9.1).
fn failed(error: &SyncError) -> TaskError {
    let answer = match (error, error.class()) {
        (_, ErrorClass::Cancelled) => TaskError::cancelled(error.to_string()),
        (SyncError::PingOne(error), _) => read_error(error),
        (_, class) => TaskError::from_class(class, format!("baton-ping-one: {error}")),
    };
    if error.is_data_verdict() {
        answer.non_retryable()
    } else {
        answer
    }
}

impl SyncRunner for Syncs {
    fn run(&self, request: SyncRequest, token: CancellationToken) -> BoxFuture<'_, Result<SyncedFile, TaskError>> {
        Box::pin(self.sync(request, token))
    }
}
