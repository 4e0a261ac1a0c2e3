//! One call: attempts while their class says so and the caller's budget lasts. A read may be repeated at will; a write
//! only where PingOne certainly did nothing, because it has no idempotency key (connector-model.md §9).

use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use reqwest::{Method, Url};
use serde::Deserialize;
use tokio::time::Instant;
use tracing::Instrument as _;
use tracing::field::Empty;

use super::Client;
use crate::auth::Token;
use crate::body::Body;
use crate::echo::{Echo, request_id};
use crate::error::{PingOneError, RateInfo, Reason};
use crate::lenient;
use crate::limiter::TooLong;
use crate::operation::Operation;
use crate::parse::{MARK, corrupt, text};
use crate::transport::{asked_wait, date, header, media_type, not_packed, rate_limit, refusal, transport_reason};
use crate::write_body::WriteBody;
use process::error::ErrorClass;
use process::runtime::backoff::Backoff;

/// How long an environment that was found after a refusal is not looked for again.
const STILL_THERE: Duration = Duration::from_secs(10);
/// How often it is said that requests fail, and after which silence that is news again.
const TOLD_EVERY: Duration = Duration::from_secs(5);
const FORGOTTEN: Duration = Duration::from_mins(1);
/// How often a read is asked again that something between answered.
const BETWEEN_REPEATS: u32 = 3;
/// Transaction and session ids of pingone-api.md §3.1.
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
    /// The token of the pages before this one: a listing keeps its token while that lives (pingone-api.md §2.2).
    pub(crate) token: Option<&'a Token>,
}

