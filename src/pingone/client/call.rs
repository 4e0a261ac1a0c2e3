//! One call: attempts while their class says so and the caller's budget lasts. A read may be repeated at will; a write
//! only where PingOne certainly did nothing, because it has no idempotency key (connector-model.md §9).

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Method, Url};
use serde::Deserialize;
use tokio::time::Instant;

use super::Client;
use crate::error::ErrorClass;
use crate::pingone::body::Body;
use crate::pingone::error::{PingOneError, RateInfo, Reason};
use crate::pingone::lenient;
use crate::pingone::limiter::TooLong;
use crate::pingone::operation::Operation;
use crate::pingone::page::{corrupt, not_text};
use crate::pingone::transport::{header, media_type, rate_limit, refusal, transport_reason, wish};
use crate::pingone::write::WriteBody;
use crate::runtime::backoff::Backoff;

/// Transaction and session ids of pingone-api.md §3.1.
/// How long an environment that was found after a refusal is not looked for again.
const STILL_THERE: Duration = Duration::from_secs(10);
/// How often it is said that requests fail, and after which silence that is news again.
const TOLD_EVERY: Duration = Duration::from_secs(5);
const FORGOTTEN: Duration = Duration::from_mins(1);
const TRANSACTION: &str = "x-ping-external-transaction-id";
const SESSION: &str = "x-ping-external-session-id";

/// What is asked.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) operation: Operation,
    /// On what, for error texts.
    pub(crate) object: &'a str,
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// A write has a body or none, a read never.
    pub(crate) body: Option<&'a WriteBody>,
}

impl<'a> Call<'a> {
    pub(crate) fn get(operation: Operation, object: &'a str, url: Url) -> Self {
        Self {
            operation,
            object,
            method: Method::GET,
            url,
            body: None,
        }
    }

    fn failed(&self, reason: Reason) -> PingOneError {
        PingOneError::new(self.operation, self.object, reason)
    }
}

/// A body with the id of the request that it answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Body,
    pub(crate) request_id: Option<String>,
    pub(crate) rate: Option<RateInfo>,
}

/// An attempt that failed.
struct Failed {
    error: PingOneError,
    /// The token that PingOne did not take.
    refused_token: Option<u64>,
    /// PingOne certainly did nothing.
    undone: bool,
}

impl Failed {
    /// Nothing was sent.
    fn unsent(error: PingOneError) -> Self {
        Self {
            error,
            refused_token: None,
            undone: true,
        }
    }
}

/// What came back, before it is judged.
struct Received {
    status: u16,
    answer: Answer,
    wish: Option<std::time::Duration>,
    media_type: Option<String>,
    told_limit: Option<RateInfo>,
}

impl Client {
    /// One read.
    pub(crate) async fn get(&self, operation: Operation, object: &str, url: Url) -> Result<Answer, PingOneError> {
        self.call(&Call::get(operation, object, url)).await
    }

    /// One read of one object.
    pub(crate) async fn read<T: for<'de> Deserialize<'de>>(
        &self,
        operation: Operation,
        object: &str,
        url: Url,
    ) -> Result<T, PingOneError> {
        self.object(&Call::get(operation, object, url)).await
    }

    /// One call whose answer is one object.
    pub(super) async fn object<T: for<'de> Deserialize<'de>>(&self, call: &Call<'_>) -> Result<T, PingOneError> {
        let answer = self.call(call).await?;
        let failed = |reason| PingOneError {
            request_id: answer.request_id.clone(),
            ..call.failed(reason)
        };
        let body = std::str::from_utf8(&answer.body).map_err(|_| failed(not_text()))?;
        lenient::take_misfits();
        let parsed = serde_json::from_str(body);
        self.note_misfits(call.operation);
        parsed.map_err(|error| failed(corrupt(&error)))
    }

    /// Counts what the last parse found in an unexpected type, and says so now and then.
    pub(crate) fn note_misfits(&self, operation: Operation) {
        let fields = lenient::take_misfits();
        if fields == 0 {
            return;
        }
        let before = self.stats().lenient(fields);
        if crossed(before, before + fields) {
            tracing::warn!(
                operation = operation.as_str(),
                total = before + fields,
                "members of an unexpected type were read leniently"
            );
        }
    }

