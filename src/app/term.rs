//! The leader's work for one term: the C1 session with its syncs and writes, and the clock that makes snapshots.
//! Everything is built anew for each term, so that nothing that was known in an earlier one is used in a later one.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::client_key;
use super::context::Context;
use super::credentials::{Credentials, c1_credentials};
use super::observe::Observer;
use super::syncs::Syncs;
use super::{session_config, writes};
use crate::config::Config;
use crate::credentials::source::{C1Values, Problem};
use crate::feed::AuditFeed;
use crate::pingone::types::Environment;
use crate::pingone::{Budget, Client, Region};
use crate::provision::action_schemas;
use crate::runtime::permit::Permit;
use crate::runtime::readiness::Condition;
use crate::runtime::shutdown::Term;
use crate::runtime::supervisor::Failure;
use crate::schedule::{self, IntervalConfig, SnapshotConfig, SyncDesk, WriteLog};
use crate::session::{MetadataSource, Session, SessionParts, TcpDialer};
use crate::task::{Dispatcher, EventFeed, NoEventFeed, Parts, StorageEngine, TaskError};
use crate::telemetry::BuildInfo;
use crate::wire::describe::{Metadata, metadata};

/// A sync that takes longer than this is wedged, whatever the size of the directory.
pub(super) const RUN_LIMIT: Duration = Duration::from_hours(24);
/// Before refused credentials are tried again, if no others come.
const AGAIN: Duration = Duration::from_mins(1);
/// How long a Hello waits for what PingOne says of its environment.
const DESCRIBE: Budget = Budget(Duration::from_secs(1));
/// Before a rotation that failed is tried again.
const ROTATE_AGAIN: Duration = Duration::from_secs(5);

/// What a term needs.
pub(super) struct Work {
    pub(super) config: Config,
    pub(super) context: Context,
    pub(super) client: Client,
    pub(super) credentials: Credentials,
    pub(super) syncs: Arc<Syncs>,
}

