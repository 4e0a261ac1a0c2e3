//! Listeners and the way of a request: faults, header size, path, token, rate limit, rights, answer, headers. Order and
//! texts where the contract is silent are ours. Contract: pingone-api.md §3 (headers, errors), §2.1 (the token
//! request), §5 (limits).

use super::admin;
use super::answer::{Answer, Outcome, Refusal};
use super::body::AnswerBody;
use super::call::Call;
use super::faults::{Due, FaultAction, FaultBody, Lost, Plan, SeenOwned};
use super::ids::{Kind, draw};
use super::lag::Past;
use super::ledger::Ledger;
use super::limits::{Bucket, Buckets};
use super::options::{GatewayText, RetryAfter};
use super::paging::{Query, percent_decode};
use super::recorder::Recorder;
use super::route::{self, Route, Target};
use super::token::{Asked, Token, Tokens};
use super::world::World;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use std::borrow::Cow;
use std::io;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// Everything that requests share.
pub(crate) struct Shared {
    pub(crate) world: RwLock<World>,
    pub(crate) past: Past,
    pub(crate) tokens: Tokens,
    pub(crate) buckets: Buckets,
    pub(crate) faults: Plan,
    pub(crate) ledger: Ledger,
    pub(crate) recorder: Recorder,
    pub(crate) ids: super::ids::Ids,
    pub(crate) options: super::options::Options,
    pub(crate) serial: AtomicU64,
}

/// Which listener a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Api,
    Auth,
}

/// Most bytes of a request's body.
const BODY_LIMIT: usize = 1 << 20;
/// Most bytes of a request's headers (pingone-api.md §3.1, D).
const HEADER_LIMIT: usize = 6 * 1024;
pub(crate) const HTML: &str =
    "<!DOCTYPE html><html><head><title>Service</title></head><body><h1>Please try again later</h1></body></html>";

/// A request with what every step needs.
struct Received {
    parts: http::request::Parts,
    body: Bytes,
}

