//! What a daemon's whole syncs are held against (connector-model.md §9): the counts of the last one that was uploaded, or
//! in a daemon without C1 written. From the Lease where there is one, so that a new leader knows what the one before it
//! saw, else from `state-dir`, else from this process.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::state;
use crate::config::Config;
use crate::k8s::lease::Notes;
use crate::sync::Counts;

/// The Lease's annotation with the counts.
const LAST_SYNC: &str = "baton-ping-one/last-sync";
/// The Lease's annotation by which an operator accepts the next sync's size; removed after use.
const ACCEPT_SHRINK: &str = "baton-ping-one/accept-shrink";

/// Value of [`LAST_SYNC`]: a Lease may serve another environment later.
#[derive(Debug, Serialize, Deserialize)]
struct LastSync {
    environment: Uuid,
    counts: Counts,
}

pub(super) struct History {
    environment: Uuid,
    state_dir: Option<PathBuf>,
    notes: Notes,
    last: Mutex<Option<Counts>>,
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
        Ok(Self {
            environment,
            state_dir: config.state_dir.clone(),
            notes: Notes::default(),
            last: Mutex::new(last),
            accept: AtomicBool::new(config.sync.accept_shrink),
        })
    }

    pub(super) fn notes(&self) -> Notes {
        self.notes.clone()
    }

    /// Whether the next sync may be smaller than the limit allows.
    pub(super) fn accepts(&self) -> bool {
        self.accept.load(Ordering::SeqCst) || self.notes.get(ACCEPT_SHRINK).as_deref() == Some("true")
    }

    /// Counts of the last good whole sync, where there was one.
    pub(super) fn last(&self) -> Option<Counts> {
        let own = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // Others may have led since we did.
        self.on_lease().or(own)
    }

    fn on_lease(&self) -> Option<Counts> {
        let text = self.notes.get(LAST_SYNC)?;
        match serde_json::from_str::<LastSync>(&text) {
            Ok(last) => (last.environment == self.environment).then_some(last.counts),
            Err(error) => {
                tracing::warn!(annotation = LAST_SYNC, error = %error, "the Lease's counts do not read; they are not compared with");
                None
            }
        }
    }

    /// A whole sync was good: the next is held against it, and whatever accepted its size is used up.
    pub(super) fn remember(&self, counts: Counts) {
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
        if let Err(error) = state::remember(dir, self.environment, counts) {
            tracing::error!(error = format!("{error:#}"), "counts of the sync were not remembered");
        }
    }
}
