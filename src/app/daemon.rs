//! The long-running mode: admin server, credentials, election and the work of each term, all under the supervisor.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::context::Context;
use super::credentials::{self, Credentials, c1_credentials, pingone_credentials};
use super::history::History;
use super::leader::Candidacy;
use super::proof::Proof;
use super::syncs::Syncs;
use super::term::Work;
use super::workspace::Workspace;
use super::{connect, log_config, session_config, writes};
use crate::admin::{self, AdminConfig, AdminState, Unhealthy};
use crate::config::Config;
use crate::credentials::source::{CredentialState, PingOneValues, Problem};
use crate::error::ErrorClass;
use crate::k8s::events::Events;
use crate::k8s::{self, Home, Place, setup};
use crate::pingone::{Budget, Client};
use crate::runtime::readiness::Condition;
use crate::runtime::shutdown::ProcessSignals;
use crate::runtime::supervisor::{Failure, Policy, Stage, Supervisor};
use crate::session::Session;
use crate::task::TaskKind;
use crate::telemetry::{BuildInfo, LogControl, Metrics};

/// How long a good validation answers probes (connector-model.md §8.2).
const VALID_FOR: Duration = Duration::from_secs(30);
/// Before credentials are asked for again after a failure.
const PROVE_AGAIN: Duration = Duration::from_secs(5);

/// Whether these settings ask for a daemon; without one, a single piece of work is done.
pub(super) const fn is_wanted(config: &Config) -> bool {
    config.c1.is_some() || config.kubernetes.has_changing_source() || config.schedule.sync_interval.is_some()
}

/// Serves C1's tasks, or syncs on its own clock, until a signal ends it.
pub(super) async fn serve(mut config: Config, log: LogControl) -> anyhow::Result<u8> {
    // Lives as long as the process works: what is left of a killed one is removed by the next.
    let workspace = Workspace::enter(&config.temp_dir)?;
    workspace.path().clone_into(&mut config.temp_dir);
    let metrics = Arc::new(Metrics::new(BuildInfo::CURRENT, &TaskKind::NAMES).context("set up metrics")?);
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
    let credentials = if config.kubernetes.has_changing_source() {
        credentials::watch(&config, kube.as_ref(), &context, &mut supervisor)?
    } else {
        credentials::of_settings(&config)?
    };
    admin(&config, &context, &credentials, log, &mut supervisor).await?;
    let grace = config.schedule.shutdown_grace;
    start_work(config, context, kube, credentials, &mut supervisor)?;
    Ok(supervisor.run(signals, grace).await.exit_code())
}

/// With settings that never change, whatever can be known to be wrong without the network ends the start, and a refusal
/// of PingOne's ends the process. With sources that can change, the work waits for them.
fn start_work(
    config: Config,
    context: Context,
    kube: Option<k8s::Client>,
    credentials: Credentials,
    supervisor: &mut Supervisor,
) -> anyhow::Result<()> {
    let draining = context.shutdown.draining().clone();
    match &credentials {
        Credentials::Fixed { pingone, c1 } => {
            if let Some(c1) = c1 {
                let c1 = c1_credentials(c1).map_err(Problem::from)?;
                Session::check(&session_config(&config), &c1, BuildInfo::CURRENT)?;
            }
            let (_, receiver) = watch::channel(Arc::new(pingone_credentials(pingone)));
            let client = connect::client(&config.pingone, pingone, receiver, Some(Arc::clone(&context.metrics)))?;
            let told = context.clone();
            let work = Work::new(config, context, client.clone(), credentials.clone())?;
            supervisor.start("credentials", Stage::Work, Policy::MustRun, async move {
                tokio::select! {
                    () = draining.cancelled() => Ok(()),
                    refused = prove(&client, &told) => Err(refused),
                }
            });
            supervisor.start("work", Stage::Work, Policy::MustRun, work.run(kube));
        }
        Credentials::Watched(changes) => {
            let changes = changes.clone();
            supervisor.start("work", Stage::Work, Policy::MustRun, async move {
                let first = tokio::select! {
                    () = draining.cancelled() => return Ok(()),
                    first = first_pingone(changes.clone()) => first,
                };
                let Some(first) = first else { return Ok(()) };
                let (sender, receiver) = watch::channel(Arc::new(pingone_credentials(&first)));
                let metrics = Some(Arc::clone(&context.metrics));
                let client = connect::client(&config.pingone, &first, receiver, metrics)?;
                let work = Work::new(config, context, client, credentials)?;
                tokio::select! {
                    ended = work.run(kube) => ended,
                    () = pass_on(changes, first, sender) => Ok(()),
                }
            });
        }
    }
    Ok(())
}

/// The cluster that we are in; from outside only where a setting needs it.
async fn cluster(config: &Config) -> anyhow::Result<Option<k8s::Client>> {
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
    let place = Place::find(
        around.service_host.as_deref(),
        around.kubeconfig.as_deref().filter(|_| needed.is_some()),
    );
    let home = Home {
        namespace: around.namespace.clone(),
        pod: around.pod.clone(),
        pod_uid: around.pod_uid.clone(),
        deployment: around.deployment.clone(),
    };
    Ok(setup::discover(place, home, needed).await?)
}

