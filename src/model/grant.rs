//! Grants (connector-model.md §5).

use super::{EntitlementId, ResourceId};

/// Why a grant cannot be revoked through us (`GrantImmutable`).
#[derive(Debug, Clone, PartialEq)]
pub struct GrantImmutable {
    /// `dynamic-group`, `external-group`, `nested-group`, `population`, `read-only-assignment`.
    pub source_id: &'static str,
    /// The group's filter, for `dynamic-group`.
    pub user_filter: Option<String>,
}

/// `GrantExpandable`: whoever holds one of these entitlements also holds the grant's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expandable {
    /// The source entitlements, all of the grant's principal.
    pub entitlement_ids: Vec<EntitlementId>,
}

/// What a role grant says about PingOne's assignment behind it (connector-model.md §5.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantMetadata {
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
    /// Set on role grants.
    pub metadata: Option<GrantMetadata>,
}

/// A grant's id: `<entitlement id>:<principal type>:<principal id>` (connector-model.md §5).
pub fn grant_id(entitlement: &str, principal_type: &str, principal_id: &str) -> String {
    format!("{entitlement}:{principal_type}:{principal_id}")
}
