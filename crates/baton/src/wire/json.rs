//! proto3 JSON of our messages (c1-protocol.md §12.4): lowerCamelCase, 64-bit integers as texts, enums by name,
//! defaults left out, members in the order of their numbers.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage};

/// Every message that we compile, with the well-known ones.
static POOL: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(crate::proto::FILE_DESCRIPTOR_SET).ok());

/// A message that has no JSON form: its type is not among ours.
#[derive(Debug, thiserror::Error)]
#[error("no JSON form for {type_name}: {problem}")]
pub struct JsonError {
    type_name: String,
    problem: String,
}

/// The JSON form of an encoded message of this full name.
pub fn bytes(type_name: &str, encoded: &[u8]) -> Result<serde_json::Value, JsonError> {
    let fault = |problem: String| JsonError {
        type_name: type_name.to_owned(),
        problem,
    };
    let pool = POOL
        .as_ref()
        .ok_or_else(|| fault("the descriptors do not decode".to_owned()))?;
    let descriptor = pool
        .get_message_by_name(type_name)
        .ok_or_else(|| fault("unknown type".to_owned()))?;
    let message = DynamicMessage::decode(descriptor, encoded).map_err(|error| fault(error.to_string()))?;
    serde_json::to_value(&message).map_err(|error| fault(error.to_string()))
}
