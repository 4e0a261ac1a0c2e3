//! C1's sync tasks on the sync engine.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use tempfile::TempPath;
use tokio_util::sync::CancellationToken;

use super::one_shot;
use crate::config::{Config, SyncSettings};
use crate::error::ErrorClass;
use crate::model::{ResourceId, ResourceType};
use crate::pingone::Client;
use crate::sync::{self, SyncError, SyncOptions, SyncReport};
use crate::task::{Code, StorageEngine, SyncRequest, SyncRunner, SyncedFile, TaskError};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{Outcome, SyncSource};

/// Runs each sync into a file of its own.
pub(super) struct Syncs {
    client: Client,
    settings: SyncSettings,
    temp_dir: PathBuf,
    concurrency: usize,
    metrics: Arc<Metrics>,
}

impl Syncs {
    pub(super) fn new(config: &Config, client: Client, metrics: Arc<Metrics>) -> Self {
        Self {
            client,
            settings: config.sync.clone(),
            temp_dir: config.temp_dir.clone(),
            concurrency: config.pingone.max_in_flight,
            metrics,
        }
    }

    /// What the task asks for, on top of the settings (c1-protocol.md §9.4).
    fn options(&self, request: &SyncRequest, file: PathBuf) -> Result<SyncOptions, TaskError> {
        let mut options = one_shot::options(&self.settings, &self.temp_dir, &file);
        options.file = file;
        options.concurrency = self.concurrency;
        // In a daemon the task decides on these; the settings have no effect (c1-protocol.md §12.2).
        options.skip_entitlements_and_grants = request.skip_entitlements_and_grants;
        options.skip_grants = request.skip_grants;
        options.expand_grants = !request.skip_expand_grants;
        options.empty = self.settings.skip_full_sync;
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

    async fn sync(&self, request: SyncRequest, token: CancellationToken) -> Result<SyncedFile, TaskError> {
        if request.storage_engine == StorageEngine::Pebble {
            tracing::warn!(field = "storage_engine", "pebble is answered with a sqlite file (v1)");
        }
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
        let options = self.options(&request, path.to_path_buf())?;
        let begun = Instant::now();
        let result = sync::run(self.client.clone(), options, Arc::default(), token).await;
        self.count(&result, begun);
        match result {
            Ok(report) => Ok(finished(path, report)),
            Err(error) => Err(failed(&error)),
        }
    }

    fn count(&self, result: &Result<SyncReport, SyncError>, begun: Instant) {
        let outcome = match result {
            Ok(_) => Outcome::Success,
            Err(error) if error.class() == ErrorClass::Cancelled => Outcome::Cancelled,
            Err(_) => Outcome::Error,
        };
        self.metrics.sync(outcome, begun.elapsed());
        let Ok(report) = result else { return };
        self.metrics.sync_answer(SyncSource::Fresh);
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

fn finished(path: TempPath, report: SyncReport) -> SyncedFile {
    SyncedFile::new(path, report.file.size_bytes, report.sync_id)
}

/// Only a verdict on the data itself is final; everything else may be tried again (c1-protocol.md §9.1).
fn failed(error: &SyncError) -> TaskError {
    let answer = match error.class() {
        ErrorClass::Cancelled => TaskError::cancelled(error.to_string()),
        class => TaskError::from_class(class, error.to_string()),
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
