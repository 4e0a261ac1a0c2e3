//! What a finished sync tells.

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

use super::observations::ObservationReport;
use super::warnings::{Warning, Warnings};
use baton::c1z::FileReport;
use baton::task::Counts;

/// The outcome of a sync whose file is published.
#[derive(Debug)]
pub struct SyncReport {
    /// The id of the sync in the file.
    pub sync_id: String,
    /// The file.
    pub file: FileReport,
    /// What the shrink check compares next time.
    pub counts: Counts,
    /// How often each warning arose; kinds that did not are left out.
    pub warnings: BTreeMap<&'static str, u64>,
    /// Grants that expansion added.
    pub grants_expanded: u64,
    /// The environment's name.
    pub environment_name: String,
    /// What roles are bound to, where they are: type in lower case, and id.
    pub scopes: Vec<(String, Uuid)>,
    /// Wall time.
    pub elapsed: Duration,
    /// What was used again; `None` where nothing is kept.
    pub observations: Option<ObservationReport>,
}

pub(crate) fn warning_counts(warnings: &Warnings) -> BTreeMap<&'static str, u64> {
    Warning::ALL
        .into_iter()
        .map(|warning| (warning.as_str(), warnings.count(warning)))
        .filter(|(_, count)| *count > 0)
        .collect()
}
