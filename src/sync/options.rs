//! What one sync is asked to do.

use crate::model::{APPLICATION, BINDING_TYPES, RESOURCE_TYPES, ROLE, ROLE_ASSIGNMENT, ROLE_BOUND, WritableScopes};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;

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

/// How roles and their scopes are shown (connector-model.md §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RoleModel {
    /// As entitlements of roles.
    #[default]
    Entitlements,
    /// Each role over a scope as a resource of its own (access-model.md §6).
    ScopeBinding,
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
    /// The types that C1 or the operator chose, those among them that no setting switches on; `None` where nobody chose.
    pub selected: Option<BTreeSet<ResourceType>>,
    /// See [`RoleModel`].
    pub role_model: RoleModel,
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
            selected: None,
            role_model: RoleModel::Entitlements,
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

    /// The same sync in this model.
    #[must_use]
    pub fn with_role_model(mut self, model: RoleModel) -> Self {
        self.role_model = model;
        let bound = model == RoleModel::ScopeBinding;
        BINDING_TYPES
            .into_iter()
            .fold(self, |this, kind| this.with_type(kind, bound))
    }

    /// Only these types from here on; of those that need a setting the ones that it switches on.
    pub fn select(&mut self, types: BTreeSet<ResourceType>) {
        let on = types
            .iter()
            .filter(|kind| !kind.0.opt_in || self.resource_types.contains(kind));
        self.resource_types = on.copied().collect();
        self.selected = Some(types);
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

    /// Whether nobody chose types, or this one among others: a resource of it may be named as a parent.
    pub(crate) fn selects(&self, kind: ResourceType) -> bool {
        self.selected.as_ref().is_none_or(|selected| selected.contains(&kind))
    }

    /// A parent, where its type is in the sync.
    pub(crate) fn parent(&self, kind: ResourceType, id: Uuid) -> Option<ResourceId> {
        self.selects(kind).then(|| ResourceId::new(kind, id))
    }

    /// The settings ask for bindings; whether a sync has them depends on what C1 selects.
    pub(crate) fn wants_bindings(&self) -> bool {
        self.role_model == RoleModel::ScopeBinding
    }

    /// The types that bindings over scopes of these types need and that are not chosen.
    pub(crate) fn missing_for(&self, scopes: impl IntoIterator<Item = ResourceType>) -> BTreeSet<ResourceType> {
        let needed = [ROLE, ROLE_ASSIGNMENT].into_iter().chain(scopes);
        needed.filter(|kind| !self.selects(*kind)).collect()
    }

    /// The types that the file declares.
    pub(crate) fn declared(&self, bound: bool, also: impl IntoIterator<Item = ResourceType>) -> BTreeSet<ResourceType> {
        let mut declared = self.resource_types.clone();
        if bound {
            declared.extend(also);
            declared.replace(ROLE_BOUND);
        } else {
            declared.retain(|kind| !BINDING_TYPES.contains(kind));
        }
        declared
    }

    pub(crate) fn has(&self, resource_type: ResourceType) -> bool {
        self.resource_types.contains(&resource_type)
    }
}
