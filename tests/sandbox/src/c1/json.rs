//! Proto3 JSON of the messages, for the program and for messages of failed tests.

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

pub(super) fn is_known(name: &str) -> bool {
    pool().is_some_and(|pool| pool.get_message_by_name(name).is_some())
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
