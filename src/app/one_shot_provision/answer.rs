//! What a one-shot task is answered with, for people and as JSON. Pure.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::secret::Delivered;
use crate::app::abilities::Right;
use crate::app::report::columns;
use crate::config::OneShot;
use crate::provision::Plan;
use baton::model::{Grant, Resource, grant_id};
use baton::task::{
    AccountCreated, AccountResult, ActionField, ActionFieldKind, ActionSchema, ActionState, Annotation, Code,
    EncryptedSecret, Reply, Rotated, TaskError,
};
use pingone::Operation;

/// The label of what is asked for, in JSON.
pub(super) const fn operation(one_shot: &OneShot) -> &'static str {
    match one_shot {
        OneShot::Grant { .. } => "grant",
        OneShot::Revoke(_) => "revoke",
        OneShot::EventFeed { .. } => "event_feed",
        OneShot::CreateAccount { .. } => "create_account",
        OneShot::InvokeAction { .. } => "invoke_action",
        OneShot::ListActions(_) => "list_action_schemas",
        OneShot::Delete { .. } => "delete_resource",
        OneShot::Rotate { .. } => "rotate_credentials",
        OneShot::Sync => "sync",
    }
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Done,
    /// Done, and somebody has to do the rest: an account that is still enabled, a password that nobody has.
    NeedsYou,
    Failed,
}

impl Ending {
    pub(super) const fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::NeedsYou => 2,
        }
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    operation: &'static str,
    /// In JSON: one word.
    result: &'static str,
    /// One sentence.
    pub(super) message: String,
    pub(super) ending: Ending,
    /// Below the sentence.
    details: String,
    /// More for programs.
    members: Map<String, Value>,
    /// A created password that is to be shown.
    password: Option<Shown>,
}

/// A password on its way to a terminal: wiped when it goes, and never in a debug text.
#[derive(Clone, PartialEq)]
struct Shown(Zeroizing<String>);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[password]")
    }
}

#[derive(Serialize)]
struct Document<'a> {
    operation: &'static str,
    result: &'static str,
    message: &'a str,
    #[serde(flatten)]
    members: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

impl Answer {
    fn done(operation: &'static str, result: &'static str, message: impl Into<String>) -> Self {
        Self {
            operation,
            result,
            message: message.into(),
            ending: Ending::Done,
            details: String::new(),
            members: Map::new(),
            password: None,
        }
    }

    /// The task failed or was refused.
    pub(super) fn failed(operation: &'static str, error: &TaskError) -> Self {
        // The program's own line has its name before it anyway.
        let message = error.message.strip_prefix("baton-ping-one: ").unwrap_or(&error.message);
        let mut answer = Self::done(operation, "failed", message);
        answer.ending = Ending::Failed;
        answer.members.insert("code".to_owned(), code(error.code).into());
        answer
    }

    /// A dry run: the calls that were not made, the reads that found nothing against them, and the rights that they need.
    pub(super) fn planned(
        operation: &'static str,
        plan: &Plan,
        reads: &BTreeMap<&'static str, u64>,
        rights: &[Right],
    ) -> Self {
        let calls = plan.lines();
        let message = match calls.len() {
            0 => "Dry run: nothing would be written".to_owned(),
            1 => "Dry run: nothing was written; 1 call would be made".to_owned(),
            n => format!("Dry run: nothing was written; {n} calls would be made"),
        };
        let mut answer = Self::done(operation, "planned", message);
        for call in &calls {
            writeln!(answer.details, "  {call}").ok();
        }
        let reads: Vec<&str> = reads
            .keys()
            .copied()
            .filter(|read| *read != Operation::Token.as_str())
            .collect();
        if !reads.is_empty() {
            writeln!(answer.details, "  checked  {}", reads.join(", ")).ok();
        }
        for right in rights {
            writeln!(answer.details, "  right    {}", right.text()).ok();
        }
        let rights = rights
            .iter()
            .map(|right| json!({"state": right.state(), "text": right.text()}));
        answer.members.insert("calls".to_owned(), json!(calls));
        answer.members.insert("checked".to_owned(), json!(reads));
        answer.members.insert("rights".to_owned(), rights.collect());
        answer
    }