impl<'a> Call<'a> {
    pub(crate) fn get(operation: Operation, object: &'a str, url: Url) -> Self {
        Self {
            operation,
            object,
            method: Method::GET,
            url,
            body: None,
            token: None,
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
    /// What it was asked with.
    pub(crate) token: Token,
    pub(crate) media_type: Option<String>,
}

/// An attempt that failed.
struct Failed {
    error: PingOneError,
    /// The token that PingOne did not take.
    refused_token: Option<u64>,
    /// PingOne certainly did nothing.
    undone: bool,
    /// What stands between answered a read: it has its moments, and may be asked again.
    between: bool,
}

impl Failed {
    /// Nothing was sent.
    fn unsent(error: PingOneError) -> Self {
        Self {
            error,
            refused_token: None,
            undone: true,
            between: false,
        }
    }
}

/// What came back, before it is judged.
struct Received {
    answer: Answer,
    retry_after: Option<Duration>,
    /// For how many seconds a cache has kept it.
    age: Option<u64>,
    /// When a success was told.
    date: Option<Timestamp>,
}

impl Client {
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
        let body = text(&answer.body).map_err(failed)?;
        lenient::take_type_mismatches();
        let parsed = serde_json::from_str(body);
        self.note_type_mismatches(call.operation);
        parsed.map_err(|error| failed(corrupt(&error)))
    }

    /// Counts what the last parse found in an unexpected type, and says so now and then.
    pub(crate) fn note_type_mismatches(&self, operation: Operation) {
        let fields = lenient::take_type_mismatches();
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

    /// One call with its repetitions: a span of its own, which costs nothing where nobody takes traces.
    pub(crate) async fn call(&self, call: &Call<'_>) -> Result<Answer, PingOneError> {
        let span = tracing::debug_span!(
            "pingone",
            otel.name = call.operation.as_str(),
            otel.kind = "client",
            otel.status_code = Empty,
            operation = call.operation.as_str(),
            status = Empty,
            request_id = Empty,
            error_class = Empty,
        );
        self.asks(call.operation);
        let ended = self.repeated(call).instrument(span.clone()).await;
        match &ended {
            Ok(answer) => {
                if let Some(answers) = &self.answers {
                    answers.fetch_add(1, Ordering::Relaxed);
                }
                span.record("status", answer.status);
                span.record("request_id", answer.request_id.as_deref());
            }
            Err(error) => {
                span.record("otel.status_code", "ERROR");
                span.record("status", error.status());
                span.record("request_id", error.request_id.as_deref());
                span.record("error_class", error.class().as_str());
            }
        }
        ended
    }

    /// Repeated while its class says so and the budget lasts.
    async fn repeated(&self, call: &Call<'_>) -> Result<Answer, PingOneError> {
        let budget = self.deadline();
        let mut backoff = Backoff::default();
        let (mut renewed, mut between) = (false, 0);
        let mut chain = call.token;
        loop {
            let deadline = self.or_first_answer(budget);
            let failed = match self.attempt(call, chain, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let deadline = self.or_first_answer(budget);
            if let Some(serial) = failed.refused_token.filter(|_| !renewed) {
                (renewed, chain) = (true, None);
                self.inner.tokens.refused(serial).await;
                self.inner.throttle.retried(call.operation, "token");
                continue;
            }
            let mut error = failed.error;
            let class = error.class();
            let mut again = class.is_retryable() && (failed.undone || !call.operation.is_write());
            if failed.between {
                between += 1;
                if let Reason::NotJson { times, .. } = &mut error.reason {
                    *times = between;
                }
                again = between <= BETWEEN_REPEATS;
            }
            if !again || matches!(error.reason, Reason::BudgetSpent { .. }) {
                return Err(self.environment_or(error, deadline).await);
            }
            let wait = backoff.next_delay(error.retry_after);
            if Instant::now() + wait >= deadline {
                return Err(out_of_time(error, wait));
            }
            self.inner.throttle.retried(call.operation, class.as_str());
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
        // That there is no connection is worth a line at once: mostly a setting is wrong.
        let since = match (&error.reason, since) {
            (Reason::NoConnection { .. }, None) => now.checked_sub(TOLD_EVERY).or(Some(now)),
            (_, since) => since,
        };
        match since {
            Some(told) if now.duration_since(told) < TOLD_EVERY => {}
            Some(_) => {
                *trouble = Some(now);
                tracing::warn!(error = %error, error_class = error.class().as_str(), "requests fail and are repeated");
            }
            None => *trouble = Some(now),
        }
    }

    /// Before a permission error is reported, or an object called gone: an environment that is gone looks the same
    /// (pingone-api.md §3.6), and so does whatever answers 404 to everything. What PingOne does not find while it cannot be
    /// asked for the environment is not known to be gone.
    async fn environment_or(&self, error: PingOneError, deadline: Instant) -> PingOneError {
        let refused = matches!(error.class(), ErrorClass::Forbidden | ErrorClass::Auth)
            && matches!(error.reason, Reason::Api { .. } | Reason::Foreign { .. });
        let gone = error.is_gone() && !error.operation.is_write();
        if !(refused || gone) || error.operation == Operation::ReadEnvironment || error.is_service_off() {
            return error;
        }
        let call = Call::get(Operation::ReadEnvironment, self.environment_id(), self.url(&[]));
        // Whoever comes meanwhile waits for the same answer.
        let Ok(mut seen) = tokio::time::timeout_at(deadline, self.inner.environment_seen.lock()).await else {
            return if gone { call.failed(Reason::TimedOut) } else { error };
        };
        if seen.is_some_and(|at| at.elapsed() < STILL_THERE) {
            return error;
        }
        match self.probe(&call, gone, deadline).await {
            Err(probe) if probe.is_gone() => PingOneError {
                reason: Reason::EnvironmentMissing,
                ..error
            },
            Err(probe) if gone && probe.class() != ErrorClass::Forbidden => probe,
            Err(probe) if probe.class() != ErrorClass::Forbidden => error,
            // Shown, or hidden in the words that are for what exists.
            _ => {
                *seen = Some(Instant::now());
                error
            }
        }
    }

    /// One read, repeated a few times where more than the words of a refusal depend on it.
    async fn probe(&self, call: &Call<'_>, is_needed: bool, deadline: Instant) -> Result<Answer, PingOneError> {
        let (mut backoff, mut left) = (Backoff::default(), if is_needed { BETWEEN_REPEATS } else { 0 });
        loop {
            let error = match Box::pin(self.attempt(call, None, deadline)).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed.error,
            };
            let wait = backoff.next_delay(error.retry_after);
            if left == 0 || !error.class().is_retryable() || Instant::now() + wait >= deadline {
                return Err(error);
            }
            left -= 1;
            self.pause(wait).await;
        }
    }

    /// One attempt. `chain` is the token to go on with, while it lives.
    async fn attempt(&self, call: &Call<'_>, chain: Option<&Token>, deadline: Instant) -> Result<Answer, Failed> {
        let inner = &self.inner;
        let chain = chain.filter(|token| inner.tokens.lives(token));
        let first = match chain {
            Some(token) => token.clone(),
            None => inner
                .tokens
                .token(&inner.throttle, deadline)
                .await
                .map_err(Failed::unsent)?,
        };
        let asked = Instant::now();
        let entered = inner.throttle.enter(call.operation, deadline).await;
        self.waited(asked.elapsed());
        let place = entered.map_err(|TooLong(wait)| Failed::unsent(call.failed(Reason::no_turn(wait))))?;
        // The turn may have been long in coming, and the credentials replaced meanwhile.
        let good = if chain.is_some() {
            inner.tokens.lives(&first)
        } else {
            inner.tokens.is_good(&first)
        };
        let token = if good {
            first
        } else {
            inner
                .tokens
                .token(&inner.throttle, deadline)
                .await
                .map_err(Failed::unsent)?
        };
        if call.operation.is_write() && !self.may_write() {
            return Err(Failed::unsent(call.failed(Reason::NotBegun)));
        }
        let sent = Instant::now();
        let serial = token.serial;
        let exchange = self.exchange(call, token);
        let outcome = tokio::time::timeout_at(deadline, exchange)
            .await
            .unwrap_or(Err((Reason::TimedOut, None)));
        drop(place);
        let status = outcome.as_ref().ok().map(|received| received.answer.status);
        let retry_after = outcome.as_ref().ok().and_then(|received| received.retry_after);
        inner.throttle.left(call.operation, status, sent, retry_after);
        let received = outcome.map_err(|(reason, request_id)| lost(call, reason, request_id))?;
        inner.answered.store(true, Ordering::Relaxed);
        inner.throttle.stats.received(received.answer.body.len());
        if !(200..300).contains(&received.answer.status) {
            return Err(refused(call, received, serial));
        }
        if !call.operation.is_write()
            && let Some(reason) = not_an_answer(&received)
        {
            return Err(of_something_between(call, received, reason));
        }
        if let Some(at) = received.date {
            self.stats().clock_told(at);
        }
        Ok(received.answer)
    }

    /// Sends, and reads the whole answer. An error carries the request's id where there was a head of an answer.
    async fn exchange(&self, call: &Call<'_>, token: Token) -> Result<Received, (Reason, Option<String>)> {
        let under_way = self.inner.bodies.under_way();
        let mut request = self
            .inner
            .http
            .request(call.method.clone(), call.url.clone())
            .header(AUTHORIZATION, token.header.clone());
        if !call.operation.is_write() {
            request = request.header(CACHE_CONTROL, "no-cache");
        }
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
        let answer = request
            .send()
            .await
            .map_err(|error| (transport_reason(&error, &call.url), None))?;
        let headers = answer.headers();
        let request_id = header(headers, "correlation-id").and_then(|id| request_id(token.secrets(), id));
        let age = header(headers, AGE.as_str()).and_then(|age| cached_for(&age));
        let (retry_after, media_type, rate) = (asked_wait(headers), media_type(headers), rate_limit(headers));
        let date = date(headers).filter(|_| answer.status().is_success());
        let status = answer.status().as_u16();
        match under_way.read(answer, &call.url).await {
            Ok(body) => Ok(Received {
                answer: Answer {
                    status,
                    body,
                    request_id,
                    rate,
                    token,
                    media_type,
                },
                retry_after,
                age,
                date,
            }),
            Err(reason) => Err((reason, request_id)),
        }
    }
}

/// No answer came. Of a write that was sent the outcome is not known.
fn lost(call: &Call<'_>, reason: Reason, request_id: Option<String>) -> Failed {
    let undone = matches!(reason, Reason::NoConnection { .. });
    let between = !call.operation.is_write() && reason == not_packed();
    let unknown = call.operation.is_write() && !undone && matches!(reason, Reason::Network { .. } | Reason::TimedOut);
    Failed {
        error: PingOneError {
            request_id,
            ..call.failed(if unknown { Reason::LostAnswer } else { reason })
        },
        refused_token: None,
        undone,
        between,
    }
}

/// PingOne said no.
fn refused(call: &Call<'_>, received: Received, token: u64) -> Failed {
    let secrets = received.answer.token.secrets();
    let echo = Echo::of(secrets, call.body, &call.url);
    let (reason, id) = refusal(
        received.answer.status,
        received.answer.media_type,
        &received.answer.body,
        |text| echo.clean(text),
    );
    let error = PingOneError {
        request_id: received.answer.request_id.or_else(|| request_id(secrets, id?)),
        retry_after: received.retry_after,
        told_limit: received.answer.rate.map(Box::new),
        ..call.failed(reason)
    };
    let class = error.class();
    // What is not PingOne's says nothing of what PingOne did.
    let unknown = error.outcome_unknown();
    Failed {
        refused_token: (class == ErrorClass::Auth && !unknown).then_some(token),
        undone: !unknown && !matches!(class, ErrorClass::Transient { .. }),
        between: false,
        error,
    }
}

/// Why a success is no answer of PingOne's to a read, if it is none: only 200 with a JSON object that no cache kept is one.
fn not_an_answer(received: &Received) -> Option<Reason> {
    let answer = &received.answer;
    if !is_object(&answer.body) {
        return Some(Reason::NotJson {
            media_type: answer.media_type.clone().unwrap_or_else(|| "none".to_owned()),
            length: answer.body.len(),
            times: 1,
        });
    }
    let what = match received.age {
        _ if answer.status != 200 => format!(
            "an answer with status {}, which no full answer to a read has",
            answer.status
        ),
        Some(age) if age > 0 => format!("a cache between here and PingOne answered, with what it kept for {age} s"),
        _ => return None,
    };
    Some(Reason::Corrupt { what })
}

/// What stands between answered, or the answer was cut.
fn of_something_between(call: &Call<'_>, received: Received, reason: Reason) -> Failed {
    Failed {
        error: PingOneError {
            request_id: received.answer.request_id,
            ..call.failed(reason)
        },
        refused_token: None,
        undone: false,
        between: true,
    }
}

/// For how many seconds caches have kept an answer. Several of them may say so in one header, and not all in whole seconds.
fn cached_for(age: &str) -> Option<u64> {
    let seconds = age.split(',').filter_map(|part| part.trim().parse::<f64>().ok());
    let longest = seconds.fold(0.0, f64::max).ceil().min(1e9);
    format!("{longest}").parse().ok()
}

/// Whether a body can be one JSON object, which every answer to a read is: a look at its two ends, because the whole of
/// it is parsed right after.
fn is_object(body: &[u8]) -> bool {
    let body = body.strip_prefix(MARK.as_bytes()).unwrap_or(body).trim_ascii();
    body.starts_with(b"{") && body.ends_with(b"}")
}

/// The wait before the next attempt does not fit into the caller's time.
fn out_of_time(error: PingOneError, wait: Duration) -> PingOneError {
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
    fn any_age_above_nothing_is_a_caches() {
        for (age, kept) in [
            ("0", 0),
            ("300, 300", 300),
            ("0, 300", 300),
            ("1.5", 2),
            ("0.2", 1),
            ("soon", 0),
        ] {
            assert_eq!(cached_for(age), Some(kept), "{age}");
        }
    }

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
