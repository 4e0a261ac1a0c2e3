//! What syncs observed: metrics of it, and the command that shows and drops it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context;
use jiff::Timestamp;

use crate::config::StateCommand;
use crate::sync::observations::{
    KINDS, ObservationReport, StoreSummary, discard, gaps, mark_all_dropped, reasons, summary,
};
use process::telemetry::Metrics;

/// How what is used again is called among the reasons.
const REUSED: &str = "reused";

/// Creates every series, so that each exists at 0.
pub(super) fn prepare(metrics: &Metrics) {
    for kind in KINDS {
        metrics.observations(kind, REUSED, 0);
        for reason in reasons() {
            metrics.observations(kind, reason, 0);
        }
    }
    for gap in gaps() {
        metrics.activity_gaps(gap, 0);
    }
}

/// Counts what a sync says.
pub(super) fn count(metrics: &Metrics, report: &ObservationReport) {
    for (kind, count) in &report.reused {
        metrics.observations(kind, REUSED, *count);
    }
    for ((kind, reason), count) in &report.read {
        metrics.observations(kind, reason, *count);
    }
    if let Some(gap) = report.gap {
        metrics.activity_gaps(gap, 1);
    }
    metrics.observed(
        report.oldest_seconds,
        report.activities,
        report.compared,
        report.differences,
    );
}

/// The same for a report; what did not occur is left out.
pub(super) fn named(report: &ObservationReport) -> BTreeMap<String, u64> {
    let reused = report
        .reused
        .iter()
        .map(|(kind, count)| (format!("{kind} {REUSED}"), *count));
    let read = report
        .read
        .iter()
        .map(|((kind, why), count)| (format!("{kind} read ({why})"), *count));
    let whole = [
        ("audit activities", report.activities),
        ("compared", report.compared),
        ("different", report.differences),
        ("seconds of the oldest", report.oldest_seconds),
    ];
    let whole = whole.into_iter().map(|(name, count)| (name.to_owned(), count));
    reused
        .chain(read)
        .chain(whole.filter(|(_, count)| *count > 0))
        .collect()
}

/// Shows what `state-dir` holds of observations, or drops it.
pub(super) fn command(command: StateCommand, state_dir: Option<&Path>) -> anyhow::Result<u8> {
    let state_dir = state_dir.context("nothing is kept, because --state-dir (BATON_STATE_DIR) is not set")?;
    let mut out = String::new();
    let mut in_use = false;
    for folder in folders(state_dir).with_context(|| format!("read {}", state_dir.display()))? {
        let path = state_dir.join(&folder);
        let named = || format!("read {}", path.display());
        match command {
            StateCommand::Show => show(&mut out, &folder, &summary(&path).with_context(named)?),
            StateCommand::Drop if discard(&path).with_context(named)? => {
                writeln!(out, "{folder}: dropped").ok();
            }
            StateCommand::Drop => {
                in_use = true;
                writeln!(out, "{folder}: a sync uses it now; nothing was dropped").ok();
            }
        }
    }
    if matches!(command, StateCommand::Drop) && !in_use {
        // Copies in ConfigMaps may be all there is.
        let marked = mark_all_dropped(state_dir);
        marked.with_context(|| format!("write to {}", state_dir.display()))?;
    }
    if out.is_empty() {
        out.push_str("no observations\n");
    }
    io::stdout()
        .lock()
        .write_all(out.as_bytes())
        .context("print the result")?;
    Ok(u8::from(in_use))
}

fn folders(state_dir: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(state_dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".observations") {
            found.push(name);
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn show(out: &mut String, folder: &str, found: &StoreSummary) {
    let time = |at: Option<u32>| {
        let at = at.and_then(|at| Timestamp::from_second(i64::from(at)).ok());
        at.map_or_else(|| "none".to_owned(), |at| at.to_string())
    };
    writeln!(out, "{folder}: {} files, {} bytes", found.files, found.bytes).ok();
    for (kind, count) in &found.observations {
        writeln!(out, "  {kind:<14} {count}").ok();
    }
    writeln!(out, "  {:<14} {}", "oldest", time(found.oldest)).ok();
    writeln!(out, "  {:<14} {}", "newest", time(found.newest)).ok();
}
