//! Actions on groups: `create`, `modify_group`, `delete_group` (access-model.md §7.1).

mod create;
mod delete;
mod modify;

use serde_json::{Value, json};
use uuid::Uuid;

use super::args::{resource, text};
use super::result;
use super::schema::groups::{DESCRIPTION, GROUP, GROUP_ID, NAME, RESOURCE};
use crate::provision::context::TaskContext;
use crate::provision::error::{Failure, invalid, task_error_with};
use baton::task::{ActionOutcome, Code, JsonObject, TaskError};

/// Most characters of a name (access-model.md §7.1).
const NAME_MOST: usize = 255;
/// What PingOne takes in no description (pingone-api.md §6.7, S).
const NOT_IN_DESCRIPTIONS: [char; 10] = ['`', '\\', '$', '+', '<', '=', '>', '^', '|', '~'];

/// Runs one of them to its end.
pub(super) async fn run(task: &TaskContext, name: &str, args: &JsonObject) -> Result<ActionOutcome, Failure> {
    if name == "create" {
        return create::create(task, args).await;
    }
    let group = resource(args, GROUP_ID, GROUP)?;
    let _lock = task.lock(group).await?;
    match name {
        "modify_group" => modify::modify(task, group, args).await,
        "delete_group" => delete::delete(task, group, args).await,
        other => Err(Failure::refused(
            Code::Unimplemented,
            format!("action {other} has a schema and no work"),
        )),
    }
}

/// The name that is asked for; `None` where none is.
fn name(args: &JsonObject) -> Result<Option<&str>, TaskError> {
    let Some(name) = text(args, NAME)? else {
        return Ok(None);
    };
    let length = name.chars().count();
    if name.trim().is_empty() || length > NAME_MOST || name.chars().any(char::is_control) {
        return Err(invalid(
            "name must be 1 to 255 characters, none of them a control character",
        ));
    }
    Ok(Some(name))
}

/// The description that is asked for; `None` where none is.
fn description(args: &JsonObject) -> Result<Option<&str>, TaskError> {
    let description = text(args, DESCRIPTION)?;
    if description.is_some_and(|text| text.contains(NOT_IN_DESCRIPTIONS)) {
        return Err(invalid(
            "description holds one of the characters ` \\ $ + < = > ^ | ~, which PingOne does not take in it",
        ));
    }
    Ok(description)
}

/// Done, or so already, with the group in proto3 JSON of `c1.config.v1.Resource`.
fn complete(message: String, id: Uuid, name: &str) -> ActionOutcome {
    ActionOutcome::Complete(response(true, message, id, name))
}

/// Done, but not all as it was asked for.
fn differing(message: String, id: Uuid, name: &str) -> ActionOutcome {
    ActionOutcome::Failed {
        response: response(false, message.clone(), id, name),
        message,
    }
}

fn response(success: bool, message: String, id: Uuid, name: &str) -> JsonObject {
    let mut response = result(success, message);
    let group = json!({"resourceId": {"resourceTypeId": GROUP, "resourceId": id}, "displayName": name});
    response.insert(RESOURCE.to_owned(), group);
    response
}

/// A refusal because the name is taken, which PingOne tells of groups of other populations as well.
fn explained(failure: Failure, name: &str) -> Failure {
    match failure
        .pingone()
        .filter(|error| error.detail_code() == Some("UNIQUENESS_VIOLATION"))
    {
        Some(error) => {
            let remedy = format!(
                "A group of the environment or of the population has the name {}.",
                shown(name)
            );
            task_error_with(error, Some(Code::AlreadyExists), &remedy).into()
        }
        None => failure,
    }
}

fn shown(name: &str) -> String {
    let cut: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    format!("\"{cut}\"")
}

/// A member of PingOne's that may be a text.
fn is_text(value: Option<&str>, wanted: Option<&str>) -> bool {
    value.unwrap_or_default() == wanted.unwrap_or_default()
}

/// A body of what is known.
fn body(members: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::Object(
        members
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}
