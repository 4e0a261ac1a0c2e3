//! What a sync has done so far, for the terminal, the log and the metrics. Written by the reads, read by anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Where a sync is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Environment, populations, groups and roles.
    Plan = 0,
    /// Users and, beside them, their role assignments.
    Users = 1,
    /// Members of groups.
    Members = 2,
    /// Applications and who may open them.
    Applications = 3,
    /// Roles, their scopes and grants.
    Roles = 4,
    /// Expansion, checks, indexes, compression.
    Seal = 5,
}

impl Phase {
    /// The name on the terminal and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Users => "users",
            Self::Members => "members",
            Self::Applications => "applications",
            Self::Roles => "roles",
            Self::Seal => "seal",
        }
    }
}

/// Live counters of one sync.
#[derive(Debug, Default)]
pub struct Progress {
    phase: AtomicU8,
    /// Users written.
    pub users: AtomicU64,
    /// Groups found.
    pub groups: AtomicU64,
    /// Populations found.
    pub populations: AtomicU64,
    /// Roles found.
    pub roles: AtomicU64,
    /// Grants written.
    pub grants: AtomicU64,
    /// Principals whose role assignments were read.
    pub principals_scanned: AtomicU64,
    /// How many of them there are, 0 while that is not known.
    pub scan_expected: AtomicU64,
    /// Groups whose members were read.
    pub groups_read: AtomicU64,
    /// Users that the populations promise, 0 where they don't say.
    pub users_expected: AtomicU64,
    /// Requests that PingOne answered.
    pub answers: Arc<AtomicU64>,
}

impl Progress {
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
        tracing::debug!(phase = phase.as_str(), "sync entered a phase");
    }

    /// A number that changes as long as the sync gets on.
    pub fn steps(&self) -> u64 {
        let counters = [
            &self.users,
            &self.groups,
            &self.populations,
            &self.roles,
            &self.grants,
            &self.principals_scanned,
            &self.groups_read,
            &self.answers,
        ];
        let rows: u64 = counters.map(|counter| counter.load(Ordering::Relaxed)).iter().sum();
        rows.saturating_add(self.phase.load(Ordering::Relaxed).into())
    }

    /// The phase the sync is in.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Plan,
            1 => Phase::Users,
            2 => Phase::Members,
            3 => Phase::Applications,
            4 => Phase::Roles,
            _ => Phase::Seal,
        }
    }
}

pub(crate) fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_is_read_as_it_was_entered() {
        use Phase::{Applications, Members, Plan, Roles, Seal, Users};
        let progress = Progress::default();
        for phase in [Plan, Users, Members, Applications, Roles, Seal] {
            progress.enter(phase);
            assert_eq!(progress.phase(), phase);
        }
    }
}
