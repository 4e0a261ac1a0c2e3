//! Role assignments (pingone-api.md §6.10).

use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use super::{Operation, WriteBody, WriteCall};
use crate::Principal;

/// Assigns a role over a scope. `scope_type` goes out in upper case, whatever its case here.
pub fn assign(principal: Principal, role: Uuid, scope_type: &str, scope_id: Uuid) -> WriteCall {
    let (kind, id) = principal.path();
    let body = json!({
        "role": { "id": role.to_string() },
        "scope": { "id": scope_id.to_string(), "type": scope_type.to_uppercase() },
    });
    let path = [kind, &id.to_string(), "roleAssignments"];
    WriteCall::new(Operation::AssignRole, id, Method::POST, &path)
        .within(format!("role {role} over {} {scope_id}", scope_type.to_lowercase()))
        .with(WriteBody::json(&body))
        .showing("/role/id", role.to_string())
        .showing("/scope/id", scope_id.to_string())
        .showing("/scope/type", scope_type)
}

/// Takes one assignment back.
pub fn unassign(principal: Principal, assignment: Uuid) -> WriteCall {
    let (kind, id) = principal.path();
    let path = [kind, &id.to_string(), "roleAssignments", &assignment.to_string()];
    WriteCall::new(Operation::UnassignRole, id, Method::DELETE, &path).within(format!("assignment {assignment}"))
}
