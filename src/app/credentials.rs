//! Where credentials come from: settings that never change, or sources that can, kept by [`Keeper`].

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::sync::{mpsc, watch};

use super::context::Context;
use super::session_config;
use crate::config::Config;
use crate::credentials::source::{
    C1Values, CredentialNotice, CredentialState, Directory, Held, Keeper, Key, NoticeFn, Offer, Origin, PingOneValues,
    Prover, Side, Unproved, Values,
};
use crate::error::ErrorClass;
use crate::k8s::events::{Event, Events};
use crate::k8s::{self, SecretWatch, WatchTiming};
use crate::pingone::{Budget, Client};
use crate::runtime::readiness::{Condition, Readiness};
use crate::runtime::supervisor::{Failure, Policy, Stage, Supervisor};
use crate::session::{C1Credentials, Session, SessionConfig, TcpDialer};
use crate::telemetry::{BuildInfo, Metrics};

/// Offers that may wait: two sources that seldom change.
const OFFERS: usize = 8;
/// Time for the first look at a directory.
const FIRST_LOOK: Duration = Duration::from_secs(10);

/// What is known of the credentials of this process.
#[derive(Debug, Clone)]
pub(super) enum Credentials {
    /// Settings.
    Fixed {
        /// PingOne's.
        pingone: Arc<PingOneValues>,
        /// C1's, if C1 is served.
        c1: Option<Arc<C1Values>>,
    },
    /// Sources that can change.
    Watched(watch::Receiver<CredentialState>),
}

/// The settings' values as the last of the sources.
pub(super) fn fixed(config: &Config) -> Values {
    let mut values = Values::default();
    let pingone = &config.pingone;
    let mut add = |key, text: Option<&str>| {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            values.insert(key, Origin::Fixed, text.as_bytes());
        }
    };
    add(Key::PingOneClientId, Some(&pingone.client_id));
    add(
        Key::PingOneClientSecret,
        pingone.client_secret.as_ref().map(ExposeSecret::expose_secret),
    );
    let environment = pingone.environment_id.map(|id| id.to_string());
    add(Key::PingOneEnvironmentId, environment.as_deref());
    add(Key::C1ClientId, config.fixed_c1.client_id.as_deref());
    let secret = config.fixed_c1.client_secret.as_ref();
    add(Key::C1ClientSecret, secret.map(ExposeSecret::expose_secret));
    values
}

/// The settings' credentials, where nothing can change them. Their proof is a supervised task: what PingOne refuses ends
/// the process.
pub(super) fn of_settings(config: &Config) -> anyhow::Result<Credentials> {
    use anyhow::Context as _;
    let pingone = &config.pingone;
    let secret = pingone.client_secret.clone();
    let environment = pingone.environment_id.context("pingone-environment-id is missing")?;
    let c1 = config.c1.as_ref().map(|c1| {
        Arc::new(C1Values {
            client_id: c1.client_id.clone(),
            client_secret: c1.client_secret.clone(),
        })
    });
    Ok(Credentials::Fixed {
        pingone: Arc::new(PingOneValues {
            client_id: pingone.client_id.clone(),
            client_secret: secret.context("pingone-client-secret is missing")?,
            environment_id: environment.to_string(),
        }),
        c1,
    })
}

