//! The leader's work for one term: the C1 session with its syncs and writes, and the schedule that makes snapshots.
//! Everything is built anew for each term, so that nothing that was known in an earlier one is used in a later one.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::client_key;
use super::context::Context;
use super::observe::Observer;
use super::syncs::Syncs;
use super::{session_config, writes};
use crate::config::Config;
use crate::credentials::{C1Values, CredentialState, c1_in_force};
use crate::manifest::describe::{Metadata, metadata};
use crate::provision::PingOneActions;
use baton::schedule::{self, IntervalConfig, SnapshotCache, SnapshotConfig, Watchdog, WriteLog};
use baton::session::{MetadataSource, Session, SessionParts, TcpDialer, Trust, Verdicts};
use baton::task::{Dispatcher, EventFeed, NoEventFeed, Parts, TaskError};
use pingone::types::Environment;
use pingone::{Budget, Client};
use process::runtime::leader_guard::LeaderGuard;
use process::runtime::readiness::Condition;
use process::runtime::shutdown::Term;
use process::runtime::supervisor::Failure;

/// A sync that takes longer than this is wedged, whatever the size of the directory.
pub(super) const RUN_LIMIT: Duration = Duration::from_hours(24);
/// Before refused credentials are tried again, if no others come.
const AGAIN: Duration = Duration::from_mins(1);
/// How long a Hello waits for what PingOne says of its environment.
const DESCRIBE: Budget = Budget(Duration::from_secs(1));

/// What a term needs.
pub(super) struct Work {
    pub(super) config: Config,
    pub(super) context: Context,
    pub(super) client: Client,
    pub(super) credentials: watch::Receiver<CredentialState>,
    pub(super) syncs: Arc<Syncs>,
    /// What was decided of tasks, over all terms.
    pub(super) verdicts: Verdicts,
}

impl Work {
    /// Serves C1 for one term.
    pub(super) async fn serve(self: Arc<Self>, guard: LeaderGuard, term: Term) -> Result<(), Failure> {
        self.context.board.succeeded_before(self.syncs.take_over());
        let log = WriteLog::new();
        let snapshots = SnapshotConfig {
            max_age: self.config.schedule.sync_max_age,
            storage_engine: self.config.sync.storage_engine.chosen(),
            // One slot is kept for short tasks.
            concurrency: self.config.schedule.task_concurrency.saturating_sub(1),
        };
        let inner = Arc::clone(&self.syncs);
        let watchdog = Watchdog::new(self.context.liveness.clone(), Arc::clone(&self.context.metrics));
        let metrics = Arc::clone(&self.context.metrics);
        let cache = Arc::new(SnapshotCache::new(snapshots, inner, log.clone(), watchdog, metrics));
        let parts = Parts {
            syncs: Arc::clone(&cache) as _,
            writes: writes::of(
                &self.config,
                &self.client,
                client_key::source(self.credentials.clone()),
                &guard,
                (log, self.syncs.scopes()),
            )
            .await?,
            actions: Arc::new(PingOneActions::default()),
            events: events(&self.config, &self.client),
        };
        let clock = self.clock(&term, &cache);
        let session = async {
            let ended = Box::pin(self.sessions(&guard, &term, parts)).await;
            // Whatever ended it, the clock ends too, and its sync takes its files along.
            if ended.is_err() {
                term.end();
            }
            ended
        };
        let abilities = async {
            if self.config.provision.enabled {
                term.stopping()
                    .run_until_cancelled(super::abilities::tell(&self.client))
                    .await;
            }
        };
        let (ended, (), ()) = tokio::join!(session, clock, abilities);
        ended
    }
    /// Makes snapshots, if asked to.
    async fn clock(&self, term: &Term, cache: &SnapshotCache) {
        let Some(every) = self.config.schedule.sync_interval else {
            return;
        };
        let pulse = self.context.liveness.register("schedule", Duration::ZERO);
        let interval = IntervalConfig {
            every,
            run_limit: RUN_LIMIT,
        };
        schedule::run(interval, term, &pulse, |token| async move {
            self.context.board.begins(every);
            if let Err(error) = cache.refresh(token).await {
                tracing::warn!(
                    error = error.message,
                    error_class = error.class().as_str(),
                    "snapshot was not made"
                );
            }
        })
        .await;
    }

