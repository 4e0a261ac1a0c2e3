//! What a leader leaves for the next one: the role part of what its syncs observed, in `ConfigMaps` of the release, for a pod that
//! does not share its volume (docs/adr/0020). Nothing here can fail a sync.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::k8s::{Client, Parts};
use crate::sync::observations::{Parcel, forget_dropped, is_vacant, pack, unpack, was_dropped};
use crate::sync::{ObservationSettings, Reuse};

/// For each call to the API server.
const PATIENCE: Duration = Duration::from_secs(10);

/// The `ConfigMaps` and the folder.
#[derive(Debug)]
pub(super) struct Handover {
    parts: Parts,
    dir: PathBuf,
    /// It was said that there is too much.
    told: AtomicBool,
    /// In this term what was left was taken up, or was not there.
    taken: AtomicBool,
}

impl Handover {
    /// `None` where nothing is handed on: no name, no cluster, or syncs that keep nothing for the next.
    pub(super) fn new(
        name: Option<&str>,
        kube: Option<&Client>,
        settings: Option<&ObservationSettings>,
    ) -> Option<Self> {
        let settings = settings.filter(|settings| settings.reuse != Reuse::Resume)?;
        Some(Self {
            parts: Parts::new(kube?, name?),
            dir: settings.dir.clone(),
            told: AtomicBool::new(false),
            taken: AtomicBool::new(false),
        })
    }

    /// A term begins: another leader may have left something since.
    pub(super) fn begin_term(&self) {
        self.taken.store(false, Ordering::Relaxed);
    }

    /// Takes up what was left, once a term, where this process has nothing of its own and dropped nothing.
    pub(super) async fn take(&self) {
        if !self.withdraw().await || self.taken.load(Ordering::Relaxed) || !is_vacant(&self.dir) {
            return;
        }
        let read = self.parts.read(PATIENCE).await;
        self.taken.store(read.is_ok(), Ordering::Relaxed);
        let packed = match read {
            Ok(Some(packed)) => packed,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(error = %error, "what the leader before observed was not read; everything is read");
                return;
            }
        };
        match unpack(&self.dir, &packed) {
            Ok(true) => tracing::info!(
                bytes = packed.len(),
                "what the leader before observed of roles was taken over"
            ),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(error = %error, "what the leader before observed cannot be used; everything is read");
            }
        }
    }

    /// Leaves what the sync that just succeeded knows.
    pub(super) async fn leave(&self) {
        let packed = match pack(&self.dir) {
            Ok(Parcel::Packed(packed)) => packed,
            Ok(Parcel::TooLarge) => return self.leave_nothing().await,
            Ok(Parcel::Nothing) => {
                self.withdraw().await;
                return;
            }
            Err(error) => {
                tracing::warn!(error = %error, "observations were not read and not handed on");
                return;
            }
        };
        match self.parts.write(&packed, PATIENCE).await {
            Ok(true) => {
                forget_dropped(&self.dir);
                tracing::debug!(bytes = packed.len(), "observations of roles were handed on");
            }
            Ok(false) => self.leave_nothing().await,
            Err(error) => {
                tracing::warn!(error = %error, "observations were not handed on: the next leader reads everything");
            }
        }
    }

    /// Takes back what is left where it was dropped here, so that nobody takes it up; `false` where that did not succeed.
    pub(super) async fn withdraw(&self) -> bool {
        if !was_dropped(&self.dir) {
            return true;
        }
        match self.parts.clear(PATIENCE).await {
            Ok(()) => {
                forget_dropped(&self.dir);
                true
            }
            Err(error) => {
                tracing::warn!(error = %error, "observations that were dropped are still in their ConfigMaps");
                false
            }
        }
    }

    /// There is too much: what was dropped is taken back all the same.
    async fn leave_nothing(&self) {
        self.withdraw().await;
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "observations of roles are too large for ConfigMaps (observations-configmap): a leader without the volume reads everything"
            );
        }
    }
}
