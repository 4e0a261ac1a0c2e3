//! Requests one by one in the order of their arrival, each with its answer: for tests that ask for order, for a header, or
//! whether a knob changed what was answered. Nothing is kept until somebody asks for it.

use super::answer::Answer;
use super::http::{Side, text};
use http::{HeaderMap, header};
use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Header by which a caller groups its calls (pingone-api.md §3.1).
const TRANSACTION: header::HeaderName = header::HeaderName::from_static("x-ping-external-transaction-id");
/// More requests than this are not kept.
const MOST: usize = 100_000;

/// A request and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// It came to the token listener
    pub is_token: bool,
    /// Method
    pub method: String,
    /// Path below `/v1`, or of the token listener
    pub path: String,
    /// The path with its identifiers replaced by `{id}`
    pub shape: String,
    /// Decoded query
    pub query: String,
    /// `X-Ping-External-Transaction-Id`
    pub transaction: Option<String>,
    /// What was answered; `None`: nothing yet, or nothing at all
    pub answer: Option<RecordedAnswer>,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedAnswer {
    /// HTTP status
    pub status: u16,
    /// Media type, encoding, when to come back, and where what was made is
    pub headers: [Option<String>; 4],
    /// The body before a fault bent it or it was compressed
    pub body: String,
    /// How long the answer took
    pub took: Duration,
}

/// Keeps requests.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    is_on: AtomicBool,
    kept: Mutex<Vec<Recorded>>,
}

/// A request that is kept, until it is answered.
pub(crate) struct Entry {
    position: usize,
    arrived: Instant,
}

impl Recorder {
    /// Keeps requests from now on.
    pub(crate) fn start(&self) {
        self.kept().clear();
        self.is_on.store(true, Ordering::Release);
    }

    pub(crate) fn read(&self) -> Vec<Recorded> {
        self.kept().clone()
    }

    pub(crate) fn arrived<'a>(
        &self,
        side: Side,
        (method, path, shape): (&str, &str, &str),
        query: impl FnOnce() -> Cow<'a, str>,
        headers: &HeaderMap,
    ) -> Option<Entry> {
        if !self.is_on.load(Ordering::Acquire) {
            return None;
        }
        let mut kept = self.kept();
        let position = kept.len();
        if position >= MOST {
            return None;
        }
        kept.push(Recorded {
            is_token: side == Side::Auth,
            method: method.to_owned(),
            path: path.to_owned(),
            shape: shape.to_owned(),
            query: query().into_owned(),
            transaction: text(headers, &TRANSACTION).map(str::to_owned),
            answer: None,
        });
        Some(Entry {
            position,
            arrived: Instant::now(),
        })
    }

    /// What the answer is, and the headers that it is sent with.
    pub(crate) fn answered(&self, entry: &Entry, answer: &Answer, headers: &HeaderMap) {
        let header = |name| text(headers, name).map(str::to_owned);
        let answer = RecordedAnswer {
            status: answer.status,
            headers: [
                &header::CONTENT_TYPE,
                &header::CONTENT_ENCODING,
                &header::RETRY_AFTER,
                &header::LOCATION,
            ]
            .map(header),
            body: String::from_utf8_lossy(&answer.body).into_owned(),
            took: entry.arrived.elapsed(),
        };
        if let Some(recorded) = self.kept().get_mut(entry.position) {
            recorded.answer = Some(answer);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Recorded>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
