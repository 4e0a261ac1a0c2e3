//! `enable_user`, `disable_user`.

use uuid::Uuid;

use super::{complete, live};
use crate::provision::context::TaskContext;
use crate::provision::delete::{enabled_word, set_enabled};
use crate::provision::error::Failure;
use baton::task::ActionOutcome;

/// Enables or disables the account.
pub(super) async fn set(task: &TaskContext, id: Uuid, enabled: bool) -> Result<ActionOutcome, Failure> {
    let user = live(task, id).await?;
    let word = enabled_word(Some(enabled));
    if user.enabled == Some(enabled) {
        return Ok(complete(format!("Account {id} was already {word}")));
    }
    set_enabled(task, &user, enabled).await?;
    Ok(complete(format!("Account {id} has been {word}")))
}
