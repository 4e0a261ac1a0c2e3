//! The client: one connection pool, one token, one limiter for all work of the process; retries by class with full
//! jitter inside the caller's budget.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Method, Url};
use serde::Deserialize;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::auth::{Credentials, Token, TokenSource, header, transport_reason};
use super::error::{ErrorBody, PingOneError, Reason};
use super::host::{HostError, Hosts, Region};
use super::limiter::Limiter;
use super::operation::Operation;
use super::page::{Pages, corrupt};
use super::stats::{RequestObserver, Stats};
use super::types::{
    Capabilities, Environment, Group, IdOnly, Membership, Named, Population, Role, RoleAssignment, User,
};
use super::write::{RateInfo, WriteBody};
use super::{retry_after, roles};
use crate::error::ErrorClass;
use crate::runtime::backoff::Backoff;
use crate::runtime::permit::Permit;

/// Items asked for on a page of users or groups; PingOne may give fewer (pingone-api.md §4).
const PAGE: &str = "200";
/// Largest body that is read: a page of 200 users at the largest profile, ten times over.
const BODY_MAX: usize = 64 * 1024 * 1024;
/// Kilobytes of bodies that are in memory at a time while they are read: more requests may be under way than that, their
/// answers wait in the sockets.
const BODIES_KIB: usize = 4 * 1024;
/// What a body of unknown length counts, in kilobytes.
const BODY_KIB: u64 = 512;

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

/// Whose role assignments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal {
    /// A user's.
    User(Uuid),
    /// A group's.
    Group(Uuid),
    /// An application's.
    Application(Uuid),
}

impl Principal {
    /// Its id.
    pub const fn id(self) -> Uuid {
        self.path().1
    }

    /// The collection that it is in, and its id.
    pub(super) const fn path(self) -> (&'static str, Uuid) {
        match self {
            Self::User(id) => ("users", id),
            Self::Group(id) => ("groups", id),
            Self::Application(id) => ("applications", id),
        }
    }
}

/// Which members of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    /// Added by hand.
    Direct,
    /// Everybody who belongs to it.
    All,
}

/// Which users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsersQuery {
    /// A SCIM filter; without it all.
    pub filter: Option<String>,
}

/// A body with the id of the request that it answers.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) request_id: Option<String>,
    pub(crate) rate: Option<RateInfo>,
}

/// One request; a write has a body or none, a read never.
pub(super) struct Call<'a> {
    pub(super) operation: Operation,
    pub(super) object: &'a str,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) body: Option<&'a WriteBody>,
}

impl<'a> Call<'a> {
    fn get(operation: Operation, object: &'a str, url: Url) -> Self {
        Self {
            operation,
            object,
            method: Method::GET,
            url,
            body: None,
        }
    }

    fn failed(&self, reason: Reason, request_id: Option<String>, retry_after: Option<Duration>) -> PingOneError {
        PingOneError {
            operation: self.operation,
            object: self.object.to_owned(),
            request_id,
            reason,
            retry_after,
        }
    }

    /// Why there was no answer. A write that may have gone out has an unknown outcome, whatever the transport says.
    fn transport(&self, error: &reqwest::Error) -> Reason {
        if self.operation.is_write() && !error.is_connect() {
            Reason::LostAnswer
        } else {
            transport_reason(error)
        }
    }

    /// Why a body did not come in whole: a write's answer that broke off says as little as none.
    fn broken(&self, reason: Reason) -> Reason {
        if self.operation.is_write() {
            Reason::LostAnswer
        } else {
            reason
        }
    }
}

struct Inner {
    http: reqwest::Client,
    hosts: Hosts,
    environment: String,
    tokens: TokenSource,
    limiter: Limiter,
    stats: Stats,
    observer: Option<Arc<dyn RequestObserver>>,
    /// Kilobytes of bodies that may be read at a time.
    bodies: Semaphore,
}

/// Calls PingOne. Cheap to clone; clones share token, limits and counters.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    budget: Budget,
    /// Where this client belongs to one task: its end and what it slept.
    task: Option<Arc<TaskTime>>,
}

