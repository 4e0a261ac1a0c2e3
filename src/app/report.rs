//! The closing report of a one-shot sync: a table for people, one JSON document for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

/// What a one-shot sync tells when it is done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Closing {
    /// The file that was written.
    pub file: String,
    /// The id of the sync in it.
    pub sync_id: String,
    /// Which storage engine the file has.
    pub storage_engine: &'static str,
    /// The environment's name.
    pub environment: String,
    /// Resources by type.
    pub resources: BTreeMap<String, u64>,
    /// Entitlements by resource type.
    pub entitlements: BTreeMap<String, u64>,
    /// Grants by the entitlement's resource type.
    pub grants: BTreeMap<String, u64>,
    /// Grants that expansion added; they are among `grants`.
    pub grants_expanded: u64,
    /// Requests to PingOne by operation.
    pub requests: BTreeMap<String, u64>,
    /// Requests that PingOne refused for their rate.
    pub refused: u64,
    /// Requests that were repeated.
    pub retries: u64,
    /// Seconds spent waiting for the rate limit, summed over all requests that waited.
    pub rate_limit_wait_seconds: f64,
    /// Wall time in seconds.
    pub seconds: f64,
    /// Processor time of the process in seconds.
    pub cpu_seconds: f64,
    /// The process's own high-water mark of memory.
    pub peak_memory_bytes: u64,
    /// Bytes of the file.
    pub file_size_bytes: u64,
    /// Bytes of what is inside it.
    pub decoded_size_bytes: u64,
    /// What was left out or looked odd, by kind.
    pub warnings: BTreeMap<String, u64>,
    /// What was used again of earlier syncs or read, by kind and reason; empty where nothing is kept.
    pub observations: BTreeMap<String, u64>,
    /// Why the audit activities proved nothing, if they did not.
    pub observation_gap: Option<&'static str>,
}

impl Closing {
    /// The report as one JSON document.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The report as a table.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let rows = self
            .resources
            .keys()
            .map(|kind| {
                let count = |map: &BTreeMap<String, u64>| map.get(kind).copied().unwrap_or(0).to_string();
                vec![
                    kind.clone(),
                    count(&self.resources),
                    count(&self.entitlements),
                    count(&self.grants),
                ]
            })
            .collect::<Vec<_>>();
        out.push_str(&columns(&["type", "resources", "entitlements", "grants"], &rows));
        out.push('\n');
        let requests: u64 = self.requests.values().sum();
        let mut line = |label: &str, value: String| writeln!(out, "{label:<12} {value}").ok();
        line("environment", self.environment.clone());
        line("sync", self.sync_id.clone());
        line(
            "requests",
            format!("{requests} ({} refused, {} retried)", self.refused, self.retries),
        );
        line(
            "waited",
            format!("{:.1} s for the rate limit", self.rate_limit_wait_seconds),
        );
        let memory = size(self.peak_memory_bytes);
        line(
            "took",
            format!(
                "{:.1} s ({:.1} s of processor, {memory} of memory)",
                self.seconds, self.cpu_seconds
            ),
        );
        line(
            "file",
            format!(
                "{} ({}, {}, {} decoded)",
                self.file,
                self.storage_engine,
                size(self.file_size_bytes),
                size(self.decoded_size_bytes)
            ),
        );
        if self.grants_expanded > 0 {
            line("expansion", format!("{} grants added", self.grants_expanded));
        }
        for (kind, count) in &self.observations {
            line("observations", format!("{kind}: {count}"));
        }
        if let Some(gap) = self.observation_gap {
            line("observations", format!("everything was read again: {gap}"));
        }
        for (kind, count) in &self.warnings {
            line("warning", format!("{kind}: {count}"));
        }
        out
    }
}

/// What the process has used so far: processor seconds and the high-water mark of its memory in bytes. Zeros where
/// `/proc` is not there.
#[expect(clippy::cast_precision_loss, reason = "ticks of a hundredth of a second")]
pub fn process_usage() -> (f64, u64) {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let stat = read("/proc/self/stat");
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|text| text.parse::<u64>().ok())
        .sum();
    let status = read("/proc/self/status");
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap_or_default();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap_or(0);
    (ticks as f64 / 100.0, kib * 1024)
}

/// A byte count for people.
#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// Left-aligned text and right-aligned numbers under a header line.
pub(crate) fn columns(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count());
        let head = header.get(column).map_or(0, |head| head.chars().count());
        cells.max().unwrap_or(0).max(head)
    };
    let numeric = |column: usize| {
        !rows.is_empty()
            && rows
                .iter()
                .filter_map(|row| row.get(column))
                .all(|cell| cell.parse::<u64>().is_ok())
    };
    let layout: Vec<(usize, bool)> = (0..header.len())
        .map(|column| (width(column), numeric(column)))
        .collect();
    let mut out = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (cell, (width, right)) in cells.zip(&layout) {
            if !text.is_empty() {
                text.push_str("  ");
            }
            let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
            let parts = if *right {
                [padding.as_str(), cell]
            } else {
                [cell, padding.as_str()]
            };
            for part in parts {
                text.push_str(part);
            }
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(&mut header.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_aligned_to_the_right() {
        let rows = vec![
            vec!["user".to_owned(), "7".to_owned()],
            vec!["group".to_owned(), "1200".to_owned()],
        ];
        assert_eq!(
            columns(&["type", "n"], &rows),
            "type      n\nuser      7\ngroup  1200\n"
        );
        assert_eq!(columns(&["type"], &[]), "type\n");
    }

    #[test]
    fn sizes_read_well() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_500, "1.5 kB"),
            (103_000_000, "103.0 MB"),
            (1 << 40, "1099.51 GB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
