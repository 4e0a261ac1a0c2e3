//! The shrink check: a sync that lost too much is refused, because a client whose role was narrowed sees less with
//! status 200, and C1 would take that for deletions (connector-model.md §9).

use baton::model::ResourceType;
use baton::task::Counts;

use super::options::ShrinkCheck;
use crate::model::{APPLICATION, GATEWAY};

/// What the check found too small.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the sync found {now} {what}, the last good one {before}: more than {max_percent} % fewer. Nothing was \
     published. Check that the worker application still has its roles for the whole environment; if the new size is \
     right, accept it once with --accept-shrink (BATON_ACCEPT_SHRINK=true), in a cluster with the annotation \
     baton-ping-one/accept-shrink: \"true\" on the Lease"
)]
pub struct Shrunk {
    /// What was counted, in the plural.
    pub what: &'static str,
    /// What this sync found.
    pub now: u64,
    /// What the last good one had.
    pub before: u64,
    /// The limit.
    pub max_percent: u8,
}

impl ShrinkCheck {
    /// There may be a loss that it refuses.
    pub(crate) const fn is_on(&self) -> bool {
        self.max_percent > 0 && !self.accept
    }

    /// Refuses counts that lost more than the limit. Silent without history, with limit 0, and when accepted. Of
    /// applications and gateways only where they are synced.
    pub(crate) fn check(&self, now: Counts, synced: impl Fn(ResourceType) -> bool) -> Result<(), Shrunk> {
        let Some(before) = self.previous.filter(|_| self.is_on()) else {
            return Ok(());
        };
        let of = |kind, before| if synced(kind) { before } else { 0 };
        let pairs = [
            ("users", now.users, before.users),
            ("groups", now.groups, before.groups),
            ("role grants", now.role_grants, before.role_grants),
            ("memberships of groups", now.memberships, before.memberships),
            ("applications", now.applications, of(APPLICATION, before.applications)),
            (
                "role grants of applications",
                now.machine_role_grants,
                of(APPLICATION, before.machine_role_grants),
            ),
            ("gateways", now.gateways, of(GATEWAY, before.gateways)),
            (
                "role grants of gateways",
                now.gateway_role_grants,
                of(GATEWAY, before.gateway_role_grants),
            ),
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
            ..Counts::default()
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
                ..Counts::default()
            };
            let gate = ShrinkCheck {
                previous: Some(before),
                max_percent,
                accept: false,
            };
            assert_eq!(
                gate.check(now, |_| false).is_ok(),
                passes,
                "{max_percent} % {users} {groups}"
            );
            assert!(ShrinkCheck { accept: true, ..gate }.check(now, |_| false).is_ok());
            assert!(ShrinkCheck { previous: None, ..gate }.check(now, |_| false).is_ok());
        }
    }

    #[test]
    fn memberships_and_role_grants_are_counted_too() {
        let before = Counts {
            users: 10,
            groups: 10,
            role_grants: 10,
            memberships: 10,
            ..Counts::default()
        };
        let gate = ShrinkCheck {
            previous: Some(before),
            max_percent: 50,
            accept: false,
        };
        let lost = |now| gate.check(now, |_| false).unwrap_err().what;
        assert_eq!(
            lost(Counts {
                memberships: 4,
                ..before
            }),
            "memberships of groups"
        );
        assert_eq!(
            lost(Counts {
                role_grants: 4,
                ..before
            }),
            "role grants"
        );
    }

    #[test]
    fn what_is_not_synced_is_no_loss() {
        let before = Counts {
            applications: 10,
            machine_role_grants: 10,
            gateways: 10,
            gateway_role_grants: 10,
            ..Counts::default()
        };
        let gate = ShrinkCheck {
            previous: Some(before),
            max_percent: 50,
            accept: false,
        };
        assert!(gate.check(Counts::default(), |_| false).is_ok());
        for (lost, of) in [
            (
                Counts {
                    applications: 4,
                    ..before
                },
                APPLICATION,
            ),
            (
                Counts {
                    machine_role_grants: 4,
                    ..before
                },
                APPLICATION,
            ),
            (Counts { gateways: 4, ..before }, GATEWAY),
            (
                Counts {
                    gateway_role_grants: 4,
                    ..before
                },
                GATEWAY,
            ),
        ] {
            assert!(gate.check(lost, |kind| kind == of).is_err(), "{lost:?}");
            assert!(gate.check(lost, |kind| kind != of).is_ok(), "{lost:?}");
        }
    }
}