/// One task's time (connector-model.md §9): all its calls share one budget.
#[derive(Debug)]
struct TaskTime {
    deadline: Instant,
    slept_nanos: AtomicU64,
    permit: Permit,
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
        credentials: watch::Receiver<Arc<Credentials>>,
        observer: Option<Arc<dyn RequestObserver>>,
    ) -> Result<Self, HostError> {
        let hosts = Hosts::new(
            config.region,
            config.api_url.as_deref(),
            config.auth_url.as_deref(),
            &config.auth_environment_id.to_string(),
            config.insecure,
        )?;
        let http = reqwest::Client::builder()
            .user_agent(concat!("baton-ping-one/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(config.timeout.min(Duration::from_mins(1)))
            .timeout(config.timeout)
            .tcp_keepalive(Duration::from_secs(30))
            .pool_max_idle_per_host(config.max_in_flight)
            .redirect(reqwest::redirect::Policy::none())
            .tls_danger_accept_invalid_certs(config.insecure)
            .build()
            .map_err(|_| HostError::Url("the TLS set-up of this machine"))?;
        let tokens = TokenSource::new(http.clone(), hosts.token.clone(), credentials);
        Ok(Self {
            inner: Arc::new(Inner {
                http,
                hosts,
                environment: config.environment_id.to_string(),
                tokens,
                limiter: Limiter::new(config.rate_limit, config.max_in_flight),
                stats: Stats::default(),
                observer,
                bodies: Semaphore::new(BODIES_KIB),
            }),
            budget: Budget::SYNC,
            task: None,
        })
    }

    /// The same client with another budget per call.
    #[must_use]
    pub fn with_budget(&self, budget: Budget) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            budget,
            task: self.task.clone(),
        }
    }

    /// The same client for one task whose calls share `budget`, from now on. `permit` is asked before each write and each
    /// repetition of one.
    #[must_use]
    pub fn for_task(&self, budget: Budget, permit: Permit) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            budget,
            task: Some(Arc::new(TaskTime {
                deadline: Instant::now() + budget.0,
                slept_nanos: AtomicU64::new(0),
                permit,
            })),
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

    fn deadline(&self) -> Instant {
        let own = Instant::now() + self.budget.0;
        self.task.as_ref().map_or(own, |task| task.deadline.min(own))
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

    /// The worker application's id, which is also its OAuth client id.
    pub fn client_id(&self) -> String {
        self.inner.tokens.client_id()
    }

    /// What was asked so far.
    pub fn stats(&self) -> &Stats {
        &self.inner.stats
    }

    pub(crate) fn hosts(&self) -> &Hosts {
        &self.inner.hosts
    }

    /// The configured environment.
    pub fn environment_id(&self) -> &str {
        &self.inner.environment
    }

    /// A path under the environment.
    pub(super) fn url(&self, segments: &[&str]) -> Url {
        let mut all = vec!["environments", self.environment_id()];
        all.extend_from_slice(segments);
        self.inner.hosts.url(&all)
    }

    /// Proves the credentials: gets a token.
    pub async fn prove(&self) -> Result<(), PingOneError> {
        self.inner.tokens.token().await.map(drop)
    }

    /// The configured environment. A 403 here or below it is checked against this call: an environment that does not
    /// exist answers 404 only here (pingone-api.md §3.6).
    pub async fn environment(&self) -> Result<Environment, PingOneError> {
        let url = self.url(&[]);
        match self.read(Operation::ReadEnvironment, self.environment_id(), url).await {
            Err(error) if error.class() == ErrorClass::NotFound => Err(PingOneError {
                reason: Reason::EnvironmentMissing,
                ..error
            }),
            other => other,
        }
    }

    /// Token, environment, and one row each of users, groups, populations and roles (connector-model.md §8.2).
    pub async fn validate(&self) -> Result<(), PingOneError> {
        self.environment().await?;
        for (operation, path) in [
            (Operation::ListUsers, "users"),
            (Operation::ListGroups, "groups"),
            (Operation::ListPopulations, "populations"),
        ] {
            let mut url = self.url(&[path]);
            url.query_pairs_mut().append_pair("limit", "1");
            self.get(operation, self.environment_id(), url).await?;
        }
        self.get(Operation::ListRoles, self.environment_id(), self.url(&["roles"]))
            .await
            .map(drop)
    }

    /// Any environment.
    pub async fn environment_by_id(&self, id: Uuid) -> Result<Environment, PingOneError> {
        let id = id.to_string();
        self.read(
            Operation::ReadEnvironment,
            &id,
            self.inner.hosts.url(&["environments", &id]),
        )
        .await
    }

    /// An organization's name.
    pub async fn organization(&self, id: Uuid) -> Result<Named, PingOneError> {
        let id = id.to_string();
        self.read(
            Operation::ReadOrganization,
            &id,
            self.inner.hosts.url(&["organizations", &id]),
        )
        .await
    }

    /// An application's name.
    pub async fn application(&self, id: Uuid) -> Result<Named, PingOneError> {
        let id = id.to_string();
        self.read(Operation::ReadApplication, &id, self.url(&["applications", &id]))
            .await
    }

    /// Where the rate is automatic, reads the licence's limits and keeps to our share of them. What cannot be read
    /// leaves the default in force (pingone-api.md §5: optional and permission dependent).
    pub async fn learn_limits(&self) -> Result<(), PingOneError> {
        if !self.inner.limiter.is_automatic() {
            return Ok(());
        }
        let url = self.url(&["capabilities"]);
        let found: Result<Capabilities, _> = self.read(Operation::ReadCapabilities, self.environment_id(), url).await;
        match found {
            Ok(capabilities) => {
                if let Some(rate) = capabilities.directory_rate() {
                    self.inner.limiter.licence_rate(rate);
                    tracing::info!(
                        licence_requests_per_second = rate,
                        "rate limit was read from the licence"
                    );
                }
                Ok(())
            }
            Err(error) if error.class().is_retryable() || error.class() == ErrorClass::Auth => Err(error),
            Err(error) => {
                tracing::info!(
                    error_class = error.class().as_str(),
                    "the licence's limits could not be read"
                );
                Ok(())
            }
        }
    }

    /// The users.
    pub fn users(&self, query: &UsersQuery) -> Pages<User> {
        let url = self.users_url(query.filter.as_deref());
        Pages::new(self.clone(), Operation::ListUsers, self.environment_id(), "users", url)
    }

    fn users_url(&self, filter: Option<&str>) -> Url {
        let mut url = self.url(&["users"]);
        url.query_pairs_mut().append_pair("limit", PAGE);
        if let Some(filter) = filter {
            append_filter(&mut url, filter);
        }
        url
    }

    /// Ids of the users that a filter finds, or of all.
    pub async fn user_ids(&self, filter: Option<String>) -> Result<Vec<Uuid>, PingOneError> {
        let url = self.users_url(filter.as_deref());
        self.ids(Operation::ListUsers, self.environment_id().to_owned(), "users", url)
            .await
    }

    /// Ids of a group's members.
    pub async fn member_ids(&self, group: Uuid, kind: MemberKind) -> Result<Vec<Uuid>, PingOneError> {
        let url = self.users_url(Some(&membership_filter(group, kind)));
        self.ids(Operation::ListMembers, group.to_string(), "users", url).await
    }

    /// Ids of the groups nested directly in a group.
    pub async fn nested_group_ids(&self, group: Uuid) -> Result<Vec<Uuid>, PingOneError> {
        let mut url = self.groups_url();
        append_filter(&mut url, &membership_filter(group, MemberKind::Direct));
        self.ids(Operation::ListNestedGroups, group.to_string(), "groups", url)
            .await
    }

    async fn ids(
        &self,
        operation: Operation,
        object: String,
        key: &'static str,
        url: Url,
    ) -> Result<Vec<Uuid>, PingOneError> {
        let mut pages = Pages::<IdOnly>::new(self.clone(), operation, object, key, url);
        let mut ids = Vec::new();
        while pages.next_with(|item| ids.push(item.id)).await?.is_some() {}
        Ok(ids)
    }

    /// One user.
    pub async fn user(&self, id: Uuid) -> Result<User, PingOneError> {
        let id = id.to_string();
        self.read(Operation::ReadUser, &id, self.url(&["users", &id])).await
    }

    fn groups_url(&self) -> Url {
        let mut url = self.url(&["groups"]);
        url.query_pairs_mut().append_pair("limit", PAGE);
        url
    }

    /// The groups.
    pub fn groups(&self) -> Pages<Group> {
        Pages::new(
            self.clone(),
            Operation::ListGroups,
            self.environment_id(),
            "groups",
            self.groups_url(),
        )
    }

    /// One group.
    pub async fn group(&self, id: Uuid) -> Result<Group, PingOneError> {
        let id = id.to_string();
        self.read(Operation::ReadGroup, &id, self.url(&["groups", &id])).await
    }

    /// The groups that a group is nested in.
    pub async fn parents_of_group(&self, id: Uuid) -> Result<Vec<Membership>, PingOneError> {
        let id = id.to_string();
        let url = self.url(&["groups", &id, "memberOfGroups"]);
        Pages::new(self.clone(), Operation::ListParents, id, "groupMemberships", url)
            .all()
            .await
    }

    /// One membership.
    pub async fn membership(&self, user: Uuid, group: Uuid) -> Result<Membership, PingOneError> {
        let (user, group) = (user.to_string(), group.to_string());
        let url = self.url(&["users", &user, "memberOfGroups", &group]);
        self.read(Operation::ReadMembership, &user, url).await
    }

    /// The populations.
    pub fn populations(&self) -> Pages<Population> {
        let mut url = self.url(&["populations"]);
        url.query_pairs_mut().append_pair("limit", "100");
        Pages::new(
            self.clone(),
            Operation::ListPopulations,
            self.environment_id(),
            "populations",
            url,
        )
    }

    /// One population.
    pub async fn population(&self, id: Uuid) -> Result<Population, PingOneError> {
        let id = id.to_string();
        self.read(Operation::ReadPopulation, &id, self.url(&["populations", &id]))
            .await
    }

    /// The built-in roles of every environment.
    pub fn builtin_roles(&self) -> Pages<Role> {
        let url = self.inner.hosts.url(&["roles"]);
        Pages::new(self.clone(), Operation::ListRoles, self.environment_id(), "roles", url)
    }

    /// The environment's own roles.
    pub fn custom_roles(&self) -> Pages<Role> {
        let url = self.url(&["roles"]);
        Pages::new(self.clone(), Operation::ListRoles, self.environment_id(), "roles", url)
    }

    /// Names and scope types of built-in roles for clients that may not read their list (pingone-api.md §6.9).
    pub fn fallback_roles(&self) -> Vec<Role> {
        roles::fallback()
    }

    /// A principal's role assignments.
    pub async fn role_assignments(&self, principal: Principal) -> Result<Vec<RoleAssignment>, PingOneError> {
        let (kind, id) = principal.path();
        let id = id.to_string();
        let url = self.url(&[kind, &id, "roleAssignments"]);
        Pages::new(self.clone(), Operation::ListRoleAssignments, id, "roleAssignments", url)
            .all()
            .await
    }

    pub(super) async fn read<T: for<'de> Deserialize<'de>>(
        &self,
        operation: Operation,
        object: &str,
        url: Url,
    ) -> Result<T, PingOneError> {
        let answer = self.get(operation, object, url).await?;
        serde_json::from_slice(&answer.body).map_err(|error| PingOneError {
            operation,
            object: object.to_owned(),
            request_id: answer.request_id,
            reason: corrupt(&error),
            retry_after: None,
        })
    }

    /// One read, repeated while its class says so and the budget lasts.
    pub(crate) async fn get(&self, operation: Operation, object: &str, url: Url) -> Result<Answer, PingOneError> {
        self.attempt(&Call::get(operation, object, url)).await
    }

    /// One call, repeated while that is right and the budget lasts: a read by its class, a write only where it surely
    /// had no effect.
    pub(super) async fn attempt(&self, call: &Call<'_>) -> Result<Answer, PingOneError> {
        let deadline = self.deadline();
        let mut backoff = Backoff::default();
        let mut renewed = false;
        loop {
            let error = match self.once(call).await {
                Ok(answer) => return Ok(answer),
                Err(Failed { error, refused_token }) => {
                    if let Some(serial) = refused_token.filter(|_| !renewed) {
                        renewed = true;
                        self.inner.tokens.refused(serial).await;
                        self.retried(call.operation, "token");
                        continue;
                    }
                    error
                }
            };
            let class = error.class();
            let again = if call.operation.is_write() {
                error.is_unsent()
            } else {
                class.is_retryable()
            };
            if !again {
                return Err(self.environment_or(error).await);
            }
            let wait = backoff.next_delay(error.retry_after);
            if Instant::now() + wait >= deadline {
                let status = error.status().unwrap_or(0);
                return Err(if error.retry_after.is_some() {
                    PingOneError {
                        reason: Reason::BudgetSpent {
                            retry_after: wait,
                            status,
                        },
                        ..error
                    }
                } else {
                    error
                });
            }
            self.retried(call.operation, class.as_str());
            tracing::debug!(
                operation = call.operation.as_str(),
                error_class = class.as_str(),
                wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                "a request is repeated"
            );
            self.pause(wait).await;
        }
    }

    fn retried(&self, operation: Operation, reason: &'static str) {
        self.inner.stats.retried_once();
        if let Some(observer) = &self.inner.observer {
            observer.retried(operation, reason);
        }
    }

    /// Before a permission error is reported: an environment that is gone looks the same (pingone-api.md §3.6).
    async fn environment_or(&self, error: PingOneError) -> PingOneError {
        let doubtful = error.class() == ErrorClass::Forbidden && error.operation != Operation::ReadEnvironment;
        if !doubtful || matches!(error.reason, Reason::EnvironmentMissing) {
            return error;
        }
        let call = Call::get(Operation::ReadEnvironment, self.environment_id(), self.url(&[]));
        match Box::pin(self.once(&call)).await {
            Err(Failed { error: probe, .. }) if probe.class() == ErrorClass::NotFound => PingOneError {
                reason: Reason::EnvironmentMissing,
                ..error
            },
            _ => error,
        }
    }

    async fn once(&self, call: &Call<'_>) -> Result<Answer, Failed> {
        let inner = &self.inner;
        let group = call.operation.group();
        let token = inner.tokens.token().await?;
        let asked = Instant::now();
        let place = inner.limiter.enter(group, &inner.stats).await;
        self.waited(asked.elapsed());
        if call.operation.is_write() && !self.task.as_ref().is_none_or(|task| task.permit.may_begin()) {
            return Err(call.failed(Reason::NotBegun, None, None).into());
        }
        inner.stats.request(call.operation);
        let sent = Instant::now();
        let outcome = self.exchange(call, &token).await;
        drop(place);
        inner.limiter.finished(group);
        let status = outcome.as_ref().ok().map(|got| got.status);
        if let Some(observer) = &inner.observer {
            observer.finished(call.operation, status, sent.elapsed());
        }
        let got = outcome?;
        inner.stats.received(got.body.len());
        if (200..300).contains(&got.status) {
            return Ok(Answer {
                status: got.status,
                body: got.body,
                request_id: got.request_id,
                rate: got.rate,
            });
        }
        if got.status == 429 {
            inner.stats.refused_once();
            inner.limiter.refused(group, sent, got.wish);
        }
        let (reason, id) = refusal(got.status, got.media_type, &got.body);
        let error = call.failed(reason, got.request_id.or(id), got.wish);
        let refused_token = (error.class() == ErrorClass::Auth).then_some(token.serial);
        Err(Failed { error, refused_token })
    }

    /// Sends one request and reads the whole answer, whatever its status.
    async fn exchange(&self, call: &Call<'_>, token: &Token) -> Result<Received, PingOneError> {
        let mut request = self
            .inner
            .http
            .request(call.method.clone(), call.url.clone())
            .header(AUTHORIZATION, token.header.clone());
        if let Some(body) = call.body {
            request = request
                .header(CONTENT_TYPE, body.content_type())
                .body(body.bytes().clone());
        }
        let answer = request
            .send()
            .await
            .map_err(|error| call.failed(call.transport(&error), None, None))?;
        let status = answer.status().as_u16();
        let request_id = header(&answer, "correlation-id");
        let wish = header(&answer, "retry-after").and_then(|value| retry_after::parse(&value, jiff::Timestamp::now()));
        let rate = RateInfo::of(answer.headers());
        let media_type = answer
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(media_type);
        let body = read_body(answer, &self.inner.bodies)
            .await
            .map_err(|reason| call.failed(call.broken(reason), request_id.clone(), None))?;
        Ok(Received {
            status,
            request_id,
            wish,
            rate,
            media_type,
            body,
        })
    }
}

