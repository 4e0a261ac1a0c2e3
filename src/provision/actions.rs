//! Actions (connector-model.md §7.7): what C1 is told of them, and how they run. Each decides from the user's live
//! state, writes only what is missing, and says "already" where nothing is. An error is a refusal before any effect or
//! a failure without one; what was done only in part is [`ActionOutcome::Failed`], with what was done.

mod args;
mod deletion;
mod devices;
mod enabled;
mod lock;
mod password;
mod population;
mod profile;
mod schema;
mod sessions;
mod settle;
mod update;

use uuid::Uuid;

use super::error::{Failure, task_error};
use super::protect::refuse_user;
use super::work::Work;
use crate::pingone::PingOneError;
use crate::pingone::types::User;
use crate::task::{ActionCall, ActionOutcome, Code, JsonObject};

pub(super) use args::truth;
pub(super) use profile::{NAMED, check_text, kept_by_pingone};
pub use schema::action_schemas;
use schema::{MESSAGE, SUCCESS, USER, USER_ID};
pub(super) use update::check_additional;

/// Runs an action to its end. The dispatcher has found its schema already; whoever calls without it gets the same
/// answers.
pub(crate) async fn run(work: &Work, call: &ActionCall) -> Result<ActionOutcome, Failure> {
    let schemas = action_schemas();
    let schema = schemas
        .iter()
        .find(|schema| schema.name == call.name && schema.resource_type_id == call.resource_type_id.as_deref());
    let Some(schema) = schema else {
        let message = format!("action {} not found", args::shown(&call.name));
        return Err(Failure::refused(Code::NotFound, message));
    };
    args::check(schema, &call.args)?;
    let id = args::resource(&call.args, USER_ID, USER)?;
    refuse_user(work, id)?;
    // Two actions on one user side by side would each decide from what the other is about to change.
    let _turn = work.turn(id).await?;
    match schema.name {
        "enable_user" => enabled::set(work, id, true).await,
        "disable_user" => enabled::set(work, id, false).await,
        "update_user" => update::user(work, id, &call.args).await,
        "update_profile" => update::profile(work, id, &call.args).await,
        "lock_user" => lock::lock(work, id).await,
        "unlock_user" => lock::unlock(work, id).await,
        "reset_password" => password::reset(work, id, &call.args).await,
        "set_population" => population::set(work, id, &call.args).await,
        "sign_out_user" => sessions::end_all(work, id).await,
        "reset_mfa" => devices::delete_all(work, id).await,
        "delete_user" => deletion::delete(work, id).await,
        other => Err(Failure::refused(
            Code::Unimplemented,
            format!("action {other} has a schema and no work"),
        )),
    }
}

/// The user as PingOne has it now.
async fn live(work: &Work, user: Uuid) -> Result<User, Failure> {
    work.read(work.client().user(user)).await
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
pub(crate) fn failed_by(error: &PingOneError) -> ActionOutcome {
    failed(task_error(error).message)
}

fn result(success: bool, message: String) -> JsonObject {
    [
        (SUCCESS.to_owned(), success.into()),
        (MESSAGE.to_owned(), message.into()),
    ]
    .into_iter()
    .collect()
}
