//! The long-running mode: admin server, credentials, election and the work of each term, all under the supervisor.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::context::Context;
use super::credentials;
use super::history::History;
use super::leader::Candidacy;
use super::observations;
use super::syncs::Syncs;
use super::term::Work;
use super::traces::Traces;
use super::workspace::Workspace;
use super::{connect, log_config, session_config, state, status, writes};
use crate::admin::{self, AdminConfig, AdminState, Unhealthy};
use crate::config::Config;
use crate::credentials::{CredentialState, PingOneValues, pingone_in_force};
use crate::k8s::events::Events;
use crate::k8s::{self, ClusterAccess, PodInfo, setup};
use baton::session::Session;
use baton::task::TaskKind;
use pingone::{Budget, Client, Operation, PingOneError};
use process::runtime::readiness::Condition;
use process::runtime::shutdown::ProcessSignals;
use process::runtime::supervisor::{Failure, Policy, Stage, Supervisor};
use process::telemetry::{LogControl, Metrics};

/// How long a good validation answers probes (connector-model.md §8.2).
const VALID_FOR: Duration = Duration::from_secs(30);

/// Whether these settings ask for a daemon; without one, a single piece of work is done.
pub(super) const fn is_wanted(config: &Config) -> bool {
    config.c1.is_some() || config.kubernetes.has_changing_source() || config.schedule.sync_interval.is_some()
}

/// What these settings make of the program, in one line.
pub(super) fn mode(config: &Config) -> String {
    if !is_wanted(config) {
        return "one piece of work, then it ends".to_owned();
    }
    let c1 = config.c1.is_some() || config.kubernetes.has_changing_source();
    match (c1, config.schedule.sync_interval) {
        (true, None) => "a daemon that serves C1".to_owned(),
        (true, Some(every)) => format!("a daemon that serves C1 and syncs every {} s", every.as_secs()),
        (false, every) => format!(
            "a daemon that syncs into {} every {} s",
            config.file.display(),
            every.unwrap_or_default().as_secs()
        ),
    }
}

/// Serves C1's tasks, or syncs on its own schedule, until a signal ends it.
pub(super) async fn serve(mut config: Config, log: LogControl) -> anyhow::Result<u8> {
    // Lives as long as the process works: what is left of a killed one is removed by the next.
    let workspace = Workspace::enter(&config.temp_dir)?;
    workspace.path().clone_into(&mut config.temp_dir);
    tracing::info!(
        version = crate::BUILD.version,
        revision = crate::BUILD.revision,
        region = config.pingone.region.tld(),
        environment = config
            .pingone
            .environment_id
            .map_or_else(|| "from the credentials".to_owned(), |id| id.to_string()),
        mode = mode(&config),
        provisioning = writes::mode(&config),
        "baton-ping-one started"
    );
    let metrics = Arc::new(Metrics::new(crate::BUILD, &TaskKind::NAMES).context("set up metrics")?);
    observations::prepare(&metrics);
    let signals = ProcessSignals::install().context("listen for signals")?;
    let kube = cluster(&config).await?;
    let (events, writer) = kube.as_ref().map_or_else(
        || (Events::off(), None),
        |kube| {
            let (events, writer) = Events::new(kube);
            (events, Some(writer))
        },
    );
    let context = Context::new(metrics, events);
    context.readiness.meet(Condition::Configuration);
    let mut supervisor = Supervisor::new(context.shutdown.clone(), context.readiness.clone());
    if let Some(writer) = writer {
        let stop = context.shutdown.process().clone();
        supervisor.start("events", Stage::Service, Policy::MayFinish, async move {
            writer.run(stop).await;
            Ok(())
        });
    }
    // What no credentials can put right ends the start.
    Session::check(&session_config(&config))?;
    let credentials = credentials::start(&config, kube.as_ref(), &context, &mut supervisor)?;
    admin(&config, &context, credentials.clone(), log, &mut supervisor).await?;
    let grace = config.schedule.shutdown_grace;
    start_work(config, context, kube, credentials, &mut supervisor);
    Ok(supervisor.run(signals, grace).await.exit_code())
}

