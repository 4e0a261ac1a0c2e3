//! Membership of a group: read, deleted, read again. A membership that stays through a filter or a nested group is said,
//! since the access stays with it.

use uuid::Uuid;

use super::{already_revoked, revoked};
use crate::provision::context::{AuditEntry, TaskContext};
use crate::provision::error::{Failure, found};
use crate::provision::group::{Belongs, GroupFacts, Kind, belongs, belongs_by, origin, read_group};
use crate::provision::protect;
use crate::provision::sure::sure;
use crate::provision::target::member;
use crate::provision::write::{Applied, Reaction, Rules, Write, apply};
use baton::task::{ResourceRef, RevokeReply};
use pingone::write::membership;

pub(super) async fn revoke(task: &TaskContext, group: Uuid, principal: &ResourceRef) -> Result<RevokeReply, Failure> {
    let user = member(principal)?;
    protect::refuse_user(task, user)?;
    let _lock = task.lock(user).await?;
    let group = found(read_group(task, group).await)?.unwrap_or_else(|| GroupFacts::unknown(group));
    protect::refuse_group(task, &group).await?;
    if group.kind == Kind::External {
        let read = || belongs(task, user, group.id);
        return match sure(task, read, |now| *now == Belongs::No).await? {
            Belongs::No => Ok(already_revoked(task)),
            Belongs::Directly | Belongs::Indirectly => Err(group.external()),
        };
    }
    let read = || belongs(task, user, group.id);
    let before = sure(task, read, |now| *now == Belongs::No).await?;
    if before == Belongs::No {
        return Ok(already_revoked(task));
    }
    if task.is_dry_run() && before == Belongs::Indirectly {
        return Err(stays(task, &group, user, "").await?);
    }
    match remove(task, &group, user, before).await? {
        Applied::Already(Belongs::No) => Ok(already_revoked(task)),
        Applied::Already(_) => Err(stays(task, &group, user, "").await?),
        Applied::Seen(Belongs::Indirectly) => {
            let besides = "the direct membership was removed, but the user still belongs to the group; ";
            Err(stays(task, &group, user, besides).await?)
        }
        Applied::Seen(_) | Applied::Answered(_) | Applied::Planned => Ok(revoked(task)),
    }
}

/// Deletes the membership. PingOne answers that without content, so a read shows what is left of it. A refusal is
/// explained by the same read; PingOne may have lost sight of the membership for a moment.
async fn remove(
    task: &TaskContext,
    group: &GroupFacts,
    user: Uuid,
    before: Belongs,
) -> Result<Applied<Belongs>, Failure> {
    let call = membership::remove(user, group.id);
    let object = format!("user {user} in group {}", group.id);
    let entry = AuditEntry {
        object: &object,
        before: before.word(),
        after: "no direct member",
    };
    let rules = Rules {
        absent: Reaction::VerifyAgain,
        taken: Reaction::VerifyAgain,
        ..Rules::STATE
    };
    let id = group.id;
    apply(task, Write::new(&call, entry, rules), |client| async move {
        let belongs = belongs_by(&client, user, id).await?;
        Ok((belongs != Belongs::Directly).then_some(belongs))
    })
    .await
}

/// The refusal for a membership that is not ours to delete. That it is one is decided; a failed read only takes the
/// source's name from its text.
async fn stays(task: &TaskContext, group: &GroupFacts, user: Uuid, besides: &str) -> Result<Failure, Failure> {
    let origin = match origin(task, group, user).await {
        Ok(origin) => origin,
        Err(Failure::Cancelled) => return Err(Failure::Cancelled),
        Err(_) => format!(
            "it comes from a nested group or a rule of \"{}\"; change it there.",
            group.name
        ),
    };
    Ok(Failure::precondition(format!(
        "remove user {user} from group {}: {besides}{origin}",
        group.id
    )))
}
