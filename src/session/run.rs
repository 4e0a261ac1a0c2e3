//! The session as the rest of the program sees it: built once, run once per term of leadership.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::client::{Client, SHORT_LIMIT};
use super::connect::{Connector, Trust, roots};
use super::dial::Dialer;
use super::endpoint::{Address, ClientId};
use super::error::SessionError;
use super::hello::MetadataSource;
use super::key::C1Credentials;
use super::poll::{self, InFlight, Tokens};
use super::token::TokenSource;
use crate::runtime::liveness::{Liveness, Pulse};
use crate::runtime::permit::Permit;
use crate::runtime::readiness::{Condition, Readiness};
use crate::runtime::shutdown::Term;
use crate::task::{TaskObserver, TaskRunner};
use crate::telemetry::{BuildInfo, Metrics};

/// Longest host id and other texts of Hello, in characters.
const MAX_TEXT_CHARS: usize = 256;
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
    pub permit: Permit,
    /// Told of each task that ended.
    pub observer: Option<Arc<dyn TaskObserver>>,
}

pub(super) struct Inner {
    pub(super) client: Client,
    pub(super) runner: Arc<dyn TaskRunner>,
    pub(super) metadata: MetadataSource,
    pub(super) metrics: Arc<Metrics>,
    pub(super) readiness: Readiness,
    pub(super) build: BuildInfo,
    pub(super) observer: Option<Arc<dyn TaskObserver>>,
    pub(super) batched: bool,
    pub(super) slot_count: usize,
    pub(super) slots: Arc<Semaphore>,
    pub(super) in_flight: InFlight,
    /// How long cancelled work may take to end by itself.
    pub(super) patience: Duration,
}

/// The session with C1. Its channel lives as long as it does, over all terms.
pub struct Session {
    inner: Arc<Inner>,
    tokens: Arc<TokenSource>,
    client_id: ClientId,
    liveness: Liveness,
    drain_limit: Duration,
    /// After the short tasks were cancelled: for their last `FinishTask`.
    last_words: Duration,
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
    #[expect(clippy::needless_pass_by_value, reason = "the configuration is used up")]
    pub fn new(config: SessionConfig, credentials: C1Credentials, parts: SessionParts) -> Result<Self, SessionError> {
        let client_id = credentials.client_id.clone();
        let (host_id, address, agent) = names(&config, &credentials, parts.build)?;
        let roots = roots(&config.trust)?;
        let connector =
            |alpn: &[&[u8]]| Connector::new(Arc::clone(&parts.dialer), address.clone(), Arc::clone(&roots), alpn);
        let token_connector = connector(&[b"h2", b"http/1.1"])?;
        let tokens = Arc::new(TokenSource::new(
            token_connector,
            credentials,
            config.token_limit,
            agent.clone(),
        ));
        let metrics = parts.telemetry;
        let client = Client::new(
            connector(&[b"h2"])?,
            Arc::clone(&tokens),
            (Arc::clone(&metrics), parts.permit),
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
            in_flight: InFlight::default(),
            patience: config.reports.mul_f64(0.6),
        };
        Ok(Self {
            inner: Arc::new(inner),
            tokens,
            client_id,
            liveness: parts.liveness,
            drain_limit: config.drain_limit,
            last_words: config.reports.mul_f64(0.8),
        })
    }

    /// What [`Session::new`] would refuse of settings that cannot change.
    pub fn check(config: &SessionConfig, credentials: &C1Credentials, build: BuildInfo) -> Result<(), SessionError> {
        names(config, credentials, build).map(drop)
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

    /// Uses other credentials of the same tenant after a token request has proved them. The next call carries the new
    /// token. The user agent keeps the name that the session began with.
    pub async fn replace_credentials(&self, credentials: C1Credentials) -> Result<(), SessionError> {
        if !credentials.client_id.same_host(&self.client_id) {
            return Err(SessionError::OtherHost);
        }
        self.tokens.replace(credentials).await.map_err(SessionError::Unproved)
    }

    /// Asks for a token with these credentials, as a session with this configuration would, and does nothing else.
    pub async fn prove(
        config: &SessionConfig,
        credentials: C1Credentials,
        dialer: Arc<dyn Dialer>,
        build: BuildInfo,
    ) -> Result<(), SessionError> {
        let (_, address, agent) = names(config, &credentials, build)?;
        let connector = Connector::new(dialer, address, roots(&config.trust)?, &[b"h2", b"http/1.1"])?;
        let tokens = Arc::new(TokenSource::new(connector, credentials, config.token_limit, agent));
        tokens.bearer().await.map(drop).map_err(SessionError::Unproved)
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
            if timeout(self.last_words, ended(&mut tasks, pulse)).await.is_err() {
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
    credentials: &C1Credentials,
    build: BuildInfo,
) -> Result<(Arc<str>, Address, HeaderValue), SessionError> {
    let id = &credentials.client_id;
    Ok((
        host_id(config.host_id.as_deref())?,
        id.address(config.api_host.as_deref())?,
        user_agent(id, build, config.user_agent_suffix.as_deref())?,
    ))
}

fn host_id(given: Option<&str>) -> Result<Arc<str>, SessionError> {
    let text = match given.filter(|text| !text.is_empty()) {
        Some(text) => text.to_owned(),
        None => match super::os_info::read(Path::new("/")).hostname.as_str() {
            "unknown" => "baton-ping-one".to_owned(),
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
    let product = format!("{} baton-ping-one/{}", client_id.name(), build.version);
    let text = suffix.map_or_else(|| product.clone(), |suffix| format!("{product} {suffix}"));
    HeaderValue::try_from(text.trim()).map_err(|_| SessionError::Text { what: "the user agent" })
}