impl Shared {
    pub(crate) fn read_world(&self) -> std::sync::RwLockReadGuard<'_, World> {
        self.world.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The world to change; how it was is kept where somebody may ask for it.
    pub(crate) fn write_world(&self) -> std::sync::RwLockWriteGuard<'_, World> {
        let mut world = self.world.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.options.timing.read_lag_ms > 0 || self.faults.looks_back() {
            self.past.keep(&world);
        }
        world.keep_counts();
        world
    }

    /// Answers a request of either listener (pingone-api.md §9, points 1, 55, 57). An error breaks the connection.
    pub(crate) async fn serve(
        self: &std::sync::Arc<Self>,
        side: Side,
        request: Request<Incoming>,
    ) -> io::Result<Response<AnswerBody>> {
        let (parts, body) = request.into_parts();
        if side == Side::Api && parts.uri.path().starts_with("/sandbox/") {
            let body = collect(body).await?;
            let query = parts.uri.query().unwrap_or("");
            return Ok(admin::answer(self, &parts.method, parts.uri.path(), query, &body));
        }
        self.ledger.arrived();
        let working = self.ledger.begin();
        let body = if parts.method == Method::GET {
            Bytes::new()
        } else {
            collect(body).await?
        };
        let request = Received { parts, body };
        let (inner, route, shape) = place(side, request.parts.uri.path());
        let query = || request.parts.uri.query().and_then(percent_decode).unwrap_or_default();
        let due = self.faults.due(|| SeenOwned {
            method: request.parts.method.to_string(),
            path: inner.to_owned(),
            shape: shape.clone().into_owned(),
            query: query().into_owned(),
        });
        if let Some(query) = request.parts.uri.query() {
            self.ledger.filtered(query);
        }
        let named = (request.parts.method.as_str(), inner, &*shape);
        let entry = self.recorder.arrived(side, named, query, &request.parts.headers);
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        // What counts is whether the token was good on arrival, however slow the answer is.
        let token = self.token_of(side, &request);
        self.wait(serial, due.as_ref()).await;
        let method = request.parts.method.as_str();
        if due.as_ref().is_some_and(|due| due.action == FaultAction::Hang) {
            self.ledger.answered(method, shape, 0, 0);
            return std::future::pending().await;
        }
        let correlation = self.ids.encode(Kind::Correlation, serial);
        let answer = self.decide(side, &request, route.as_ref(), token, due.as_ref(), correlation);
        self.ledger.rows(answer.rows);
        let kept = entry.map(|entry| (entry, answer.clone()));
        let finished = self.finish(answer, due, correlation, &request.parts.headers);
        if let (Some((entry, answer)), Ok((response, _))) = (kept, &finished) {
            self.recorder.answered(&entry, &answer, response.headers());
        }
        drop(working);
        let status = finished.as_ref().map_or(0, |(response, _)| response.status().as_u16());
        let bytes = finished.as_ref().map_or(0, |(_, bytes)| *bytes);
        self.ledger.answered(method, shape, status, bytes);
        match finished {
            Ok((response, _)) => Ok(response),
            Err(Lost::Hang) => std::future::pending().await,
            Err(_) => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
        }
    }

    /// The token of a request to the API, if it is a known one.
    fn token_of(&self, side: Side, request: &Received) -> Option<super::token::Token> {
        if side == Side::Auth {
            return None;
        }
        let token = self
            .tokens
            .known(text(&request.parts.headers, &header::AUTHORIZATION))?;
        self.count_secret(&token);
        Some(token)
    }

    async fn wait(&self, serial: u64, due: Option<&Due>) {
        let timing = &self.options.timing;
        let mut ms = timing.latency_ms;
        if timing.latency_jitter_ms > 0 {
            ms += draw(1, 0x1a7, serial) % (timing.latency_jitter_ms + 1);
        }
        if let Some(FaultAction::Slow(more)) = due.map(|due| &due.action) {
            ms += more;
        }
        if ms > 0 {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
    }

    /// The answer as it would be, faults that replace it included.
    fn decide(
        &self,
        side: Side,
        request: &Received,
        route: Option<&Route>,
        token: Option<Token>,
        due: Option<&Due>,
        correlation: Uuid,
    ) -> Answer {
        let real = || match side {
            _ if header_bytes(request) > HEADER_LIMIT => Err(self.header_refusal()),
            Side::Auth => self.token(request),
            Side::Api => match route {
                None => Ok(self.gateway()),
                Some(route) => self
                    .api(request, route, token, due, correlation)
                    .map(|answer| self.bend(answer, route, due)),
            },
        };
        let outcome = match due.and_then(|due| self.instead(&due.action)) {
            Some(outcome) => {
                if due.is_some_and(|due| due.takes_effect == Some(true)) {
                    // What it would have said does not matter: a foreign answer comes in its place.
                    drop(real());
                }
                outcome
            }
            None => real(),
        };
        outcome.unwrap_or_else(|refusal| {
            refusal.answer(
                self.ids
                    .encode(Kind::Error, self.serial.fetch_add(1, Ordering::Relaxed)),
            )
        })
    }

    /// What a fault (pingone-api.md §9, point 55) puts in the place of the answer, before the request has any effect.
    fn instead(&self, action: &FaultAction) -> Option<Outcome> {
        Some(match action {
            FaultAction::Status {
                status,
                retry_after,
                body,
            } => {
                let mut answer = match body {
                    FaultBody::Platform => {
                        let mut refusal = Refusal::of_status(*status);
                        refusal.retry_after.clone_from(retry_after);
                        return Some(Err(refusal));
                    }
                    FaultBody::Html => Answer::typed(*status, "text/html; charset=utf-8", HTML),
                    FaultBody::Empty => Answer::empty(*status),
                    FaultBody::GatewayOk => Answer::typed(*status, "application/json", r#"{"status":"ok"}"#),
                    FaultBody::Gateway => Answer {
                        status: *status,
                        ..self.gateway()
                    },
                };
                answer.retry_after.clone_from(retry_after);
                Ok(answer)
            }
            FaultAction::Answer {
                status,
                content_type,
                body,
            } => Ok(Answer::typed(*status, content_type, body.clone())),
            FaultAction::Refuse {
                status,
                code,
                detail,
                target,
                message,
            } => {
                let mut refusal = Refusal::new(*status, "", message.clone());
                if let Some(detail) = detail {
                    refusal = refusal.detail(detail, target.as_deref(), message);
                }
                let mut body = serde_json::json!({
                    "id": self.ids.encode(Kind::Error, self.serial.fetch_add(1, Ordering::Relaxed)),
                    "code": code, "message": message,
                });
                if let (false, Some(body)) = (refusal.details.is_empty(), body.as_object_mut()) {
                    body.insert("details".to_owned(), refusal.details.into());
                }
                Ok(Answer::json(*status, &body))
            }
            FaultAction::ExpiredToken => Err(Refusal::token()),
            FaultAction::Gateway => Ok(self.gateway()),
            FaultAction::Reset => Ok(Answer::empty(0)),
            _ => return None,
        })
    }

    /// 403 of the gateway (pingone-api.md §3.5, S): no code, no id.
    fn gateway(&self) -> Answer {
        let text = match self.options.access.gateway_text {
            GatewayText::KeyValue => {
                "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256)."
            }
            GatewayText::MissingToken => "Missing Authentication Token",
        };
        Answer::typed(
            403,
            "application/json",
            serde_json::json!({"message": text}).to_string(),
        )
    }

    /// 431 or 400 (pingone-api.md §3.1, §9 point 58: limit D, status G).
    fn header_refusal(&self) -> Refusal {
        let status = self.options.limits.header_limit_status;
        Refusal::new(
            status,
            "INVALID_REQUEST",
            "The request could not be completed. The request headers are too large.",
        )
    }

    /// The auth listener: POST alone (pingone-api.md §2.1, §3.1, D).
    fn token(&self, request: &Received) -> Outcome {
        if request.parts.method != Method::POST {
            return Err(Refusal::method());
        }
        self.limit(Bucket::Authn)?;
        let headers = &request.parts.headers;
        let named = request.parts.uri.authority().map(http::uri::Authority::as_str);
        let host = named.or_else(|| text(headers, &header::HOST)).unwrap_or("");
        let asked = Asked {
            path: request.parts.uri.path(),
            host: host.rsplit_once(':').map_or(host, |(host, _)| host),
            authority: host,
            media: &media_type(headers),
            authorization: text(headers, &header::AUTHORIZATION),
            body: &request.body,
        };
        self.tokens.answer(&self.read_world(), &asked)
    }

    /// Takes a token of a rate bucket or refuses (pingone-api.md §5, §9 point 54: shape S, texts G).
    fn limit(&self, bucket: Bucket) -> Result<(), Refusal> {
        let Err((seconds, rate)) = self.buckets.take(bucket) else {
            return Ok(());
        };
        let mut refusal = Refusal::new(
            429,
            "REQUEST_LIMITED",
            "The request could not be completed. There were too many requests.",
        )
        .detail("LIMIT_EXCEEDED", None, "Rate limit exceeded.")
        .inner(serde_json::json!({"quotaLimit": rate.floor()}));
        refusal.retry_after = match self.options.limits.retry_after {
            RetryAfter::Seconds => Some(seconds.to_string()),
            RetryAfter::Date => Some(http_date(
                self.read_world().clock.unix_ms() / 1000 + i64::try_from(seconds).unwrap_or(1),
            )),
            RetryAfter::Absent => None,
        };
        Err(refusal)
    }

    /// The API listener: 401, 429, 400 for an id that is no UUID, 405, 403, then the answer (pingone-api.md §3.4).
    fn api(
        &self,
        request: &Received,
        route: &Route,
        token: Option<Token>,
        due: Option<&Due>,
        correlation: Uuid,
    ) -> Outcome {
        let parts = &request.parts;
        let token = token.ok_or_else(Refusal::token)?;
        self.limit(
            route
                .target
                .bucket(&parts.method, self.options.limits.assignments_in_config),
        )?;
        if route.malformed {
            return Err(Refusal::parameter("id"));
        }
        if !route.target.takes(&parts.method) {
            return Err(Refusal::method());
        }
        let raw_query = parts.uri.query().unwrap_or("");
        let query = Query::parse(raw_query)?;
        let media = media_type(&parts.headers);
        let call = |world: &World| {
            let worker = world.applications.get(token.worker).ok_or_else(Refusal::token)?;
            let now = Instant::now();
            let mut reach = world.allow(worker, route.target, &parts.method, route.environment, now)?;
            if let Some(FaultAction::Narrowed(populations)) = due.map(|due| &due.action) {
                reach = reach.narrowed(*populations);
            }
            Ok(Call {
                method: &parts.method,
                target: route.target,
                environment: route.environment.unwrap_or_default(),
                path: parts.uri.path().strip_prefix("/v1").unwrap_or(""),
                raw_query,
                query: &query,
                media: &media,
                body: &request.body,
                worker: token.worker,
                reach,
                token: token.key,
                now,
                fault: due.map(|due| &due.action),
                correlation,
            })
        };
        if let Some(FaultAction::Changes(changes)) = due.map(|due| &due.action) {
            self.write_world().change(changes);
        }
        if touches_secret(route.target, parts) {
            self.ledger.secret_read();
        }
        let answer = if parts.method != Method::GET || matches!(route.target, Target::Secret(_)) {
            self.write(due, call)?
        } else if let Some(older) = self.older(due) {
            older.read(&call(&older)?)?
        } else {
            let world = self.read_world();
            world.read(&call(&world)?)?
        };
        if self.options.users.forward_compatibility {
            return Ok(super::future::extended(answer));
        }
        Ok(answer)
    }

    /// Makes a write, or answers as if where a fault says that nothing happens.
    fn write<'a>(&self, due: Option<&Due>, call: impl FnOnce(&World) -> Result<Call<'a>, Refusal>) -> Outcome {
        if due.is_some_and(|due| due.takes_effect == Some(false)) {
            let mut copy = self.read_world().clone();
            let call = call(&copy)?;
            return copy.write(&call);
        }
        let mut world = self.write_world();
        let call = call(&world)?;
        world.write(&call)
    }
}

