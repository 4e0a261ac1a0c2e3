//! C1's sync tasks, and those on our own schedule, on the sync engine.

use crate::model;
use crate::model::{ALL_TYPES, APPLICATION};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tempfile::TempPath;
use tokio_util::sync::CancellationToken;

use super::handover::Handover;
use super::history::{History, Success};
use super::observations;
use super::{one_shot, state};
use crate::config::{Config, KubernetesSettings, SyncSettings};
use crate::k8s;
use crate::k8s::lease::Notes;
use crate::provision::read_error;
use crate::sync::{self, Counts, ObservationSettings, SeenScopes, SyncError, SyncOptions, SyncReport, Warning};
use baton::model::{ResourceId, ResourceType};
use baton::task::{Code, SyncFacts, SyncProgress, SyncRequest, SyncRun, SyncRunner, SyncedFile, TaskError};
use pingone::Client;
use process::error::{ErrorClass, io_words};
use process::telemetry::Metrics;

/// Runs each sync into a file of its own.
pub(super) struct Syncs {
    client: Client,
    settings: SyncSettings,
    temp_dir: PathBuf,
    concurrency: usize,
    observations: Option<ObservationSettings>,
    metrics: Arc<Metrics>,
    history: History,
    handover: OnceLock<Handover>,
    scopes: SeenScopes,
}

impl Syncs {
    /// Syncs with these settings, each whole one held against what `history` knows.
    pub(super) fn new(config: &Config, client: Client, history: History, metrics: Arc<Metrics>) -> Self {
        for kind in ALL_TYPES {
            metrics.sync_objects(kind.id(), 0);
            metrics.sync_grants(kind.id(), 0);
        }
        for warning in Warning::ALL {
            metrics.sync_warnings(warning.as_str(), 0);
        }
        Self {
            observations: state::observations(config, history.environment()),
            client,
            settings: config.sync.clone(),
            temp_dir: config.temp_dir.clone(),
            concurrency: config.pingone.max_in_flight,
            metrics,
            history,
            handover: OnceLock::new(),
            scopes: SeenScopes::default(),
        }
    }

    /// From here on what a sync observed is left for the next leader, where the settings say so.
    pub(super) fn hand_on(&self, kube: Option<&k8s::Client>, settings: &KubernetesSettings) {
        let name = settings.observations.as_deref();
        if let Some(handover) = Handover::new(name, kube, self.observations.as_ref()) {
            self.handover.set(handover).ok();
        }
    }

