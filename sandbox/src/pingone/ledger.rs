//! Counts of what was asked and answered, by method, shape of the path and status. Counts never change an answer.

use super::paging::percent_decode;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::Instant;

/// Requests that were alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Method
    pub method: String,
    /// Path below `/v1`, identifiers replaced by `{id}`; `/{id}/as/token` for tokens
    pub path: String,
    /// HTTP status; 0: no answer was sent
    pub status: u16,
    /// How many
    pub count: u64,
}

/// Everything counted since the start or the last reset.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Requests {
    /// By method, path and status, sorted
    pub counts: Vec<Count>,
    /// Requests of the API with a token of the worker's, by the number of the secret that the token was made with
    pub by_secret: BTreeMap<u64, u64>,
    /// Requests with a filter, by the attribute that it begins with
    pub by_filter: BTreeMap<String, u64>,
    /// Reads and deletions of secrets, and reads of private keys (access-model.md §11 point 113)
    pub secret_reads: u64,
    /// Requests of the API and of the token listener together
    pub total: u64,
    /// Of these, 429
    pub refused: u64,
    /// Rows sent in listings
    pub rows: u64,
    /// Bytes of bodies sent
    pub bytes: u64,
    /// Connections accepted
    pub connections: u64,
    /// Most requests in work at one time
    pub most_in_flight: u64,
    /// Smallest time between two requests, microseconds
    pub smallest_gap_us: Option<u64>,
    /// Seconds from the first to the last request
    pub seconds: f64,
}

impl Requests {
    /// How many requests of a method had a path of this shape, whatever the status.
    pub fn of(&self, method: &str, path: &str) -> u64 {
        self.counts
            .iter()
            .filter(|c| c.method == method && c.path == path)
            .map(|c| c.count)
            .sum()
    }

    /// How many were answered with a status.
    pub fn with_status(&self, status: u16) -> u64 {
        self.counts.iter().filter(|c| c.status == status).map(|c| c.count).sum()
    }

    /// Requests that write (POST, PUT, PATCH, DELETE), tokens left out.
    pub fn writes(&self) -> u64 {
        self.counts
            .iter()
            .filter(|c| c.method != "GET" && !c.path.ends_with("/as/token"))
            .map(|c| c.count)
            .sum()
    }
}

#[derive(Debug, Default)]
struct Table {
    counts: HashMap<(Cow<'static, str>, Cow<'static, str>, u16), u64>,
    by_secret: BTreeMap<u64, u64>,
    by_filter: BTreeMap<String, u64>,
    first: Option<Instant>,
    last: Option<Instant>,
    smallest_gap_us: Option<u64>,
}

/// The counts.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    table: Mutex<Table>,
    rows: AtomicU64,
    bytes: AtomicU64,
    connections: AtomicU64,
    secret_reads: AtomicU64,
    in_flight: AtomicU64,
    most_in_flight: AtomicU64,
}

/// A request in work; dropping it takes it out of the number in flight.
pub(crate) struct Working<'a>(&'a Ledger);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Ledger {
    pub(crate) fn begin(&self) -> Working<'_> {
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_in_flight.fetch_max(now, Ordering::Relaxed);
        Working(self)
    }

    pub(crate) fn connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn secret_read(&self) {
        self.secret_reads.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn rows(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    pub(crate) fn arrived(&self) {
        let now = Instant::now();
        let mut table = self.table.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        table.first.get_or_insert(now);
        if let Some(last) = table.last.replace(now) {
            let gap = u64::try_from(now.duration_since(last).as_micros()).unwrap_or(u64::MAX);
            table.smallest_gap_us = Some(table.smallest_gap_us.map_or(gap, |known| known.min(gap)));
        }
    }

    pub(crate) fn secret(&self, number: u64) {
        let mut table = self.table.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *table.by_secret.entry(number).or_insert(0) += 1;
    }

    /// Counts a request by the attribute that its filter begins with, if it has one; `query` is its raw text.
    pub(crate) fn filtered(&self, query: &str) {
        let filter = query.split('&').find_map(|pair| pair.strip_prefix("filter="));
        let Some(filter) = filter.and_then(percent_decode) else {
            return;
        };
        let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '.');
        let attribute = filter.trim_start_matches(['(', ' ']).split(ends).next();
        let mut table = self.table.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if table.by_filter.len() < 1_000 {
            *table
                .by_filter
                .entry(attribute.unwrap_or_default().to_owned())
                .or_insert(0) += 1;
        }
    }

    pub(crate) fn answered(&self, method: &str, shape: Cow<'static, str>, status: u16, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let method = match method {
            "GET" => Cow::Borrowed("GET"),
            "POST" => Cow::Borrowed("POST"),
            other => Cow::Owned(other.chars().take(16).collect()),
        };
        let mut table = self.table.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if table.counts.len() < 10_000 {
            *table.counts.entry((method, shape, status)).or_insert(0) += 1;
        }
    }

    pub(crate) fn reset(&self) {
        *self.table.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Table::default();
        for number in [
            &self.rows,
            &self.bytes,
            &self.connections,
            &self.secret_reads,
            &self.most_in_flight,
        ] {
            number.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self) -> Requests {
        let table = self.table.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut counts: Vec<Count> = table
            .counts
            .iter()
            .map(|((method, path, status), count)| Count {
                method: method.to_string(),
                path: path.to_string(),
                status: *status,
                count: *count,
            })
            .collect();
        counts.sort_by(|a, b| (&a.path, &a.method, a.status).cmp(&(&b.path, &b.method, b.status)));
        let seconds = table
            .first
            .zip(table.last)
            .map_or(0.0, |(first, last)| last.duration_since(first).as_secs_f64());
        Requests {
            secret_reads: self.secret_reads.load(Ordering::Relaxed),
            total: counts.iter().map(|count| count.count).sum(),
            refused: counts
                .iter()
                .filter(|count| count.status == 429)
                .map(|count| count.count)
                .sum(),
            rows: self.rows.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            connections: self.connections.load(Ordering::Relaxed),
            most_in_flight: self.most_in_flight.load(Ordering::Relaxed),
            smallest_gap_us: table.smallest_gap_us,
            seconds,
            by_secret: table.by_secret.clone(),
            by_filter: table.by_filter.clone(),
            counts,
        }
    }
}
