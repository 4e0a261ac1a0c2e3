//! Roles that are never touched (`protected-roles`), and groups that carry one (connector-model.md §7.1). Nothing is
//! read while the list is empty. Whatever cannot be looked up is refused.

pub(crate) mod roles;

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::context::TaskContext;
use super::error::Failure;
use super::group::GroupFacts;
use pingone::Principal;
use roles::Protected;

/// Groups around a group that are looked at: PingOne nests at most 250 (pingone-api.md §5).
const MOST_GROUPS: usize = 251;

/// Refuses a protected role.
pub(crate) async fn refuse_role(task: &TaskContext, role: Uuid) -> Result<(), Failure> {
    if is_protected(task, role).await? {
        return Err(Failure::precondition(format!(
            "change assignments of role {role}: the role is protected. Take it off protected-roles first."
        )));
    }
    Ok(())
}

async fn is_protected(task: &TaskContext, role: Uuid) -> Result<bool, Failure> {
    let list = &task.options().protected_roles;
    if list.is_empty() {
        return Ok(false);
    }
    let mut kept = task.memory().protected.lock().await;
    let roles = if let Some(good) = kept.as_ref().filter(|kept| kept.decides(role)) {
        good.clone()
    } else {
        let read = task.read(Protected::read(task.client(), list)).await?;
        let fresh =
            read.map_err(|unknown| Failure::precondition(format!("change access to role {role}: {unknown}")))?;
        *kept = Some(fresh.clone());
        fresh
    };
    if !roles.knows(role) {
        return Err(Failure::precondition(format!(
            "change access to role {role}: PingOne does not show this role, so it cannot be told whether protected-roles \
             names it. Give the worker application a role that may read it, or clear protected-roles."
        )));
    }
    Ok(roles.names(role))
}

/// Refuses a user that is listed in `protected-users` (connector-model.md §7.4, §8.3).
pub(crate) fn refuse_user(task: &TaskContext, user: Uuid) -> Result<(), Failure> {
    let user = user.to_string();
    let mut protected = task.options().protected_users.iter();
    if protected.any(|id| id.trim().eq_ignore_ascii_case(&user)) {
        return Err(Failure::precondition(format!(
            "user {user} is listed in protected-users and is not changed"
        )));
    }
    Ok(())
}

/// The same of whoever holds a role; groups are not listed.
pub(crate) fn refuse_holder(task: &TaskContext, holder: Principal) -> Result<(), Failure> {
    match holder {
        Principal::User(user) => refuse_user(task, user),
        _ => Ok(()),
    }
}

/// Refuses membership of a group that carries a protected role itself or through a group that it is nested in: PingOne
/// asks for no right to assign the role when a member is added.
pub(crate) async fn refuse_group(task: &TaskContext, group: &GroupFacts) -> Result<(), Failure> {
    if task.options().protected_roles.is_empty() {
        return Ok(());
    }
    let mut seen = BTreeSet::from([group.id]);
    let mut waiting = vec![group.id];
    let mut judged = BTreeMap::new();
    while let Some(id) = waiting.pop() {
        let read = task.read(task.client().role_assignments(Principal::Group(id))).await;
        for assignment in read.map_err(|failure| hidden(group, id, "role assignments", failure))? {
            let role = assignment.role.id;
            let protected = match judged.get(&role) {
                Some(protected) => *protected,
                None => is_protected(task, role).await?,
            };
            judged.insert(role, protected);
            if protected {
                return Err(Failure::precondition(format!(
                    "change the members of group {}: the group carries protected role {role}. Take the role off \
                     protected-roles first.",
                    group.id
                )));
            }
        }
        let read = task.read(task.client().parents_of_group(id)).await;
        for parent in read.map_err(|failure| hidden(group, id, "parents", failure))? {
            if seen.insert(parent.id) {
                if seen.len() > MOST_GROUPS {
                    return Err(Failure::precondition(format!(
                        "change the members of group {}: it is nested in more than {MOST_GROUPS} groups, too many to \
                         see whether one carries a protected role",
                        group.id
                    )));
                }
                waiting.push(parent.id);
            }
        }
    }
    Ok(())
}

/// What is not found may be hidden from our client.
fn hidden(group: &GroupFacts, id: Uuid, what: &str, failure: Failure) -> Failure {
    if !failure.is_not_found() {
        return failure;
    }
    Failure::precondition(format!(
        "change the members of group {}: PingOne does not show the {what} of group {id}, so it cannot be told whether it \
         carries a protected role. Give the worker application a role that may read them, or clear protected-roles.",
        group.id
    ))
}
