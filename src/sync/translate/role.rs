//! Administrator roles, built in and custom (connector-model.md §3.5).

use super::{description, display_name};
use crate::model::ROLE;
use crate::sync::scope::RoleInfo;
use baton::model::{Profile, Resource, ResourceId, ResourceTrait, RoleTrait, Value};
use pingone::id::RoleId;
use pingone::types::Role;

/// Most permissions that a profile lists.
const PERMISSIONS_MAX: usize = 500;

/// Whether a role came from the organization-wide list or the environment's.
fn role_type(role: &Role) -> String {
    role.role_type
        .clone()
        .unwrap_or_else(|| if role.from_environment { "CUSTOM" } else { "PLATFORM" }.to_owned())
}

/// A role as a resource, and what its entitlements need.
pub(crate) fn role(role: &Role) -> (Resource, RoleInfo) {
    let id = role.id.to_string();
    let mut permissions: Vec<String> = role.permissions.iter().filter_map(permission_text).collect();
    permissions.sort_unstable();
    let count = role.permissions.len();
    let truncated = permissions.len() > PERMISSIONS_MAX;
    permissions.truncate(PERMISSIONS_MAX);
    let mut profile = Profile::default();
    profile.text("id", Some(id.clone()));
    profile.text("name", role.name.clone());
    profile.text("description", role.description.clone());
    profile.text("role_type", Some(role_type(role)));
    profile.list("applicable_to", Some(role.applicable_to.clone()));
    profile.list("permissions", Some(permissions));
    profile.count("permission_count", u64::try_from(count).ok());
    profile.flag("permissions_truncated", truncated.then_some(true));
    profile.list("can_assign", Some(sorted_ids(&role.can_assign)));
    profile.list("can_be_assigned_by", Some(sorted_ids(&role.can_be_assigned_by)));
    let name = display_name([role.name.as_deref(), Some(id.as_str())]);
    let info = RoleInfo {
        id: RoleId(role.id),
        name: name.clone(),
        applicable_to: role.applicable_to.clone(),
    };
    (
        resource(RoleId(role.id), name, description(role.description.as_deref()), profile),
        info,
    )
}

/// A role that occurs in an assignment but in no list: the access stays visible under its id.
pub(crate) fn placeholder_role(id: RoleId) -> (Resource, RoleInfo) {
    let mut profile = Profile::default();
    profile.text("id", Some(id.to_string()));
    profile.text("role_type", Some("UNKNOWN"));
    profile.set("applicable_to", Value::List(Vec::new()));
    let info = RoleInfo {
        id,
        name: id.to_string(),
        applicable_to: Vec::new(),
    };
    (resource(id, id.to_string(), String::new(), profile), info)
}

fn resource(id: RoleId, display_name: String, description: String, profile: Profile) -> Resource {
    Resource {
        id: ResourceId::new(ROLE, id),
        parent: None,
        display_name,
        description,
        profile,
        status: None,
        created_at: None,
        resource_trait: ResourceTrait::Role(RoleTrait),
        immutable: None,
    }
}

fn permission_text(permission: &pingone::types::Permission) -> Option<String> {
    if let Some(id) = &permission.id {
        return Some(id.clone());
    }
    match (&permission.classifier, &permission.description) {
        (Some(classifier), Some(description)) => Some(format!("{classifier}: {description}")),
        (Some(text), None) | (None, Some(text)) => Some(text.clone()),
        (None, None) => None,
    }
}

fn sorted_ids(references: &[uuid::Uuid]) -> Vec<String> {
    let mut ids: Vec<String> = references.iter().map(ToString::to_string).collect();
    ids.sort_unstable();
    ids
}

#[cfg(test)]
mod tests;
