//! Entitlements and the ids that C1 keeps (connector-model.md §4, §6.1).

use std::borrow::Cow;
use std::fmt;

use super::{Profile, ResourceId, ResourceType};

/// An entitlement's id: `<resource type>:<resource id>:<slug>`, byte for byte part of the contract with C1.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntitlementId {
    /// The resource that offers it.
    pub resource: ResourceId,
    /// Which entitlement of the resource; also the `slug` field.
    pub slug: Cow<'static, str>,
}

impl EntitlementId {
    /// The `member` entitlement of a resource.
    pub fn member(resource_type: ResourceType, id: impl ToString) -> Self {
        Self {
            resource: ResourceId::new(resource_type, id),
            slug: Cow::Borrowed("member"),
        }
    }
}

impl fmt::Display for EntitlementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}",
            self.resource.resource_type.id(),
            self.resource.id,
            self.slug
        )
    }
}

/// Of the entitlements of a group a principal holds at most one (`EntitlementExclusionGroup`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExclusionGroup {
    /// The group; C1 shows it as the group's name.
    pub id: &'static str,
    /// C1 grants this one when another of the group is revoked. At most one of a group is.
    pub is_default: bool,
}

/// An entitlement as a sync emits it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entitlement {
    pub id: EntitlementId,
    /// Display name of the resource, for the reference in the entitlement's row (c1z.md §4.1).
    pub resource_display_name: String,
    /// Cut to 1024 bytes after the words are added.
    pub display_name: String,
    /// Cut to 2048 bytes after the words are added.
    pub description: String,
    /// Which types can be asked for; what is synced may hold other principals.
    pub grantable_to: &'static [ResourceType],
    /// Why it cannot be changed through us (`EntitlementImmutable.source_id`).
    pub immutable: Option<&'static str>,
    /// What else is to be known of that.
    pub immutable_metadata: Option<Profile>,
    /// What else it excludes.
    pub exclusion: Option<ExclusionGroup>,
}

impl Entitlement {
    /// An entitlement of the resource with this name, without a description.
    pub fn new(id: EntitlementId, resource: &str, display_name: String, grantable_to: &'static [ResourceType]) -> Self {
        Self {
            id,
            resource_display_name: resource.to_owned(),
            display_name,
            description: String::new(),
            grantable_to,
            immutable: None,
            immutable_metadata: None,
            exclusion: None,
        }
    }
}
