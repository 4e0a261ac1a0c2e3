//! Membership of a group. Who is a direct member already, by two reads, is not written again.

use crate::model::{GROUP, USER};
use uuid::Uuid;

use crate::provision::context::{AuditEntry, TaskContext};
use crate::provision::error::{Failure, found, task_error_with};
use crate::provision::group::{
    Belongs, GroupFacts, Kind, belongs, belongs_by, filter_remedy, is_refusal, origin, read_group,
};
use crate::provision::protect;
use crate::provision::sure::sure;
use crate::provision::target::member;
use crate::provision::write::{Applied, Reaction, Rules, Write, apply};
use baton::model::{EntitlementId, Grant, ResourceId};
use baton::task::{Annotation, Code, GrantReply, ResourceRef};
use pingone::write::membership;

pub(super) async fn grant(task: &TaskContext, group: Uuid, principal: &ResourceRef) -> Result<GrantReply, Failure> {
    let user = member(principal)?;
    protect::refuse_user(task, user)?;
    let _lock = task.lock(user).await?;
    let group = read_group(task, group).await?;
    if group.kind == Kind::External {
        return Err(group.external());
    }
    protect::refuse_group(task, &group).await?;
    let read = || belongs(task, user, group.id);
    let before = sure(task, read, |now| *now == Belongs::Directly).await?;
    if before == Belongs::Directly {
        return Ok(reply(task, &group, user, true));
    }
    if task.is_dry_run() {
        let of_user = task.read(task.client().user(user)).await?.population_id();
        if let Some(refusal) = of_other_population(task, &group, user, of_user).await? {
            return Err(refusal);
        }
    }
    match add(task, &group, user, before).await {
        Ok(Applied::Already(())) => Ok(reply(task, &group, user, true)),
        Ok(_) => Ok(reply(task, &group, user, false)),
        Err(refused) if is_refusal(&refused) => {
            let belongs = belongs(task, user, group.id).await?;
            Err(explained(task, &group, user, belongs, refused).await?)
        }
        Err(failure) => Err(failure),
    }
}

/// Adds the user. A user that PingOne does not find may only not have spread yet: the call is sent once more.
async fn add(task: &TaskContext, group: &GroupFacts, user: Uuid, before: Belongs) -> Result<Applied<()>, Failure> {
    let call = membership::add(user, group.id);
    let object = format!("user {user} in group {}", group.id);
    let entry = AuditEntry {
        object: &object,
        before: before.word(),
        after: Belongs::Directly.word(),
    };
    let rules = Rules {
        absent: Reaction::Again,
        taken: Reaction::Verify,
        ..Rules::STATE
    };
    let id = group.id;
    apply(task, Write::new(&call, entry, rules), |client| async move {
        let belongs = belongs_by(&client, user, id).await?;
        Ok((belongs == Belongs::Directly).then_some(()))
    })
    .await
}

/// The refusal for a user of another population than the one that the group is bound to.
async fn of_other_population(
    task: &TaskContext,
    group: &GroupFacts,
    user: Uuid,
    of_user: Option<Uuid>,
) -> Result<Option<Failure>, Failure> {
    let Some(population) = group
        .population
        .filter(|bound| of_user.is_some_and(|own| own != *bound))
    else {
        return Ok(None);
    };
    let read = task.read(task.client().population(population)).await;
    let name = found(read)?.and_then(|population| population.name);
    Ok(Some(Failure::precondition(format!(
        "add user {user} to group {}: the user is of another population. \"{}\" only accepts users of population \
         \"{}\".",
        group.id,
        group.name,
        name.unwrap_or_else(|| population.to_string())
    ))))
}

/// What a refusal means for somebody who is not a direct member.
async fn explained(
    task: &TaskContext,
    group: &GroupFacts,
    user: Uuid,
    belongs: Belongs,
    refused: Failure,
) -> Result<Failure, Failure> {
    if group.population.is_some() {
        let of_user = found(task.read(task.client().user(user)).await)?.and_then(|user| user.population_id());
        if let Some(refusal) = of_other_population(task, group, user, of_user).await? {
            return Ok(refusal);
        }
    }
    let (Some(error), remedy) = (refused.pingone(), filter_remedy(group)) else {
        return Ok(refused);
    };
    if group.kind == Kind::Dynamic {
        return Ok(task_error_with(error, Some(Code::FailedPrecondition), &remedy).into());
    }
    if belongs == Belongs::Indirectly {
        let origin = origin(task, group, user).await?;
        return Ok(Failure::precondition(format!(
            "add user {user} to group {}: the user belongs to it already and PingOne refuses a direct membership \
             besides; {origin}",
            group.id
        )));
    }
    Ok(refused)
}

fn reply(task: &TaskContext, group: &GroupFacts, user: Uuid, already: bool) -> GrantReply {
    let mut annotations = task.annotations();
    if already {
        annotations.insert(0, Annotation::GrantAlreadyExists);
    }
    GrantReply {
        resource: None,
        grants: vec![Grant {
            entitlement: EntitlementId::member(GROUP, group.id),
            principal: ResourceId::new(USER, user),
            immutable: None,
            expandable: None,
            metadata: None,
        }],
        annotations,
    }
}
