//! The long-running mode: admin server, C1 session, signals, all under the supervisor.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::syncs::Syncs;
use super::{connect, log_config};
use crate::admin::{self, AdminConfig, AdminState, Unhealthy, VALIDATE_LIMIT};
use crate::config::{C1Settings, Config};
use crate::feed::AuditFeed;
use crate::pingone::{Budget, Client};
use crate::runtime::liveness::Liveness;
use crate::runtime::readiness::{Condition, Readiness};
use crate::runtime::shutdown::{ProcessSignals, Shutdown};
use crate::runtime::supervisor::{Policy, Stage, Supervisor};
use crate::session::{
    C1Credentials, MetadataSource, ProxyConfig, Session, SessionConfig, SessionParts, TcpDialer, Trust,
};
use crate::task::{
    ActionSchema, Dispatcher, EventFeed, NoEventFeed, PROVISIONING_DISABLED, Parts, TaskError, TaskKind, Writes,
};
use crate::telemetry::{BuildInfo, LogControl, Metrics};
use crate::wire::describe::{Metadata, metadata};

/// How long a good validation answers probes (connector-model.md §8.2).
const VALID_FOR: Duration = Duration::from_secs(30);
/// Before credentials are asked for again after a failure.
const PROVE_AGAIN: Duration = Duration::from_secs(5);
/// Of the shutdown's budget: for the reports of cancelled work.
const REPORTS: Duration = Duration::from_secs(5);

/// Serves C1's tasks until a signal ends it.
pub(super) async fn serve(config: Config, c1: C1Settings, log: LogControl) -> anyhow::Result<u8> {
    let metrics = Arc::new(Metrics::new(BuildInfo::CURRENT, &TaskKind::NAMES).context("set up metrics")?);
    let (client, environment) = connect::pingone(&config.pingone, Some(Arc::clone(&metrics)))?;
    let (readiness, liveness, shutdown) = (Readiness::new(), Liveness::new(), Shutdown::new());
    readiness.meet(Condition::Configuration);
    let signals = ProcessSignals::install().context("listen for signals")?;
    let mut supervisor = Supervisor::new(shutdown.clone(), readiness.clone());
    let admin_config = AdminConfig {
        address: config.admin.address,
        port: config.admin.port,
        required: config.admin.required,
    };
    if let Some(listener) = admin_config.bind().await? {
        let state = AdminState {
            liveness: liveness.clone(),
            readiness: readiness.clone(),
            metrics: Arc::clone(&metrics),
            validate: validator(client.clone()),
            log,
            build: BuildInfo::CURRENT,
            facts: Arc::new(move || vec![("environment".to_owned(), environment.to_string())]),
        };
        let token = shutdown.process().clone();
        supervisor.start("admin", Stage::Service, Policy::MustRun, async move {
            admin::serve(listener, state, token).await;
            Ok(())
        });
    }
    let (asking, told) = (client.clone(), readiness.clone());
    let draining = shutdown.draining().clone();
    supervisor.start("credentials", Stage::Work, Policy::MayFinish, async move {
        draining.run_until_cancelled(prove(&asking, &told)).await;
        Ok(())
    });
    let session = session(&config, &c1, client, &shutdown, (&readiness, &liveness, &metrics))?;
    let term = shutdown.term();
    supervisor.start("session", Stage::Work, Policy::MustRun, async move {
        session.run(&term).await.map_err(Into::into)
    });
    Ok(supervisor
        .run(signals, config.schedule.shutdown_grace)
        .await
        .exit_code())
}

fn session(
    config: &Config,
    c1: &C1Settings,
    client: Client,
    shutdown: &Shutdown,
    (readiness, liveness, metrics): (&Readiness, &Liveness, &Arc<Metrics>),
) -> anyhow::Result<Session> {
    use secrecy::ExposeSecret;
    let syncs = Syncs::new(config, client.clone(), Arc::clone(metrics));
    let events: Arc<dyn EventFeed> = if config.event_feed {
        Arc::new(AuditFeed::new(&client))
    } else {
        Arc::new(NoEventFeed)
    };
    let parts = Parts {
        syncs: Arc::new(syncs),
        writes: Writes::Refused(PROVISIONING_DISABLED),
        actions: Arc::new(Vec::<ActionSchema>::new()),
        events,
    };
    let proxy = ProxyConfig::new(config.https_proxy.as_deref(), config.no_proxy.as_deref())?;
    let session_config = SessionConfig {
        api_host: config.c1_api_host.clone(),
        host_id: config.host_id.clone(),
        batched: config.schedule.get_tasks,
        task_concurrency: config.schedule.task_concurrency,
        token_limit: config.pingone.timeout,
        user_agent_suffix: None,
        trust: Trust::System,
        drain_limit: config.schedule.shutdown_grace.saturating_sub(REPORTS),
    };
    let session_parts = SessionParts {
        runner: Arc::new(Dispatcher::new(parts, shutdown.process().clone())),
        metadata: metadata_source(config, client),
        dialer: Arc::new(TcpDialer { proxy }),
        readiness: readiness.clone(),
        liveness: liveness.clone(),
        telemetry: Arc::clone(metrics),
        build: BuildInfo::CURRENT,
    };
    let credentials = C1Credentials::parse(&c1.client_id, c1.client_secret.expose_secret())?;
    Ok(Session::new(session_config, credentials, session_parts)?)
}

/// Ready needs the credentials to have been good once.
async fn prove(client: &Client, readiness: &Readiness) {
    let client = client.with_budget(Budget::PROBE);
    loop {
        match client.environment().await {
            Ok(_) => {
                readiness.meet(Condition::Credentials);
                return;
            }
            Err(error) => {
                tracing::warn!(error = %error, error_class = error.class().as_str(), "PingOne credentials not proved");
                readiness.miss(Condition::Credentials, error.to_string());
                tokio::time::sleep(PROVE_AGAIN).await;
            }
        }
    }
}

/// Validation for `/health`: a good answer counts for half a minute, so that probes do not eat the rate limit.
fn validator(client: Client) -> admin::Validate {
    let last: Arc<Mutex<Option<Instant>>> = Arc::default();
    Arc::new(move || {
        let (client, last) = (client.with_budget(Budget(VALIDATE_LIMIT)), Arc::clone(&last));
        Box::pin(async move {
            let mut last = last.lock().await;
            if last.is_some_and(|at| at.elapsed() < VALID_FOR) {
                return Ok(());
            }
            let found = client.validate().await;
            *last = found.is_ok().then(Instant::now);
            found.map_err(|error| Unhealthy {
                validation_error: error.to_string(),
            })
        })
    })
}

/// What Hello says of the connector: read anew each time, and still said when PingOne does not answer.
fn metadata_source(config: &Config, client: Client) -> MetadataSource {
    let (role_scan, event_feed) = (config.sync.role_scan, config.event_feed);
    let region = config.pingone.region.clone();
    Arc::new(move || {
        let (client, region) = (client.with_budget(Budget::PROBE), region.clone());
        Box::pin(async move {
            let environment = client.environment().await.ok();
            let tld = region.parse::<crate::pingone::Region>().unwrap_or_default().tld();
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

/// Starts logging for the daemon.
pub(super) fn start_logging(config: &Config) -> anyhow::Result<LogControl> {
    log_config(&config.log).install().context("set up logging")
}
