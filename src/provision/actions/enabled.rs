//! `enable_user`, `disable_user`.

use uuid::Uuid;

use super::{complete, live};
use crate::provision::context::TaskContext;
use crate::provision::delete::{enabled_word, set_enabled};
use crate::provision::error::Failure;
use crate::provision::sure::sure;
use baton::task::ActionOutcome;
use pingone::types::User;

/// Enables or disables the account.
pub(super) async fn set(task: &TaskContext, id: Uuid, enabled: bool) -> Result<ActionOutcome, Failure> {
    let is_so = |user: &User| user.enabled == Some(enabled);
    let user = sure(task, || live(task, id), is_so).await?;
    let word = enabled_word(Some(enabled));
    if is_so(&user) {
        return Ok(complete(format!("Account {id} was already {word}")));
    }
    set_enabled(task, &user, enabled).await?;
    Ok(complete(format!("Account {id} has been {word}")))
}