    /// The task is done. `deliver` hands a created secret to whoever asked for it.
    pub(super) fn of(
        operation: &'static str,
        reply: Reply,
        deliver: impl FnOnce(&[EncryptedSecret]) -> Option<Delivered>,
    ) -> Self {
        match reply {
            Reply::Granted(reply) => {
                let already = reply.annotations.contains(&Annotation::GrantAlreadyExists);
                granted(operation, already, &reply.grants)
            }
            Reply::Revoked(reply) => {
                if reply.annotations.contains(&Annotation::GrantAlreadyRevoked) {
                    Self::done(operation, "already_revoked", "The grant was not there any more")
                } else {
                    Self::done(operation, "revoked", "Revoked the grant")
                }
            }
            Reply::AccountCreated(created) => {
                let AccountCreated { result, secrets, .. } = *created;
                account(operation, result).with_secret(deliver(&secrets))
            }
            Reply::ResourceDeleted(annotations) => deleted(operation, &annotations),
            Reply::Rotated(Rotated { resource, secrets, .. }) => {
                let message = format!("Gave {} {} a new password", resource.resource_type, resource.id);
                let mut answer = Self::done(operation, "rotated", message);
                let resource = json!({"resource_type": resource.resource_type, "id": resource.id});
                answer.members.insert("resource".to_owned(), resource);
                answer.with_secret(deliver(&secrets))
            }
            Reply::ActionInvoked(state) => action(operation, state),
            Reply::ActionSchemas(schemas) => list(operation, &schemas),
            _ => {
                let error = TaskError::new(Code::Internal, "the task was answered with what it did not ask for");
                Self::failed(operation, &error)
            }
        }
    }

    fn with_secret(mut self, delivered: Option<Delivered>) -> Self {
        let (state, text) = match delivered {
            None => return self,
            Some(Delivered::Shown(password)) => {
                self.password = Some(Shown(password));
                ("shown", String::new())
            }
            Some(Delivered::Written(path)) => {
                self.members.insert("password_file".to_owned(), json!(shown(&path)));
                ("written", format!("  password  is in {}\n", path.display()))
            }
            Some(Delivered::Dropped) => {
                self.ending = Ending::NeedsYou;
                let rest = ", but nobody has its password: rotate it with --show-password or --password-file";
                self.message.push_str(rest);
                ("dropped", String::new())
            }
            Some(Delivered::Lost(why)) => {
                self.ending = Ending::NeedsYou;
                write!(self.message, ", but {why}; rotate it to get one that is known").ok();
                ("lost", String::new())
            }
        };
        self.members.insert("password_state".to_owned(), state.into());
        self.details.push_str(&text);
        self
    }

