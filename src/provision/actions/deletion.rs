//! `delete_user`: as the deletion of an account, whatever `deprovision-mode` says (connector-model.md §7.4, §7.7).

use uuid::Uuid;

use super::{complete, live};
use crate::provision::delete::{Was, remove};
use crate::provision::error::{Failure, found};
use crate::provision::work::Work;
use crate::task::ActionOutcome;

/// Deletes the user.
pub(super) async fn delete(work: &Work, id: Uuid) -> Result<ActionOutcome, Failure> {
    let was = match found(live(work, id).await)? {
        None => Was::Gone,
        Some(_) => remove(work, id).await?,
    };
    Ok(complete(match was {
        Was::There => format!("Account {id} has been deleted"),
        Was::Gone => format!("Account {id} was already deleted"),
    }))
}
