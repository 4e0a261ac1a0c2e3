//! A role over a scope: the principal's list is read, and every match of its own is deleted. What it only inherits
//! stays and is named.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::{already_revoked, revoked};
use crate::provision::access::gateways_role;
use crate::provision::assignments::{Assignments, assignments_of, settled_assignments};
use crate::provision::context::{AuditEntry, TaskContext};
use crate::provision::error::{Failure, found, task_error_with};
use crate::provision::grant::is_there;
use crate::provision::protect;
use crate::provision::scope::{Over, Wanted};
use crate::provision::sure::sure;
use crate::provision::target::uuid;
use crate::provision::write::{Applied, Rules, Write, apply};
use baton::task::{Code, ResourceRef, RevokeReply};
use pingone::types::RoleAssignment;
use pingone::write::roles;
use pingone::{PingOneError, Principal};

/// How long a read-only flag may be one of those that pass (connector-model.md §5.3).
const READ_ONLY_PASSES: Duration = Duration::from_secs(30);
/// How often one is sent that PingOne does not find to delete.
const MOST_DELETES: u32 = 3;
/// Assignments of one meaning that are deleted at most.
const MOST_GONE: usize = 20;
/// Between two reads of a list that may change by itself.
const READ_AGAIN: Duration = Duration::from_secs(3);

pub(super) async fn revoke(
    task: &TaskContext,
    role: Uuid,
    over: &Over,
    principal: &ResourceRef,
) -> Result<RevokeReply, Failure> {
    let principal = holder(task, principal)?;
    protect::refuse_holder(task, principal)?;
    let _lock = task.lock(principal.id()).await?;
    protect::refuse_role(task, role).await?;
    let wanted = Wanted::over(task, role, over).await?;
    let unseen = task.memory().remembered(principal, &wanted);
    let read = || list(task, principal, &wanted, unseen.is_empty());
    let is_so = |now: &Option<Assignments>| match now {
        None => true,
        Some(now) => unseen.is_empty() && now.own.is_empty() && now.inherited.is_empty(),
    };
    let Some(now) = sure(task, read, is_so).await? else {
        return Ok(already_revoked(task));
    };
    if now.own.is_empty() && unseen.is_empty() {
        return match now.inherited.first() {
            None => Ok(already_revoked(task)),
            Some((_, group)) => Err(inherited(task, &wanted, principal, *group).await?),
        };
    }
    wanted.refuse_foreign(task).await?;
    let mut waiting: BTreeMap<Uuid, bool> = unseen.into_iter().map(|id| (id, false)).collect();
    waiting.extend(now.own.iter().map(|item| (item.id, item.read_only)));
    delete_all(task, principal, &wanted, waiting).await?;
    task.memory().forget(principal, &wanted);
    Ok(revoked(task))
}

/// Whose it is. Our own worker application never loses a role through us.
fn holder(task: &TaskContext, principal: &ResourceRef) -> Result<Principal, Failure> {
    if principal.id.eq_ignore_ascii_case(&task.client().client_id()) {
        return Err(Failure::precondition(
            "remove a role of this connector's own worker application: it would lock itself out. Change its roles in \
             PingOne.",
        ));
    }
    match principal.resource_type.as_str() {
        "user" => Ok(Principal::User(uuid("the user's id", &principal.id)?)),
        "group" => Ok(Principal::Group(uuid("the group's id", &principal.id)?)),
        "application" => Ok(Principal::Application(uuid("the application's id", &principal.id)?)),
        "gateway" => Err(gateways_role(principal)),
        _ => Err(Failure::invalid("only users and groups can be granted roles")),
    }
}

