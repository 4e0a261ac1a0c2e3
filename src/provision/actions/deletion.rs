//! `delete_user`: as the deletion of an account, whatever `deprovision-mode` says (connector-model.md §7.4, §7.7).

use uuid::Uuid;

use super::settle::settle;
use super::{complete, live};
use crate::error::ErrorClass;
use crate::pingone::Client;
use crate::pingone::write::users;
use crate::provision::error::{Failure, found};
use crate::provision::work::{Told, Work};
use crate::task::ActionOutcome;

/// Deletes the user.
pub(super) async fn delete(work: &Work, id: Uuid) -> Result<ActionOutcome, Failure> {
    let gone = || complete(format!("Account {id} was already deleted"));
    if found(live(work, id).await)?.is_none() {
        return Ok(gone());
    }
    let told = Told {
        object: &format!("user {id}"),
        before: "there",
        after: "deleted",
    };
    let holds = |client: Client| async move {
        match client.user(id).await {
            Ok(_) => Ok(false),
            Err(error) if error.class() == ErrorClass::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    };
    match settle(work, &users::delete(id), told, holds).await {
        Ok(_) => Ok(complete(format!("Account {id} has been deleted"))),
        Err(failure) if failure.is_not_found() => Ok(gone()),
        Err(failure) => Err(failure),
    }
}
