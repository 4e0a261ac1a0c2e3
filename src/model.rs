//! What PingOne's objects are called at C1 (connector-model.md §2, §4–6). The identifiers made here are a public API
//! (connector-model.md §1 point 1): they never change once released.

mod binding;
mod slug;
mod writable;

use baton::model::{Capability, Profile, ResourceType, ResourceTypeSpec, Trait};

pub use binding::{BindingIds, binding_id, scope_resource_type};
pub use slug::Slug;
pub use writable::{WRITABLE_TYPES, WritableScopes};

/// `group`
pub const GROUP: ResourceType = ResourceType(&ResourceTypeSpec {
    id: "group",
    display_name: "Group",
    traits: &[Trait::Group],
    offers_nothing: false,
    opt_in: false,
    children: &[],
    permissions: &["p1:read:userGroup", "p1:update:userGroup"],
    capabilities: &[Capability::Sync, Capability::TargetedSync, Capability::Provision],
});

/// `population`: a group, too, since it is a container whose membership reviewers want to see.
pub const POPULATION: ResourceType = ResourceType(&ResourceTypeSpec {
    id: "population",
    display_name: "Population",
    traits: &[Trait::Group],
    offers_nothing: false,
    opt_in: false,
    children: &[],
    permissions: &["p1:read:population"],
    capabilities: &[Capability::Sync, Capability::TargetedSync],
});

/// The same type where memberships are changed, too (`population-provisioning`).
pub const POPULATION_MOVING: ResourceType = ResourceType(&ResourceTypeSpec {
    id: "population",
    display_name: "Population",
    traits: &[Trait::Group],
    offers_nothing: false,
    opt_in: false,
    children: &[],
    permissions: &["p1:read:population", "p1:update:user"],
    capabilities: &[Capability::Sync, Capability::TargetedSync, Capability::Provision],
});

/// `role`
pub const ROLE: ResourceType = ResourceType(&ResourceTypeSpec {
    id: "role",
    display_name: "Role",
    traits: &[Trait::Role],
    offers_nothing: false,
    opt_in: false,
    children: &[],
    permissions: &["p1:read:role", "p1:update:role"],
    capabilities: &[Capability::Sync, Capability::TargetedSync, Capability::Provision],
});

/// `user`
pub const USER: ResourceType = ResourceType(&ResourceTypeSpec {
    id: "user",
    display_name: "User",
    traits: &[Trait::User],
    offers_nothing: true,
    opt_in: false,
    children: &[],
    permissions: &["p1:read:user", "p1:create:user", "p1:update:user", "p1:delete:user"],
    capabilities: &[
        Capability::Sync,
        Capability::TargetedSync,
        Capability::AccountProvisioning,
        Capability::ResourceDelete,
        Capability::CredentialRotation,
    ],
});

/// `application`, where `sync-applications` is on.
pub const APPLICATION: ResourceType = ResourceType(&ResourceTypeSpec {
    id: "application",
    display_name: "Application",
    traits: &[Trait::App],
    offers_nothing: false,
    opt_in: true,
    children: &[],
    permissions: &[
        "applications:read:application",
        "permissions:read:applicationRoleAssignments",
        "permissions:update:applicationRoleAssignments",
    ],
    capabilities: &[Capability::Sync, Capability::TargetedSync],
});

/// `gateway`, where `sync-gateways` is on.
pub const GATEWAY: ResourceType = ResourceType(&ResourceTypeSpec {
    id: "gateway",
    display_name: "Gateway",
    traits: &[Trait::App],
    offers_nothing: true,
    opt_in: true,
    children: &[],
    permissions: &["gateways:read:gateway", "permissions:read:gatewayRoleAssignments"],
    capabilities: &[Capability::Sync, Capability::TargetedSync],
});

/// `secret`, where `sync-secrets` is on: what is known of credentials beside their values.
pub const SECRET: ResourceType = ResourceType(&ResourceTypeSpec {
    id: "secret",
    display_name: "Credential",
    traits: &[Trait::Secret],
    offers_nothing: true,
    opt_in: true,
    children: &[],
    permissions: &["certmgt:read:key"],
    capabilities: &[Capability::Sync, Capability::SyncSecrets],
});

/// `role` in the model `scope-binding`: its bindings offer what it offers elsewhere.
pub const ROLE_BOUND: ResourceType = ResourceType(&ResourceTypeSpec {
    id: "role",
    display_name: "Role",
    traits: &[Trait::Role],
    offers_nothing: true,
    opt_in: false,
    children: &[],
    permissions: &["p1:read:role", "p1:update:role"],
    capabilities: &[Capability::Sync, Capability::TargetedSync, Capability::Provision],
});

/// `organization`, in the model `scope-binding`, as the three that follow.
pub const ORGANIZATION: ResourceType = ResourceType(&ResourceTypeSpec {
    children: &["environment"],
    ..scope("organization", "Organization")
});