impl Work {
    fn new(config: Config, context: Context, client: Client, credentials: Credentials) -> anyhow::Result<Self> {
        let environment = Uuid::try_parse(client.environment_id()).context("the environment id is not a UUID")?;
        context.client.set(client.clone()).ok();
        // A daemon without C1 replaces one file, which it can be compared with.
        let file = config.c1.is_none().then_some(config.file.as_path());
        let file = file.filter(|_| config.schedule.sync_interval.is_some());
        let metrics = Arc::clone(&context.metrics);
        let history = History::new(&config, environment, file)?;
        let syncs = Arc::new(Syncs::new(&config, client.clone(), history, metrics));
        Ok(Self {
            config,
            context,
            client,
            credentials,
            syncs,
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
        let context = self.context.clone();
        let work = Arc::new(self);
        let Some(every) = work.config.schedule.sync_interval.filter(|_| !serves_c1) else {
            let serve = move |permit, term| Arc::clone(&work).serve(permit, term);
            return Box::pin(candidacy.run(kube, context, Arc::new(serve))).await;
        };
        let sync = move |permit, term| Arc::clone(&work).sync_on_clock(every, permit, term);
        Box::pin(candidacy.run(kube, context, Arc::new(sync))).await
    }

    /// C1 is served where there are credentials for it. With sources that can change and an own clock, that is known when
    /// they have said what they hold.
    fn serves_c1(&self) -> bool {
        match &self.credentials {
            Credentials::Fixed { c1, .. } => c1.is_some(),
            Credentials::Watched(changes) => changes.borrow().wants_c1,
        }
    }
}

/// The first PingOne credentials that were proved.
async fn first_pingone(mut changes: watch::Receiver<CredentialState>) -> Option<Arc<PingOneValues>> {
    let state = changes.wait_for(|state| state.pingone.current.is_some()).await.ok()?;
    state.pingone.current.clone()
}

/// Gives each pair other than `used` to the client; its next request takes a token for it. One that came while the
/// client was built counts as well.
async fn pass_on(
    mut changes: watch::Receiver<CredentialState>,
    mut used: Arc<PingOneValues>,
    client: watch::Sender<Arc<crate::pingone::Credentials>>,
) {
    loop {
        let current = changes.borrow_and_update().pingone.current.clone();
        if let Some(values) = current.filter(|current| !Arc::ptr_eq(current, &used)) {
            client.send_replace(Arc::new(pingone_credentials(&values)));
            used = values;
        }
        if changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Ready needs the credentials to have been good once. Returns only when PingOne refuses them: nothing can change them
/// while this process runs.
async fn prove(client: &Client, context: &Context) -> Failure {
    let client = client.with_budget(Budget::PROBE);
    let pulse = context.liveness.register("credentials", Budget::PROBE.0);
    let proof = Proof {
        condition: Condition::Credentials,
        readiness: &context.readiness,
        pulse: &pulse,
        limit: Budget::PROBE.0,
        again: PROVE_AGAIN,
    };
    let ask = || async { client.environment().await.map(drop) };
    let proved = proof.until(ask, |error| error.class() == ErrorClass::Auth).await;
    drop(pulse);
    match proved {
        Ok(()) => std::future::pending().await,
        Err(refused) => refused.into(),
    }
}

async fn admin(
    config: &Config,
    context: &Context,
    credentials: &Credentials,
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
    let (shared, credentials) = (context.clone(), credentials.clone());
    let provisioning = writes::mode(config);
    let facts = move || {
        let environment = shared.client.get().map_or("not known yet", Client::environment_id);
        let mut lines = vec![
            ("environment".to_owned(), environment.to_owned()),
            ("role".to_owned(), shared.role()),
            ("provisioning".to_owned(), provisioning.to_owned()),
        ];
        if let Credentials::Watched(changes) = &credentials {
            lines.extend(credentials::problems(&changes.borrow()));
        }
        lines
    };
    let state = AdminState {
        liveness: context.liveness.clone(),
        readiness: context.readiness.clone(),
        metrics: Arc::clone(&context.metrics),
        validate: validator(Arc::clone(&context.client)),
        log,
        build: BuildInfo::CURRENT,
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
fn validator(client: Arc<OnceLock<Client>>) -> admin::Validate {
    let last: Arc<Mutex<Option<Instant>>> = Arc::default();
    Arc::new(move || {
        let (client, last) = (client.get().cloned(), Arc::clone(&last));
        Box::pin(async move {
            let client = client.ok_or(Unhealthy::NoClient)?;
            let mut last = last.lock().await;
            if last.is_some_and(|at| at.elapsed() < VALID_FOR) {
                return Ok(());
            }
            let found = client.with_budget(VALIDATE).validate().await;
            *last = found.is_ok().then(Instant::now);
            found.map_err(|error| Unhealthy::Invalid(error.to_string()))
        })
    })
}

/// Starts logging for the daemon.
pub(super) fn start_logging(config: &Config) -> anyhow::Result<LogControl> {
    log_config(&config.log).install().context("set up logging")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(secret: &str) -> CredentialState {
        let mut state = CredentialState::default();
        state.pingone.current = Some(Arc::new(PingOneValues {
            client_id: "client".to_owned(),
            client_secret: secret.to_owned().into(),
            environment_id: "8d1c0a3e-0000-4000-8000-000000000001".to_owned(),
        }));
        state.pingone.generation += 1;
        state
    }

    #[tokio::test]
    async fn credentials_that_change_while_the_client_is_built_reach_it() {
        let (sender, changes) = watch::channel(state("first"));
        let first = first_pingone(changes.clone()).await.unwrap();
        let (client, mut used) = watch::channel(Arc::new(pingone_credentials(&first)));
        let mut second = state("second");
        second.pingone.generation = 2;
        sender.send_replace(second);
        tokio::select! {
            biased;
            () = pass_on(changes, first, client) => unreachable!("it lasts as long as the work"),
            told = used.changed() => told.unwrap(),
            () = tokio::task::yield_now() => panic!("the rotation was lost"),
        }
    }
}
