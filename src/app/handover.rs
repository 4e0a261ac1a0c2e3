//! What a leader leaves for the next one: the role part of what its syncs observed, in `ConfigMaps` of the release, for a pod that
//! does not share its volume (docs/adr/0020). Nothing here can fail a sync.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::k8s::{Client, Parts};
use crate::sync::observations::{Parcel, is_vacant, pack, unpack};
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
        })
    }

    /// Takes up what was left, where this process has nothing of its own.
    pub(super) async fn take(&self) {
        if !is_vacant(&self.dir) {
            return;
        }
        let packed = match self.parts.read(PATIENCE).await {
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
            Ok(Parcel::TooLarge) => return self.tell_size(),
            Ok(Parcel::Nothing) => return,
            Err(error) => {
                tracing::warn!(error = %error, "observations were not read and not handed on");
                return;
            }
        };
        match self.parts.write(&packed, PATIENCE).await {
            Ok(true) => tracing::debug!(bytes = packed.len(), "observations of roles were handed on"),
            Ok(false) => self.tell_size(),
            Err(error) => {
                tracing::warn!(error = %error, "observations were not handed on: the next leader reads everything");
            }
        }
    }

    fn tell_size(&self) {
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "observations of roles are too large for ConfigMaps (observations-configmap): a leader without the volume reads everything"
            );
        }
    }
}
