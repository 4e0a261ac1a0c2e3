//! The row of the sync, its counts, and the summary in the manifest (c1z-v3.md §4.7, §4.8).

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::c1z::stats::Stats;
use crate::c1z::sync::{Quality, SyncEnd, SyncStart, SyncType};
use crate::wire::fields::{Malformed, fields, put_bytes, put_message, put_number, put_text};
use crate::wire::record;

/// Checks that ran: the referential ones only over a full sync (c1z.md §10.2).
const COVERAGE: [&str; 6] = ["I5", "I10", "I7", "I3", "I8", "I9"];
const COVERAGE_PART: usize = 2;
const TYPES: [SyncType; 3] = [SyncType::Full, SyncType::Partial, SyncType::ResourcesOnly];

fn type_number(sync_type: SyncType) -> u64 {
    match sync_type {
        SyncType::Full => 1,
        SyncType::Partial => 2,
        SyncType::ResourcesOnly => 3,
    }
}

/// How a sync began and ended, as messages.
#[derive(Debug)]
pub(super) struct Summary<'a> {
    pub(super) start: &'a SyncStart,
    pub(super) ended_at: Timestamp,
    pub(super) token: &'a str,
}

impl<'a> Summary<'a> {
    pub(super) fn new(start: &'a SyncStart, end: &SyncEnd, token: &'a str) -> Self {
        Self {
            start,
            ended_at: end.ended_at.max(start.started_at),
            token,
        }
    }

    /// `SyncRunRecord`
    pub(super) fn run(&self) -> Vec<u8> {
        let full = self.start.sync_type == SyncType::Full;
        let mut out = Vec::new();
        put_text(&mut out, 1, &self.start.sync_id);
        put_number(&mut out, 2, type_number(self.start.sync_type));
        put_bytes(&mut out, 4, &record::timestamp(self.start.started_at));
        put_bytes(&mut out, 5, &record::timestamp(self.ended_at));
        put_text(&mut out, 6, self.token);
        put_number(&mut out, 7, u64::from(full));
        put_text(&mut out, 10, "1");
        let covered = if full { COVERAGE.len() } else { COVERAGE_PART };
        for invariant in COVERAGE.iter().take(covered) {
            put_text(&mut out, 11, invariant);
        }
        put_text(&mut out, 12, "connector");
        out
    }

    /// `SyncStatsRecord`
    pub(super) fn stats(&self, stats: &Stats, quality: Quality) -> Vec<u8> {
        let mut out = Vec::new();
        put_text(&mut out, 1, &self.start.sync_id);
        let counts = [
            stats.resource_types,
            stats.resources,
            stats.entitlements,
            stats.grants,
            stats.assets,
        ];
        for (tag, count) in (2..).zip(counts) {
            put_number(&mut out, tag, count);
        }
        put_counts(&mut out, 7, &stats.resources_by_resource_type);
        put_counts(&mut out, 8, &stats.grants_by_resource_type);
        put_counts(&mut out, 9, &stats.entitlements_by_resource_type);
        put_message(&mut out, 13, |out| {
            put_number(out, 1, u64::from(quality.reason_flags != 0));
            put_number(out, 3, quality.grants_dropped);
            put_number(out, 7, quality.reason_flags);
        });
        put_bytes(&mut out, 100, &record::timestamp(self.ended_at));
        out
    }

    /// `SyncRunSummary` with the counts.
    pub(super) fn in_manifest(&self, stats: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_text(&mut out, 1, &self.start.sync_id);
        put_number(&mut out, 2, type_number(self.start.sync_type));
        put_bytes(&mut out, 3, &record::timestamp(self.start.started_at));
        put_bytes(&mut out, 4, &record::timestamp(self.ended_at));
        put_bytes(&mut out, 6, stats);
        out
    }
}

/// Only types with rows have an entry; both fields of an entry are always there.
fn put_counts(out: &mut Vec<u8>, tag: u32, counts: &BTreeMap<String, u64>) {
    for (kind, count) in counts.iter().filter(|(_, count)| **count > 0) {
        put_message(out, tag, |out| {
            put_bytes(out, 1, kind.as_bytes());
            put_number(out, 2, *count);
        });
    }
}

/// The row of a stored sync.
#[derive(Debug, Default)]
pub(super) struct StoredRun {
    pub(super) sync_id: String,
    pub(super) sync_type: Option<SyncType>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) ended_at: Option<Timestamp>,
    pub(super) token: String,
    pub(super) supports_diff: bool,
}

impl StoredRun {
    pub(super) fn decode(record: &[u8]) -> Result<Self, Malformed> {
        let mut run = Self::default();
        for field in fields(record) {
            match field? {
                (1, value) => value.text()?.clone_into(&mut run.sync_id),
                (2, value) => {
                    let number = value.number()?;
                    run.sync_type = TYPES.into_iter().find(|known| type_number(*known) == number);
                }
                (4, value) => run.started_at = Some(record::time(value.bytes()?)?),
                (5, value) => run.ended_at = Some(record::time(value.bytes()?)?),
                (6, value) => value.text()?.clone_into(&mut run.token),
                (7, value) => run.supports_diff = value.number()? != 0,
                _ => {}
            }
        }
        Ok(run)
    }
}

/// The counts of a `SyncStatsRecord`, with the sync that they belong to.
pub(super) fn decode_stats(record: &[u8]) -> Result<(String, Stats), Malformed> {
    let (mut sync_id, mut stats) = (String::new(), Stats::default());
    for field in fields(record) {
        let (tag, value) = field?;
        match tag {
            1 => value.text()?.clone_into(&mut sync_id),
            2 => stats.resource_types = value.number()?,
            3 => stats.resources = value.number()?,
            4 => stats.entitlements = value.number()?,
            5 => stats.grants = value.number()?,
            6 => stats.assets = value.number()?,
            7 => add_count(&mut stats.resources_by_resource_type, value.bytes()?)?,
            8 => add_count(&mut stats.grants_by_resource_type, value.bytes()?)?,
            9 => add_count(&mut stats.entitlements_by_resource_type, value.bytes()?)?,
            _ => {}
        }
    }
    Ok((sync_id, stats))
}

fn add_count(counts: &mut BTreeMap<String, u64>, entry: &[u8]) -> Result<(), Malformed> {
    let (mut kind, mut count) = ("", 0);
    for field in fields(entry) {
        match field? {
            (1, value) => kind = value.text()?,
            (2, value) => count = value.number()?,
            _ => {}
        }
    }
    counts.insert(kind.to_owned(), count);
    Ok(())
}
