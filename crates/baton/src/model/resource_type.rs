//! The resource types, their traits, permissions and capabilities (connector-model.md §2, §8.5).

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

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
    /// `TRAIT_SECRET`
    Secret,
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
    /// `CAPABILITY_SYNC_SECRETS`
    SyncSecrets,
}

/// What a connector says of one resource type.
#[derive(Debug)]
pub struct ResourceTypeSpec {
    /// The id, part of the contract with C1.
    pub id: &'static str,
    pub display_name: &'static str,
    pub traits: &'static [Trait],
    /// Whether the type carries `SkipEntitlementsAndGrants`: it offers nothing, though its resources may be principals.
    pub offers_nothing: bool,
    /// Whether C1 syncs the type only where an administrator selects it (`OptInRequired`).
    pub opt_in: bool,
    /// Types whose resources have one of this type as parent (`ChildResourceType`).
    pub children: &'static [&'static str],
    /// The permissions of the `CapabilityPermissions` annotation (connector-model.md §8.5).
    pub permissions: &'static [&'static str],
    /// What can be done with the type, in the manifest's order.
    pub capabilities: &'static [Capability],
}

impl ResourceTypeSpec {
    /// A type that is only read.
    pub const fn reading(id: &'static str, display_name: &'static str, traits: &'static [Trait]) -> Self {
        Self {
            id,
            display_name,
            traits,
            offers_nothing: false,
            opt_in: false,
            children: &[],
            permissions: &[],
            capabilities: &[Capability::Sync],
        }
    }

    /// The same type, whose resources hold what others offer and offer nothing themselves.
    #[must_use]
    pub const fn offering_nothing(mut self) -> Self {
        self.offers_nothing = true;
        self
    }
}

/// A resource type of the connector. Types are ordered by their ids, as their rows are in a file.
#[derive(Clone, Copy)]
pub struct ResourceType(pub &'static ResourceTypeSpec);

impl ResourceType {
    /// The id, part of the contract with C1.
    pub const fn id(self) -> &'static str {
        self.0.id
    }
}

impl PartialEq for ResourceType {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for ResourceType {}

impl PartialOrd for ResourceType {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ResourceType {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.id.cmp(other.0.id)
    }
}

impl Hash for ResourceType {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl fmt::Debug for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.id)
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.id)
    }
}
