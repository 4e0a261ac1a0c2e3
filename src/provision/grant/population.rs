//! Membership of a population: a move out of the former one (access-model.md §7).

use uuid::Uuid;

use crate::model::{POPULATION, USER};
use crate::provision::context::TaskContext;
use crate::provision::error::Failure;
use crate::provision::population::{explained, move_to, mover, refuse_off, refuse_out_of_sight};
use crate::provision::protect;
use crate::provision::sure::sure;
use crate::provision::write::SETTLE;
use baton::model::{EntitlementId, Grant, ResourceId, grant_id};
use baton::task::{Annotation, GrantReply, ResourceRef};
use pingone::types::Placement;

pub(super) async fn grant(
    task: &TaskContext,
    population: Uuid,
    principal: &ResourceRef,
) -> Result<GrantReply, Failure> {
    refuse_off(task)?;
    let user = mover(principal)?;
    protect::refuse_user(task, user)?;
    let _lock = task.lock(user).await?;
    refuse_out_of_sight(task, population).await?;
    let is_member = |now: &Placement| now.population() == population;
    let now = sure(task, || placement(task, user), is_member).await?;
    let from = now.population();
    if from == population {
        return Ok(reply(task, population, user, Annotation::GrantAlreadyExists));
    }
    if let Err(refused) = move_to(task, user, Some(from), population).await {
        return Err(explained(task, population, refused).await);
    }
    tracing::info!(
        user = %user,
        groups = now.groups(),
        "a user was moved to another population; what groups of the former one gave is lost"
    );
    let former = EntitlementId::member(POPULATION, from).to_string();
    let replaced = Annotation::GrantReplaced(grant_id(&former, USER.id(), &user.to_string()));
    Ok(reply(task, population, user, replaced))
}

/// Where the user is. One that PingOne does not find may only not have spread yet.
async fn placement(task: &TaskContext, user: Uuid) -> Result<Placement, Failure> {
    match task.read(task.client().placement(user)).await {
        Err(failure) if failure.is_not_found() && task.wait(SETTLE).await? => {
            task.read(task.client().placement(user)).await
        }
        outcome => outcome,
    }
}

fn reply(task: &TaskContext, population: Uuid, user: Uuid, first: Annotation) -> GrantReply {
    let mut annotations = task.annotations();
    annotations.insert(0, first);
    let entitlement = EntitlementId::member(POPULATION, population);
    GrantReply {
        resource: None,
        grants: vec![Grant::new(entitlement, ResourceId::new(USER, user))],
        annotations,
    }
}
