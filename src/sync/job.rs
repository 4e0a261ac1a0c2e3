//! One sync as a job: what every phase needs.

use std::collections::HashSet;
use std::sync::Arc;

use uuid::Uuid;

use super::SyncError;
use super::observe::Observe;
use super::options::SyncOptions;
use super::read::{Home, Reads};
use super::writer_thread::{EncodedResource, Rows, WriterClosed, WriterThread};
use crate::model::{GROUP, ROLE, ROLE_ASSIGNMENT, USER};
use baton::model::{EntitlementId, Expandable, Grant, GrantImmutable, Resource, ResourceId};
use baton::task::Counts;
use baton::wire;

/// Why the reading part ended early.
#[derive(Debug)]
pub(super) enum Ended {
    /// The writer thread is gone; closing it says why.
    Writer,
    Failed(SyncError),
}

impl From<WriterClosed> for Ended {
    fn from(_: WriterClosed) -> Self {
        Self::Writer
    }
}

impl<E: Into<SyncError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// What the reading part found.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) counts: Counts,
    /// Grants left out because their principal is not in the sync.
    pub(super) dropped: u64,
    /// Groups that vanished while their members were read.
    pub(super) gone: HashSet<Uuid>,
    /// What roles are bound to.
    pub(super) scopes: Vec<(String, Uuid)>,
}

/// One sync while it runs.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) options: SyncOptions,
    pub(super) reads: Arc<Reads>,
    /// Who answers what principals hold and groups contain.
    pub(super) observe: Arc<Observe>,
    pub(super) writer: WriterThread,
    pub(super) home: Home,
}

impl Job {
    pub(super) fn scans_roles(&self) -> bool {
        // A binding is a resource, and only who holds it tells that it is there.
        let binds = self.options.wants_bindings() && self.options.has(ROLE_ASSIGNMENT);
        let with_grants = !self.options.skip_grants && !self.options.skip_entitlements_and_grants;
        self.options.has(ROLE) && (binds || with_grants)
    }

    /// What is written from here on was fetched before now (c1z.md §4.2).
    pub(super) async fn fetched_now(&self) -> Result<(), Ended> {
        Ok(self.writer.put(Rows::FetchedAt(jiff::Timestamp::now())).await?)
    }

    /// One grant of a nested group. Without users in the sync there is nothing to expand to (c1z.md §10.1 V10).
    pub(super) fn nested_grant(&self, parent: Uuid, child: Uuid) -> Grant {
        let expands = self.options.has(USER);
        Grant {
            entitlement: EntitlementId::member(GROUP, parent),
            principal: ResourceId::new(GROUP, child),
            immutable: Some(GrantImmutable {
                source_id: "nested-group",
                metadata: None,
            }),
            expandable: expands.then(|| Expandable {
                entitlement_ids: vec![EntitlementId::member(GROUP, child)],
                principal_types: &[USER],
            }),
            metadata: None,
        }
    }

    pub(super) async fn put_resources(&self, resources: &[Resource]) -> Result<(), Ended> {
        for batch in resources.chunks(500) {
            let encoded = batch.iter().map(encode).collect();
            self.writer.put(Rows::Resources(encoded)).await?;
        }
        Ok(())
    }
}

/// A resource as a row.
pub(super) fn encode(resource: &Resource) -> EncodedResource {
    EncodedResource {
        id: resource.id.clone(),
        parent: resource.parent.clone(),
        data: wire::resource(resource),
    }
}
