//! The client: one connection pool, one token, one limiter for all work of the process. How a call goes out and comes
//! back is in `call`, what can be read and written in `reads` and `writes`.

mod applications;
mod call;
mod groups;
mod machines;
mod pages;
mod reads;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;
use tokio::time::Instant;
use uuid::Uuid;

use super::auth::{Credentials, Token, TokenSource};
use super::body::Bodies;
use super::host::{HostError, Hosts, Region};
use super::limiter::RateState;
use super::operation::Operation;
use super::stats::{RequestObserver, Stats};
use super::throttle::Throttle;
use process::runtime::anchors;
use process::runtime::current::Current;
use process::runtime::leader_guard::LeaderGuard;

pub(super) use call::Call;
pub use pages::{Ids, Known, PageInfo, Pages};
pub use reads::{ESSENTIAL_LISTS, MemberKind, UsersQuery, equals};

/// Bytes of one HTTP/2 answer that may be on the way unread.
const STREAM_WINDOW: u32 = 128 * 1024;
/// Longest transaction id that PingOne takes.
const TRANSACTION_MAX: usize = 100;

/// How a client is set up.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The region.
    pub region: Region,
    /// Overrides the API's origin.
    pub api_url: Option<String>,
    /// Overrides the authorization server's origin or the whole token URL.
    pub auth_url: Option<String>,
    /// The environment that is synced.
    pub environment_id: Uuid,
    /// The environment that the worker application lives in.
    pub auth_environment_id: Uuid,
    /// Requests a second; 0 is automatic.
    pub rate_limit: u32,
    /// Most requests under way at a time.
    pub max_in_flight: usize,
    /// Accepts http to any host and certificates that are not trusted; tests only.
    pub insecure: bool,
    /// Time for one answer.
    pub timeout: Duration,
}

/// How long a caller is ready to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget(pub Duration);

impl Budget {
    /// A read of a sync.
    pub const SYNC: Self = Self(Duration::from_mins(15));
    /// A call of a provisioning task.
    pub const PROVISION: Self = Self(Duration::from_mins(1));
    /// A probe.
    pub const PROBE: Self = Self(Duration::from_secs(5));
}

/// Who holds role assignments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal {
    /// A user.
    User(Uuid),
    /// A group.
    Group(Uuid),
    /// An application.
    Application(Uuid),
    /// A gateway.
    Gateway(Uuid),
}

impl Principal {
    /// Its id.
    pub const fn id(self) -> Uuid {
        self.path().1
    }

    /// Its place in a path, and its id.
    pub(super) const fn path(self) -> (&'static str, Uuid) {
        match self {
            Self::User(id) => ("users", id),
            Self::Group(id) => ("groups", id),
            Self::Application(id) => ("applications", id),
            Self::Gateway(id) => ("gateways", id),
        }
    }
}

struct Inner {
    http: reqwest::Client,
    hosts: Hosts,
    region: Region,
    /// The API's address was set by hand, so the region says nothing of it.
    api_is_set: bool,
    environment: String,
    tokens: TokenSource,
    throttle: Throttle,
    bodies: Bodies,
    /// When the environment was last asked for after a refusal, and was not missing.
    environment_seen: tokio::sync::Mutex<Option<Instant>>,
    /// Something answered at least once since the client was made.
    answered: AtomicBool,
    /// When it was last noted or told that requests fail.
    trouble: Mutex<Option<Instant>>,
    /// Tells this run of the program from others in PingOne's audit.
    session: Option<HeaderValue>,
}

/// Calls PingOne. Cheap to clone; clones share token, limits and counters.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    budget: Budget,
    /// Until when something must have answered.
    first_answer_by: Option<Instant>,
    transaction: Option<HeaderValue>,
    /// Counts what PingOne answered to this client and its clones.
    answers: Option<Arc<AtomicU64>>,
    /// Where this client belongs to one task: its end and what it slept.
    task: Option<Arc<TaskTime>>,
}