impl Work {
    /// Serves C1 for one term.
    pub(super) async fn serve(self: Arc<Self>, permit: Permit, term: Term) -> Result<(), Failure> {
        let log = WriteLog::new();
        let snapshots = SnapshotConfig {
            max_age: self.config.schedule.sync_max_age,
            storage_engine: match self.config.sync.storage_engine {
                crate::config::StorageEngine::Unset => StorageEngine::Unspecified,
                crate::config::StorageEngine::Sqlite => StorageEngine::Sqlite,
                crate::config::StorageEngine::Pebble => StorageEngine::Pebble,
            },
        };
        let inner = Arc::clone(&self.syncs);
        let metrics = Arc::clone(&self.context.metrics);
        let desk = Arc::new(SyncDesk::new(snapshots, inner, log.clone(), metrics));
        let parts = Parts {
            syncs: Arc::clone(&desk) as _,
            writes: writes::of(
                &self.config,
                &self.client,
                client_key::source(&self.credentials),
                &permit,
                log,
            ),
            actions: Arc::new(action_schemas()),
            events: events(&self.config, &self.client),
        };
        let clock = self.clock(&term, &desk);
        let session = async {
            let ended = Box::pin(self.sessions(&permit, &term, parts)).await;
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
    async fn clock(&self, term: &Term, desk: &SyncDesk) {
        let Some(every) = self.config.schedule.sync_interval else {
            return;
        };
        let pulse = self.context.liveness.register("schedule", Duration::ZERO);
        let interval = IntervalConfig {
            every,
            run_limit: RUN_LIMIT,
        };
        schedule::run(interval, term, &pulse, |token| async move {
            if let Err(error) = desk.refresh(token).await {
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
    async fn sessions(&self, permit: &Permit, term: &Term, parts: Parts) -> Result<(), Failure> {
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
                }),
                readiness: self.context.readiness.clone(),
                liveness: self.context.liveness.clone(),
                telemetry: Arc::clone(&self.context.metrics),
                build: BuildInfo::CURRENT,
                permit: permit.clone(),
                observer: Some(Arc::new(Observer {
                    events: self.context.events.clone(),
                    metrics: Arc::clone(&self.context.metrics),
                    syncs: Arc::clone(&self.syncs),
                })),
            };
            let credentials = c1_credentials(&values).map_err(Problem::from)?;
            let session = Session::new(session_config(&self.config), credentials, session_parts)?;
            let ended = tokio::select! {
                ended = session.run(term) => ended,
                never = self.rotate(&session, Arc::clone(&values)) => match never {},
            };
            let error = match ended {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let Credentials::Watched(changes) = &self.credentials else {
                return Err(error.into());
            };
            let text = super::chain(&error);
            tracing::error!(
                error = text,
                error_class = error.class().as_str(),
                "C1 refused the session"
            );
            self.context.readiness.miss(Condition::Session, text);
            let mut changes = changes.clone();
            let others = changes.wait_for(|state| is_other(state.c1.current.as_ref(), &values));
            tokio::select! {
                () = term.stopping().cancelled() => return Ok(()),
                _ = others => {}
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    /// C1's credentials as soon as there are any; `None` when the term stops first.
    async fn c1(&self, term: &Term) -> Option<Arc<C1Values>> {
        match &self.credentials {
            Credentials::Fixed { c1, .. } => c1.clone(),
            Credentials::Watched(changes) => {
                self.context
                    .readiness
                    .miss(Condition::Session, "waiting for C1's credentials");
                let mut changes = changes.clone();
                let found = tokio::select! {
                    () = term.stopping().cancelled() => return None,
                    found = changes.wait_for(|state| state.c1.current.is_some()) => found,
                };
                found.ok()?.c1.current.clone()
            }
        }
    }

    /// Hands new credentials to the running session.
    async fn rotate(&self, session: &Session, mut used: Arc<C1Values>) -> Infallible {
        let Credentials::Watched(changes) = &self.credentials else {
            return std::future::pending().await;
        };
        let mut changes = changes.clone();
        loop {
            let found = changes
                .wait_for(|state| is_other(state.c1.current.as_ref(), &used))
                .await;
            let next = found.ok().and_then(|state| state.c1.current.clone());
            // Nobody is left to change them.
            let Some(next) = next else {
                return std::future::pending().await;
            };
            let Ok(credentials) = c1_credentials(&next) else {
                used = next;
                continue;
            };
            match session.replace_credentials(credentials).await {
                Ok(()) => used = next,
                Err(error) => {
                    let (text, class) = (super::chain(&error), error.class().as_str());
                    tracing::warn!(error = text, error_class = class, "session kept its old credentials");
                    tokio::time::sleep(ROTATE_AGAIN).await;
                }
            }
        }
    }
}

fn is_other(current: Option<&Arc<C1Values>>, used: &Arc<C1Values>) -> bool {
    current.is_some_and(|current| !Arc::ptr_eq(current, used))
}

fn events(config: &Config, client: &Client) -> Arc<dyn EventFeed> {
    if config.event_feed {
        Arc::new(AuditFeed::new(client))
    } else {
        Arc::new(NoEventFeed)
    }
}

/// What Hello says of the connector: read anew each time, and still said when PingOne does not answer.
fn metadata_source(config: &Config, client: Client) -> MetadataSource {
    let (role_scan, event_feed) = (config.sync.role_scan, config.event_feed);
    let region = config.pingone.region.clone();
    let last: Arc<Mutex<Option<Environment>>> = Arc::default();
    Arc::new(move || {
        let (client, region) = (client.with_budget(DESCRIBE), region.clone());
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
            let tld = region.parse::<Region>().unwrap_or_default().tld();
            Ok::<_, TaskError>(metadata(&Metadata {
                environment_id: client.environment_id().to_owned(),
                environment_name: environment.as_ref().and_then(|environment| environment.name.clone()),
                organization_id: environment
                    .and_then(|environment| environment.organization)
                    .map(|organization| organization.id.to_string()),
                region: tld.to_owned(),
                role_model: "entitlements",
                role_scan,
                event_feed,
            }))
        })
    })
}
