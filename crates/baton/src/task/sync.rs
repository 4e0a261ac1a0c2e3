//! What a sync task asks for, and the file that answers it.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tempfile::TempPath;
use tokio_util::sync::CancellationToken;

use super::TaskError;
use crate::c1z::StorageEngine;

/// One resource of a targeted sync. The type may be one that we do not have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SyncTarget {
    /// The resource type's id.
    pub resource_type: String,
    /// The resource's id.
    pub id: String,
    /// The parent's type and id, if given.
    pub parent: Option<(String, String)>,
}

/// What one sync is asked to do (c1-protocol.md §9.4). [`SyncRequest::default`] is the plain full sync.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyncRequest {
    /// C1 expands grants itself.
    pub skip_expand_grants: bool,
    /// Resource types and resources only.
    pub skip_entitlements_and_grants: bool,
    /// Entitlements but no grants.
    pub skip_grants: bool,
    /// Not empty: a partial sync of these. Duplicates are collapsed by the session.
    pub targets: Vec<SyncTarget>,
    /// Not empty: only these types; wins over the configuration.
    pub resource_type_ids: Vec<String>,
    /// The kind of file that C1 asks for, if it does (c1z-v3.md §10).
    pub storage_engine: Option<StorageEngine>,
    /// Something is set that means nothing to this program: annotations, an unknown format.
    pub special: bool,
}

impl SyncRequest {
    /// Whether every field but the kind of file is at its default, so that a snapshot may answer.
    pub fn is_plain(&self) -> bool {
        *self
            == Self {
                storage_engine: self.storage_engine,
                ..Self::default()
            }
    }
}

/// Counts of the last good sync, for the shrink check (connector-model.md §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    pub users: u64,
    pub groups: u64,
    /// Grants on roles to people and groups, as collected (before expansion).
    pub role_grants: u64,
    /// Members of groups, as collected. 0 where an earlier version remembered: that compares with nothing.
    #[serde(default)]
    pub memberships: u64,
    /// Applications. 0 where they are not synced: that compares with nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub applications: u64,
    /// Grants on roles to applications, which are none of `role_grants`. 0 where they are not synced.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub machine_role_grants: u64,
    /// Gateways. 0 where they are not synced.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gateways: u64,
    /// Grants on roles to gateways, which are none of the others. 0 where they are not synced.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gateway_role_grants: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A finished file. Dropping its last clone deletes it: no exit path leaves one behind (DEV-14).
#[derive(Debug, Clone)]
pub struct SyncedFile {
    path: Arc<TempPath>,
    pub size_bytes: u64,
    /// The sync's id in the file.
    pub sync_id: String,
    /// What is in it.
    pub facts: SyncFacts,
}

/// What a sync found, for those who watch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SyncFacts {
    /// Resources in the file.
    pub resources: u64,
    /// Grants in the file.
    pub grants: u64,
    /// How long the sync took.
    pub took: Duration,
    /// What was counted, where the sync read everything: the next one is held against it once this one is uploaded.
    pub whole: Option<Counts>,
}

impl SyncedFile {
    /// Takes the file over.
    pub fn new(path: TempPath, size_bytes: u64, sync_id: String) -> Self {
        Self {
            path: Arc::new(path),
            size_bytes,
            sync_id,
            facts: SyncFacts {
                resources: 0,
                grants: 0,
                took: Duration::ZERO,
                whole: None,
            },
        }
    }

    /// The same file with what is known of its content.
    #[must_use]
    pub fn with_facts(mut self, facts: SyncFacts) -> Self {
        self.facts = facts;
        self
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// How far a sync is, for whoever watches that it gets on. Clones share it.
#[derive(Clone, Default)]
pub struct SyncProgress(Arc<OnceLock<Box<dyn Fn() -> u64 + Send + Sync>>>);

impl SyncProgress {
    /// `count` gives a number that changes as long as the sync gets on.
    pub fn read_from(&self, count: impl Fn() -> u64 + Send + Sync + 'static) {
        self.0.set(Box::new(count)).ok();
    }

    /// The number now; 0 before the sync says where to read it.
    pub fn count(&self) -> u64 {
        self.0.get().map_or(0, |count| count())
    }
}

impl fmt::Debug for SyncProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SyncProgress").field(&self.count()).finish()
    }
}

/// A sync that runs.
pub type SyncRun<'a> = BoxFuture<'a, Result<SyncedFile, TaskError>>;

/// Runs syncs.
pub trait SyncRunner: Send + Sync {
    /// Syncs into a fresh file. Ends soon after `token` is cancelled, with an error and without a file. One that does not
    /// say in `progress` that it gets on is taken for wedged after a while.
    fn run(&self, request: SyncRequest, token: CancellationToken, progress: SyncProgress) -> SyncRun<'_>;
}
