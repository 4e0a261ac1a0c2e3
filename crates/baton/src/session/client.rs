//! Calls to C1's service: one channel for calls and one for each upload, a token and a deadline on each call, one
//! repetition with a fresh token after `UNAUTHENTICATED` (DEV-4), metrics on each outcome.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::HeaderValue;
use http::uri::PathAndQuery;
use tokio::time::{Instant, timeout};
use tonic::codec::CompressionEncoding;
use tonic::metadata::{AsciiMetadataKey, MetadataMap};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};

use super::connect::{ChannelConnector, Connector};
use super::error::{RpcError, SessionError};
use super::token::{Bearer, TokenError, TokenSource};
use super::watch::Watch;
use crate::proto::c1::connectorapi::baton::v1 as pb;
use crate::proto::c1::connectorapi::baton::v1::baton_service_client::BatonServiceClient;
use process::runtime::leader_guard::LeaderGuard;
use process::telemetry::Metrics;

pub(super) type Service = BatonServiceClient<Channel>;
/// One method of the service.
type Send<Q, A> = fn(Service, Request<Q>) -> BoxFuture<'static, Result<Response<A>, Status>>;

/// Hello and Heartbeat (DEV-13).
pub(super) const SHORT_LIMIT: Duration = Duration::from_secs(30);
/// How long a call waits for its token before its own time begins: together with the longest short call less than what
/// liveness allows.
const TOKEN_FIRST: Duration = Duration::from_secs(25);
/// `GetTask` and `GetTasks`: C1 may long-poll (c1-protocol.md §5.1).
pub(super) const POLL_LIMIT: Duration = Duration::from_mins(6);
/// Pings are sent no faster, and only while a call is open (DEV-1).
const PING_INTERVAL: Duration = Duration::from_mins(5);
const PING_LIMIT: Duration = Duration::from_secs(20);

/// A poll during which the connection has given no byte for so long is doubted.
const SILENCE: Duration = Duration::from_secs(45);
/// Then a call that any gRPC server answers, if only by refusing it, must be answered within this time: with a poll's
/// pause a connection that is only half open costs less than two minutes.
const PROOF_LIMIT: Duration = Duration::from_secs(30);
/// The same where a call was already waited for.
pub(super) const SUSPICION_LIMIT: Duration = Duration::from_secs(10);
const PROOF: &str = "/grpc.health.v1.Health/Check";

/// The methods' names where more than one place needs them.
pub(super) const UPLOAD: &str = "UploadAsset";
pub(super) const FINISH: &str = "FinishTask";

/// Opens channels to C1.
#[derive(Clone)]
struct Opener {
    endpoint: Endpoint,
    connector: Connector,
    guard: LeaderGuard,
}

impl Opener {
    /// A channel that connects with its first call, and what is seen of its connection.
    fn open(&self, endpoint: &Endpoint) -> (Channel, Watch) {
        let watch = Watch::default();
        let channel = endpoint.connect_with_connector_lazy(ChannelConnector {
            connector: self.connector.clone(),
            watch: watch.clone(),
            guard: self.guard.clone(),
        });
        (channel, watch)
    }
}

fn service(channel: Channel) -> Service {
    BatonServiceClient::new(channel).accept_compressed(CompressionEncoding::Gzip)
}

/// The way to C1.
#[derive(Clone)]
pub(super) struct Client {
    opener: Opener,
    service: Service,
    channel: Channel,
    watch: Watch,
    tokens: Arc<TokenSource>,
    metrics: Arc<Metrics>,
    guard: LeaderGuard,
    pub(super) host_id: Arc<str>,
}

