//! `delete_user`: as the deletion of an account, whatever `deprovision-mode` says (connector-model.md §7.4, §7.7).

use uuid::Uuid;

use super::complete;
use crate::provision::context::TaskContext;
use crate::provision::delete::{Was, remove};
use crate::provision::error::Failure;
use baton::task::ActionOutcome;

/// Deletes the user.
pub(super) async fn delete(task: &TaskContext, id: Uuid) -> Result<ActionOutcome, Failure> {
    Ok(complete(match remove(task, id).await? {
        Was::There => format!("Account {id} has been deleted"),
        Was::Gone => format!("Account {id} was already deleted"),
    }))
}
