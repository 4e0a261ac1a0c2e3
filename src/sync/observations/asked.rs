//! What users say of their groups who changed since the members of dynamic groups were read: it corrects what is kept of those,
//! so that a group need not be read again for one of its users. Pure.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

/// Attributes whose changes no activity is known to tell of, or not of the user: a filter on one of them is always asked anew.
const UNTOLD: [&str; 9] = [
    "memberofgroups",
    "mfa",
    "device",
    "signon",
    "account",
    "verif",
    "lifecycle",
    "identityprovider",
    "updatedat",
];

/// The groups of everybody who changed; of those who are not there any more none.
#[derive(Debug, Default)]
pub(crate) struct Asked(pub(crate) HashMap<Uuid, HashSet<Uuid>>);

impl Asked {
    /// Who belongs to a group by now, of whom `kept` belonged to it before. Sorted.
    pub(crate) fn correct(&self, group: Uuid, kept: &[Uuid]) -> Vec<Uuid> {
        let unchanged = kept.iter().filter(|user| !self.0.contains_key(*user)).copied();
        let changed = self.0.iter().filter(|(_, groups)| groups.contains(&group));
        let mut members: Vec<Uuid> = unchanged.chain(changed.map(|(user, _)| *user)).collect();
        members.sort_unstable();
        members
    }
}

/// Whether activities tell of every change of whom a filter finds.
pub(crate) fn is_told(filter: &str) -> bool {
    let filter = filter.to_ascii_lowercase();
    !UNTOLD.iter().any(|attribute| filter.contains(attribute))
}

/// Whether PingOne's own count of a group bears a corrected list out.
pub(crate) fn agrees(members: &[Uuid], told: Option<u64>) -> bool {
    told.is_some_and(|told| usize::try_from(told) == Ok(members.len()))
}

#[cfg(test)]
mod simulation;
