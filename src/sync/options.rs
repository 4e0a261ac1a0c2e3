//! What one sync is asked to do.

use crate::model::{APPLICATION, RESOURCE_TYPES, WritableScopes};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use baton::c1z::StorageEngine;
use baton::model::{ResourceId, ResourceType};
use baton::task::Counts;

/// Which populations get an entitlement on each role (connector-model.md §6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RolePopulationEntitlements {
    /// Every population.
    #[default]
    All,
    /// Only populations that occur in an assignment.
    Assigned,
}

/// Whose role assignments are read (connector-model.md §5.3). Never switches by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RoleScan {
    /// Every user's.
    #[default]
    All,
    /// Those of users of these populations (ids or names), or of users that match one SCIM filter.
    Candidates(Vec<String>),
    /// Only groups' and workers'.
    GroupsAndWorkers,
}

impl RoleScan {
    /// The name in logs and in the connector's metadata.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Candidates(_) => "candidates",
            Self::GroupsAndWorkers => "groups-and-workers",
        }
    }
}

/// Which applications are synced (access-model.md §0.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Applications {
    /// None.
    #[default]
    None,
    /// Workers, and whatever else holds a role.
    Workers,
    /// All.
    All,
}

/// When a smaller sync is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShrinkCheck {
    /// What the last good sync counted; without it the check is silent.
    pub previous: Option<Counts>,
    /// The largest loss that is accepted, in percent; 0 switches the check off.
    pub max_percent: u8,
    /// This once any size is accepted.
    pub accept: bool,
}

/// What a sync reads and where it puts the file.
#[derive(Debug, Clone)]
pub struct SyncOptions {
    /// The types to sync; a grant whose principal type is left out is not emitted.
    pub resource_types: BTreeSet<ResourceType>,
    /// Resource types and resources only (`resources_only`).
    pub skip_entitlements_and_grants: bool,
    /// Entitlements but no grants; the sync stays `full`.
    pub skip_grants: bool,
    /// Expand grants before the file is sealed (c1z.md §11).
    pub expand_grants: bool,
    /// A partial sync of `targets` alone; without any it is empty.
    pub targeted: bool,
    /// See `targeted`.
    pub targets: Vec<ResourceId>,
    /// An empty finished sync, after PingOne was validated.
    pub empty: bool,
    /// See [`RolePopulationEntitlements`].
    pub role_population_entitlements: RolePopulationEntitlements,
    /// See [`RoleScan`].
    pub role_scan: RoleScan,
    /// Only users of these populations (ids or names); empty is all.
    pub population_filter: Vec<String>,
    /// An extra SCIM filter for users.
    pub user_filter: Option<String>,
    /// Leaves external groups out.
    pub skip_external_groups: bool,
    /// Custom attributes that go into profiles: names, or `*` for all.
    pub custom_attributes: Vec<String>,
    /// Attributes that hold employee ids; empty means the contract's three names.
    pub employee_id_attributes: Vec<String>,
    /// Values of `type` that make a user a service account.
    pub service_account_types: Vec<String>,
    /// Memberships of populations can be granted and revoked.
    pub population_provisioning: bool,
    /// Scopes over which roles may be changed beyond our own.
    pub writable_scopes: WritableScopes,
    /// See [`Applications`]; counts only where the type is synced.
    pub applications: Applications,
    /// Refuses a sync that lost too much.
    pub shrink: ShrinkCheck,
    /// Reads that may run ahead of the row that is being written, at most.
    pub concurrency: usize,
    /// Which kind of file is written.
    pub storage_engine: StorageEngine,
    /// Where the growing file lives.
    pub temp_dir: PathBuf,
    /// Where the finished file goes.
    pub file: PathBuf,
    /// What syncs keep of each other; `None` for nothing.
    pub observations: Option<ObservationSettings>,
}

/// What of an earlier sync may be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reuse {
    /// What a sync left that was ended early.
    #[default]
    Resume,
    /// Nothing; but it is worked out what would have been, and compared with what is read.
    Verify,
    /// Whatever is proved to be unchanged.
    All,
}

/// How observations are kept from one sync to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservationSettings {
    /// Their folder.
    pub dir: PathBuf,
    /// See [`Reuse`].
    pub reuse: Reuse,
    /// Older ones are read again.
    pub max_age: Duration,
    /// The same for [`Reuse::Resume`].
    pub resume_max_age: Duration,
}

impl SyncOptions {
    /// Whether it reads everything, so that its counts can be compared with those of another.
    pub fn is_whole(&self) -> bool {
        !(self.targeted || self.empty || self.skip_grants || self.skip_entitlements_and_grants)
            && RESOURCE_TYPES.iter().all(|kind| self.has(*kind))
    }

    /// A full sync with every default into `file`.
    pub fn full(temp_dir: PathBuf, file: PathBuf) -> Self {
        Self {
            resource_types: RESOURCE_TYPES.into(),
            skip_entitlements_and_grants: false,
            skip_grants: false,
            expand_grants: true,
            targeted: false,
            storage_engine: StorageEngine::default(),
            targets: Vec::new(),
            empty: false,
            role_population_entitlements: RolePopulationEntitlements::All,
            role_scan: RoleScan::All,
            population_filter: Vec::new(),
            user_filter: None,
            skip_external_groups: false,
            custom_attributes: Vec::new(),
            employee_id_attributes: Vec::new(),
            service_account_types: Vec::new(),
            population_provisioning: false,
            writable_scopes: WritableScopes::default(),
            applications: Applications::None,
            shrink: ShrinkCheck::default(),
            concurrency: 64,
            temp_dir,
            file,
            observations: None,
        }
    }

    /// The same sync with applications.
    #[must_use]
    pub fn with_applications(mut self, applications: Applications) -> Self {
        self.applications = applications;
        self.with_type(APPLICATION, applications != Applications::None)
    }

    /// The same sync with this type or without it.
    #[must_use]
    pub fn with_type(mut self, kind: ResourceType, on: bool) -> Self {
        if on {
            self.resource_types.insert(kind);
        } else {
            self.resource_types.remove(&kind);
        }
        self
    }

    /// Whether some users are left out by a setting.
    pub(crate) fn filters_users(&self) -> bool {
        self.extra_filter().is_some() || !self.population_filter.is_empty()
    }

    /// `user-filter`, where it says something.
    pub(crate) fn extra_filter(&self) -> Option<&str> {
        let filter = self.user_filter.as_deref().map(str::trim);
        filter.filter(|filter| !filter.is_empty())
    }

    pub(crate) fn has(&self, resource_type: ResourceType) -> bool {
        self.resource_types.contains(&resource_type)
    }
}