/// An answer of any status.
struct Received {
    status: u16,
    request_id: Option<String>,
    wish: Option<Duration>,
    rate: Option<RateInfo>,
    media_type: Option<String>,
    body: Vec<u8>,
}

/// A failed attempt; `refused_token` names the token that PingOne did not take.
struct Failed {
    error: PingOneError,
    refused_token: Option<u64>,
}

impl From<PingOneError> for Failed {
    fn from(error: PingOneError) -> Self {
        Self {
            error,
            refused_token: None,
        }
    }
}

/// Reads a body into one buffer, so that it is never held twice.
async fn read_body(mut answer: reqwest::Response, bodies: &Semaphore) -> Result<Vec<u8>, Reason> {
    let length = answer.content_length();
    let kib = length.map_or(BODY_KIB, |length| length / 1024 + 1);
    let most = u32::try_from(BODIES_KIB).unwrap_or(u32::MAX);
    // Never closed, so never an error.
    let _room = bodies
        .acquire_many(u32::try_from(kib).unwrap_or(most).min(most))
        .await
        .ok();
    let promised = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let mut body = Vec::with_capacity(promised.min(BODY_MAX));
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) => return Err(transport_reason(&error)),
        }
        if body.len() > BODY_MAX {
            return Err(Reason::Corrupt {
                what: format!("the body is longer than {BODY_MAX} bytes"),
            });
        }
    }
}