impl Client {
    pub(super) fn new(
        connector: Connector,
        tokens: Arc<TokenSource>,
        (metrics, guard): (Arc<Metrics>, LeaderGuard),
        host_id: Arc<str>,
        user_agent: HeaderValue,
    ) -> Result<Self, SessionError> {
        let authority = connector.address().authority();
        let text = |_| SessionError::Text { what: "the user agent" };
        // The scheme is for our connector, which does TLS itself; requests carry the origin's.
        let origin = format!("https://{authority}")
            .parse()
            .map_err(|_| super::InvalidClientId)?;
        let endpoint = Endpoint::from_shared(format!("http://{authority}"))
            .map_err(|_| super::InvalidClientId)?
            .origin(origin)
            .user_agent(user_agent)
            .map_err(text)?;
        let opener = Opener {
            endpoint,
            connector,
            guard: guard.clone(),
        };
        let with_pings = opener.endpoint.clone();
        let with_pings = with_pings
            .http2_keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_LIMIT)
            .keep_alive_while_idle(false);
        let (channel, watch) = opener.open(&with_pings);
        Ok(Self {
            opener,
            service: service(channel.clone()),
            channel,
            watch,
            tokens,
            metrics,
            guard,
            host_id,
        })
    }

    /// One unary call.
    async fn call<Q: Clone, A>(
        &self,
        method: &'static str,
        limit: Duration,
        request: Q,
        send: Send<Q, A>,
    ) -> Result<A, RpcError> {
        let started = Instant::now();
        // A slow token endpoint must not eat the call's own time, or the call is never sent.
        let bearer = timeout(TOKEN_FIRST, self.bearer(method)).await;
        let too_late = TokenError::Timeout { limit: TOKEN_FIRST };
        let bearer = match bearer.unwrap_or(Err(RpcError::Token {
            method,
            source: too_late,
        })) {
            Ok(bearer) => bearer,
            Err(error) => {
                self.record(method, started, Some(&error));
                return Err(error);
            }
        };
        let calls = Box::pin(async {
            let first = self.attempt(method, request.clone(), send, bearer).await;
            match first {
                Err(Attempt {
                    bearer: Some(bearer),
                    error:
                        RpcError::Status {
                            code: Code::Unauthenticated,
                            ..
                        },
                }) => {
                    self.tokens.refused(&bearer);
                    let bearer = self.bearer(method).await;
                    let bearer = bearer.map_err(|error| Attempt { bearer: None, error })?;
                    self.attempt(method, request, send, bearer).await
                }
                other => other,
            }
        });
        let watched = async {
            tokio::select! {
                biased;
                outcome = calls => outcome.map_err(|attempt| attempt.error),
                silent = self.silence(started) => Err(RpcError::Silent { method, limit: silent }),
            }
        };
        let outcome = if let Ok(outcome) = timeout(limit, watched).await {
            outcome
        } else {
            // One slow call says nothing of the connection, which others use as well.
            self.prove_or_cut().await;
            Err(RpcError::Deadline { method, limit })
        };
        self.record(method, started, outcome.as_ref().err());
        outcome
    }

    /// Ends when the connection has been silent since the call began and does not answer anything else either.
    async fn silence(&self, started: Instant) -> Duration {
        let mut doubted = started;
        loop {
            let heard = self.watch.heard().unwrap_or(started).max(doubted);
            let quiet_until = heard.checked_add(SILENCE).unwrap_or(heard);
            if Instant::now() < quiet_until {
                tokio::time::sleep_until(quiet_until).await;
                continue;
            }
            if !self.guard.may_begin() {
                // Whoever leads no more asks nothing; the term's end ends the call.
                return std::future::pending().await;
            }
            if self.proof(PROOF_LIMIT).await || !self.watch.cut_if_silent(heard) {
                doubted = Instant::now();
                continue;
            }
            return heard.elapsed();
        }
    }

    /// Whether the connection gives any answer at all within `limit`.
    async fn proof(&self, limit: Duration) -> bool {
        tracing::debug!("the connection to C1 is silent; a health check is sent on it");
        let asked = prove(self.channel.clone(), self.tokens.at_hand());
        timeout(limit, asked).await.is_ok()
    }

    /// After a call without an answer: a connection that does not answer a health check either, and gives no byte
    /// meanwhile, is not used again.
    pub(super) async fn prove_or_cut(&self) {
        let asked = Instant::now();
        if self.guard.may_begin() && !self.proof(SUSPICION_LIMIT).await && self.watch.cut_if_silent(asked) {
            tracing::warn!("the connection to C1 was silent; another one is opened");
        }
    }

    async fn attempt<Q, A>(
        &self,
        method: &'static str,
        message: Q,
        send: Send<Q, A>,
        bearer: Bearer,
    ) -> Result<A, Attempt> {
        let failed = |error| Attempt { bearer: None, error };
        let request = authorized(message, &bearer);
        self.may_begin(method).map_err(failed)?;
        match send(self.service.clone(), request).await {
            Ok(response) => Ok(response.into_inner()),
            Err(status) => Err(Attempt {
                bearer: Some(bearer),
                error: RpcError::from_status(method, status),
            }),
        }
    }

    /// A token for a call; asked for only by a process that may call.
    async fn bearer(&self, method: &'static str) -> Result<Bearer, RpcError> {
        self.may_begin(method)?;
        let bearer = self.tokens.bearer().await;
        bearer.map_err(|source| RpcError::Token { method, source })
    }

    /// Asked immediately before each call.
    fn may_begin(&self, method: &'static str) -> Result<(), RpcError> {
        let may = if method == FINISH {
            self.guard.may_report()
        } else {
            self.guard.may_begin()
        };
        if may {
            Ok(())
        } else {
            Err(RpcError::NotLeading { method })
        }
    }

    fn record(&self, method: &'static str, started: Instant, error: Option<&RpcError>) {
        let code = error.map_or(Code::Ok, RpcError::code);
        self.metrics.rpc(method, code_name(code), started.elapsed());
        match error {
            // Its connection is not the one that calls use.
            _ if method == UPLOAD => {}
            None => self.metrics.session_connected.set(1),
            // Whoever answers every call so serves no session.
            Some(RpcError::Status {
                code: Code::Unauthenticated | Code::PermissionDenied | Code::Unavailable,
                ..
            }) if matches!(method, "Hello" | "GetTask" | "GetTasks") => self.metrics.session_connected.set(0),
            Some(
                RpcError::Status { .. } | RpcError::File(_) | RpcError::Build { .. } | RpcError::NotLeading { .. },
            ) => {}
            Some(_) => self.metrics.session_connected.set(0),
        }
    }

    pub(super) async fn hello(&self, request: pb::BatonServiceHelloRequest) -> Result<(), RpcError> {
        let send: Send<_, _> = |mut service, request| Box::pin(async move { service.hello(request).await });
        self.call("Hello", SHORT_LIMIT, request, send).await.map(drop)
    }

    pub(super) async fn get_task(&self) -> Result<pb::BatonServiceGetTaskResponse, RpcError> {
        let request = pb::BatonServiceGetTaskRequest {
            host_id: self.host_id.to_string(),
        };
        let send: Send<_, _> = |mut service, request| Box::pin(async move { service.get_task(request).await });
        self.call("GetTask", POLL_LIMIT, request, send).await
    }

    pub(super) async fn get_tasks(
        &self,
        page_size: u32,
        known_task_ids: Vec<String>,
    ) -> Result<pb::BatonServiceGetTasksResponse, RpcError> {
        let request = pb::BatonServiceGetTasksRequest {
            host_id: self.host_id.to_string(),
            page_size,
            known_task_ids,
            annotations: Vec::new(),
        };
        let send: Send<_, _> = |mut service, request| Box::pin(async move { service.get_tasks(request).await });
        self.call("GetTasks", POLL_LIMIT, request, send).await
    }

    pub(super) async fn heartbeat(&self, task_id: &str) -> Result<pb::BatonServiceHeartbeatResponse, RpcError> {
        let request = pb::BatonServiceHeartbeatRequest {
            host_id: self.host_id.to_string(),
            task_id: task_id.to_owned(),
            annotations: Vec::new(),
            task_ids: Vec::new(),
        };
        let send: Send<_, _> = |mut service, request| Box::pin(async move { service.heartbeat(request).await });
        self.call("Heartbeat", SHORT_LIMIT, request, send).await
    }

    pub(super) async fn finish_task(
        &self,
        request: pb::BatonServiceFinishTaskRequest,
        limit: Duration,
    ) -> Result<(), RpcError> {
        let send: Send<_, _> = |mut service, request| Box::pin(async move { service.finish_task(request).await });
        self.call(FINISH, limit, request, send).await.map(drop)
    }

    /// Tells the connection that calls use now from every other one.
    pub(super) fn connection(&self) -> u64 {
        self.watch.number()
    }

    /// A connection for one upload, which limits itself. It ends with what is returned.
    pub(super) async fn open_upload(&self) -> Result<UploadLine, RpcError> {
        let bearer = self.bearer(UPLOAD).await?;
        self.may_begin(UPLOAD)?;
        // Without pings: behind an upload's own bytes their answers come late on a slow link.
        let (channel, watch) = self.opener.open(&self.opener.endpoint);
        Ok(UploadLine {
            service: service(channel),
            bearer,
            watch,
            is_done: false,
        })
    }

    /// An upload stream ended.
    pub(super) fn close_upload(&self, started: Instant, bearer: Option<&Bearer>, error: Option<&RpcError>) {
        if let (
            Some(bearer),
            Some(RpcError::Status {
                code: Code::Unauthenticated,
                ..
            }),
        ) = (bearer, error)
        {
            self.tokens.refused(bearer);
        }
        self.record(UPLOAD, started, error);
    }

    pub(super) fn count_uploaded(&self, bytes: usize) {
        self.metrics
            .upload_bytes
            .inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
}