    /// One session after the other: a new one begins only where C1 refused the one before and its credentials can change.
    async fn sessions(&self, guard: &LeaderGuard, term: &Term, parts: Parts) -> Result<(), Failure> {
        let runner = Arc::new(Dispatcher::new(parts, term.work().clone()));
        loop {
            let Some(values) = self.c1(term).await else {
                return Ok(());
            };
            let session_parts = SessionParts {
                runner: Arc::clone(&runner) as _,
                metadata: metadata_source(&self.config, self.client.clone()),
                dialer: Arc::new(TcpDialer {
                    proxy: super::proxy(&self.config)?,
                    trust: Trust::System,
                }),
                readiness: self.context.readiness.clone(),
                liveness: self.context.liveness.clone(),
                telemetry: Arc::clone(&self.context.metrics),
                build: crate::BUILD,
                guard: guard.clone(),
                observer: Some(Arc::new(Observer {
                    events: self.context.events.clone(),
                    syncs: Arc::clone(&self.syncs),
                    board: Arc::clone(&self.context.board),
                    unreached: AtomicBool::new(false),
                })),
                verdicts: self.verdicts.clone(),
            };
            let in_force = c1_in_force(self.credentials.clone(), Arc::clone(&values));
            let session = Session::new(session_config(&self.config), in_force, session_parts)?;
            let ended = session.run(term).await;
            let error = match ended {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if !self.credentials.borrow().can_change {
                return Err(error.into());
            }
            let text = super::chain(&error);
            tracing::error!(
                error = text,
                error_class = error.class().as_str(),
                "C1 refused the session"
            );
            self.context.readiness.miss(Condition::Session, text);
            let mut changes = self.credentials.clone();
            let is_other = |state: &CredentialState| {
                let current = state.c1.current.as_ref();
                current.is_some_and(|current| !Arc::ptr_eq(current, &values))
            };
            let others = changes.wait_for(is_other);
            tokio::select! {
                () = term.stopping().cancelled() => return Ok(()),
                _ = others => {}
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    /// C1's credentials as soon as there are any; `None` when the term stops first.
    async fn c1(&self, term: &Term) -> Option<Arc<C1Values>> {
        self.context
            .readiness
            .miss(Condition::Session, "waiting for C1's credentials");
        let mut changes = self.credentials.clone();
        let found = tokio::select! {
            () = term.stopping().cancelled() => return None,
            found = changes.wait_for(|state| state.c1.current.is_some()) => found,
        };
        found.ok()?.c1.current.clone()
    }
}

fn events(config: &Config, client: &Client) -> Arc<dyn EventFeed> {
    if config.event_feed {
        Arc::new(super::audit_feed(config, client))
    } else {
        Arc::new(NoEventFeed)
    }
}

/// What Hello says of the connector: read anew each time, and still said when PingOne does not answer.
fn metadata_source(config: &Config, client: Client) -> MetadataSource {
    let (role_scan, event_feed) = (config.sync.role_scan.as_str(), config.event_feed);
    let population_provisioning = config.sync.access.population_provisioning;
    let (region, role_model) = (config.pingone.region, config.sync.role_model);
    let last: Arc<Mutex<Option<Environment>>> = Arc::default();
    Arc::new(move || {
        let client = client.with_budget(DESCRIBE);
        let last = Arc::clone(&last);
        Box::pin(async move {
            let read = client.environment().await;
            let environment = {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if let Ok(read) = read {
                    *last = Some(read);
                }
                last.clone()
            };
            Ok::<_, TaskError>(metadata(&Metadata {
                environment_id: client.environment_id().to_owned(),
                environment_name: environment.as_ref().and_then(|environment| environment.name.clone()),
                organization_id: environment
                    .and_then(|environment| environment.organization)
                    .map(|organization| organization.id.to_string()),
                region: region.tld().to_owned(),
                role_model,
                role_scan,
                event_feed,
                population_provisioning,
            }))
        })
    })
}
