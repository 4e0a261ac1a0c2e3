//! The session as the rest of the program sees it: built once, run once per term of leadership.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::client::{Client, SHORT_LIMIT};
use super::connect::{ConnectError, Connector};
use super::dial::Dialer;
use super::endpoint::{Address, ClientId, InvalidHost};
use super::error::SessionError;
use super::inner::{InFlight, Inner, MetadataSource, Tokens};
use super::key::C1Credentials;
use super::poll;
use super::token::TokenSource;
use super::trust::{Trust, roots};
use super::verdicts::Verdicts;
use crate::task::{TaskObserver, TaskRunner};
use process::runtime::current::Current;
use process::runtime::leader_guard::LeaderGuard;
use process::runtime::liveness::{Liveness, Pulse};
use process::runtime::readiness::{Condition, Readiness};
use process::runtime::shutdown::Term;
use process::telemetry::{BuildInfo, Metrics};

/// Longest host id and other texts of Hello, in characters.
const MAX_TEXT_CHARS: usize = 256;
/// How long a poll that is open at the end is awaited, at most; never more than a quarter of the shutdown's budget.
const PARTING_LIMIT: Duration = Duration::from_secs(2);
/// How often a draining session says that it is alive.
const DRAIN_TICK: Duration = Duration::from_secs(15);

/// How the session is set up.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// `BATON_C1_API_HOST`, `host` or `host:port`; empty counts as unset (DEV-2).
    pub api_host: Option<String>,
    /// `BATON_HOST_ID`; empty or absent means the machine's host name.
    pub host_id: Option<String>,
    /// `BATON_GET_TASKS`
    pub batched: bool,
    /// `task-concurrency`, 1 to 100; 0 is taken as 1.
    pub task_concurrency: usize,
    /// `http-timeout-seconds`, for one token request.
    pub token_limit: Duration,
    /// Text that is appended to the user agent, such as `baton-sdk/v0.24.6` (DEV-5).
    pub user_agent_suffix: Option<String>,
    /// Whom to believe.
    pub trust: Trust,
    /// How long short tasks may run on after a signal: the shutdown's budget less `reports`.
    pub drain_limit: Duration,
    /// Time for cancelled tasks to end and to be reported; 5 s where the shutdown's budget has them.
    pub reports: Duration,
}

/// What the session works with.
#[derive(Clone)]
pub struct SessionParts {
    /// Runs tasks.
    pub runner: Arc<dyn TaskRunner>,
    /// The connector's metadata for Hello.
    pub metadata: MetadataSource,
    /// Opens connections.
    pub dialer: Arc<dyn Dialer>,
    /// Where readiness is told.
    pub readiness: Readiness,
    /// Where the loop registers.
    pub liveness: Liveness,
    /// Metrics.
    pub telemetry: Arc<Metrics>,
    /// The build, for Hello.
    pub build: BuildInfo,
    /// Asked before each call to C1.
    pub guard: LeaderGuard,
    /// Told of each task that ended.
    pub observer: Option<Arc<dyn TaskObserver>>,
    /// What was decided so far; the same for all sessions of a process.
    pub verdicts: Verdicts,
}

/// The session with C1. Its channel lives as long as it does, over all terms.
pub struct Session {
    inner: Arc<Inner>,
    client_id: ClientId,
    liveness: Liveness,
    drain_limit: Duration,
    /// After the short tasks were cancelled: for their last `FinishTask`.
    report_grace: Duration,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("client_id", &self.client_id.as_str())
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Checks everything that can be checked without the network. Must be called inside a runtime.
    ///
    /// Each call uses the credentials that are in force, which must stay those of one tenant. The user agent keeps the name
    /// that the session began with.
    #[expect(clippy::needless_pass_by_value, reason = "the configuration is used up")]
    pub fn new(
        config: SessionConfig,
        credentials: Current<C1Credentials>,
        parts: SessionParts,
    ) -> Result<Self, SessionError> {
        let client_id = credentials.get().client_id.clone();
        let (host_id, address, agent) = names(&config, &client_id, parts.build)?;
        let roots = roots(&config.trust).map_err(ConnectError::from)?;
        let connector =
            |alpn: &[&[u8]]| Connector::new(Arc::clone(&parts.dialer), address.clone(), Arc::clone(&roots), alpn);
        let token_connector = connector(&[b"h2", b"http/1.1"])?;
        let tokens = TokenSource::new(token_connector, credentials, config.token_limit, agent.clone());
        let metrics = parts.telemetry;
        let client = Client::new(
            connector(&[b"h2"])?,
            Arc::new(tokens),
            (Arc::clone(&metrics), parts.guard),
            host_id,
            agent,
        )?;
        let slot_count = config.task_concurrency.clamp(1, 100);
        let inner = Inner {
            client,
            runner: parts.runner,
            metadata: parts.metadata,
            metrics,
            readiness: parts.readiness,
            build: parts.build,
            observer: parts.observer,
            batched: config.batched,
            slot_count,
            slots: Arc::new(Semaphore::new(slot_count)),
            aside: Arc::new(Semaphore::new(slot_count)),
            in_flight: InFlight::default(),
            verdicts: parts.verdicts,
            parting_limit: PARTING_LIMIT.min(config.drain_limit.saturating_add(config.reports) / 4),
            cancel_timeout: config.reports.mul_f64(0.6),
        };
        Ok(Self {
            inner: Arc::new(inner),
            client_id,
            liveness: parts.liveness,
            drain_limit: config.drain_limit,
            report_grace: config.reports.mul_f64(0.8),
        })
    }