/// What the principal holds; `None` for a principal that is gone, after a read of it. `settled`: an assignment that was
/// sent a moment ago is waited for, because it must not be called gone.
async fn list(
    task: &TaskContext,
    principal: Principal,
    wanted: &Wanted,
    settled: bool,
) -> Result<Option<Assignments>, Failure> {
    let read = if settled {
        settled_assignments(task, principal, wanted).await
    } else {
        assignments_of(task, principal, wanted).await
    };
    match read {
        Ok(now) => Ok(Some(now)),
        Err(failure) if failure.is_not_found() => {
            if is_there(task, principal).await? {
                return Err(failure);
            }
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}

/// Deletes every assignment of `waiting` (id, and whether the list calls it read only) and whatever else of the same meaning
/// shows up meanwhile, giving flags time to pass. The proof is a list without any own one, not that these are gone.
async fn delete_all(
    task: &TaskContext,
    principal: Principal,
    wanted: &Wanted,
    mut waiting: BTreeMap<Uuid, bool>,
) -> Result<(), Failure> {
    let begun = Instant::now();
    let (mut gone, mut unfound) = (BTreeSet::new(), BTreeMap::new());
    loop {
        let (mut locked, mut others) = (BTreeMap::new(), false);
        for (id, read_only) in waiting {
            // What PingOne did not find to delete so often is left to the lists.
            let end = if read_only {
                Deletion::ReadOnly
            } else if unfound.get(&id).is_some_and(|times| *times >= MOST_DELETES) {
                Deletion::Listed
            } else {
                let deleted = delete(task, principal, wanted, id).await;
                deleted.map_err(|failure| after(&gone, failure))?
            };
            match end {
                Deletion::Gone { others: more } => {
                    gone.insert(id);
                    // The last list has the last word.
                    others = more;
                }
                Deletion::ReadOnly => _ = locked.insert(id, true),
                Deletion::Listed => {
                    *unfound.entry(id).or_insert(0) += 1;
                    locked.insert(id, false);
                }
            }
        }
        if locked.is_empty() && !others {
            return Ok(());
        }
        if let Some((first, is_read_only)) = locked.iter().next().map(|(id, flag)| (*id, *flag))
            && (begun.elapsed() + READ_AGAIN > READ_ONLY_PASSES || !task.wait(READ_AGAIN).await?)
        {
            let failure = if is_read_only {
                read_only(wanted, principal, first)
            } else {
                not_deleted(wanted, principal, first)
            };
            return Err(after(&gone, failure));
        }
        let listed = list(task, principal, wanted, false).await;
        let Some(now) = listed.map_err(|failure| after(&gone, failure))? else {
            return Ok(());
        };
        // One that the list does not show is tried: it may be gone, or not listed yet.
        waiting = locked.keys().map(|id| (*id, false)).collect();
        waiting.retain(|id, _| unfound.get(id).is_none_or(|times| *times < MOST_DELETES));
        waiting.extend(now.own.iter().map(|item| (item.id, item.read_only)));
        if waiting.is_empty() {
            return Ok(());
        }
        if gone.len() > MOST_GONE {
            return Err(after(&gone, assigned_again(wanted, principal)));
        }
    }
}

/// What was done before it failed.
fn after(gone: &BTreeSet<Uuid>, failure: Failure) -> Failure {
    if gone.is_empty() || matches!(failure, Failure::Cancelled) {
        return failure;
    }
    let count = gone.len();
    failure.adding(&format!(
        "Of the assignments with the same role and scope {count} {} already deleted.",
        if count == 1 { "is" } else { "are" }
    ))
}

fn assigned_again(wanted: &Wanted, principal: Principal) -> Failure {
    let message = format!(
        "remove role {} of {}: it is assigned again as often as it is removed. Find out in PingOne's audit who assigns it, \
         and try again.",
        wanted.role,
        principal.id()
    );
    Failure::refused(Code::Aborted, message)
}

/// How the deletion of one assignment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deletion {
    /// It is not there any more. `others`: the list that shows so has others of the same meaning, which may be inherited.
    Gone { others: bool },
    /// PingOne says that it is read only.
    ReadOnly,
    /// PingOne does not find it to delete and still lists it.
    Listed,
}

/// Deletes one assignment. A 404 alone is no proof that it is gone: what is only inherited may be answered so as well.
async fn delete(task: &TaskContext, principal: Principal, wanted: &Wanted, id: Uuid) -> Result<Deletion, Failure> {
    let call = roles::unassign(principal, id);
    let object = format!(
        "role {} over {} {} of {} (assignment {id})",
        wanted.role,
        wanted.kind,
        wanted.id,
        principal.id()
    );
    let entry = AuditEntry {
        object: &object,
        before: "assigned",
        after: "not assigned",
    };
    let applied = apply(task, Write::new(&call, entry, Rules::DELETION), |client| async move {
        let list = found(client.role_assignments(principal).await.map_err(Failure::from))?;
        let list = list.unwrap_or_default();
        let gone = !list.iter().any(|item| item.id == id);
        let marked = |item: &RoleAssignment| item.group.is_some() && matches!(principal, Principal::User(_));
        let others = |item: &RoleAssignment| wanted.is(item) && item.gateway.is_none() && !marked(item);
        Ok(gone.then(|| list.iter().any(others)))
    });
    match applied.await {
        Ok(Applied::Seen(others) | Applied::Already(others)) => Ok(Deletion::Gone { others }),
        Ok(Applied::Planned | Applied::Answered(_)) => Ok(Deletion::Gone { others: false }),
        Err(failure) if failure.pingone().is_some_and(PingOneError::is_read_only_assignment) => Ok(Deletion::ReadOnly),
        Err(failure) if failure.is_not_found() => Ok(Deletion::Listed),
        Err(failure) => match failure.pingone().filter(|error| error.is_right_missing()) {
            Some(error) => {
                let remedy = format!(
                    "The worker application must itself hold role {}, or a role allowed to assign it, at {} {}.",
                    wanted.role, wanted.kind, wanted.id
                );
                Err(task_error_with(error, Some(Code::PermissionDenied), &remedy).into())
            }
            None => Err(failure),
        },
    }
}

fn read_only(wanted: &Wanted, principal: Principal, id: Uuid) -> Failure {
    Failure::precondition(format!(
        "remove role {} of {}: assignment {id} is read only for this connector's worker application. Remove it in \
         PingOne as an administrator who may.",
        wanted.role,
        principal.id()
    ))
}

fn not_deleted(wanted: &Wanted, principal: Principal, id: Uuid) -> Failure {
    Failure::precondition(format!(
        "remove role {} of {}: PingOne lists assignment {id} and does not find it to delete. If the principal holds it \
         through a group, remove it from that group instead.",
        wanted.role,
        principal.id()
    ))
}

async fn inherited(
    task: &TaskContext,
    wanted: &Wanted,
    principal: Principal,
    group: Option<Uuid>,
) -> Result<Failure, Failure> {
    let role = found(task.read(task.client().role(wanted.role)).await)?.and_then(|role| role.name);
    let role = role.unwrap_or_else(|| wanted.role.to_string());
    let group = match group {
        Some(group) => {
            let read = found(task.read(task.client().group(group)).await)?;
            read.and_then(|read| read.name).unwrap_or_else(|| group.to_string())
        }
        None => "a group".to_owned(),
    };
    Ok(Failure::precondition(format!(
        "remove role {} of {}: inherited from group \"{group}\". The user holds \"{role}\" through group \"{group}\"; \
         remove the user from that group instead.",
        wanted.role,
        principal.id()
    )))
}