    /// For people.
    pub(super) fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.size()));
        for part in [&self.message, "\n", &self.details] {
            text.push_str(part);
        }
        if let Some(Shown(password)) = &self.password {
            for part in ["  password  ", password, "\n"] {
                text.push_str(part);
            }
        }
        text
    }

    /// At least as many bytes as either form takes: the text does not move while it grows.
    fn size(&self) -> usize {
        let password = self.password.as_ref().map_or(0, |Shown(password)| password.len());
        let members = serde_json::to_string_pretty(&self.members).map_or(0, |text| text.len());
        // An escaped byte takes six.
        6 * (self.message.len() + password) + self.details.len() + 2 * members + 256
    }

    /// One document.
    pub(super) fn json(&self) -> Zeroizing<String> {
        let document = Document {
            operation: self.operation,
            result: self.result,
            message: &self.message,
            members: &self.members,
            password: self.password.as_ref().map(|Shown(password)| password.as_str()),
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.size()));
        serde_json::to_writer_pretty(&mut *bytes, &document).ok();
        Zeroizing::new(String::from_utf8(std::mem::take(&mut *bytes)).unwrap_or_default())
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The code's name in gRPC.
const fn code(code: Code) -> &'static str {
    match code {
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

fn granted(operation: &'static str, already: bool, grants: &[Grant]) -> Answer {
    let (result, message) = if already {
        ("already_granted", "The grant was there already")
    } else {
        ("granted", "Granted")
    };
    let mut answer = Answer::done(operation, result, message);
    let ids: Vec<String> = grants
        .iter()
        .map(|grant| {
            let principal = &grant.principal;
            grant_id(
                &grant.entitlement.to_string(),
                principal.resource_type.id(),
                &principal.id,
            )
        })
        .collect();
    for id in &ids {
        writeln!(answer.details, "  grant  {id}").ok();
    }
    answer.members.insert("grants".to_owned(), json!(ids));
    answer
}

fn deleted(operation: &'static str, annotations: &[Annotation]) -> Answer {
    if annotations.contains(&Annotation::ResourceDoesNotExist) {
        Answer::done(operation, "already_deleted", "The account was not there any more")
    } else {
        Answer::done(operation, "deleted", "Deprovisioned the account")
    }
}

fn account(operation: &'static str, result: AccountResult) -> Answer {
    let (result, message, resource) = match result {
        AccountResult::Success { resource, .. } => ("created", "Created the account".to_owned(), Some(resource)),
        AccountResult::ActionRequired { resource, message } => ("action_required", message, resource),
        AccountResult::AlreadyExists { resource: None } => (
            "already_exists",
            "An account of this name exists and is not visible to the worker application; nothing was changed"
                .to_owned(),
            None,
        ),
        AccountResult::AlreadyExists { resource } => (
            "already_exists",
            "An account of this name exists; nothing was changed".to_owned(),
            resource,
        ),
        AccountResult::InProgress { resource } => ("in_progress", "The account is being created".to_owned(), resource),
    };
    let mut answer = Answer::done(operation, result, message);
    if result == "action_required" {
        answer.ending = Ending::NeedsYou;
    }
    if let Some(Resource { id, display_name, .. }) = resource {
        writeln!(
            answer.details,
            "  {}  {}\n  name  {display_name}",
            id.resource_type.id(),
            id.id
        )
        .ok();
        answer.members.insert(
            "account".to_owned(),
            json!({"resource_type": id.resource_type.id(), "id": id.id, "display_name": display_name}),
        );
    }
    answer
}

fn action(operation: &'static str, state: ActionState) -> Answer {
    let said = state.response.get("message").and_then(Value::as_str);
    let message = said.map_or_else(|| format!("Action {} is done", state.name), str::to_owned);
    let mut answer = Answer::done(operation, "complete", message);
    let rest = state
        .response
        .iter()
        .filter(|(key, _)| !matches!(key.as_str(), "message" | "success"));
    for (key, value) in rest {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        writeln!(answer.details, "  {key}  {value}").ok();
    }
    answer.members.insert("action".to_owned(), state.name.into());
    answer
        .members
        .insert("response".to_owned(), Value::Object(state.response));
    answer
}

fn list(operation: &'static str, schemas: &[ActionSchema]) -> Answer {
    let mut answer = Answer::done(
        operation,
        "listed",
        format!("{} actions; * marks what is required", schemas.len()),
    );
    let rows: Vec<Vec<String>> = schemas
        .iter()
        .map(|schema| {
            let arguments = schema.arguments.iter().map(|argument| {
                let star = if argument.required { "*" } else { "" };
                format!("{}{star}", argument.name)
            });
            vec![
                schema.name.to_owned(),
                schema.resource_type_id.unwrap_or("-").to_owned(),
                arguments.collect::<Vec<_>>().join(" "),
            ]
        })
        .collect();
    answer.details = columns(&["action", "type", "arguments"], &rows);
    answer
        .members
        .insert("schemas".to_owned(), schemas.iter().map(schema).collect());
    answer
}

fn schema(schema: &ActionSchema) -> Value {
    let fields = |fields: &[ActionField]| -> Value { fields.iter().map(field).collect() };
    let types: Vec<String> = schema.action_types.iter().map(|kind| format!("{kind:?}")).collect();
    json!({
        "name": schema.name,
        "display_name": schema.display_name,
        "description": schema.description,
        "resource_type": schema.resource_type_id,
        "action_types": types,
        "arguments": fields(&schema.arguments),
        "return_types": fields(&schema.return_types),
    })
}

fn field(field: &ActionField) -> Value {
    let kind = match field.kind {
        ActionFieldKind::String => "string",
        ActionFieldKind::Bool { .. } => "bool",
        ActionFieldKind::Int => "int",
        ActionFieldKind::StringSlice => "string_slice",
        ActionFieldKind::StringMap => "string_map",
        ActionFieldKind::ResourceId { .. } => "resource_id",
        ActionFieldKind::ResourceIdSlice => "resource_id_slice",
        ActionFieldKind::Resource => "resource",
    };
    json!({
        "name": field.name,
        "description": field.description,
        "required": field.required,
        "type": kind,
    })
}

#[cfg(test)]
mod tests;