/// `environment`
pub const ENVIRONMENT: ResourceType = ResourceType(&ResourceTypeSpec {
    children: &["population", "application", "role_assignment"],
    ..scope("environment", "Environment")
});

/// `other_scope`: a scope of a type that this program does not know.
pub const OTHER_SCOPE: ResourceType = ResourceType(&scope("other_scope", "Other Scope"));

/// `role_assignment`: one role over one scope.
pub const ROLE_ASSIGNMENT: ResourceType = ResourceType(&ResourceTypeSpec {
    id: "role_assignment",
    display_name: "Role Assignment",
    traits: &[Trait::ScopeBinding],
    offers_nothing: false,
    opt_in: true,
    children: &[],
    permissions: &[
        "permissions:create:userRoleAssignments",
        "permissions:delete:userRoleAssignments",
        "permissions:create:groupRoleAssignments",
        "permissions:delete:groupRoleAssignments",
    ],
    capabilities: &[Capability::Sync, Capability::TargetedSync, Capability::Provision],
});

const fn scope(id: &'static str, display_name: &'static str) -> ResourceTypeSpec {
    ResourceTypeSpec {
        id,
        display_name,
        traits: &[],
        offers_nothing: true,
        opt_in: true,
        children: &[],
        permissions: &[],
        capabilities: &[Capability::Sync, Capability::TargetedSync],
    }
}

/// The types of every sync, in the order of their ids.
pub const RESOURCE_TYPES: [ResourceType; 4] = [GROUP, POPULATION, ROLE, USER];

/// The types that only the model `scope-binding` has.
pub const BINDING_TYPES: [ResourceType; 4] = [ENVIRONMENT, ORGANIZATION, OTHER_SCOPE, ROLE_ASSIGNMENT];

/// Every type that there is, in the order of their ids: those above, and those that a setting switches on.
pub const ALL_TYPES: [ResourceType; 11] = all_types(POPULATION, ROLE);

/// The same, those of one model left out, as they are while the program runs.
pub const fn running_types(scope_binding: bool, population_provisioning: bool) -> &'static [ResourceType] {
    const BOUND: [ResourceType; 11] = all_types(POPULATION, ROLE_BOUND);
    const BOUND_MOVING: [ResourceType; 11] = all_types(POPULATION_MOVING, ROLE_BOUND);
    const PLAIN: [ResourceType; 7] = plain_types(POPULATION);
    const MOVING: [ResourceType; 7] = plain_types(POPULATION_MOVING);
    match (scope_binding, population_provisioning) {
        (false, false) => &PLAIN,
        (false, true) => &MOVING,
        (true, false) => &BOUND,
        (true, true) => &BOUND_MOVING,
    }
}

const fn plain_types(population: ResourceType) -> [ResourceType; 7] {
    [APPLICATION, GATEWAY, GROUP, population, ROLE, SECRET, USER]
}

const fn all_types(population: ResourceType, role: ResourceType) -> [ResourceType; 11] {
    [
        APPLICATION,
        ENVIRONMENT,
        GATEWAY,
        GROUP,
        ORGANIZATION,
        OTHER_SCOPE,
        population,
        role,
        ROLE_ASSIGNMENT,
        SECRET,
        USER,
    ]
}

/// The type with this id.
pub fn resource_type(id: &str) -> Option<ResourceType> {
    ALL_TYPES.into_iter().find(|candidate| candidate.id() == id)
}

/// Why an entitlement or its resource cannot be changed through us (`EntitlementImmutable.source_id`).
pub mod immutable {
    /// The group is kept by its source.
    pub const EXTERNAL_GROUP: &str = "external-group";
    /// Population membership is not provisioned.
    pub const POPULATION: &str = "population";
    /// The scope is outside what we may write.
    pub const SCOPE_NOT_WRITABLE: &str = "scope-not-writable";
}

/// What a role grant says about PingOne's assignment behind it (connector-model.md §5.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// PingOne's id of the assignment; a hint, never an identity.
    pub assignment_id: String,
    /// The role.
    pub role_id: String,
    /// The scope's type as PingOne wrote it.
    pub scope_type: String,
    /// The scope's id.
    pub scope_id: String,
    /// The scope's name, or its id where the name is not to be had.
    pub scope_name: String,
    /// Our client may not delete it.
    pub read_only: bool,
}

impl Assignment {
    /// As `GrantMetadata`.
    pub fn profile(&self) -> Profile {
        let mut profile = Profile::default();
        for (key, value) in [
            ("assignment_id", &self.assignment_id),
            ("role_id", &self.role_id),
            ("scope_type", &self.scope_type),
            ("scope_id", &self.scope_id),
            ("scope_name", &self.scope_name),
        ] {
            profile.text(key, Some(value.as_str()));
        }
        profile.flag("read_only", Some(self.read_only));
        profile
    }
}
