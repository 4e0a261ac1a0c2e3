//! Entitlements and the ids that C1 keeps (connector-model.md §4, §6.1).

use std::fmt;

use super::{ResourceId, ResourceType};

/// The tail of an entitlement's id, and its `slug` field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slug {
    /// `member`, on groups and populations.
    Member,
    /// `assigned`, on a role: its scope is the configured environment.
    Assigned,
    /// `assigned-<scope type>-<scope id>`, on a role: any other scope. Both parts are lower-case.
    AssignedScope {
        /// The scope type, lower-case, an open set.
        scope_type: String,
        /// The scope's id.
        scope_id: String,
    },
}

/// Length of a UUID in text.
const UUID_LEN: usize = 36;

impl Slug {
    /// Reads a slug back: strip `assigned-`, the last 36 characters are the UUID, the rest is the scope type
    /// (connector-model.md §6.1). Anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "member" => return Some(Self::Member),
            "assigned" => return Some(Self::Assigned),
            _ => {}
        }
        let rest = text.strip_prefix("assigned-")?;
        let split = rest.len().checked_sub(UUID_LEN)?;
        let scope_id = rest.get(split..)?;
        let scope_type = rest.get(..split)?.strip_suffix('-')?;
        uuid::Uuid::try_parse(scope_id).ok()?;
        if scope_type.is_empty() {
            return None;
        }
        Some(Self::AssignedScope {
            scope_type: scope_type.to_owned(),
            scope_id: scope_id.to_owned(),
        })
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member => f.write_str("member"),
            Self::Assigned => f.write_str("assigned"),
            Self::AssignedScope { scope_type, scope_id } => write!(f, "assigned-{scope_type}-{scope_id}"),
        }
    }
}

/// An entitlement's id: `<resource type>:<resource id>:<slug>`, byte for byte part of the contract with C1.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntitlementId {
    /// The resource that offers it.
    pub resource: ResourceId,
    /// Which entitlement of the resource.
    pub slug: Slug,
}

impl EntitlementId {
    /// The `member` entitlement of a group or population.
    pub fn member(resource_type: ResourceType, id: impl ToString) -> Self {
        Self {
            resource: ResourceId::new(resource_type, id),
            slug: Slug::Member,
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

/// Why an entitlement or its resource cannot be changed through us (`EntitlementImmutable.source_id`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Immutable {
    /// The group is kept by its source.
    ExternalGroup,
    /// Population membership is not provisioned.
    Population,
    /// The scope is outside what we may write.
    ScopeNotWritable,
}

impl Immutable {
    /// The `source_id`.
    pub const fn source_id(self) -> &'static str {
        match self {
            Self::ExternalGroup => "external-group",
            Self::Population => "population",
            Self::ScopeNotWritable => "scope-not-writable",
        }
    }
}

/// An entitlement as a sync emits it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitlement {
    /// The id.
    pub id: EntitlementId,
    /// Display name of the resource, for the reference in the entitlement's row (c1z.md §4.1).
    pub resource_display_name: String,
    /// Cut to 1024 bytes after the words are added.
    pub display_name: String,
    /// Cut to 2048 bytes after the words are added.
    pub description: String,
    /// Which types can be asked for; what is synced may hold other principals.
    pub grantable_to: &'static [ResourceType],
    /// Why it cannot be changed through us.
    pub immutable: Option<Immutable>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_slug_parses_to_what_was_printed(
            scope_type in "[a-z][a-z_-]{0,30}",
            id in any::<u128>().prop_map(|id| uuid::Uuid::from_u128(id).to_string()),
        ) {
            let slug = Slug::AssignedScope { scope_type, scope_id: id };
            prop_assert_eq!(Slug::parse(&slug.to_string()), Some(slug));
        }
    }

    #[test]
    fn refuses_what_is_no_slug() {
        for text in [
            "",
            "members",
            "assigned-",
            "assigned-x",
            "assigned-7c2e1d94-55a0-4a34-9a1b-c0ffee001001",
        ] {
            assert_eq!(Slug::parse(text), None, "{text}");
        }
    }
}