    /// What roles were held over in the last whole sync.
    pub(super) fn scopes(&self) -> SeenScopes {
        self.scopes.clone()
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
        options.storage_engine = self
            .settings
            .storage_engine
            .chosen()
            .or(request.storage_engine)
            .unwrap_or_default();
        if !request.resource_type_ids.is_empty() {
            let unknown = request
                .resource_type_ids
                .iter()
                .find(|id| model::resource_type(id).is_none());
            if let Some(unknown) = unknown {
                let message = format!("resource type {unknown} does not exist in this connector");
                return Err(TaskError::new(Code::InvalidArgument, message));
            }
            let wanted = request
                .resource_type_ids
                .iter()
                .filter_map(|id| model::resource_type(id));
            // What C1 offers for selection is everything that the program can sync; a setting may be off.
            let selected: BTreeSet<_> = wanted.collect();
            // An application may be what a role is held over.
            let scopes = |kind: &ResourceType| *kind == APPLICATION && options.wants_bindings();
            let off = selected.iter().filter(|kind| kind.0.opt_in && !scopes(kind));
            let off: BTreeSet<_> = off.filter(|kind| !options.resource_types.contains(kind)).collect();
            if !off.is_empty() {
                tracing::warn!(resource_types = ?off, "C1 asks for types that no setting switches on; they are left out");
            }
            options.select(selected);
        }
        options.targeted = !request.targets.is_empty();
        options.targets = request
            .targets
            .iter()
            .filter_map(|target| {
                let kind = model::resource_type(&target.resource_type);
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
        options.observations.clone_from(&self.observations);
        options
    }

    /// A full sync with the settings' own options, atomically into `file`.
    pub(super) async fn replace(
        &self,
        file: &Path,
        token: CancellationToken,
        progress: &SyncProgress,
    ) -> Result<SyncReport, SyncError> {
        let report = self.run_guarded(self.plain(file), token, progress).await?;
        self.succeeded(Some(report.counts));
        Ok(report)
    }

    /// A sync has reached whom it is for; of a whole one the counts, which the next is held against.
    pub(super) fn succeeded(&self, whole: Option<Counts>) {
        self.metrics.sync_succeeded_now();
        self.history.succeeded(whole);
    }

    /// A term begins: the metric goes on from what the leaders before it left, the time of the last success.
    /// Answers the last success, where it was another process's.
    pub(super) fn take_over(&self) -> Option<Success> {
        if let Some(handover) = self.handover.get() {
            handover.begin_term();
        }
        if let Some(at) = self.history.last_success() {
            self.metrics.sync_succeeded(at);
        }
        self.history.success_of_another()
    }

    /// The shrink gate compares whole syncs only.
    async fn run_guarded(
        &self,
        mut options: SyncOptions,
        token: CancellationToken,
        progress: &SyncProgress,
    ) -> Result<SyncReport, SyncError> {
        let whole = options.is_whole();
        options.shrink.previous = None;
        if whole {
            options.shrink.accept = self.history.accepts();
            if options.shrink.is_on() {
                options.shrink.previous = self.history.last()?;
            }
        }
        let steps = Arc::<sync::Progress>::default();
        let seen = Arc::clone(&steps);
        progress.read_from(move || seen.steps());
        let handover = self.handover.get().filter(|_| whole);
        if let Some(handover) = handover {
            handover.take().await;
        }
        let ended = sync::run(self.client.clone(), options, steps, token.clone()).await;
        if let Some(handover) = handover {
            // Whoever lost the Lease meanwhile leaves nothing.
            match &ended {
                Ok(_) => token.run_until_cancelled(handover.leave()).await,
                Err(_) => token.run_until_cancelled(handover.withdraw()).await.map(drop),
            };
        }
        match &ended {
            Ok(report) => {
                // A partial sync has not seen them all.
                if whole {
                    self.scopes.learn(&report.scopes);
                }
                self.count(report);
            }
            Err(SyncError::Shrunk(_)) => self.metrics.shrink_refusals.inc(),
            Err(_) => {}
        }
        ended
    }

    async fn sync(
        &self,
        request: SyncRequest,
        token: CancellationToken,
        progress: SyncProgress,
    ) -> Result<SyncedFile, TaskError> {
        let path = tempfile::Builder::new()
            .prefix("baton-sdk-sync-upload")
            .suffix(".c1z")
            .tempfile_in(&self.temp_dir)
            .map(tempfile::NamedTempFile::into_temp_path)
            .map_err(|error| {
                let dir = self.temp_dir.display();
                TaskError::new(
                    Code::Unavailable,
                    format!("no file can be made in {dir} ({})", io_words(&error)),
                )
            })?;
        let options = self.options(&request, &path)?;
        let whole = options.is_whole();
        match self.run_guarded(options, token, &progress).await {
            Ok(report) => Ok(finished(path, report, whole)),
            Err(error) => Err(failed(&error)),
        }
    }

    fn count(&self, report: &SyncReport) {
        let facts = facts(report);
        tracing::info!(
            sync_id = report.sync_id,
            resources = facts.resources,
            grants = facts.grants,
            warnings = report.warnings.values().sum::<u64>(),
            size_bytes = report.file.size_bytes,
            elapsed_ms = report.elapsed.as_millis(),
            "sync completed"
        );
        self.metrics.c1z_size("c1z", report.file.size_bytes);
        self.metrics.c1z_size("decoded", report.file.decoded_size_bytes);
        if let Some(observations) = &report.observations {
            observations::count(&self.metrics, observations);
        }
        let stats = &report.file.stats;
        for kind in ALL_TYPES {
            let of = |counts: &BTreeMap<String, u64>| counts.get(kind.id()).copied().unwrap_or(0);
            self.metrics
                .sync_objects(kind.id(), of(&stats.resources_by_resource_type));
            self.metrics.sync_grants(kind.id(), of(&stats.grants_by_resource_type));
        }
        for (kind, count) in &report.warnings {
            self.metrics.sync_warnings(kind, *count);
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
    fn run(&self, request: SyncRequest, token: CancellationToken, progress: SyncProgress) -> SyncRun<'_> {
        Box::pin(self.sync(request, token, progress))
    }
}