/// One task's calls (connector-model.md §9): they share one budget.
#[derive(Debug)]
struct TaskTime {
    deadline: Instant,
    slept_nanos: AtomicU64,
    guard: LeaderGuard,
    /// What was asked.
    asked: Mutex<BTreeSet<Operation>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("environment", &self.inner.environment)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Sets up a client. Nothing is asked of PingOne yet.
    pub fn new(
        config: &ClientConfig,
        credentials: impl Into<Current<Credentials>>,
        observer: Option<Arc<dyn RequestObserver>>,
    ) -> Result<Self, HostError> {
        let auth_environment = config.auth_environment_id.to_string();
        let hosts = Hosts::new(
            config.region,
            config.api_url.as_deref(),
            config.auth_url.as_deref(),
            &auth_environment,
            config.insecure,
        )?;
        let http = http(config).map_err(|_| HostError::Tls)?;
        let tokens = TokenSource::new(http.clone(), hosts.token.clone(), credentials.into());
        Ok(Self {
            inner: Arc::new(Inner {
                http,
                hosts,
                region: config.region,
                api_is_set: config.api_url.is_some(),
                environment: config.environment_id.to_string(),
                tokens,
                throttle: Throttle::new(config.rate_limit, config.max_in_flight, observer),
                bodies: Bodies::new(),
                environment_seen: tokio::sync::Mutex::default(),
                answered: AtomicBool::new(false),
                trouble: Mutex::default(),
                session: HeaderValue::try_from(Uuid::new_v4().to_string()).ok(),
            }),
            budget: Budget::SYNC,
            first_answer_by: None,
            transaction: None,
            answers: None,
            task: None,
        })
    }

    /// The same client with another budget per call.
    #[must_use]
    pub fn with_budget(&self, budget: Budget) -> Self {
        Self { budget, ..self.clone() }
    }

    /// The same client for somebody who waits: it gives up where nothing at all has answered within `time` from now. What
    /// answered once may be gone for as long as the budget lasts.
    #[must_use]
    pub fn with_first_answer_within(&self, time: Duration) -> Self {
        Self {
            first_answer_by: Some(Instant::now() + time),
            ..self.clone()
        }
    }

    /// The same client with a name for what it does from now on, such as a sync's or a task's id: PingOne shows it in
    /// its audit (pingone-api.md §3.1). Characters that PingOne does not take become `_`.
    #[must_use]
    pub fn with_transaction(&self, name: &str) -> Self {
        let taken = |c: char| c.is_ascii_alphanumeric() || "._-/@=#+".contains(c);
        let name: String = name
            .chars()
            .map(|c| if taken(c) { c } else { '_' })
            .take(TRANSACTION_MAX)
            .collect();
        Self {
            transaction: HeaderValue::try_from(name).ok().filter(|name| !name.is_empty()),
            ..self.clone()
        }
    }

    /// The same client, which counts the calls that PingOne answers.
    #[must_use]
    pub fn counting(&self, answers: &Arc<AtomicU64>) -> Self {
        Self {
            answers: Some(Arc::clone(answers)),
            ..self.clone()
        }
    }

    /// The same client for one task whose calls share `budget`, from now on. `guard` is asked before each write and each
    /// repetition of one.
    #[must_use]
    pub fn for_task(&self, budget: Budget, guard: LeaderGuard) -> Self {
        Self {
            budget,
            task: Some(Arc::new(TaskTime {
                deadline: Instant::now() + budget.0,
                slept_nanos: AtomicU64::new(0),
                guard,
                asked: Mutex::default(),
            })),
            ..self.clone()
        }
    }

    /// What is left of the task's budget, or of a call's where there is no task.
    pub fn time_left(&self) -> Duration {
        self.deadline().saturating_duration_since(Instant::now())
    }

    /// How long this task's calls waited for PingOne's limits and between attempts.
    pub fn slept(&self) -> Duration {
        let nanos = self.task.as_ref().map(|task| task.slept_nanos.load(Ordering::Relaxed));
        Duration::from_nanos(nanos.unwrap_or_default())
    }

