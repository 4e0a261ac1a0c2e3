//! Membership of a population: nobody is in none, so it ends in the default one (access-model.md §7).

use uuid::Uuid;

use super::{already_revoked, revoked};
use crate::provision::context::TaskContext;
use crate::provision::error::{Failure, found};
use crate::provision::population::{default_of, explained, move_to, mover, refuse_off, refuse_out_of_sight};
use crate::provision::protect;
use crate::provision::sure::sure;
use baton::task::{ResourceRef, RevokeReply};
use pingone::types::Placement;

pub(super) async fn revoke(
    task: &TaskContext,
    population: Uuid,
    principal: &ResourceRef,
) -> Result<RevokeReply, Failure> {
    refuse_off(task)?;
    let user = mover(principal)?;
    protect::refuse_user(task, user)?;
    let _lock = task.lock(user).await?;
    let read = || async { found(task.read(task.client().placement(user)).await) };
    let is_member = |now: &Placement| now.population() == population;
    let now = sure(task, read, |now| !now.as_ref().is_some_and(is_member)).await?;
    let Some(now) = now.filter(is_member) else {
        return Ok(already_revoked(task));
    };
    let all = task.read(task.client().populations().all()).await?;
    let default = default_of(&all)?.map(|default| default.id);
    let Some(default) = default.filter(|default| *default != population) else {
        return Err(Failure::precondition(
            "a user is always in one population: grant another population instead.",
        ));
    };
    refuse_out_of_sight(task, default).await?;
    if let Err(refused) = move_to(task, user, Some(population), default).await {
        return Err(explained(task, default, refused).await);
    }
    tracing::info!(
        user = %user,
        groups = now.groups(),
        "a user was moved to the default population; what groups of the former one gave is lost"
    );
    Ok(revoked(task))
}
