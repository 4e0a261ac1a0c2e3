//! `delete_group`: only what gives nothing to anybody is deleted, and everything that could be given is read first.

use uuid::Uuid;

use super::super::args::text;
use super::super::schema::groups::CONFIRM_NAME;
use super::super::{complete, result};
use super::shown;
use crate::provision::context::{AuditEntry, TaskContext};
use crate::provision::error::{Failure, found, invalid};
use crate::provision::sure::sure;
use crate::provision::write::{Applied, Rules, Write, apply};
use baton::task::{ActionOutcome, JsonObject};
use pingone::types::Group;
use pingone::write::groups;
use pingone::{MemberKind, Principal};

pub(super) async fn delete(task: &TaskContext, id: Uuid, args: &JsonObject) -> Result<ActionOutcome, Failure> {
    let confirmed = text(args, CONFIRM_NAME)?.ok_or_else(|| invalid(format!("{CONFIRM_NAME} is required")))?;
    let read = || async { found(task.read(task.client().group_with_counts(id)).await) };
    let Some(group) = sure(task, read, Option::is_none).await? else {
        return Ok(already(id));
    };
    let name = group.name.clone().unwrap_or_else(|| id.to_string());
    if confirmed != name {
        return Err(Failure::precondition(format!(
            "delete group {id}: {CONFIRM_NAME} is not the group's name. Give the name exactly as PingOne has it."
        )));
    }
    if group.source_type.is_some() {
        return Err(Failure::precondition(format!(
            "delete group {id}: it comes from outside PingOne. {} is managed by its source; delete it there.",
            shown(&name)
        )));
    }
    if let Some(use_) = in_use(task, &group).await? {
        return Err(Failure::precondition(format!(
            "delete group {id}: group {} {use_}. Remove that first.",
            shown(&name)
        )));
    }
    let unchecked = if task.options().applications {
        ""
    } else {
        "; whether an application is limited to it was not checked, because sync-applications is none"
    };
    let call = groups::delete(id);
    let entry = AuditEntry {
        object: &format!("group {id}"),
        before: "empty",
        after: "deleted",
    };
    let applied = apply(task, Write::new(&call, entry, Rules::DELETION), |client| async move {
        let read = client.group(id).await.map_err(Failure::from);
        Ok(found(read)?.is_none().then_some(()))
    });
    Ok(match applied.await? {
        Applied::Already(()) => already(id),
        _ => complete(format!("Group {id} has been deleted{unchecked}")),
    })
}

fn already(id: Uuid) -> ActionOutcome {
    ActionOutcome::Complete(result(true, format!("Group {id} was already deleted")))
}

/// What the group gives or holds, for a refusal. Counts may lag, so the lists are read as well; of all the larger counts.
async fn in_use(task: &TaskContext, group: &Group) -> Result<Option<String>, Failure> {
    let (client, id) = (task.client(), group.id);
    if !task
        .read(client.role_assignments(Principal::Group(id)))
        .await?
        .is_empty()
    {
        return Ok(Some("holds roles".to_owned()));
    }
    let told = |counts: Option<&pingone::types::MemberCounts>| counts.and_then(|counts| counts.users).unwrap_or(0);
    let direct = group.direct_member_counts.as_ref();
    let listed = task.read(client.member_ids(id, MemberKind::All)).await?;
    let listed = u64::try_from(listed.ids.len())
        .unwrap_or(u64::MAX)
        .max(listed.told.unwrap_or(0));
    let members = listed.max(told(direct)).max(told(group.total_member_counts.as_ref()));
    if members > 0 {
        return Ok(Some(format!("has {members} members")));
    }
    let nested = task.read(client.nested_group_ids(id)).await?.len();
    let nested = u64::try_from(nested).unwrap_or(u64::MAX);
    let nested = nested.max(direct.and_then(|counts| counts.groups).unwrap_or(0));
    if nested > 0 {
        return Ok(Some(format!("contains {nested} groups")));
    }
    if !task.options().applications {
        return Ok(None);
    }
    let applications = task.read(client.applications().all()).await?;
    let limited = applications.iter().find(|row| {
        let condition = row.access_control.group.as_ref();
        condition.is_some_and(|condition| condition.groups.contains(&id))
    });
    if let Some(row) = limited {
        let name = row.name.clone().or(row.id.map(|id| id.to_string())).unwrap_or_default();
        return Ok(Some(format!("limits application {}", shown(&name))));
    }
    let listed = applications.iter().filter_map(|row| row.id);
    match task.read(client.own_left_out(listed)).await? {
        None => Ok(None),
        Some(own) => Err(Failure::precondition(format!(
            "delete group {id}: the list of applications leaves out {own}, the one that we sign in as, so it is not complete: \
             one that it does not show may be limited to the group. Give the application Configuration Read Only for this \
             environment."
        ))),
    }
}