/// The work begins when it is known with which credentials of PingOne, and whether C1 is served.
fn start_work(
    config: Config,
    context: Context,
    kube: Option<k8s::Client>,
    credentials: watch::Receiver<CredentialState>,
    supervisor: &mut Supervisor,
) {
    let draining = context.shutdown.draining().clone();
    supervisor.start("work", Stage::Work, Policy::MustRun, async move {
        let first = tokio::select! {
            () = draining.cancelled() => return Ok(()),
            first = first_pingone(credentials.clone()) => first,
        };
        let Some(first) = first else { return Ok(()) };
        let environment = first.environment_id;
        if config.pingone.environment_id != Some(environment) {
            tracing::info!(%environment, "the environment is known from the credentials");
        }
        let in_force = pingone_in_force(credentials.clone(), first);
        let metrics = Some(Arc::clone(&context.metrics));
        let client = connect::client(&config.pingone, environment, in_force, metrics)?;
        Work::new(config, context, client, credentials)?.run(kube).await
    });
}

/// The cluster that we are in; from outside only where a setting needs it.
pub(super) async fn cluster(config: &Config) -> anyhow::Result<Option<k8s::Client>> {
    use crate::config::LeaderElection;
    let settings = &config.kubernetes;
    let needed = if settings.secret.is_some() {
        Some("credentials-secret")
    } else if settings.leader_election == LeaderElection::On {
        Some("leader-election=true")
    } else {
        None
    };
    let around = &settings.surroundings;
    let place = ClusterAccess::find(
        around.service_host.as_deref(),
        around.kubeconfig.as_deref().filter(|_| needed.is_some()),
    );
    let home = PodInfo {
        namespace: around.namespace.clone(),
        pod: around.pod.clone(),
        pod_uid: around.pod_uid.clone(),
        deployment: around.deployment.clone(),
    };
    Ok(setup::discover(place, home, needed).await?)
}

impl Work {
    fn new(
        config: Config,
        context: Context,
        client: Client,
        credentials: watch::Receiver<CredentialState>,
    ) -> anyhow::Result<Self> {
        let environment = Uuid::try_parse(client.environment_id()).context("the environment id is not a UUID")?;
        context.client.set(client.clone()).ok();
        // A daemon without C1 replaces one file, which it can be compared with.
        let file = config.c1.is_none().then_some(config.file.as_path());
        let file = file.filter(|_| config.schedule.sync_interval.is_some());
        let metrics = Arc::clone(&context.metrics);
        state::tell_model(&config, environment);
        let history = History::new(&config, environment, file)?;
        let verdicts = baton::session::Verdicts::default();
        metrics.environment(client.environment_id(), config.pingone.region.tld());
        refresh(&metrics, client.clone(), verdicts.clone());
        let syncs = Arc::new(Syncs::new(&config, client.clone(), history, metrics));
        Ok(Self {
            config,
            context,
            client,
            credentials,
            syncs,
            verdicts,
        })
    }

    /// Works until the process drains.
    async fn run(self, kube: Option<k8s::Client>) -> Result<(), Failure> {
        let serves_c1 = self.serves_c1();
        let host = self
            .config
            .host_id
            .clone()
            .unwrap_or_else(|| "baton-ping-one".to_owned());
        let candidacy = Candidacy::new(&self.config.kubernetes, &host, !serves_c1, self.syncs.notes())?;
        self.syncs.hand_on(kube.as_ref(), &self.config.kubernetes);
        let context = self.context.clone();
        let work = Arc::new(self);
        let Some(every) = work.config.schedule.sync_interval.filter(|_| !serves_c1) else {
            let serve = move |guard, term| Arc::clone(&work).serve(guard, term);
            return Box::pin(candidacy.run(kube, context, Arc::new(serve))).await;
        };
        let sync = move |guard, term| Arc::clone(&work).sync_on_clock(every, guard, term);
        Box::pin(candidacy.run(kube, context, Arc::new(sync))).await
    }