    /// One call, repeated while its class says so and the budget lasts.
    pub(crate) async fn call(&self, call: &Call<'_>) -> Result<Answer, PingOneError> {
        let deadline = self.deadline();
        let mut backoff = Backoff::default();
        let mut renewed = false;
        loop {
            let failed = match self.attempt(call, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            if let Some(serial) = failed.refused_token.filter(|_| !renewed) {
                renewed = true;
                self.inner.tokens.refused(serial).await;
                self.inner.gate.retried(call.operation, "token");
                continue;
            }
            let error = failed.error;
            let class = error.class();
            let again = class.is_retryable() && (failed.undone || !call.operation.is_write());
            if !again || matches!(error.reason, Reason::BudgetSpent { .. }) {
                return Err(self.environment_or(error, deadline).await);
            }
            let wait = backoff.next_delay(error.retry_after);
            if Instant::now() + wait >= deadline {
                return Err(out_of_time(error, wait));
            }
            self.inner.gate.retried(call.operation, class.as_str());
            self.tell_trouble(&error);
            tracing::debug!(
                operation = call.operation.as_str(),
                error_class = class.as_str(),
                wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                "a request is repeated"
            );
            self.pause(wait).await;
        }
    }

    /// Says now and then why there is no progress. What passes after one repetition is not worth a line.
    fn tell_trouble(&self, error: &PingOneError) {
        let Ok(mut trouble) = self.inner.trouble.lock() else {
            return;
        };
        let now = Instant::now();
        let since = trouble.filter(|told| now.duration_since(*told) < FORGOTTEN);
        match since {
            Some(told) if now.duration_since(told) < TOLD_EVERY => {}
            Some(_) => {
                *trouble = Some(now);
                tracing::warn!(error = %error, error_class = error.class().as_str(), "requests fail and are repeated");
            }
            None => *trouble = Some(now),
        }
    }

    /// Before a permission error is reported: an environment that is gone looks the same (pingone-api.md §3.6).
    async fn environment_or(&self, error: PingOneError, deadline: Instant) -> PingOneError {
        let refused = matches!(error.class(), ErrorClass::Forbidden | ErrorClass::Auth)
            && matches!(error.reason, Reason::Api { .. } | Reason::Foreign { .. });
        if !refused || error.operation == Operation::ReadEnvironment || error.is_service_off() {
            return error;
        }
        let seen = |seen: &Option<Instant>| seen.is_some_and(|at| at.elapsed() < STILL_THERE);
        if self.inner.environment_seen.lock().is_ok_and(|at| seen(&at)) {
            return error;
        }
        let call = Call::get(Operation::ReadEnvironment, self.environment_id(), self.url(&[]));
        match Box::pin(self.attempt(&call, deadline)).await {
            Err(probe) if probe.error.class() == ErrorClass::NotFound => PingOneError {
                reason: Reason::EnvironmentMissing,
                ..error
            },
            Err(probe) if probe.error.class() != ErrorClass::Forbidden => error,
            // Shown, or hidden in the words that are for what exists.
            _ => {
                if let Ok(mut seen) = self.inner.environment_seen.lock() {
                    *seen = Some(Instant::now());
                }
                error
            }
        }
    }

    async fn attempt(&self, call: &Call<'_>, deadline: Instant) -> Result<Answer, Failed> {
        let inner = &self.inner;
        let first = inner
            .tokens
            .token(&inner.gate, deadline)
            .await
            .map_err(Failed::unsent)?;
        let asked = Instant::now();
        let entered = inner.gate.enter(call.operation, deadline).await;
        self.waited(asked.elapsed());
        let place = entered.map_err(|TooLong(wait)| Failed::unsent(call.failed(Reason::spent(wait, 429))))?;
        // The turn may have been long in coming, and the credentials replaced meanwhile.
        let token = if inner.tokens.is_good(&first) {
            first
        } else {
            inner
                .tokens
                .token(&inner.gate, deadline)
                .await
                .map_err(Failed::unsent)?
        };
        if call.operation.is_write() && !self.may_write() {
            return Err(Failed::unsent(call.failed(Reason::NotBegun)));
        }
        let sent = Instant::now();
        let exchange = self.exchange(call, token.header.clone());
        let outcome = tokio::time::timeout_at(deadline, exchange)
            .await
            .unwrap_or(Err((Reason::TimedOut, None)));
        drop(place);
        let status = outcome.as_ref().ok().map(|received| received.status);
        let wish = outcome.as_ref().ok().and_then(|received| received.wish);
        inner.gate.left(call.operation, status, sent, wish);
        let received = outcome.map_err(|(reason, request_id)| lost(call, reason, request_id))?;
        inner.gate.stats.received(received.answer.body.len());
        if (200..300).contains(&received.status) {
            return Ok(received.answer);
        }
        Err(refused(call, received, token.serial))
    }

    /// Sends, and reads the whole answer. An error carries the request's id where there was a head of an answer.
    async fn exchange(
        &self,
        call: &Call<'_>,
        token: reqwest::header::HeaderValue,
    ) -> Result<Received, (Reason, Option<String>)> {
        let under_way = self.inner.bodies.under_way();
        let mut request = self
            .inner
            .http
            .request(call.method.clone(), call.url.clone())
            .header(AUTHORIZATION, token);
        if let Some(session) = &self.inner.session {
            request = request.header(SESSION, session);
        }
        if let Some(transaction) = &self.transaction {
            request = request.header(TRANSACTION, transaction);
        }
        if let Some(body) = call.body {
            request = request
                .header(CONTENT_TYPE, body.content_type())
                .body(body.bytes().clone());
        }
        let answer = request.send().await.map_err(|error| (transport_reason(&error), None))?;
        let headers = answer.headers();
        let request_id = header(headers, "correlation-id");
        let (wish, media_type, told_limit) = (wish(headers), media_type(headers), rate_limit(headers));
        let status = answer.status().as_u16();
        match under_way.read(answer).await {
            Ok(body) => Ok(Received {
                status,
                answer: Answer {
                    status,
                    body,
                    request_id,
                    rate: told_limit,
                },
                wish,
                media_type,
                told_limit,
            }),
            Err(reason) => Err((reason, request_id)),
        }
    }
}

/// No answer came. Of a write that was sent the outcome is not known.
fn lost(call: &Call<'_>, reason: Reason, request_id: Option<String>) -> Failed {
    let undone = matches!(&reason, Reason::Network { what } if *what == crate::pingone::transport::NO_CONNECTION)
        || matches!(reason, Reason::Certificate);
    let unknown = call.operation.is_write() && !undone && matches!(reason, Reason::Network { .. } | Reason::TimedOut);
    Failed {
        error: PingOneError {
            request_id,
            ..call.failed(if unknown { Reason::LostAnswer } else { reason })
        },
        refused_token: None,
        undone,
    }
}

/// PingOne said no.
fn refused(call: &Call<'_>, received: Received, token: u64) -> Failed {
    let (reason, id) = refusal(received.status, received.media_type, &received.answer.body);
    let error = PingOneError {
        request_id: received.answer.request_id.or(id),
        retry_after: received.wish,
        told_limit: received.told_limit.map(Box::new),
        ..call.failed(reason)
    };
    let class = error.class();
    Failed {
        refused_token: (class == ErrorClass::Auth).then_some(token),
        undone: !matches!(class, ErrorClass::Transient { .. }),
        error,
    }
}

/// The wait before the next attempt does not fit into the caller's time.
fn out_of_time(error: PingOneError, wait: std::time::Duration) -> PingOneError {
    if error.retry_after.is_none() {
        return error;
    }
    let status = error.status().unwrap_or(0);
    PingOneError {
        reason: Reason::spent(wait, status),
        ..error
    }
}

/// Whether a count that grew passed one of 1, 10, 100, then every thousandth.
fn crossed(before: u64, after: u64) -> bool {
    [1, 10, 100].iter().any(|mark| before < *mark && *mark <= after) || before / 1_000 != after / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_warnings_are_said_at_1_10_100_and_every_thousandth() {
        let cases = [
            (0, 1, true),
            (1, 2, false),
            (5, 12, true),
            (99, 100, true),
            (100, 999, false),
            (999, 1_000, true),
        ];
        for (before, after, said) in cases {
            assert_eq!(crossed(before, after), said, "{before}..{after}");
        }
    }
}
