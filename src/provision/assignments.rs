//! What a principal holds of a role over a scope: its own assignments, and what it only inherits through its groups
//! (pingone-api.md §6.10).

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;
use uuid::Uuid;

use super::context::TaskContext;
use super::error::{Failure, found};
use super::scope::Wanted;
use super::write::SETTLE;
use baton::task::Code;
use pingone::Principal;
use pingone::types::RoleAssignment;

/// Groups whose assignments are read at a time.
const SIDE_BY_SIDE: usize = 8;

/// The assignments of a role over a scope that a principal's list shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Assignments {
    /// The principal's own, by id.
    pub(crate) own: Vec<RoleAssignment>,
    /// Inherited, each with the group where that is known.
    pub(crate) inherited: Vec<(RoleAssignment, Option<Uuid>)>,
    /// Not to be told apart by the list alone.
    doubtful: Vec<RoleAssignment>,
    /// Every id of the list, to recognize what is new later.
    ids: BTreeSet<Uuid>,
    /// How many of the list are over a scope of the wanted type.
    alike: usize,
}

/// Most assignments of one principal over populations, and over applications (access-model.md §5, D).
const MOST_NARROW: usize = 250;
/// Most assignments of one principal in all (D).
const MOST_ASSIGNMENTS: usize = 3_500;

impl Assignments {
    /// Sorts a principal's list. PingOne may mark what a user inherits by its group, and may not (G): where a mark
    /// occurs, what is not marked is the user's own; where none does, a match of a user's is doubtful.
    pub(crate) fn sort(list: Vec<RoleAssignment>, wanted: &Wanted, principal: Principal) -> Self {
        let marks = list.iter().any(|item| item.group.is_some());
        let mut held = Self {
            ids: list.iter().map(|item| item.id).collect(),
            alike: list
                .iter()
                .filter(|item| item.scope.scope_type.to_lowercase() == wanted.kind)
                .count(),
            ..Self::default()
        };
        for item in list
            .into_iter()
            .filter(|item| wanted.is(item) && item.gateway.is_none())
        {
            match (item.group, principal) {
                (Some(group), Principal::User(_)) => held.inherited.push((item, Some(group.id))),
                (None, Principal::User(_)) if !marks => held.doubtful.push(item),
                _ => held.own.push(item),
            }
        }
        held.own.sort_by_key(|item| item.id);
        held.doubtful.sort_by_key(|item| item.id);
        held
    }

    /// PingOne takes no more of this kind for the principal.
    pub(crate) fn is_full(&self, wanted: &Wanted) -> bool {
        let narrow = matches!(wanted.kind.as_str(), "population" | "application");
        narrow && self.alike >= MOST_NARROW || self.ids.len() >= MOST_ASSIGNMENTS
    }

    /// Takes the doubt away: what stands in a group's own list is inherited through it, the rest is the user's own.
    fn resolve(&mut self, of_groups: &BTreeMap<Uuid, Uuid>) {
        for item in std::mem::take(&mut self.doubtful) {
            match of_groups.get(&item.id) {
                Some(group) => self.inherited.push((item, Some(*group))),
                None => self.own.push(item),
            }
        }
        self.own.sort_by_key(|item| item.id);
    }

    /// The matches that an earlier list did not have, by id.
    pub(crate) fn new_since(list: &[RoleAssignment], wanted: &Wanted, earlier: &Self) -> Vec<RoleAssignment> {
        let new = list
            .iter()
            .filter(|item| wanted.is(item) && item.group.is_none() && !earlier.ids.contains(&item.id));
        let mut new: Vec<_> = new.cloned().collect();
        new.sort_by_key(|item| item.id);
        new
    }
}

/// What a principal holds, once lists can be believed: an assignment that was sent a moment ago may not be listed yet,
/// and must neither be made twice nor be called gone. Ends early when it shows.
pub(crate) async fn settled_assignments(
    task: &TaskContext,
    principal: Principal,
    wanted: &Wanted,
) -> Result<Assignments, Failure> {
    loop {
        let now = assignments_of(task, principal, wanted).await?;
        let Some(left) = task
            .memory()
            .lists_lag(principal, wanted)
            .filter(|_| now.own.is_empty())
        else {
            return Ok(now);
        };
        if !task.wait(SETTLE.min(left)).await? {
            let message = format!(
                "change assignments of role {} of {}: an assignment that was sent a moment ago may not be listed yet. Try \
                 again in {} s.",
                wanted.role,
                principal.id(),
                left.as_secs().max(1)
            );
            return Err(Failure::refused(Code::Unavailable, message));
        }
    }
}

