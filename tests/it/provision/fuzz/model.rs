//! What should be: who is a direct member of what, who holds what over which scope, who is there at all.

use std::collections::{BTreeMap, BTreeSet};

use sandbox::pingone::Snapshot;
use uuid::Uuid;

/// An own assignment: holder, role, scope type, scope.
pub type Assigned = (Uuid, Uuid, String, Uuid);

/// The part of the directory that operations change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Direct members: user, group.
    pub direct: BTreeSet<(Uuid, Uuid)>,
    /// Own assignments, with how many there are of each.
    pub assigned: BTreeMap<Assigned, usize>,
    /// Users by name.
    pub users: BTreeMap<String, Uuid>,
}

impl State {
    /// What is.
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut state = Self::default();
        for (key, how) in &snapshot.memberships {
            if how.direct {
                state.direct.insert(*key);
            }
        }
        for item in &snapshot.assignments {
            if item.holder_type != "application" {
                let key = (item.holder, item.role, item.scope_type.to_uppercase(), item.scope);
                *state.assigned.entry(key).or_default() += 1;
            }
        }
        for (id, user) in &snapshot.users {
            state
                .users
                .insert(user.body["username"].as_str().unwrap().to_owned(), *id);
        }
        state
    }

    /// What a delete of a user takes along.
    pub fn without(mut self, user: Uuid) -> Self {
        self.users.retain(|_, id| *id != user);
        self.direct.retain(|(member, _)| *member != user);
        self.assigned.retain(|(holder, ..), _| *holder != user);
        self
    }

    /// What this one has and the other has not, for people.
    pub fn differs(&self, other: &Self) -> String {
        let direct: Vec<_> = self.direct.symmetric_difference(&other.direct).collect();
        let assigned: Vec<_> = self
            .assigned
            .iter()
            .filter(|(key, count)| other.assigned.get(*key) != Some(count))
            .chain(
                other
                    .assigned
                    .iter()
                    .filter(|(key, count)| self.assigned.get(*key) != Some(count)),
            )
            .collect();
        let users: Vec<_> = self
            .users
            .iter()
            .filter(|(name, id)| other.users.get(*name) != Some(id))
            .chain(
                other
                    .users
                    .iter()
                    .filter(|(name, id)| self.users.get(*name) != Some(id)),
            )
            .collect();
        format!("memberships {direct:?}, assignments {assigned:?}, users {users:?}")
    }
}
