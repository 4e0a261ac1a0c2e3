//! What a daemon's whole syncs are held against (connector-model.md §9): the counts of the last one that was uploaded, or
//! in a daemon without C1 written. From the Lease where there is one, so that a new leader knows what the one before it
//! saw, else from `state-dir`, else from this process.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::state;
use crate::config::{Config, RoleModel};
use crate::k8s::lease::Notes;
use crate::sync::{Counts, SyncError};

/// The Lease's annotation with the counts.
const LAST_SYNC: &str = "baton-ping-one/last-sync";
/// The Lease's annotation with the time of the last success, for whoever leads next.
const LAST_SUCCESS: &str = "baton-ping-one/last-success";
/// The Lease's annotation by which an operator accepts the next sync's size; removed after use.
const ACCEPT_SHRINK: &str = "baton-ping-one/accept-shrink";

/// Value of [`LAST_SYNC`]: a Lease may serve another environment later.
#[derive(Debug, Serialize, Deserialize)]
struct LastSync {
    environment: Uuid,
    counts: Counts,
}

/// Value of [`LAST_SUCCESS`].
#[derive(Debug, Serialize, Deserialize)]
struct LastSuccess {
    environment: Uuid,
    at: String,
}

/// A sync that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Success {
    pub(super) at: Timestamp,
    /// Of the last whole one.
    pub(super) counts: Option<Counts>,
}

pub(super) struct History {
    environment: Uuid,
    state_dir: Option<PathBuf>,
    role_model: RoleModel,
    notes: Notes,
    last: Mutex<Option<Counts>>,
    /// What `state-dir` knew at the start.
    stored_success: Option<Timestamp>,
    /// This process's own last one.
    own_success: Mutex<Option<Timestamp>>,
    /// `accept-shrink` of the settings; used up by the next good sync.
    accept: AtomicBool,
}

impl History {
    /// `file` is what the first sync is held against where there is no state directory.
    pub(super) fn new(config: &Config, environment: Uuid, file: Option<&Path>) -> anyhow::Result<Self> {
        let last = if config.sync.max_shrink_percent > 0 {
            state::previous(config.state_dir.as_deref(), environment, file, &config.temp_dir)?
        } else {
            None
        };
        let stored_success = config
            .state_dir
            .as_deref()
            .and_then(|dir| state::last_success(dir, environment));
        Ok(Self {
            stored_success,
            own_success: Mutex::default(),
            environment,
            state_dir: config.state_dir.clone(),
            role_model: config.sync.role_model,
            notes: Notes::default(),
            last: Mutex::new(last),
            accept: AtomicBool::new(config.sync.accept_shrink),
        })
    }

    /// For somebody who only looks: what `notes` and the places beside them hold.
    pub(super) fn reading(config: &Config, environment: Uuid, notes: Notes) -> anyhow::Result<Self> {
        let writes_a_file = config.c1.is_none() && !config.kubernetes.has_changing_source();
        let history = Self::new(config, environment, writes_a_file.then_some(config.file.as_path()))?;
        Ok(Self { notes, ..history })
    }

    pub(super) const fn environment(&self) -> Uuid {
        self.environment
    }

    pub(super) fn notes(&self) -> Notes {
        self.notes.clone()
    }

    /// Whether the next sync may be smaller than the limit allows.
    pub(super) fn accepts(&self) -> bool {
        self.accept.load(Ordering::SeqCst) || self.notes.get(ACCEPT_SHRINK).as_deref() == Some("true")
    }

    /// Counts of the last good whole sync, where there was one. What is on the Lease and does not read is an error: it
    /// would switch the check off in silence.
    pub(super) fn last(&self) -> Result<Option<Counts>, SyncError> {
        let own = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // Others may have led since we did.
        let noted: Option<LastSync> = self.note(LAST_SYNC).map_err(|source| SyncError::Baseline {
            annotation: LAST_SYNC,
            source,
        })?;
        let noted = noted.filter(|last| last.environment == self.environment);
        Ok(noted.map(|last| last.counts).or(own))
    }