    /// What [`Session::new`] would refuse of a configuration, whatever the credentials.
    pub fn check(config: &SessionConfig) -> Result<(), SessionError> {
        host_id(config.host_id.as_deref(), "")?;
        match config.api_host.as_deref() {
            Some(host) if !host.is_empty() && Address::of(host).is_none() => Err(InvalidHost.into()),
            _ => Ok(()),
        }
    }

    /// Serves one term: Hello until it is answered, then tasks until the term stops, then the end of the running
    /// tasks. Fails only when C1 refuses the Hello for good.
    pub async fn run(&self, term: &Term) -> Result<(), SessionError> {
        let pulse = self.liveness.register("session", SHORT_LIMIT);
        self.inner
            .readiness
            .miss(Condition::Session, "C1 has not answered Hello yet");
        if !self.inner.greet(term, &pulse).await? {
            return Ok(());
        }
        self.inner.verdicts.begin_session();
        let tokens = Tokens {
            syncs: term.stopping().child_token(),
            short: term.work().child_token(),
        };
        let mut tasks = JoinSet::new();
        poll::run(&self.inner, term, &tokens, &pulse, &mut tasks).await;
        tracing::info!(running = tasks.len(), "no more tasks are taken");
        self.drain(&tokens, &pulse, tasks).await;
        self.inner.metrics.session_connected.set(0);
        Ok(())
    }

    /// Asks for a token with these credentials, as a session with this configuration would, and does nothing else.
    pub async fn prove(
        config: &SessionConfig,
        credentials: Current<C1Credentials>,
        dialer: Arc<dyn Dialer>,
        build: BuildInfo,
    ) -> Result<(), SessionError> {
        let (_, address, agent) = names(config, &credentials.get().client_id, build)?;
        let connector = Connector::new(
            dialer,
            address,
            roots(&config.trust).map_err(ConnectError::from)?,
            &[b"h2", b"http/1.1"],
        )?;
        let tokens = Arc::new(TokenSource::new(connector, credentials, config.token_limit, agent));
        tokens.bearer().await.map(drop).map_err(SessionError::Token)
    }

    /// Lets short tasks finish, cancels them when their time is up or the term ends, and waits for their reports.
    async fn drain(&self, tokens: &Tokens, pulse: &Pulse, mut tasks: JoinSet<()>) {
        let started = Instant::now();
        let limit = started.checked_add(self.drain_limit).unwrap_or(started);
        let finished = tokio::select! {
            biased;
            () = ended(&mut tasks, pulse) => true,
            () = tokio::time::sleep_until(limit) => false,
            () = tokens.short.cancelled() => false,
        };
        if !finished {
            tokens.short.cancel();
            tracing::warn!(running = tasks.len(), "running tasks were cancelled");
            if timeout(self.report_grace, ended(&mut tasks, pulse)).await.is_err() {
                tracing::error!(running = tasks.len(), "tasks were abandoned without a report");
            }
        }
        let left = limit.saturating_duration_since(Instant::now());
        if timeout(left, self.inner.runner.settled()).await.is_err() {
            tracing::warn!("actions are still running; their outcome is lost");
        }
    }
}

/// Waits for every task and says meanwhile that the loop is alive.
async fn ended(tasks: &mut JoinSet<()>, pulse: &Pulse) {
    loop {
        pulse.due_within(DRAIN_TICK);
        if let Ok(None) = timeout(DRAIN_TICK, tasks.join_next()).await {
            return;
        }
    }
}

/// Who we are, where C1 is, and what we call ourselves there.
fn names(
    config: &SessionConfig,
    id: &ClientId,
    build: BuildInfo,
) -> Result<(Arc<str>, Address, HeaderValue), SessionError> {
    Ok((
        host_id(config.host_id.as_deref(), build.package)?,
        id.address(config.api_host.as_deref())?,
        user_agent(id, build, config.user_agent_suffix.as_deref())?,
    ))
}

/// The host id; where the host has no name, the product's stands in.
fn host_id(given: Option<&str>, product: &str) -> Result<Arc<str>, SessionError> {
    let text = match given.filter(|text| !text.is_empty()) {
        Some(text) => text.to_owned(),
        None => match super::os_info::read(Path::new("/")).hostname.as_str() {
            "unknown" => product.to_owned(),
            name => name.to_owned(),
        },
    };
    if text.chars().count() > MAX_TEXT_CHARS {
        return Err(SessionError::Text {
            what: "the host id (BATON_HOST_ID)",
        });
    }
    Ok(text.into())
}

/// `<client-name> <product>/<version> [suffix]` (DEV-5).
fn user_agent(client_id: &ClientId, build: BuildInfo, suffix: Option<&str>) -> Result<HeaderValue, SessionError> {
    let product = format!("{} {}/{}", client_id.name(), build.package, build.version);
    let text = suffix.map_or_else(|| product.clone(), |suffix| format!("{product} {suffix}"));
    HeaderValue::try_from(text.trim()).map_err(|_| SessionError::Text { what: "the user agent" })
}