fn media_type(value: &str) -> String {
    let text: String = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .chars()
        .take(64)
        .collect();
    text.to_ascii_lowercase()
}

/// What an error answer says, and its own id; one without PingOne's `code` is not PingOne's (pingone-api.md §3.5).
fn refusal(status: u16, media_type: Option<String>, body: &[u8]) -> (Reason, Option<String>) {
    let parsed: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
    let Some(code) = parsed.code else {
        let media_type = media_type.unwrap_or_else(|| "none".to_owned());
        return (
            Reason::Foreign {
                status,
                media_type,
                length: body.len(),
            },
            None,
        );
    };
    let detail = parsed
        .details
        .unwrap_or_default()
        .into_iter()
        .next()
        .unwrap_or_default();
    let mut message = parsed.message.unwrap_or_default();
    if let Some(text) = detail.message.filter(|text| !text.is_empty()) {
        message = format!("{} {text}", message.trim_end());
    }
    let reason = Reason::Api {
        status,
        code,
        detail: detail.code,
        target: detail.target.or(parsed.target),
        message,
    };
    (reason, parsed.id)
}

/// `memberOfGroups[…]` of pingone-api.md §6.6.
fn membership_filter(group: Uuid, kind: MemberKind) -> String {
    match kind {
        MemberKind::Direct => format!("memberOfGroups[id eq \"{group}\" and type eq \"DIRECT\"]"),
        MemberKind::All => format!("memberOfGroups[id eq \"{group}\"]"),
    }
}

