//! Actions (connector-model.md §7.7): what C1 is told of them, and how they run. Each decides from the user's live
//! state, writes only what is missing, and says "already" where nothing is. An error is a refusal before any effect or
//! a failure without one; what was done only in part is [`ActionOutcome::Failed`], with what was done.

mod args;
mod deletion;
mod devices;
mod enabled;
mod group;
mod lock;
mod password;
mod population;
mod profile;
mod schema;
mod sessions;
mod update;

use uuid::Uuid;

use super::context::TaskContext;
use super::error::Failure;
use super::protect::refuse_user;
use baton::task::{ActionCall, ActionCatalog, ActionOutcome, ActionSchema, Code, JsonObject};
use pingone::types::User;

pub(super) use args::truth;
pub(super) use profile::{Changes, NAMED, check_text, kept_by_pingone};
pub use schema::action_schemas;
use schema::groups::GROUP;
use schema::{MESSAGE, SUCCESS, USER, USER_ID};
pub(super) use update::check_additional;

/// What C1 is told of actions, and what it calls their arguments.
#[derive(Debug, Clone)]
pub struct PingOneActions(Vec<ActionSchema>);

impl Default for PingOneActions {
    fn default() -> Self {
        Self(action_schemas())
    }
}

impl ActionCatalog for PingOneActions {
    fn schemas(&self) -> &[ActionSchema] {
        &self.0
    }

    fn spelled(&self, schema: &ActionSchema, args: JsonObject) -> JsonObject {
        // What cannot be read is refused when the action runs.
        args::read(schema, &args).unwrap_or(args)
    }
}

/// Runs an action to its end. The dispatcher has found its schema already; whoever calls without it gets the same
/// answers.
pub(crate) async fn run(task: &TaskContext, call: &ActionCall) -> Result<ActionOutcome, Failure> {
    let schemas = action_schemas();
    let schema = schemas
        .iter()
        .find(|schema| schema.name == call.name && schema.resource_type_id == call.resource_type_id.as_deref());
    let Some(schema) = schema else {
        let message = format!("action {} not found", args::shown(&call.name));
        return Err(Failure::refused(Code::NotFound, message));
    };
    let args = args::read(schema, &call.args)?;
    if schema.resource_type_id == Some(GROUP) {
        return group::run(task, schema.name, &args).await;
    }
    let id = args::resource(&args, USER_ID, USER)?;
    refuse_user(task, id)?;
    // Two actions on one user side by side would each decide from what the other is about to change.
    let _lock = task.lock(id).await?;
    match schema.name {
        "enable_user" => enabled::set(task, id, true).await,
        "disable_user" => enabled::set(task, id, false).await,
        "update_user" => update::user(task, id, &args).await,
        "update_profile" => update::profile(task, id, &args).await,
        "lock_user" => lock::lock(task, id).await,
        "unlock_user" => lock::unlock(task, id).await,
        "reset_password" => password::reset(task, id, &args).await,
        "set_population" => population::set(task, id, &args).await,
        "sign_out_user" => sessions::end_all(task, id).await,
        "reset_mfa" => devices::delete_all(task, id).await,
        "delete_user" => deletion::delete(task, id).await,
        other => Err(Failure::refused(
            Code::Unimplemented,
            format!("action {other} has a schema and no work"),
        )),
    }
}

/// The user as PingOne has it now.
async fn live(task: &TaskContext, user: Uuid) -> Result<User, Failure> {
    task.read(task.client().user(user)).await
}

/// Done, or so already.
fn complete(message: impl Into<String>) -> ActionOutcome {
    ActionOutcome::Complete(result(true, message.into()))
}

/// Done in part: what is left is in the message.
fn failed(message: impl Into<String>) -> ActionOutcome {
    let message = message.into();
    ActionOutcome::Failed {
        response: result(false, message.clone()),
        message,
    }
}

/// PingOne refused, or could not be asked.
pub(crate) fn failed_by(failure: Failure) -> ActionOutcome {
    failed(failure.into_task().message)
}

fn result(success: bool, message: String) -> JsonObject {
    [
        (SUCCESS.to_owned(), success.into()),
        (MESSAGE.to_owned(), message.into()),
    ]
    .into_iter()
    .collect()
}
