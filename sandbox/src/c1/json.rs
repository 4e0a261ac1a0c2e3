//! Proto3 JSON of the messages (c1-protocol.md §8.6, §17), for the program and for messages of failed tests.

use std::sync::OnceLock;

use anyhow::{Context as _, bail};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::Value;

use super::proto::baton as pb;

fn pool() -> Option<&'static DescriptorPool> {
    static POOL: OnceLock<Option<DescriptorPool>> = OnceLock::new();
    POOL.get_or_init(|| DescriptorPool::decode(super::proto::DESCRIPTORS).ok())
        .as_ref()
}

/// The message that an `Any` carries (c1-protocol.md §8.6): a known type, and a value that is one of it.
fn unpack(any: &prost_types::Any) -> Result<DynamicMessage, String> {
    let descriptor = any
        .type_url
        .strip_prefix("type.googleapis.com/")
        .and_then(|name| pool()?.get_message_by_name(name))
        .ok_or_else(|| format!("type_url \"{}\" names no message", any.type_url))?;
    let message = DynamicMessage::decode(descriptor, any.value.as_slice())
        .map_err(|error| format!("the value is no {}: {error}", any.type_url))?;
    if message.unknown_fields().next().is_some() {
        return Err(format!("the value has fields that {} does not have", any.type_url));
    }
    Ok(message)
}

/// Checks that an `Any` carries what it says.
pub(super) fn check(any: &prost_types::Any) -> Result<(), String> {
    unpack(any).map(drop)
}

/// The `annotations` of the message that an `Any` carries; none where its type has no such field.
pub(super) fn annotations(any: &prost_types::Any) -> Result<Vec<prost_types::Any>, String> {
    let message = unpack(any)?;
    let Some(field) = message.get_field_by_name("annotations") else {
        return Ok(Vec::new());
    };
    field
        .as_list()
        .unwrap_or_default()
        .iter()
        .filter_map(prost_reflect::Value::as_message)
        .map(|item| item.transcode_to().map_err(|error| error.to_string()))
        .collect()
}

/// A message as JSON. `name` is its full name.
pub fn to_json(name: &str, message: &impl Message) -> anyhow::Result<Value> {
    let descriptor = pool()
        .and_then(|pool| pool.get_message_by_name(name))
        .context("unknown message")?;
    let message = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())?;
    let options = SerializeOptions::new().skip_default_fields(true);
    Ok(message.serialize_with_options(serde_json::value::Serializer, &options)?)
}

/// A task from its JSON; an id is made up where none is given.
pub fn task_from_json(value: Value) -> anyhow::Result<pb::Task> {
    let descriptor = pool()
        .and_then(|pool| pool.get_message_by_name("c1.connectorapi.baton.v1.Task"))
        .context("unknown message")?;
    let message = DynamicMessage::deserialize(descriptor, value)?;
    let mut task = pb::Task::decode(message.encode_to_vec().as_slice())?;
    if task.id.is_empty() {
        task.id = super::ids::ksuid();
    }
    if task.task_type.is_none() {
        bail!("the task has no kind");
    }
    Ok(task)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_read_from_json() {
        let value = serde_json::json!({"syncFull": {"skipGrants": true}});
        let task = task_from_json(value).unwrap();
        assert_eq!(task.id.len(), 27);
        let back = to_json("c1.connectorapi.baton.v1.Task", &task).unwrap();
        assert_eq!(back["syncFull"]["skipGrants"], true);
        assert!(task_from_json(serde_json::json!({"id": "x"})).is_err());
    }
}
