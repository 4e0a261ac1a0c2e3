//! The sources of credentials, their proof, and what is shown of them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::ExposeSecret;
use tokio::sync::{mpsc, watch};

use super::context::Context;
use super::session_config;
use crate::config::Config;
use crate::credentials::{
    C1Need, C1Values, CredentialNotice, CredentialState, CredentialStore, Directory, Held, Key, NoticeFn, Offer,
    Origin, PingOneValues, Problem, ProofError, Prover, REASONS, Side, Values,
};
use crate::k8s::events::{Event, Events};
use crate::k8s::{self, SecretWatch, WatchTiming};
use baton::session::{Session, SessionConfig, TcpDialer, Trust};
use pingone::{Budget, PingOneError, Reason};
use process::error::ErrorClass;
use process::runtime::current::Current;
use process::runtime::readiness::{Condition, Readiness};
use process::runtime::supervisor::{Policy, Stage, Supervisor};
use process::telemetry::Metrics;

/// Offers that may wait: three sources that seldom change.
const OFFERS: usize = 8;
/// Time for the first look at a directory.
const FIRST_LOOK: Duration = Duration::from_secs(10);

/// The settings' values.
pub(super) fn of_settings(config: &Config) -> Values {
    let mut values = super::connect::of_settings(&config.pingone);
    let mut add = |key, text: Option<&str>| {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            values.insert(key, Origin::Settings, text.as_bytes());
        }
    };
    add(Key::C1ClientId, config.fixed_c1.client_id.as_deref());
    let secret = config.fixed_c1.client_secret.as_ref();
    add(Key::C1ClientSecret, secret.map(ExposeSecret::expose_secret));
    values
}

/// Whether what the settings hold can be a credential at all, where nothing else can come to take its place.
pub(super) fn fixed(config: &Config) -> Result<(), Problem> {
    if config.kubernetes.has_changing_source() {
        return Ok(());
    }
    let values = of_settings(config);
    PingOneValues::of(&values)?;
    if values.has_any(&Key::C1) {
        C1Values::of(&values)?;
    }
    Ok(())
}

/// Starts the sources and the store, and waits for nothing. Whether C1 is served follows from what the sources hold where
/// `sync-interval` would do without it.
pub(super) fn start(
    config: &Config,
    kube: Option<&k8s::Client>,
    context: &Context,
    supervisor: &mut Supervisor,
) -> anyhow::Result<watch::Receiver<CredentialState>> {
    let (offers, received) = mpsc::channel(OFFERS);
    let mut sources = vec![Origin::Settings];
    let settings = Offer {
        origin: Origin::Settings,
        values: Some(of_settings(config)),
    };
    offers.try_send(settings).context("offer the settings' credentials")?;
    if let (Some(name), Some(kube)) = (&config.kubernetes.secret, kube) {
        sources.push(Origin::Secret);
        watch_secret(kube, name, offers.clone(), context, supervisor);
    }
    if let Some(path) = &config.kubernetes.directory {
        sources.push(Origin::Directory);
        let pulse = context.liveness.register("credentials-directory", FIRST_LOOK);
        let directory = Directory::new(path).with_pulse(pulse);
        let stop = context.shutdown.process().clone();
        supervisor.start("credentials-directory", Stage::Service, Policy::MustRun, async move {
            directory.run(offers, stop).await;
            Ok(())
        });
    }
    let prover = Arc::new(RequestProver {
        config: config.clone(),
        session: session_config(config),
        dialer: TcpDialer {
            proxy: super::proxy(config)?,
            trust: Trust::System,
        },
    });
    let need = if config.schedule.sync_interval.is_some() {
        C1Need::IfOffered
    } else {
        C1Need::Always
    };
    let notice = notice(&context.metrics, &context.events);
    let (store, state) = CredentialStore::new(prover, sources, need, notice);
    let (liveness, stop) = (context.liveness.clone(), context.shutdown.process().clone());
    supervisor.start("credentials", Stage::Service, Policy::MustRun, async move {
        Box::pin(store.run(received, &liveness, stop)).await.map_err(Into::into)
    });
    let shown = show(context.readiness.clone(), Arc::clone(&context.metrics), state.clone());
    let stop = context.shutdown.process().clone();
    supervisor.start("credentials-state", Stage::Service, Policy::MayFinish, async move {
        stop.run_until_cancelled(shown).await;
        Ok(())
    });
    Ok(state)
}

fn watch_secret(
    kube: &k8s::Client,
    name: &str,
    offers: mpsc::Sender<Offer>,
    context: &Context,
    supervisor: &mut Supervisor,
) {
    let timing = WatchTiming::default();
    let pulse = context.liveness.register("secret-watch", timing.request);
    let secret = SecretWatch::new(kube, name, timing, Arc::new(secret_read)).with_pulse(pulse);
    let stop = context.shutdown.process().clone();
    supervisor.start("secret-watch", Stage::Service, Policy::MustRun, async move {
        secret.run(offers, stop).await;
        Ok(())
    });
}

fn secret_read(failure: Option<&k8s::K8sError>) {
    if let Some(error) = failure {
        tracing::error!(error = %error, error_class = error.class().as_str(), "credentials Secret was not read");
    } else {
        tracing::info!("credentials Secret was read again");
    }
}

