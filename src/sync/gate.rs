//! The shrink gate: a sync that lost too much is refused, because a client whose role was narrowed sees less with
//! status 200, and C1 would take that for deletions (connector-model.md §9).

use super::options::{Counts, ShrinkGate};

/// What the gate found too small.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the sync found {now} {what}, the last good one {before}: more than {max_percent} % fewer. Nothing was \
     published. Check that the worker application still has its roles for the whole environment; if the new size is \
     right, accept it once with --accept-shrink (BATON_ACCEPT_SHRINK=true), in a cluster with the annotation \
     baton-ping-one/accept-shrink: \"true\" on the Lease"
)]
pub struct Shrunk {
    /// `users`, `groups` or `role grants`.
    pub what: &'static str,
    /// What this sync found.
    pub now: u64,
    /// What the last good one had.
    pub before: u64,
    /// The limit.
    pub max_percent: u8,
}

impl ShrinkGate {
    /// Refuses counts that lost more than the limit. Silent without history, with limit 0, and when accepted.
    pub(crate) fn check(&self, now: Counts) -> Result<(), Shrunk> {
        let Some(before) = self.previous.filter(|_| self.max_percent > 0 && !self.accept) else {
            return Ok(());
        };
        let pairs = [
            ("users", now.users, before.users),
            ("groups", now.groups, before.groups),
            ("role grants", now.role_grants, before.role_grants),
        ];
        for (what, now, before) in pairs {
            let kept = u128::from(before) * u128::from(100_u8.saturating_sub(self.max_percent));
            if u128::from(now) * 100 < kept {
                return Err(Shrunk {
                    what,
                    now,
                    before,
                    max_percent: self.max_percent,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_only_a_loss_beyond_the_limit() {
        let before = Counts {
            users: 1000,
            groups: 10,
            role_grants: 0,
        };
        let cases = [
            (50, 500, 10, true),
            (50, 499, 10, false),
            (50, 1000, 4, false),
            (0, 0, 0, true),
            (100, 0, 0, true),
            (1, 990, 10, true),
            (1, 989, 10, false),
        ];
        for (max_percent, users, groups, passes) in cases {
            let now = Counts {
                users,
                groups,
                role_grants: 0,
            };
            let gate = ShrinkGate {
                previous: Some(before),
                max_percent,
                accept: false,
            };
            assert_eq!(gate.check(now).is_ok(), passes, "{max_percent} % {users} {groups}");
            assert!(ShrinkGate { accept: true, ..gate }.check(now).is_ok());
            assert!(ShrinkGate { previous: None, ..gate }.check(now).is_ok());
        }
    }
}
