//! Nodes that are behind (pingone-api.md §3.7): the world as it was up to a minute ago, and counts as they were.

use super::faults::{Due, FaultAction};
use super::generate::{threshold, within};
use super::http::Shared;
use super::ids::draw;
use super::world::{Group, Population, World};
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The longest that a node is behind.
const LONGEST: Duration = Duration::from_mins(1);

/// Worlds as they were, each until a time, oldest first.
#[derive(Default)]
pub(crate) struct Past {
    kept: Mutex<VecDeque<(Instant, Arc<World>)>>,
}

impl Past {
    /// Keeps the world as it was until now.
    pub(crate) fn keep(&self, world: &World) {
        let now = Instant::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        while kept.front().is_some_and(|(until, _)| *until + LONGEST < now) {
            kept.pop_front();
        }
        kept.push_back((now, Arc::new(world.clone())));
    }

    /// The world as it was so long ago; `None`: as it is.
    fn before(&self, lag: Duration) -> Option<Arc<World>> {
        let now = Instant::now();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().find(|(until, _)| *until + lag > now);
        found.map(|(_, world)| Arc::clone(world))
    }
}

impl Shared {
    /// The world that answers a read, if it is not the present one.
    pub(crate) fn older(&self, due: Option<&Due>) -> Option<Arc<World>> {
        if let Some(FaultAction::Stale(ms)) = due.map(|due| &due.action) {
            return self.past.before(Duration::from_millis(*ms));
        }
        let timing = &self.options.timing;
        let drawn = draw(1, 0x1a9, self.serial.load(Ordering::Relaxed));
        let behind = timing.read_lag_ms > 0 && within(drawn, threshold(timing.read_lag_share));
        behind
            .then(|| self.past.before(Duration::from_millis(timing.read_lag_ms)))
            .flatten()
    }
}

/// Counts as they were until a time.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    until: Instant,
    /// Users by population
    users: Vec<usize>,
    groups: Vec<MemberCounts>,
}

/// Counts of one group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemberCounts {
    pub(crate) direct: usize,
    pub(crate) children: usize,
    pub(crate) all: usize,
}

impl World {
    /// Keeps the counts as they are until now.
    pub(crate) fn keep_counts(&mut self) {
        let lag = self.count_lag();
        if lag.is_zero() {
            return;
        }
        let now = Instant::now();
        while self.counted.front().is_some_and(|counted| counted.until + lag < now) {
            self.counted.pop_front();
        }
        let users = self.populations.iter().map(|population| population.users.len());
        let groups = self.groups.iter().map(|group| self.member_counts(group));
        let counted = Counted {
            until: now,
            users: users.collect(),
            groups: groups.collect(),
        };
        self.counted.push_back(counted);
    }

    fn count_lag(&self) -> Duration {
        Duration::from_millis(self.options.timing.count_lag_ms)
    }

    fn member_counts(&self, group: &Group) -> MemberCounts {
        MemberCounts {
            direct: group.direct_members(self.options.groups.external_members).len(),
            children: group.children.len(),
            all: group.members().len(),
        }
    }

    fn counts_before(&self) -> Option<&Counted> {
        let (now, lag) = (Instant::now(), self.count_lag());
        self.counted.iter().find(|counted| counted.until + lag > now)
    }

    /// The counts that a group's object shows; nothing is known of a group made within the lag.
    pub(crate) fn told_counts(&self, number: u32, group: &Group) -> MemberCounts {
        let nothing = MemberCounts {
            direct: 0,
            children: 0,
            all: 0,
        };
        self.counts_before().map_or_else(
            || self.member_counts(group),
            |counted| counted.groups.get(number as usize).copied().unwrap_or(nothing),
        )
    }

    /// The `userCount` that a population's object shows.
    pub(crate) fn told_user_count(&self, number: u32, population: &Population) -> usize {
        self.counts_before().map_or(population.users.len(), |counted| {
            counted.users.get(number as usize).copied().unwrap_or(0)
        })
    }
}
