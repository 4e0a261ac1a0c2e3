//! The resource types, their traits, permissions and capabilities (connector-model.md §2, §8.5).

use std::fmt;

/// A trait of a resource type (`c1.connector.v2.ResourceType.Trait`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trait {
    /// `TRAIT_USER`
    User,
    /// `TRAIT_GROUP`
    Group,
    /// `TRAIT_ROLE`
    Role,
    /// `TRAIT_APP`
    App,
    /// `TRAIT_SCOPE_BINDING`
    ScopeBinding,
}

/// A capability of one resource type, in the manifest's order (connector-model.md §8.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// `CAPABILITY_SYNC`
    Sync,
    /// `CAPABILITY_TARGETED_SYNC`
    TargetedSync,
    /// `CAPABILITY_PROVISION`
    Provision,
    /// `CAPABILITY_ACCOUNT_PROVISIONING`
    AccountProvisioning,
    /// `CAPABILITY_RESOURCE_DELETE`
    ResourceDelete,
    /// `CAPABILITY_CREDENTIAL_ROTATION`
    CredentialRotation,
}

/// A resource type of the connector. The order is the order of rows in a file: by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceType {
    /// `group`
    Group,
    /// `population`
    Population,
    /// `role`
    Role,
    /// `user`
    User,
}

impl ResourceType {
    /// Every type of a sync, in the order of their ids.
    pub const ALL: [Self; 4] = [Self::Group, Self::Population, Self::Role, Self::User];

    /// The id, part of the contract with C1.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Population => "population",
            Self::Role => "role",
            Self::User => "user",
        }
    }

    /// The type with this id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|candidate| candidate.id() == id)
    }

    /// The display name.
    pub const fn display_name(self) -> &'static str {
        match self {
            Self::Group => "Group",
            Self::Population => "Population",
            Self::Role => "Role",
            Self::User => "User",
        }
    }

    /// The traits. A population is a group: a container whose membership reviewers want to see.
    pub const fn traits(self) -> &'static [Trait] {
        match self {
            Self::Group | Self::Population => &[Trait::Group],
            Self::Role => &[Trait::Role],
            Self::User => &[Trait::User],
        }
    }

    /// Whether the type carries `SkipEntitlementsAndGrants`: users offer nothing, though they are principals.
    pub const fn offers_nothing(self) -> bool {
        matches!(self, Self::User)
    }

    /// The permissions of the `CapabilityPermissions` annotation (connector-model.md §8.5).
    pub const fn permissions(self) -> &'static [&'static str] {
        match self {
            Self::Group => &["p1:read:userGroup", "p1:update:userGroup"],
            Self::Population => &["p1:read:population"],
            Self::Role => &["p1:read:role", "p1:update:role"],
            Self::User => &["p1:read:user", "p1:create:user", "p1:update:user", "p1:delete:user"],
        }
    }

    /// What can be done with the type, in the manifest's order.
    pub const fn capabilities(self) -> &'static [Capability] {
        match self {
            Self::Group | Self::Role => &[Capability::Sync, Capability::TargetedSync, Capability::Provision],
            Self::Population => &[Capability::Sync, Capability::TargetedSync],
            Self::User => &[
                Capability::Sync,
                Capability::TargetedSync,
                Capability::AccountProvisioning,
                Capability::ResourceDelete,
                Capability::CredentialRotation,
            ],
        }
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}
