//! Grants (connector-model.md §5).

use super::{EntitlementId, Profile, ResourceId, ResourceType};

/// Why a grant cannot be revoked through us (`GrantImmutable`).
#[derive(Debug, Clone, PartialEq)]
pub struct GrantImmutable {
    /// A word for the reason.
    pub source_id: &'static str,
    /// What else is to be known of it.
    pub metadata: Option<Profile>,
}

/// `GrantExpandable`: whoever holds one of these entitlements also holds the grant's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expandable {
    /// The source entitlements, all of the grant's principal.
    pub entitlement_ids: Vec<EntitlementId>,
    /// Types of the principals that it is handed on to; empty is all.
    pub principal_types: &'static [ResourceType],
}

/// A grant as a sync emits it. Never carries sources (c1z.md §11.4).
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// What is held.
    pub entitlement: EntitlementId,
    /// Who holds it.
    pub principal: ResourceId,
    /// Set where revoking through us is impossible.
    pub immutable: Option<GrantImmutable>,
    /// Set where the principal hands it on to its members.
    pub expandable: Option<Expandable>,
    /// `GrantMetadata`: what the connector needs again at a revocation.
    pub metadata: Option<Profile>,
}

impl Grant {
    /// A grant that can be revoked and is handed on to nobody.
    pub const fn new(entitlement: EntitlementId, principal: ResourceId) -> Self {
        Self {
            entitlement,
            principal,
            immutable: None,
            expandable: None,
            metadata: None,
        }
    }
}

/// A grant's id: `<entitlement id>:<principal type>:<principal id>` (connector-model.md §5).
pub fn grant_id(entitlement: &str, principal_type: &str, principal_id: &str) -> String {
    format!("{entitlement}:{principal_type}:{principal_id}")
}
