//! `set_population`.

use uuid::Uuid;

use super::args::resource;
use super::schema::{POPULATION, POPULATION_ID};
use super::{complete, live};
use crate::provision::context::TaskContext;
use crate::provision::error::Failure;
use crate::provision::population::{move_to, refuse_missing, refuse_out_of_sight};
use crate::provision::sure::sure;
use baton::task::{ActionOutcome, JsonObject};
use pingone::types::User;

/// Moves the user.
pub(super) async fn set(task: &TaskContext, id: Uuid, args: &JsonObject) -> Result<ActionOutcome, Failure> {
    let target = resource(args, POPULATION_ID, POPULATION)?;
    let is_there = |user: &User| user.population_id() == Some(target);
    let user = sure(task, || live(task, id), is_there).await?;
    if is_there(&user) {
        return Ok(complete(format!("Account {id} was already in population {target}")));
    }
    refuse_missing(task, target).await?;
    refuse_out_of_sight(task, target).await?;
    move_to(task, id, user.population_id(), target).await?;
    Ok(complete(format!(
        "Account {id} has been moved to population {target}; its memberships in groups of the old population are lost"
    )))
}