/// Starts the sources and the keeper, and waits for nothing. Whether C1 is served follows from what the sources hold
/// where `sync-interval` would do without it.
pub(super) fn watch(
    config: &Config,
    kube: Option<&k8s::Client>,
    context: &Context,
    supervisor: &mut Supervisor,
) -> anyhow::Result<Credentials> {
    let stop = context.shutdown.process().clone();
    let (sender, offers) = mpsc::channel(OFFERS);
    let mut awaited = Vec::new();
    if let (Some(name), Some(kube)) = (&config.kubernetes.secret, kube) {
        awaited.push(Origin::Secret);
        let pulse = context
            .liveness
            .register("secret-watch", WatchTiming::default().request);
        let secret = SecretWatch::new(kube, name, WatchTiming::default(), Arc::new(secret_read)).with_pulse(pulse);
        let (sender, stop) = (sender.clone(), stop.clone());
        supervisor.start("secret-watch", Stage::Service, Policy::MustRun, async move {
            secret.run(sender, stop).await;
            Ok(())
        });
    }
    if let Some(path) = &config.kubernetes.directory {
        awaited.push(Origin::Directory);
        let pulse = context.liveness.register("credentials-directory", FIRST_LOOK);
        let directory = Directory::new(path).with_pulse(pulse);
        let stop = stop.clone();
        supervisor.start("credentials-directory", Stage::Service, Policy::MustRun, async move {
            directory.run(sender, stop).await;
            Ok(())
        });
    }
    let prover = Arc::new(TokenProver {
        config: config.clone(),
        session: session_config(config),
        dialer: TcpDialer {
            proxy: super::proxy(config)?,
        },
    });
    let (state, seen) = watch::channel(CredentialState::default());
    let keeping = Keeping {
        prover,
        fixed: fixed(config),
        optional_c1: config.schedule.sync_interval.is_some(),
        notice: notice(&context.metrics, &context.events),
        awaited,
    };
    supervisor.start("credentials", Stage::Service, Policy::MustRun, async move {
        keeping.run(offers, state, stop).await
    });
    let told = tell(context.readiness.clone(), seen.clone());
    let stop = context.shutdown.process().clone();
    supervisor.start("credentials-readiness", Stage::Service, Policy::MayFinish, async move {
        stop.run_until_cancelled(told).await;
        Ok(())
    });
    Ok(Credentials::Watched(seen))
}

fn secret_read(failure: Option<&k8s::K8sError>) {
    if let Some(error) = failure {
        tracing::error!(error = %error, error_class = error.class().as_str(), "credentials Secret was not read");
    } else {
        tracing::info!("credentials Secret was read again");
    }
}

/// Keeps readiness at what is known, as long as anything changes.
async fn tell(readiness: Readiness, mut states: watch::Receiver<CredentialState>) {
    loop {
        match unmet(&states.borrow_and_update()) {
            None => readiness.meet(Condition::Credentials),
            Some(reason) => readiness.miss(Condition::Credentials, reason),
        }
        if states.changed().await.is_err() {
            return;
        }
    }
}

/// Why credentials are not loaded; a bad rotation of loaded ones does not count.
fn unmet(state: &CredentialState) -> Option<String> {
    if state.is_loaded() {
        return None;
    }
    let why = |problem: Option<&crate::credentials::source::Problem>| {
        problem.map_or_else(|| "no credentials yet".to_owned(), ToString::to_string)
    };
    if state.pingone.current.is_none() {
        return Some(format!("PingOne: {}", why(state.pingone.problem.as_ref())));
    }
    Some(format!("C1: {}", why(state.c1.problem.as_ref())))
}

/// The keeper, once it is known whether C1 is served.
struct Keeping {
    prover: Arc<TokenProver>,
    fixed: Values,
    /// C1's credentials may be missing: a clock of our own stands in for it.
    optional_c1: bool,
    notice: NoticeFn,
    awaited: Vec<Origin>,
}

impl Keeping {
    async fn run(
        self,
        mut offers: mpsc::Receiver<Offer>,
        state: watch::Sender<CredentialState>,
        stop: tokio_util::sync::CancellationToken,
    ) -> Result<(), Failure> {
        let mut first = Vec::new();
        let mut wants_c1 = !self.optional_c1 || self.fixed.has_any(&Key::C1);
        if self.optional_c1 && !wants_c1 {
            let said = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                said = collect(&mut offers, &self.awaited) => said,
            };
            let Some(said) = said else { return Ok(()) };
            wants_c1 = said
                .iter()
                .filter_map(|offer| offer.values.as_ref())
                .any(|values| values.has_any(&Key::C1));
            first = said;
        }
        let (keeper, mut kept) = Keeper::new(self.prover, self.fixed, wants_c1, self.notice);
        let (sender, again) = mpsc::channel(OFFERS);
        let pass = async {
            for offer in first {
                if sender.send(offer).await.is_err() {
                    return;
                }
            }
            while let Some(offer) = offers.recv().await {
                if sender.send(offer).await.is_err() {
                    return;
                }
            }
            std::future::pending::<()>().await;
        };
        let mirror = async {
            loop {
                state.send_replace(kept.borrow_and_update().clone());
                if kept.changed().await.is_err() {
                    return;
                }
            }
        };
        let keep = keeper.run(again, &self.awaited, stop.clone());
        tokio::select! {
            ended = keep => ended.map_err(Into::into),
            () = async { tokio::join!(pass, mirror); } => Ok(()),
        }
    }
}