/// What a principal holds now.
pub(crate) async fn assignments_of(
    task: &TaskContext,
    principal: Principal,
    wanted: &Wanted,
) -> Result<Assignments, Failure> {
    let list = task.read(task.client().role_assignments(principal)).await?;
    let mut held = Assignments::sort(list, wanted, principal);
    if let (Principal::User(user), false) = (principal, held.doubtful.is_empty()) {
        let doubtful = held.doubtful.iter().map(|item| item.id).collect();
        let of_groups = in_groups(task, user, &doubtful).await?;
        held.resolve(&of_groups);
    }
    Ok(held)
}

/// Which of `ids` stand in the own list of a group of the user's, and in which.
async fn in_groups(task: &TaskContext, user: Uuid, ids: &BTreeSet<Uuid>) -> Result<BTreeMap<Uuid, Uuid>, Failure> {
    let groups = found(task.read(task.client().groups_of_user(user)).await)?.unwrap_or_default();
    let mut lists = futures_util::stream::iter(groups.into_iter().map(|membership| async move {
        let group = membership.id;
        let list = task.read(task.client().role_assignments(Principal::Group(group))).await;
        (group, found(list))
    }))
    .buffer_unordered(SIDE_BY_SIDE);
    let mut found = BTreeMap::new();
    while let Some((group, list)) = lists.next().await {
        let list = list?.unwrap_or_default();
        found.extend(
            list.into_iter()
                .filter(|item| ids.contains(&item.id))
                .map(|item| (item.id, group)),
        );
        if found.len() == ids.len() {
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ROLE: Uuid = Uuid::from_u128(1);
    const HOME: Uuid = Uuid::from_u128(2);
    const GROUP: Uuid = Uuid::from_u128(9);
    const USER: Principal = Principal::User(Uuid::from_u128(7));

    fn item(id: u128, role: Uuid, group: Option<Uuid>) -> RoleAssignment {
        let mut value = json!({
            "id": Uuid::from_u128(id), "role": {"id": role}, "scope": {"id": HOME, "type": "ENVIRONMENT"}
        });
        if let Some(group) = group {
            value["group"] = json!({ "id": group });
        }
        serde_json::from_value(value).unwrap()
    }

    fn ids(list: &[RoleAssignment]) -> Vec<u128> {
        list.iter().map(|item| item.id.as_u128()).collect()
    }

    #[test]
    fn own_inherited_and_doubtful_are_told_apart() {
        let wanted = Wanted::new(ROLE, None, HOME);
        let other = Uuid::from_u128(99);
        let cases = [
            // list, principal, own, inherited, doubtful
            (
                vec![item(12, ROLE, None), item(11, ROLE, None)],
                USER,
                vec![],
                0,
                vec![11, 12],
            ),
            (
                vec![item(11, ROLE, None), item(12, ROLE, Some(GROUP))],
                USER,
                vec![11],
                1,
                vec![],
            ),
            (
                vec![item(11, ROLE, None), item(12, other, Some(GROUP))],
                USER,
                vec![11],
                0,
                vec![],
            ),
            (vec![item(11, ROLE, Some(GROUP))], USER, vec![], 1, vec![]),
            (vec![item(11, other, None)], USER, vec![], 0, vec![]),
            (vec![item(11, ROLE, None)], Principal::Group(GROUP), vec![11], 0, vec![]),
            (
                vec![item(11, ROLE, Some(GROUP))],
                Principal::Group(GROUP),
                vec![11],
                0,
                vec![],
            ),
        ];
        for (list, principal, own, inherited, doubtful) in cases {
            let held = Assignments::sort(list.clone(), &wanted, principal);
            assert_eq!(ids(&held.own), own, "{list:?}");
            assert_eq!(held.inherited.len(), inherited, "{list:?}");
            assert_eq!(ids(&held.doubtful), doubtful, "{list:?}");
        }
    }

    #[test]
    fn what_stands_in_a_groups_list_is_inherited() {
        let wanted = Wanted::new(ROLE, None, HOME);
        let mut held = Assignments::sort(vec![item(11, ROLE, None), item(12, ROLE, None)], &wanted, USER);
        held.resolve(&BTreeMap::from([(Uuid::from_u128(11), GROUP)]));
        assert_eq!(ids(&held.own), [12]);
        assert_eq!(held.inherited[0].1, Some(GROUP));
    }

    #[test]
    fn only_what_was_not_there_before_is_new() {
        let wanted = Wanted::new(ROLE, None, HOME);
        let before = Assignments::sort(vec![item(11, ROLE, None)], &wanted, USER);
        let now = [item(11, ROLE, None), item(13, ROLE, None), item(12, ROLE, Some(GROUP))];
        assert_eq!(ids(&Assignments::new_since(&now, &wanted, &before)), [13]);
        assert!(Assignments::new_since(&now[..1], &wanted, &before).is_empty());
    }
}
