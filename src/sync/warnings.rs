//! Warnings of one sync: counted, sampled in the log, and too many of them end the sync (connector-model.md §9).

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something that does not end the sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// An object vanished while the sync ran; it is dropped from the file.
    Vanished,
    /// A member or holder is not among the synced resources; its grant is left out.
    PrincipalNotSynced,
    /// A user's population is not in the population list.
    PopulationNotListed,
    /// A listing gave an object twice.
    Duplicate,
    /// An assignment whose principal is a gateway.
    GatewayAssignment,
    /// A role that occurs in an assignment but in no list.
    RoleNotListed,
    /// An e-mail address that is not one bare address; it stays in the profile.
    EmailNotBare,
    /// A listing had to start again because its cursor was rejected.
    ListingRestarted,
    /// PingOne's own count of a group's direct members, or of all users, is far from what the list gave.
    CountsDiffer,
    /// A row without an id; it is left out.
    WithoutId,
    /// A group that an application's condition names is not among the synced ones.
    ConditionGroupNotSynced,
    /// Scopes of two types have one id; they count as one.
    ScopesMet,
}

impl Warning {
    /// Every kind, in the order of reports.
    pub const ALL: [Self; 12] = [
        Self::Vanished,
        Self::PrincipalNotSynced,
        Self::PopulationNotListed,
        Self::Duplicate,
        Self::GatewayAssignment,
        Self::RoleNotListed,
        Self::EmailNotBare,
        Self::ListingRestarted,
        Self::CountsDiffer,
        Self::WithoutId,
        Self::ConditionGroupNotSynced,
        Self::ScopesMet,
    ];

    /// A bounded name for logs and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vanished => "vanished",
            Self::PrincipalNotSynced => "principal_not_synced",
            Self::PopulationNotListed => "population_not_listed",
            Self::Duplicate => "duplicate",
            Self::GatewayAssignment => "gateway_assignment",
            Self::RoleNotListed => "role_not_listed",
            Self::EmailNotBare => "email_not_bare",
            Self::ListingRestarted => "listing_restarted",
            Self::CountsDiffer => "counts_differ",
            Self::WithoutId => "without_id",
            Self::ConditionGroupNotSynced => "condition_group_not_synced",
            Self::ScopesMet => "scopes_met",
        }
    }
}

/// The warnings of one sync.
#[derive(Debug, Default)]
pub struct Warnings {
    counts: [AtomicU64; Warning::ALL.len()],
    steps: AtomicU64,
    vanished: Mutex<Vec<baton::model::ResourceId>>,
}

impl Warnings {
    /// Counts a warning; the 1st, 10th, 100th and every 1000th is logged with the total. `object` is an id, never a
    /// name or an address.
    pub(crate) fn add(&self, warning: Warning, object: &dyn std::fmt::Display) {
        let total = self.counter(warning).fetch_add(1, Ordering::Relaxed) + 1;
        if matches!(total, 1 | 10 | 100) || total.is_multiple_of(1000) {
            tracing::warn!(warning = warning.as_str(), object = %object, total, "sync skipped something");
        }
    }

    /// An object answered 404: dropped from the sync, and counted.
    pub(crate) fn vanished(&self, id: baton::model::ResourceId) {
        self.add(Warning::Vanished, &id.id);
        if let Ok(mut vanished) = self.vanished.lock() {
            vanished.push(id);
        }
    }

    /// What vanished since the last call.
    pub(crate) fn take_vanished(&self) -> Vec<baton::model::ResourceId> {
        self.vanished
            .lock()
            .map(|mut vanished| std::mem::take(&mut *vanished))
            .unwrap_or_default()
    }

    /// A step was done: one listing, one group, one principal.
    pub(crate) fn step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// More than 10 vanished objects that are also more than 10 % of the steps end the sync.
    pub(crate) fn too_many(&self) -> Option<(u64, u64)> {
        let warnings = self.count(Warning::Vanished);
        let steps = self.steps.load(Ordering::Relaxed);
        (warnings > 10 && warnings * 10 > steps).then_some((warnings, steps))
    }

    /// How often one kind arose.
    pub fn count(&self, warning: Warning) -> u64 {
        self.counter(warning).load(Ordering::Relaxed)
    }

    fn counter(&self, warning: Warning) -> &AtomicU64 {
        let position = Warning::ALL
            .iter()
            .position(|candidate| *candidate == warning)
            .unwrap_or_default();
        self.counts.get(position).unwrap_or(&self.steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_own_counter() {
        let warnings = Warnings::default();
        for (n, warning) in Warning::ALL.into_iter().enumerate() {
            for _ in 0..=n {
                warnings.add(warning, &"id");
            }
        }
        for (n, warning) in (1_u64..).zip(Warning::ALL) {
            assert_eq!(warnings.count(warning), n, "{warning:?}");
        }
    }

    #[test]
    fn ends_the_sync_only_above_ten_and_ten_percent() {
        let cases = [(10, 10, false), (11, 110, false), (11, 109, true), (100, 2_000, false)];
        for (vanished, steps, expected) in cases {
            let warnings = Warnings::default();
            (0..vanished).for_each(|_| warnings.add(Warning::Vanished, &"id"));
            (0..steps).for_each(|_| warnings.step());
            assert_eq!(warnings.too_many().is_some(), expected, "{vanished} of {steps}");
        }
    }
}