    fn note<T: DeserializeOwned>(&self, key: &'static str) -> serde_json::Result<Option<T>> {
        let text = self.notes.get(key);
        text.map(|text| serde_json::from_str(&text)).transpose()
    }

    /// When a sync last succeeded, in this process or one before it: from the Lease, else from `state-dir`. A time to come,
    /// after a clock was put back, counts as now.
    pub(super) fn last_success(&self) -> Option<SystemTime> {
        // It is for a metric only, so what does not read may count as missing.
        let noted: Option<LastSuccess> = self.note(LAST_SUCCESS).unwrap_or_default();
        let noted = noted.filter(|noted| noted.environment == self.environment);
        let noted = noted.and_then(|noted| noted.at.parse::<Timestamp>().ok());
        let at = noted.into_iter().chain(self.stored_success).max()?;
        Some(SystemTime::from(at.min(Timestamp::now())))
    }

    /// The last success, unless it is this process's own.
    pub(super) fn success_of_another(&self) -> Option<Success> {
        let at = Timestamp::try_from(self.last_success()?).ok()?;
        let own = *self.own_success.lock().unwrap_or_else(PoisonError::into_inner);
        // Counts that do not read end the next sync, which says so.
        let counts = self.last().unwrap_or_default();
        (own != Some(at)).then_some(Success { at, counts })
    }

    /// A sync reached whom it is for. Of a whole one the counts: the next is held against them.
    pub(super) fn succeeded(&self, whole: Option<Counts>) {
        let at = Timestamp::now();
        *self.own_success.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
        let success = LastSuccess {
            environment: self.environment,
            at: at.to_string(),
        };
        if let Ok(text) = serde_json::to_string(&success) {
            self.notes.put(LAST_SUCCESS, text);
        }
        if let Some(counts) = whole {
            self.remember(counts, at);
        }
    }

    /// Whatever accepted the size of this sync is used up.
    fn remember(&self, counts: Counts, at: Timestamp) {
        self.accept.store(false, Ordering::SeqCst);
        if self.notes.get(ACCEPT_SHRINK).is_some() {
            self.notes.remove(ACCEPT_SHRINK);
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(counts);
        let last = LastSync {
            environment: self.environment,
            counts,
        };
        if let Ok(text) = serde_json::to_string(&last) {
            self.notes.put(LAST_SYNC, text);
        }
        let Some(dir) = &self.state_dir else { return };
        if let Err(error) = state::remember(dir, self.environment, (counts, self.role_model), at) {
            tracing::error!(error = format!("{error:#}"), "counts of the sync were not remembered");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Invocation;

    #[test]
    fn a_success_is_told_of_another_process_and_not_of_this_one() {
        let environment = Uuid::from_u128(1);
        let missing = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
        let settings = [
            ("BATON_PINGONE_CLIENT_ID", "id"),
            ("BATON_PINGONE_CLIENT_SECRET", "secret"),
            ("BATON_PINGONE_ENVIRONMENT_ID", "5f0c6a52-6a1e-4f0b-9a43-2f9a1c0d7e11"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Invocation::load(["baton-ping-one".into()], &settings.into(), &missing)
            .unwrap()
            .config;
        let one = History::new(&config, environment, None).unwrap();
        let other = History {
            notes: one.notes(),
            ..History::new(&config, environment, None).unwrap()
        };
        assert_eq!(one.success_of_another(), None);
        let counts = Counts {
            users: 7,
            ..Counts::default()
        };
        one.succeeded(Some(counts));
        assert_eq!(one.success_of_another(), None);
        assert_eq!(
            other.success_of_another().map(|success| success.counts),
            Some(Some(counts))
        );
        other.succeeded(None);
        assert!(one.success_of_another().is_some() && other.success_of_another().is_none());
    }
}