/// Adds a SCIM filter. `%20` rather than `+` for blanks, as PingOne's samples write it.
fn append_filter(url: &mut Url, filter: &str) {
    let encoded: String = filter
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let query = match url.query() {
        Some(query) if !query.is_empty() => format!("{query}&filter={encoded}"),
        _ => format!("filter={encoded}"),
    };
    url.set_query(Some(&query));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_encoded_as_the_samples_write_it() {
        let mut url = Url::parse("https://x/users?limit=200").unwrap();
        append_filter(&mut url, "memberOfGroups[id eq \"e4\" and type eq \"DIRECT\"]");
        assert_eq!(
            url.query(),
            Some("limit=200&filter=memberOfGroups%5Bid%20eq%20%22e4%22%20and%20type%20eq%20%22DIRECT%22%5D")
        );
        let mut url = Url::parse("https://x/users").unwrap();
        append_filter(&mut url, "name eq \"Zoë & Co\"");
        assert_eq!(url.query(), Some("filter=name%20eq%20%22Zo%C3%AB%20%26%20Co%22"));
    }

    #[test]
    fn an_answer_without_a_code_is_not_pingones() {
        let gateway = br#"{"message":"Missing Authentication Token"}"#;
        assert_eq!(
            refusal(403, Some("application/json".to_owned()), gateway).0,
            Reason::Foreign {
                status: 403,
                media_type: "application/json".to_owned(),
                length: gateway.len()
            }
        );
        assert!(matches!(
            refusal(502, None, b"<html>").0,
            Reason::Foreign { status: 502, .. }
        ));
        let own = br#"{"id":"1","code":"INVALID_DATA","message":"m","details":[{"code":"UNIQUENESS_VIOLATION","target":"username"}]}"#;
        assert!(
            matches!(refusal(400, None, own).0, Reason::Api { detail: Some(detail), .. } if detail == "UNIQUENESS_VIOLATION")
        );
    }
}
