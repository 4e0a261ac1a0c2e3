//! Groups themselves (pingone-api.md §6.7).

use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use super::{Operation, WriteBody, WriteCall};

/// Creates a group.
pub fn create(environment: &str, name: &str, body: &Value) -> WriteCall {
    WriteCall::new(Operation::CreateGroup, environment, Method::POST, &["groups"])
        .with(WriteBody::json(body))
        .showing("/name", name)
}

/// Replaces a group: what the body leaves out is lost.
pub fn replace(group: Uuid, name: &str, body: &Value) -> WriteCall {
    let path = ["groups", &group.to_string()];
    WriteCall::new(Operation::UpdateGroup, group, Method::PUT, &path)
        .with(WriteBody::json(body))
        .showing("/id", group.to_string())
        .showing("/name", name)
}

/// Deletes a group.
pub fn delete(group: Uuid) -> WriteCall {
    let path = ["groups", &group.to_string()];
    WriteCall::new(Operation::DeleteGroup, group, Method::DELETE, &path)
}
