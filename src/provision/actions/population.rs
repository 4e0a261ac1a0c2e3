//! `set_population`.

use uuid::Uuid;

use super::args::resource;
use super::schema::{POPULATION, POPULATION_ID};
use super::settle::settle;
use super::{complete, live};
use crate::pingone::Client;
use crate::pingone::types::User;
use crate::pingone::write::users;
use crate::provision::error::{Failure, found};
use crate::provision::work::{Told, Work};
use crate::task::{ActionOutcome, Code, JsonObject};

/// Moves the user.
pub(super) async fn set(work: &Work, id: Uuid, args: &JsonObject) -> Result<ActionOutcome, Failure> {
    let target = resource(args, POPULATION_ID, POPULATION)?;
    let user = live(work, id).await?;
    if user.population_id() == Some(target) {
        return Ok(complete(format!("Account {id} was already in population {target}")));
    }
    if found(work.read(work.client().population(target)).await)?.is_none() {
        let message = format!("there is no population {target} in this environment, or our application may not see it");
        return Err(Failure::refused(Code::NotFound, message));
    }
    move_to(work, &user, target).await?;
    Ok(complete(format!(
        "Account {id} has been moved to population {target}; its memberships in groups of the old population are lost"
    )))
}

/// The write itself.
pub(super) async fn move_to(work: &Work, user: &User, target: Uuid) -> Result<(), Failure> {
    let id = user.id;
    let before = user
        .population_id()
        .map(|id| format!("population {id}"))
        .unwrap_or_default();
    let told = Told {
        object: &format!("user {id}"),
        before: &before,
        after: &format!("population {target}"),
    };
    let holds = |client: Client| async move { Ok(client.user(id).await?.population_id() == Some(target)) };
    settle(work, &users::set_population(id, target), told, holds).await?;
    Ok(())
}
