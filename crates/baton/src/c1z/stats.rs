//! The `stats` column (c1z.md §4.6): plain JSON with snake-case keys, zero values left out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counts of one sync.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Resource types.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resource_types: u64,
    /// Resources.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resources: u64,
    /// Entitlements.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub entitlements: u64,
    /// Grants.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub grants: u64,
    /// Assets.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub assets: u64,
    /// Resources by type; every stored type has its key, 0 included.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources_by_resource_type: BTreeMap<String, u64>,
    /// Grants by the type of the entitlement's resource.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub grants_by_resource_type: BTreeMap<String, u64>,
    /// Entitlements by the type of their resource.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub entitlements_by_resource_type: BTreeMap<String, u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

pub(crate) fn drop_one(counts: &mut BTreeMap<String, u64>, key: &str) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
    }
}

pub(crate) fn bump(counts: &mut BTreeMap<String, u64>, key: &str) {
    bump_by(counts, key, 1);
}

pub(crate) fn bump_by(counts: &mut BTreeMap<String, u64>, key: &str, more: u64) {
    match counts.get_mut(key) {
        Some(count) => *count += more,
        None => {
            counts.insert(key.to_owned(), more);
        }
    }
}
