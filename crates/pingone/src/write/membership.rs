//! Membership of groups (pingone-api.md §6.6).

use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use super::{Operation, WriteBody, WriteCall};

/// Puts a user into a group.
pub fn add(user: Uuid, group: Uuid) -> WriteCall {
    let path = ["users", &user.to_string(), "memberOfGroups"];
    WriteCall::new(Operation::AddMembership, user, Method::POST, &path)
        .within(format!("group {group}"))
        .with(WriteBody::json(&json!({ "id": group.to_string() })))
        .showing("/id", group.to_string())
}

/// Takes a user out of a group.
pub fn remove(user: Uuid, group: Uuid) -> WriteCall {
    let path = ["users", &user.to_string(), "memberOfGroups", &group.to_string()];
    WriteCall::new(Operation::RemoveMembership, user, Method::DELETE, &path).within(format!("group {group}"))
}