/// The first offer of each source, once one of them holds anything. `None` when nobody offers any more.
async fn collect(offers: &mut mpsc::Receiver<Offer>, awaited: &[Origin]) -> Option<Vec<Offer>> {
    let mut held: Vec<Offer> = Vec::new();
    loop {
        let all = awaited
            .iter()
            .all(|origin| held.iter().any(|offer| offer.origin == *origin));
        if all && held.iter().any(|offer| offer.values.is_some()) {
            return Some(held);
        }
        let offer = offers.recv().await?;
        held.retain(|have| have.origin != offer.origin);
        held.push(offer);
    }
}

fn notice(metrics: &Arc<Metrics>, events: &Events) -> NoticeFn {
    let (metrics, events) = (Arc::clone(metrics), events.clone());
    Arc::new(move |notice: &CredentialNotice<'_>| {
        notice.log();
        match notice {
            CredentialNotice::Reloaded(_) => metrics.credentials_reload("accepted"),
            CredentialNotice::Rejected { .. } => metrics.credentials_reload("refused"),
            _ => {}
        }
        if let Some(event) = Event::from_credentials(notice) {
            events.tell(event);
        }
    })
}

/// Proves with a token request at the real endpoints.
struct TokenProver {
    config: Config,
    session: SessionConfig,
    dialer: TcpDialer,
}

impl Prover for TokenProver {
    async fn pingone(&self, values: &PingOneValues) -> Result<(), Unproved> {
        let (_, receiver) = watch::channel(Arc::new(pingone_credentials(values)));
        let client = super::connect::client(&self.config.pingone, values, receiver, None)
            .map_err(|error| Unproved::Unreachable(error.to_string()))?;
        let client: Client = client.with_budget(Budget::PROBE);
        client.prove().await.map_err(|error| match error.class() {
            ErrorClass::Auth | ErrorClass::Forbidden | ErrorClass::Rejected | ErrorClass::NotFound => {
                Unproved::Refused(error.to_string())
            }
            _ => Unproved::Unreachable(error.to_string()),
        })
    }

    async fn c1(&self, values: &C1Values) -> Result<(), Unproved> {
        let credentials = c1_credentials(values)?;
        let dialer = Arc::new(self.dialer.clone());
        let proved = Session::prove(&self.session, credentials, dialer, BuildInfo::CURRENT).await;
        proved.map_err(|error| {
            let text = super::chain(&error);
            if error.class() == ErrorClass::Auth {
                Unproved::Refused(text)
            } else {
                Unproved::Unreachable(text)
            }
        })
    }
}

/// For the PingOne client.
pub(super) fn pingone_credentials(values: &PingOneValues) -> crate::pingone::Credentials {
    crate::pingone::Credentials {
        client_id: values.client_id.clone(),
        client_secret: values.client_secret.clone(),
    }
}

/// For the session.
pub(super) fn c1_credentials(values: &C1Values) -> Result<C1Credentials, Unproved> {
    use crate::session::SessionError;
    let parsed = C1Credentials::parse(&values.client_id, values.client_secret.expose_secret());
    parsed.map_err(|error| match error {
        SessionError::ClientSecret(_) => Unproved::Malformed(Key::C1ClientSecret, "not a client secret of C1"),
        _ => Unproved::Malformed(Key::C1ClientId, "must be <name>@<host>[:<port>]/<use-case>"),
    })
}

/// Which sides have what problem now, for the status page.
pub(super) fn problems(state: &CredentialState) -> Vec<(String, String)> {
    fn line<T>(side: Side, held: &Held<T>) -> (String, String) {
        let name = format!("credentials of {}", side.as_str());
        let text = match (&held.current, &held.problem) {
            (_, Some(problem)) => problem.to_string(),
            (Some(_), None) => format!("in use, generation {}", held.generation),
            (None, None) => "none yet".to_owned(),
        };
        (name, text)
    }
    let mut lines = vec![line(Side::PingOne, &state.pingone)];
    if state.wants_c1 {
        lines.push(line(Side::C1, &state.c1));
    }
    lines
}