/// Keeps readiness and gauges at what is known, as long as anything changes.
async fn show(readiness: Readiness, metrics: Arc<Metrics>, mut states: watch::Receiver<CredentialState>) {
    loop {
        {
            let state = states.borrow_and_update();
            match state.unmet() {
                None => readiness.meet(Condition::Credentials),
                Some(reason) => readiness.miss(Condition::Credentials, reason),
            }
            gauge(&metrics, Side::PingOne, &state.pingone);
            gauge(&metrics, Side::C1, &state.c1);
        }
        if states.changed().await.is_err() {
            return;
        }
    }
}

fn gauge<T>(metrics: &Metrics, side: Side, held: &Held<T>) {
    let reason = held.problem.as_ref().map(Problem::reason);
    for known in REASONS {
        metrics.credentials_problem(side.as_str(), known, reason == Some(known));
    }
    if let Some(at) = held.proved_at {
        metrics.credentials_in_use(side.as_str(), &held.fingerprint, at);
    }
}

fn notice(metrics: &Arc<Metrics>, events: &Events) -> NoticeFn {
    let (metrics, events) = (Arc::clone(metrics), events.clone());
    Arc::new(move |notice: &CredentialNotice<'_>| {
        notice.log();
        if let Some(outcome) = notice.outcome() {
            metrics.credentials_reload(outcome);
        }
        if let Some(event) = Event::from_credentials(notice) {
            events.tell(event);
        }
    })
}

/// Proves with a request at the real endpoints: the environment at PingOne, a token at C1.
struct RequestProver {
    config: Config,
    session: SessionConfig,
    dialer: TcpDialer,
}

impl Prover for RequestProver {
    async fn pingone(&self, values: &PingOneValues) -> Result<(), ProofError> {
        let credentials = Current::fixed((*values.credentials).clone());
        let client = super::connect::client(&self.config.pingone, values.environment_id, credentials, None)
            .map_err(|error| ProofError::Unreachable(format!("{error:#}")))?;
        let environment = client.with_budget(Budget::PROBE).environment().await;
        environment.map(drop).map_err(|error| pingone_refusal(&error))
    }

    async fn c1(&self, values: &C1Values) -> Result<(), ProofError> {
        let credentials = Current::new({
            let credentials = Arc::clone(&values.credentials);
            move || Arc::clone(&credentials)
        });
        let dialer = Arc::new(self.dialer.clone());
        let proved = Session::prove(&self.session, credentials, dialer, crate::BUILD).await;
        proved.map_err(|error| {
            let text = super::chain(&error);
            match error.class() {
                // All that is said of a refusal is the status line.
                class @ ErrorClass::Auth => ProofError::Refused {
                    code: text.clone(),
                    text,
                    class,
                },
                _ => ProofError::Unreachable(text),
            }
        })
    }
}

/// Only PingOne's own words refuse: a proxy's 401 or 403 says nothing of credentials.
fn pingone_refusal(error: &PingOneError) -> ProofError {
    let class = error.class();
    let is_theirs = matches!(
        error.reason,
        Reason::Api { .. } | Reason::Token { .. } | Reason::EnvironmentMissing
    );
    let refuses = matches!(
        class,
        ErrorClass::Auth | ErrorClass::Forbidden | ErrorClass::Rejected | ErrorClass::NotFound
    );
    if !is_theirs || !refuses {
        return ProofError::Unreachable(error.to_string());
    }
    // The text ends with the id of one request, and PingOne's words may hold another.
    let (status, detail) = (error.status().unwrap_or_default(), error.detail_code());
    ProofError::Refused {
        text: error.to_string(),
        code: format!("{} {status} {}", class.as_str(), detail.unwrap_or_default()),
        class,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pingone::Operation;

    fn error(reason: Reason, request_id: &str) -> PingOneError {
        PingOneError {
            operation: Operation::Token,
            object: "token".to_owned(),
            request_id: Some(request_id.to_owned()),
            reason,
            retry_after: None,
            told_limit: None,
            page: None,
            advice: None,
        }
    }

    #[test]
    fn only_pingones_own_words_refuse_and_the_id_of_a_request_is_no_change() {
        let token = || Reason::Token {
            status: 401,
            error: "invalid_client".to_owned(),
        };
        let code = |id| match pingone_refusal(&error(token(), id)) {
            ProofError::Refused { text, code, .. } => {
                assert!(text.contains(id) && !code.contains(id), "{text} {code}");
                code
            }
            other @ ProofError::Unreachable(_) => panic!("{other:?}"),
        };
        assert_eq!(code("aaaa-1"), code("bbbb-2"));
        for status in [401, 403, 404, 503] {
            let foreign = Reason::Foreign {
                status,
                media_type: "text/html".to_owned(),
                length: 9,
            };
            let verdict = pingone_refusal(&error(foreign, "x"));
            assert!(matches!(verdict, ProofError::Unreachable(_)), "{verdict:?}");
        }
        assert!(matches!(
            pingone_refusal(&error(Reason::TimedOut, "x")),
            ProofError::Unreachable(_)
        ));
    }
}
