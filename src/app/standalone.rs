//! Without C1: syncs on our own schedule into `--file`, replaced atomically.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::observe::completed;
use super::proof::Proof;
use super::term::{RUN_LIMIT, Work};
use crate::k8s::events::Event;
use baton::c1z::Lock;
use baton::schedule::{self, IntervalConfig, Watchdog};
use baton::task::SyncProgress;
use pingone::Budget;
use process::error::ErrorClass;
use process::runtime::leader_guard::LeaderGuard;
use process::runtime::readiness::Condition;
use process::runtime::shutdown::Term;
use process::runtime::supervisor::Failure;
use process::telemetry::metrics::Outcome;

/// Before PingOne is asked again whether it can be read.
const VALIDATE_AGAIN: Duration = Duration::from_secs(5);
/// Time for one validation.
const VALIDATION: Duration = Duration::from_secs(30);

impl Work {
    /// Syncs until the term stops. The file is ours for the whole term.
    pub(super) async fn sync_on_clock(
        self: Arc<Self>,
        every: Duration,
        guard: LeaderGuard,
        term: Term,
    ) -> Result<(), Failure> {
        let lock = Lock::take(&self.config.file)?;
        lock.sweep();
        self.context.board.succeeded_before(self.syncs.take_over());
        if !self.validated(&term).await {
            return Ok(());
        }
        let pulse = self.context.liveness.register("schedule", Duration::ZERO);
        let interval = IntervalConfig {
            every,
            run_limit: RUN_LIMIT,
        };
        schedule::run(interval, &term, &pulse, |token| {
            let (work, guard) = (Arc::clone(&self), guard.clone());
            async move {
                if guard.may_begin() {
                    work.context.board.begins(every);
                    work.sync_once(token).await;
                }
            }
        })
        .await;
        Ok(())
    }

    /// Ready means that PingOne was validated once. False if the term stops first.
    async fn validated(&self, term: &Term) -> bool {
        let client = self.client.with_budget(Budget(VALIDATION));
        let pulse = self.context.liveness.register("validation", VALIDATION);
        let readiness = &self.context.readiness;
        let proof = Proof {
            condition: Condition::Session,
            readiness,
            pulse: &pulse,
            limit: VALIDATION,
            again: VALIDATE_AGAIN,
        };
        tokio::select! {
            () = term.stopping().cancelled() => false,
            answered = proof.until(|| client.validate(), |_| false) => answered.is_ok(),
        }
    }

    async fn sync_once(&self, token: CancellationToken) {
        let started = Instant::now();
        tracing::info!("sync started");
        let metrics = &self.context.metrics;
        let watchdog = Watchdog::new(self.context.liveness.clone(), Arc::clone(metrics));
        let progress = SyncProgress::default();
        let run = |token| self.syncs.replace(&self.config.file, token, &progress);
        let Ok(ended) = watchdog.watch(&progress, &token, run).await else {
            metrics.sync(Outcome::Error, started.elapsed());
            let class = ErrorClass::Transient { retry_after: None };
            self.context.board.not_synced(class);
            self.context.events.tell(Event::SyncFailed { class, task_id: None });
            return;
        };
        match ended {
            Ok(report) => {
                metrics.sync(Outcome::Success, started.elapsed());
                tracing::info!(
                    sync_id = report.sync_id,
                    size_bytes = report.file.size_bytes,
                    elapsed_ms = started.elapsed().as_millis(),
                    "sync written"
                );
                let facts = super::syncs::facts(&report);
                self.context.board.synced(facts);
                self.context.events.tell(completed(facts));
            }
            Err(error) if error.class() == ErrorClass::Cancelled => {
                metrics.sync(Outcome::Cancelled, started.elapsed());
                tracing::info!("sync was cancelled");
            }
            Err(error) => {
                metrics.sync(Outcome::Error, started.elapsed());
                tracing::error!(
                    error = super::chain(&error),
                    error_class = error.class().as_str(),
                    elapsed_ms = started.elapsed().as_millis(),
                    "sync failed; the file of the last good one stays"
                );
                let class = error.class();
                self.context.board.not_synced(class);
                self.context.events.tell(Event::SyncFailed { class, task_id: None });
            }
        }
    }
}
