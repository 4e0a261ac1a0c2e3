//! Membership of a group: the group is read, the membership deleted. A membership that stays through a filter or a
//! nested group is said, since the access stays with it.

use uuid::Uuid;

use super::{already_revoked, revoked};
use crate::pingone::write::membership;
use crate::provision::error::{Failure, found};
use crate::provision::group::{Belongs, GroupFacts, Kind, belongs, belongs_by, is_refusal, origin, read_group};
use crate::provision::protect;
use crate::provision::settle::{Landed, settle};
use crate::provision::target::uuid;
use crate::provision::work::{SETTLE, Told, Work};
use crate::task::{Code, ResourceRef, RevokeReply};

/// Reads after a delete until PingOne shows that the membership is gone.
const MOST_LOOKS: u32 = 5;

pub(super) async fn revoke(work: &Work, group: Uuid, principal: &ResourceRef) -> Result<RevokeReply, Failure> {
    if principal.resource_type != "user" {
        return Err(Failure::invalid("only users can be granted group membership"));
    }
    let user = uuid("the user's id", &principal.id)?;
    protect::refuse_user(work, user)?;
    let _turn = work.turn(user).await?;
    let group = found(read_group(work, group).await)?.unwrap_or_else(|| GroupFacts::unknown(group));
    protect::refuse_group(work, &group).await?;
    if group.kind == Kind::External {
        return match belongs(work, user, group.id).await? {
            Belongs::No => Ok(already_revoked(work)),
            Belongs::Directly | Belongs::Indirectly => Err(group.external()),
        };
    }
    if work.is_dry_run() {
        match belongs(work, user, group.id).await? {
            Belongs::No => return Ok(already_revoked(work)),
            Belongs::Indirectly => return Err(stays(work, &group, user, "").await?),
            Belongs::Directly => {}
        }
    }
    match remove(work, &group, user).await {
        Ok(landed) => removed(work, &group, user, &landed).await,
        Err(failure) if failure.is_not_found() || is_refusal(&failure) => refused(work, &group, user, failure).await,
        Err(failure) => Err(failure),
    }
}

async fn remove(work: &Work, group: &GroupFacts, user: Uuid) -> Result<Landed<()>, Failure> {
    let call = membership::remove(user, group.id);
    let object = format!("user {user} in group {}", group.id);
    let told = Told {
        object: &object,
        before: "direct member",
        after: "no direct member",
    };
    let id = group.id;
    settle(work, &call, told, move |client| async move {
        let belongs = belongs_by(&client, user, id).await?;
        Ok((belongs != Belongs::Directly).then_some(()))
    })
    .await
}

/// After a delete that succeeded: whether the user still belongs to the group some other way.
async fn removed(work: &Work, group: &GroupFacts, user: Uuid, landed: &Landed<()>) -> Result<RevokeReply, Failure> {
    let planned = matches!(landed, Landed::Done(written) if written.is_planned());
    if planned || !group.may_hold_indirect() {
        return Ok(revoked(work));
    }
    for _ in 0..MOST_LOOKS {
        match belongs(work, user, group.id).await? {
            Belongs::No => return Ok(revoked(work)),
            Belongs::Indirectly => {
                return Err(stays(
                    work,
                    group,
                    user,
                    "the direct membership was removed, but the user still belongs to the group; ",
                )
                .await?);
            }
            // Reads may lag behind a write.
            Belongs::Directly => {
                if !work.wait(SETTLE).await? {
                    break;
                }
            }
        }
    }
    Err(Failure::refused(
        Code::Unavailable,
        format!(
            "remove user {user} from group {}: PingOne confirmed it but still shows the membership. Try again.",
            group.id
        ),
    ))
}

/// PingOne did not delete it: the membership as it is decides what that means.
async fn refused(work: &Work, group: &GroupFacts, user: Uuid, failure: Failure) -> Result<RevokeReply, Failure> {
    match belongs(work, user, group.id).await? {
        Belongs::No => Ok(already_revoked(work)),
        Belongs::Indirectly => Err(stays(work, group, user, "").await?),
        // PingOne may have lost sight of it for a moment: once more.
        Belongs::Directly => {
            if !work.wait(SETTLE).await? {
                return Err(failure);
            }
            match remove(work, group, user).await {
                Ok(landed) => removed(work, group, user, &landed).await,
                Err(again) if again.is_not_found() && belongs(work, user, group.id).await? == Belongs::No => {
                    Ok(already_revoked(work))
                }
                Err(again) => Err(again),
            }
        }
    }
}

/// The refusal for a membership that is not ours to delete. That it is one is decided; a failed read only takes the
/// source's name from its text.
async fn stays(work: &Work, group: &GroupFacts, user: Uuid, besides: &str) -> Result<Failure, Failure> {
    let origin = match origin(work, group, user).await {
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