    /// What this task asked of PingOne so far, each kind of request once.
    pub fn asked(&self) -> BTreeSet<Operation> {
        let asked = self.task.as_ref().map(|task| &task.asked);
        asked
            .map(|asked| asked.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .unwrap_or_default()
    }

    fn asks(&self, operation: Operation) {
        if let Some(task) = &self.task {
            task.asked
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(operation);
        }
    }

    fn deadline(&self) -> Instant {
        let own = Instant::now() + self.budget.0;
        self.task.as_ref().map_or(own, |task| task.deadline.min(own))
    }

    /// What is left of a deadline where nothing answered so far.
    fn or_first_answer(&self, deadline: Instant) -> Instant {
        let first = self
            .first_answer_by
            .filter(|_| !self.inner.answered.load(Ordering::Relaxed));
        first.map_or(deadline, |first| first.min(deadline))
    }

    async fn pause(&self, time: Duration) {
        self.waited(time);
        tokio::time::sleep(time).await;
    }

    fn waited(&self, time: Duration) {
        if let Some(task) = &self.task {
            let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            task.slept_nanos.fetch_add(nanos, Ordering::Relaxed);
        }
    }

    /// Says where the environment's own region is another than the configured one (pingone-api.md §6.1).
    pub fn compare_region(&self, code: Option<&str>) {
        let told = code.and_then(|code| code.parse::<Region>().ok());
        if let Some(told) = told.filter(|told| *told != self.inner.region && !self.inner.api_is_set) {
            tracing::warn!(
                environment_region = told.code(),
                configured = self.inner.region.tld(),
                "the environment is of another region; check pingone-region"
            );
        }
    }

    /// Asked immediately before each write.
    fn may_write(&self) -> bool {
        self.task.as_ref().is_none_or(|task| task.guard.may_begin())
    }

    /// The worker application's id, which is also its OAuth client id.
    pub fn client_id(&self) -> String {
        self.inner.tokens.client_id()
    }

    /// What was asked so far.
    pub fn stats(&self) -> &Stats {
        &self.inner.throttle.stats
    }

    /// How each rate group stands.
    pub fn rates(&self) -> Vec<RateState> {
        self.inner.throttle.limiter.states()
    }

    /// Where requests go.
    pub fn hosts(&self) -> &Hosts {
        &self.inner.hosts
    }

    /// Whether a listing that began with this token may go on with it.
    pub(crate) fn token_lives(&self, token: &Token) -> bool {
        self.inner.tokens.lives(token)
    }

    /// The configured environment.
    pub fn environment_id(&self) -> &str {
        &self.inner.environment
    }

    /// A path under the environment.
    pub(super) fn url(&self, segments: &[&str]) -> Url {
        self.inner.hosts.environment_url(&self.inner.environment, segments)
    }
}

fn http(config: &ClientConfig) -> reqwest::Result<reqwest::Client> {
    // Each answer has a window of its own and the connection has room for all of them: an answer that waits to be read
    // (see [`Bodies`]) never stops one that is being read.
    let streams = u32::try_from(config.max_in_flight)
        .unwrap_or(u32::MAX)
        .saturating_add(32);
    let mut builder = reqwest::Client::builder();
    // The session's store of anchors serves here, too. Where any certificate is accepted, there is none to believe.
    let tls = anchors::client_config(anchors::store(), &[b"h2", b"http/1.1"]);
    if let (false, Ok(tls)) = (config.insecure, tls) {
        builder = builder.tls_backend_preconfigured(tls);
    }
    builder
        .user_agent(concat!("baton-ping-one/", env!("CARGO_PKG_VERSION")))
        // Less than what a Lease lasts beyond its renewal: a write that waits for a connection begins in time or not at all.
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(config.timeout.min(Duration::from_mins(1)))
        .timeout(config.timeout)
        .tcp_keepalive(Duration::from_secs(30))
        .http2_keep_alive_interval(Duration::from_secs(30))
        .http2_keep_alive_timeout(Duration::from_secs(20))
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(STREAM_WINDOW.saturating_mul(streams).min(i32::MAX.unsigned_abs()))
        .pool_max_idle_per_host(config.max_in_flight)
        .redirect(reqwest::redirect::Policy::none())
        .tls_danger_accept_invalid_certs(config.insecure)
        .build()
}

#[cfg(test)]
mod tests;