    /// C1 is served where there are credentials for it.
    fn serves_c1(&self) -> bool {
        self.credentials.borrow().wants_c1 == Some(true)
    }
}

/// What nobody tells of is looked up when somebody reads.
fn refresh(metrics: &Metrics, client: Client, verdicts: baton::session::Verdicts) {
    metrics.before_each_reading(move |metrics| {
        let waited = client.stats().waited_by_group();
        for rate in client.rates() {
            let group = rate.group.as_str();
            let waited = waited.get(group).copied().unwrap_or_default();
            metrics.pingone_rate(group, rate.per_second, rate.waiting, waited);
        }
        metrics
            .unreported_verdicts
            .set(i64::try_from(verdicts.unreported()).unwrap_or(i64::MAX));
    });
}

/// The first PingOne credentials to work with, once it is known whether C1 is served.
async fn first_pingone(mut changes: watch::Receiver<CredentialState>) -> Option<Arc<PingOneValues>> {
    let is_known = |state: &CredentialState| state.pingone.current.is_some() && state.wants_c1.is_some();
    let state = changes.wait_for(is_known).await.ok()?;
    state.pingone.current.clone()
}

async fn admin(
    config: &Config,
    context: &Context,
    credentials: watch::Receiver<CredentialState>,
    log: LogControl,
    supervisor: &mut Supervisor,
) -> anyhow::Result<()> {
    let admin_config = AdminConfig {
        address: config.admin.address,
        port: config.admin.port,
        required: config.admin.required,
    };
    let Some(listener) = admin_config.bind().await? else {
        return Ok(());
    };
    let (shared, settings) = (context.clone(), config.clone());
    let facts = move || status::tell(&settings, &shared, &credentials.borrow());
    let state = AdminState {
        liveness: context.liveness.clone(),
        readiness: context.readiness.clone(),
        metrics: Arc::clone(&context.metrics),
        validate: validator(
            Arc::clone(&context.client),
            connect::optional_lists(&config.sync.access),
        ),
        log,
        build: crate::BUILD,
        facts: Arc::new(facts),
    };
    let token = context.shutdown.process().clone();
    supervisor.start("admin", Stage::Service, Policy::MustRun, async move {
        admin::serve(listener, state, token).await;
        Ok(())
    });
    Ok(())
}

/// How long one validation may take (connector-model.md §8.2).
const VALIDATE: Budget = Budget(Duration::from_secs(10));

/// Validation for `/health`: a good answer counts for half a minute, so that probes do not eat the rate limit.
fn validator(client: Arc<OnceLock<Client>>, more: Vec<Operation>) -> admin::Validate {
    let last: Arc<Mutex<Option<Instant>>> = Arc::default();
    Arc::new(move || {
        let (client, last, more) = (client.get().cloned(), Arc::clone(&last), more.clone());
        Box::pin(async move {
            let client = client.ok_or(Unhealthy::NoClient)?;
            let mut last = last.lock().await;
            if last.is_some_and(|at| at.elapsed() < VALID_FOR) {
                return Ok(());
            }
            let client = client.with_budget(VALIDATE);
            let found = async {
                client.validate().await?;
                for list in more {
                    client.can_list(list).await?;
                }
                Ok::<(), PingOneError>(())
            }
            .await;
            *last = found.is_ok().then(Instant::now);
            found.map_err(|error| Unhealthy::Invalid(error.to_string()))
        })
    })
}

/// Starts logging for the daemon.
pub(super) fn start_logging(config: &Config, traces: Option<&Traces>) -> anyhow::Result<LogControl> {
    let beside = traces.map(Traces::layer);
    log_config(&config.log).install(beside).context("set up logging")
}