/// Whether the request reads a secret or a private key, or ends a secret (access-model.md §11 point 113).
fn touches_secret(target: Target, parts: &http::request::Parts) -> bool {
    match target {
        Target::Secret(_) => matches!(parts.method, Method::GET | Method::DELETE),
        Target::Key(_) => parts.method == Method::GET && accepts_key_store(&parts.headers),
        _ => false,
    }
}

/// Where a path leads: the part below `/v1`, the route, the shape for the counts.
fn place(side: Side, path: &str) -> (&str, Option<Route>, Cow<'static, str>) {
    if side == Side::Auth {
        return (path, None, Cow::Borrowed("/{id}/as/token"));
    }
    let Some(inner) = path.strip_prefix("/v1") else {
        return (path, None, Cow::Owned(route::unknown_shape(path)));
    };
    let route = route::route(inner);
    let shape = route.as_ref().map_or_else(
        || Cow::Owned(route::unknown_shape(inner)),
        |route| Cow::Borrowed(route.shape),
    );
    (inner, route, shape)
}

async fn collect(body: Incoming) -> io::Result<Bytes> {
    let limited = Limited::new(body, BODY_LIMIT).collect().await;
    limited
        .map(http_body_util::Collected::to_bytes)
        .map_err(io::Error::other)
}

pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The media type without parameters, in lower case.
fn media_type(headers: &HeaderMap) -> String {
    let kind = text(headers, &header::CONTENT_TYPE).unwrap_or("");
    kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

/// Whether a key is asked for with its private part (access-model.md §11 point 113).
fn accepts_key_store(headers: &HeaderMap) -> bool {
    let kind = text(headers, &header::ACCEPT).unwrap_or("");
    ["pkcs12", "pem", "x-x509"].iter().any(|store| kind.contains(store))
}

fn header_bytes(request: &Received) -> usize {
    let headers = &request.parts.headers;
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum()
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(unix: i64) -> String {
    let time = jiff::Timestamp::from_second(unix).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
