//! Membership of a group: one read of the group, one write; everything else is read only where PingOne refuses.

use uuid::Uuid;

use crate::model::{EntitlementId, Grant, ResourceId, ResourceType};
use crate::pingone::write::membership;
use crate::provision::error::{Failure, found, task_error_with};
use crate::provision::group::{
    Belongs, GroupFacts, Kind, belongs, belongs_by, filter_remedy, is_refusal, origin, read_group,
};
use crate::provision::protect;
use crate::provision::settle::{Landed, settle};
use crate::provision::target::uuid;
use crate::provision::work::{SETTLE, Told, Work};
use crate::task::{Annotation, Code, GrantReply, ResourceRef};

pub(super) async fn grant(work: &Work, group: Uuid, principal: &ResourceRef) -> Result<GrantReply, Failure> {
    if principal.resource_type != "user" {
        return Err(Failure::invalid("only users can be granted group membership"));
    }
    let user = uuid("the user's id", &principal.id)?;
    protect::refuse_user(work, user)?;
    let _turn = work.turn(user).await?;
    let group = read_group(work, group).await?;
    if group.kind == Kind::External {
        return Err(group.external());
    }
    protect::refuse_group(work, &group).await?;
    if work.is_dry_run() {
        if belongs(work, user, group.id).await? == Belongs::Directly {
            return Ok(reply(work, &group, user, true));
        }
        let of_user = work.read(work.client().user(user)).await?.population_id();
        if let Some(refusal) = of_other_population(work, &group, user, of_user).await? {
            return Err(refusal);
        }
    }
    let Err(refused) = add(work, &group, user).await else {
        return Ok(reply(work, &group, user, false));
    };
    if !is_refusal(&refused) {
        return Err(refused);
    }
    match belongs(work, user, group.id).await? {
        Belongs::Directly => Ok(reply(work, &group, user, true)),
        belongs => Err(explained(work, &group, user, belongs, refused).await?),
    }
}

/// Adds the user. A user that PingOne does not find may only not have spread yet: it is read again once.
async fn add(work: &Work, group: &GroupFacts, user: Uuid) -> Result<Landed<()>, Failure> {
    let call = membership::add(user, group.id);
    let object = format!("user {user} in group {}", group.id);
    let told = Told {
        object: &object,
        before: "no direct member",
        after: "direct member",
    };
    let (id, member) = (group.id, user);
    let look = move |client| async move {
        let belongs = belongs_by(&client, member, id).await?;
        Ok((belongs == Belongs::Directly).then_some(()))
    };
    match settle(work, &call, told, look).await {
        Err(failure) if failure.is_not_found() => {
            if !work.wait(SETTLE).await? || found(work.read(work.client().user(user)).await)?.is_none() {
                return Err(failure);
            }
            settle(work, &call, told, look).await
        }
        outcome => outcome,
    }
}

/// The refusal for a user of another population than the one that the group is bound to.
async fn of_other_population(
    work: &Work,
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
    let read = work.read(work.client().population(population)).await;
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
    work: &Work,
    group: &GroupFacts,
    user: Uuid,
    belongs: Belongs,
    refused: Failure,
) -> Result<Failure, Failure> {
    if group.population.is_some() {
        let of_user = found(work.read(work.client().user(user)).await)?.and_then(|user| user.population_id());
        if let Some(refusal) = of_other_population(work, group, user, of_user).await? {
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
        let origin = origin(work, group, user).await?;
        return Ok(Failure::precondition(format!(
            "add user {user} to group {}: the user belongs to it already and PingOne refuses a direct membership \
             besides; {origin}",
            group.id
        )));
    }
    Ok(refused)
}

fn reply(work: &Work, group: &GroupFacts, user: Uuid, already: bool) -> GrantReply {
    let mut annotations = work.annotations();
    if already {
        annotations.insert(0, Annotation::GrantAlreadyExists);
    }
    GrantReply {
        grants: vec![Grant {
            entitlement: EntitlementId::member(ResourceType::Group, group.id),
            principal: ResourceId::new(ResourceType::User, user),
            immutable: None,
            expandable: None,
            metadata: None,
        }],
        annotations,
    }
}
