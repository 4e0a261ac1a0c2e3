//! Roles that are never touched (`protected-roles`), and groups that carry one (connector-model.md §7.1). Nothing is
//! read while the list is empty.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::error::{Failure, found};
use super::group::GroupFacts;
use super::work::Work;
use crate::pingone::Principal;

/// Groups around a group that are looked at: PingOne nests at most 250 (pingone-api.md §5).
const MOST_GROUPS: usize = 251;

/// Whether the list names a role, by id or by name without case.
fn names(list: &[String], role: Uuid, name: Option<&str>) -> bool {
    let id = role.to_string();
    list.iter().map(|entry| entry.trim()).any(|entry| {
        entry.eq_ignore_ascii_case(&id) || name.is_some_and(|name| entry.to_lowercase() == name.trim().to_lowercase())
    })
}

/// Refuses a protected role. `name` where it is known already.
pub(crate) async fn refuse_role(work: &Work, role: Uuid, name: Option<&str>) -> Result<(), Failure> {
    if is_protected(work, role, name).await? {
        return Err(Failure::precondition(format!(
            "change assignments of role {role}: the role is protected. Take it off protected-roles first."
        )));
    }
    Ok(())
}

async fn is_protected(work: &Work, role: Uuid, name: Option<&str>) -> Result<bool, Failure> {
    let list = &work.options().protected_roles;
    if list.is_empty() {
        return Ok(false);
    }
    if names(list, role, name) || name.is_some() {
        return Ok(names(list, role, name));
    }
    // A role that is gone has no name to be protected by; one that cannot be read is not waved through.
    let read = found(work.read(work.client().role(role)).await)?;
    Ok(read.is_some_and(|read| names(list, role, read.name.as_deref())))
}

/// Refuses a user that is listed in `protected-users` (connector-model.md §7.4, §8.3).
pub(crate) fn refuse_user(work: &Work, user: Uuid) -> Result<(), Failure> {
    let user = user.to_string();
    let mut protected = work.options().protected_users.iter();
    if protected.any(|id| id.trim().eq_ignore_ascii_case(&user)) {
        return Err(Failure::precondition(format!(
            "user {user} is listed in protected-users and is not changed"
        )));
    }
    Ok(())
}

/// The same of whoever holds a role; groups are not listed.
pub(crate) fn refuse_holder(work: &Work, holder: Principal) -> Result<(), Failure> {
    match holder {
        Principal::User(user) => refuse_user(work, user),
        _ => Ok(()),
    }
}

/// Refuses membership of a group that carries a protected role itself or through a group that it is nested in: PingOne
/// asks for no right to assign the role when a member is added.
pub(crate) async fn refuse_group(work: &Work, group: &GroupFacts) -> Result<(), Failure> {
    if work.options().protected_roles.is_empty() {
        return Ok(());
    }
    let mut seen = BTreeSet::from([group.id]);
    let mut waiting = vec![group.id];
    let mut known = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        let held = found(work.read(work.client().role_assignments(Principal::Group(id))).await)?;
        for assignment in held.unwrap_or_default() {
            if known.insert(assignment.role.id) && is_protected(work, assignment.role.id, None).await? {
                return Err(Failure::precondition(format!(
                    "change the members of group {}: the group carries protected role {}. Take the role off \
                     protected-roles first.",
                    group.id, assignment.role.id
                )));
            }
        }
        let parents = found(work.read(work.client().parents_of_group(id)).await)?.unwrap_or_default();
        for parent in parents {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_named_by_its_id_or_by_its_name_without_case() {
        let role: Uuid = "0bd9c966-7664-4ac1-b059-0ff9293908e2".parse().unwrap();
        let list = |entry: &str| vec![entry.to_owned()];
        for (entry, name, expected) in [
            ("0bd9c966-7664-4ac1-b059-0ff9293908e2", None, true),
            ("0BD9C966-7664-4AC1-B059-0FF9293908E2", Some("x"), true),
            (" identity data admin ", Some("Identity Data Admin"), true),
            ("Identity Data", Some("Identity Data Admin"), false),
            ("Identity Data Admin", None, false),
        ] {
            assert_eq!(names(&list(entry), role, name), expected, "{entry}");
        }
    }
}