/// A connection that carries one upload and nothing else, so that a slow one holds up no call.
pub(super) struct UploadLine {
    pub(super) service: Service,
    pub(super) bearer: Bearer,
    pub(super) watch: Watch,
    pub(super) is_done: bool,
}

impl Drop for UploadLine {
    fn drop(&mut self) {
        // What is still to be written is of no use to anybody.
        if !self.is_done {
            self.watch.cut();
        }
    }
}

/// Gets any answer at all. Boxed, since nearly every call ends without it.
fn prove(channel: Channel, bearer: Option<Bearer>) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let mut grpc = tonic::client::Grpc::new(channel);
        // Without a channel that takes calls there is nothing to prove.
        if grpc.ready().await.is_ok() {
            let codec = tonic_prost::ProstCodec::<(), ()>::default();
            let request = bearer.map_or_else(|| Request::new(()), |bearer| authorized((), &bearer));
            drop(grpc.unary(request, PathAndQuery::from_static(PROOF), codec).await);
        }
    })
}

struct Attempt {
    bearer: Option<Bearer>,
    error: RpcError,
}

/// The request with its one metadata entry.
pub(super) fn authorized<Q>(message: Q, bearer: &Bearer) -> Request<Q> {
    let mut headers = http::HeaderMap::new();
    headers.insert(http::header::AUTHORIZATION, bearer.header().clone());
    let mut request = Request::new(message);
    *request.metadata_mut() = MetadataMap::from_headers(headers);
    debug_assert!(
        request
            .metadata()
            .contains_key(AsciiMetadataKey::from_static("authorization"))
    );
    request
}

/// The code's name, a label.
pub(super) const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}
