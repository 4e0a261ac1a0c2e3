//! What a sync says of the observations that it used.

use std::collections::BTreeMap;

use super::record::{Kind, Seconds};
use super::rules::Why;
use super::trail::Gap;

/// Counts while the sync runs.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    reused: BTreeMap<Kind, u64>,
    anew: BTreeMap<Kind, u64>,
    refused: BTreeMap<(Kind, Why), u64>,
    pub(crate) oldest: Option<Seconds>,
    pub(crate) compared: u64,
    pub(crate) differences: u64,
    pub(crate) activities: u64,
    pub(crate) gap: Option<Gap>,
}

/// What a finished sync tells of observations.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ObservationReport {
    /// Used again, by kind.
    pub reused: BTreeMap<&'static str, u64>,
    /// Read, by kind and reason.
    pub read: BTreeMap<(&'static str, &'static str), u64>,
    /// Age in seconds of the oldest that was used.
    pub oldest_seconds: u64,
    /// Audit activities that were read.
    pub activities: u64,
    /// Why the activities proved nothing, if they did not.
    pub gap: Option<&'static str>,
    /// Kept observations that were read again although nothing spoke against them.
    pub compared: u64,
    /// How many of those were others, and no activity told.
    pub differences: u64,
}

/// Every kind of observation, for metrics.
pub const KINDS: [&str; 5] = [
    Kind::ALL[0].as_str(),
    Kind::ALL[1].as_str(),
    Kind::ALL[2].as_str(),
    Kind::ALL[3].as_str(),
    Kind::ALL[4].as_str(),
];

/// Every reason for reading, for metrics.
pub fn reasons() -> [&'static str; 6] {
    Why::ALL.map(Why::as_str)
}

/// Every kind of gap, for metrics.
pub fn gaps() -> [&'static str; 8] {
    Gap::ALL.map(Gap::as_str)
}

impl Tally {
    pub(crate) fn reused(&mut self, kind: Kind, at: Seconds) {
        *self.reused.entry(kind).or_default() += 1;
        self.oldest = Some(self.oldest.map_or(at, |oldest| oldest.min(at)));
    }

    pub(crate) fn refused(&mut self, kind: Kind, why: Why) {
        // What is new is whatever was read and never refused.
        if why != Why::New {
            *self.refused.entry((kind, why)).or_default() += 1;
        }
    }

    pub(crate) fn read(&mut self, kind: Kind) {
        *self.anew.entry(kind).or_default() += 1;
    }

    pub(crate) fn report(&self, now: Seconds) -> ObservationReport {
        let mut read = BTreeMap::new();
        for kind in Kind::ALL {
            let mut new = self.anew.get(&kind).copied().unwrap_or_default();
            for why in Why::ALL {
                let count = self.refused.get(&(kind, why)).copied().unwrap_or_default();
                new = new.saturating_sub(count);
                if count > 0 {
                    read.insert((kind.as_str(), why.as_str()), count);
                }
            }
            if new > 0 {
                read.insert((kind.as_str(), Why::New.as_str()), new);
            }
        }
        ObservationReport {
            reused: self
                .reused
                .iter()
                .map(|(kind, count)| (kind.as_str(), *count))
                .collect(),
            read,
            oldest_seconds: self.oldest.map_or(0, |oldest| u64::from(now.saturating_sub(oldest))),
            activities: self.activities,
            gap: self.gap.map(Gap::as_str),
            compared: self.compared,
            differences: self.differences,
        }
    }
}
