//! `enable_user`, `disable_user`.

use uuid::Uuid;

use super::settle::settle;
use super::{complete, live};
use crate::pingone::write::users;
use crate::provision::error::Failure;
use crate::provision::work::{Told, Work};
use crate::task::ActionOutcome;

const fn word(enabled: bool) -> &'static str {
    if enabled { "enabled" } else { "disabled" }
}

/// Enables or disables the account.
pub(super) async fn set(work: &Work, id: Uuid, enabled: bool) -> Result<ActionOutcome, Failure> {
    let user = live(work, id).await?;
    if user.enabled == Some(enabled) {
        return Ok(complete(format!("Account {id} was already {}", word(enabled))));
    }
    let told = Told {
        object: &format!("user {id}"),
        before: user.enabled.map_or("unknown", word),
        after: word(enabled),
    };
    settle(work, &users::set_enabled(id, enabled), told, |client| async move {
        Ok(client.user(id).await?.enabled == Some(enabled))
    })
    .await?;
    Ok(complete(format!("Account {id} has been {}", word(enabled))))
}
