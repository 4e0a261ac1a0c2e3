//! What a sync task asks for, and the file that answers it.

use std::path::Path;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tempfile::TempPath;
use tokio_util::sync::CancellationToken;

use super::TaskError;
use crate::sync::Counts;

/// The file format that C1 asks for (c1z.md §1.4). We write `SQLite` in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StorageEngine {
    /// Not said.
    #[default]
    Unspecified,
    /// `sqlite`
    Sqlite,
    /// `pebble`
    Pebble,
}

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
    /// The asked-for format.
    pub storage_engine: StorageEngine,
    /// Something is set that means nothing to this program: annotations, an unknown format.
    pub special: bool,
}

impl SyncRequest {
    /// Whether every field is at its default, so that a snapshot may answer.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// A finished file. Dropping it deletes it: no exit path leaves one behind (DEV-14).
#[derive(Debug)]
pub struct SyncedFile {
    path: TempPath,
    /// Size in bytes.
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
    pub const fn new(path: TempPath, size_bytes: u64, sync_id: String) -> Self {
        Self {
            path,
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
    pub const fn with_facts(mut self, facts: SyncFacts) -> Self {
        self.facts = facts;
        self
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Runs syncs.
pub trait SyncRunner: Send + Sync {
    /// Syncs into a fresh file. Ends soon after `token` is cancelled, with an error and without a file.
    fn run(&self, request: SyncRequest, token: CancellationToken) -> BoxFuture<'_, Result<SyncedFile, TaskError>>;
}
