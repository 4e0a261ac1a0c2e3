//! Whether an observation may be used again. Pure: a function of its time, of what the activities touched, of what the lists
//! say now, and of its age. Anything doubtful is read again.

use uuid::Uuid;

use super::record::{GroupFacts, GroupHead, Kind, Seconds, UserRecord};
use super::touched::Touched;
use crate::sync::read::Assignment;

/// An activity can be read this long after its record at the latest, and a read may lag as much (pingone-api.md §6.11).
const LAG: Seconds = 60;
/// PingOne's clock and ours may drift apart by so much from one sync to the next; its time is told in whole seconds.
const DRIFT: Seconds = 10;
/// Activities are read from so long before the time that something was kept at.
pub(crate) const OVERLAP: Seconds = LAG + DRIFT;

/// Whether PingOne's clock, or ours, was set since: by so many seconds PingOne's was ahead of ours `before` and is `now`.
pub(crate) fn is_set(before: i64, now: i64) -> bool {
    before.abs_diff(now) > u64::from(DRIFT)
}

/// Why something was read anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Why {
    /// It was never observed.
    New,
    /// The activities could not be read completely.
    Trail,
    /// An activity touches it.
    Touched,
    /// The lists say something else of it than they did.
    Evidence,
    /// It is too old.
    Age,
    /// Its turn: each sync verifies the oldest.
    Verification,
}

impl Why {
    pub(crate) const ALL: [Self; 6] = [
        Self::New,
        Self::Trail,
        Self::Touched,
        Self::Evidence,
        Self::Age,
        Self::Verification,
    ];

    /// The label in metrics and logs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Trail => "trail",
            Self::Touched => "touched",
            Self::Evidence => "evidence",
            Self::Age => "age",
            Self::Verification => "verification",
        }
    }
}

/// The oldest observations, whose turn it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Everything older is read again.
    before: Seconds,
    /// And so many of this age.
    left: u64,
}

impl Turn {
    /// Of observations made at `times` as many as make for an even cost: all of them within `max_age`, of which a part
    /// `elapsed` has passed since the last sync.
    pub(crate) fn of(mut times: Vec<Seconds>, elapsed: Seconds, max_age: Seconds) -> Self {
        let count = u64::try_from(times.len()).unwrap_or(u64::MAX);
        // A little faster than needed, so that what is verified never reaches its age.
        let span = u64::from(max_age).saturating_mul(9) / 10;
        let quota = count.saturating_mul(u64::from(elapsed)) / span.max(1);
        let quota = quota.min(count);
        let Some(last) = usize::try_from(quota).ok().and_then(|quota| quota.checked_sub(1)) else {
            return Self::default();
        };
        times.sort_unstable();
        let before = times.get(last).copied().unwrap_or_default();
        let older = times.partition_point(|at| *at < before);
        Self {
            before,
            left: quota.saturating_sub(u64::try_from(older).unwrap_or(u64::MAX)),
        }
    }

    fn takes(&mut self, at: Seconds) -> bool {
        if at == self.before && self.left > 0 {
            self.left -= 1;
            return true;
        }
        at < self.before
    }
}

/// What the rules know of now.
#[derive(Debug)]
pub(crate) struct Rules {
    /// PingOne's time at the start of the sync.
    pub(crate) now: Seconds,
    pub(crate) overlap: Seconds,
    pub(crate) max_age: Seconds,
    /// What the activities touched; `None` where they could not be read completely.
    pub(crate) touched: Option<Touched>,
}

impl Rules {
    /// What holds for every observation: when it was last known to be right.
    fn proved(&self, at: Seconds, began: Seconds) -> Result<(&Touched, Seconds), Why> {
        let touched = self.touched.as_ref().ok_or(Why::Trail)?;
        // A time to come: PingOne's clock was put back.
        if at > self.now || began > self.now {
            return Err(Why::Trail);
        }
        Ok((touched, at.max(began).saturating_sub(self.overlap)))
    }

    /// Asked last: of what is only too old nothing says that it changed.
    fn young(&self, at: Seconds) -> Result<(), Why> {
        if self.now.saturating_sub(at) >= self.max_age {
            return Err(Why::Age);
        }
        Ok(())
    }

    /// A user's role assignments in a file of a sync that `began` then. `population` is the user's now; `known` says of
    /// populations, groups and roles whether they are still listed.
    pub(crate) fn user(
        &self,
        record: &UserRecord,
        began: Seconds,
        population: Option<Uuid>,
        known: &dyn Fn(&Assignment) -> bool,
    ) -> Result<(), Why> {
        let (touched, since) = self.proved(record.at, began)?;
        let named = record.roles.iter().flat_map(|item| [&item.role, &item.scope_id]);
        if touched.roles_since(named.chain([&record.user]), since) {
            return Err(Why::Touched);
        }
        // A group got a role between the reading of its own assignments and of this user's: what is the group's looks like
        // the user's own. In a file that the record was copied to only what was too late for the sync before is left to see.
        let until = record.at.saturating_add(self.overlap);
        let inherited = touched.group_roles_within(began.saturating_sub(self.overlap), until);
        if inherited && !record.roles.is_empty() {
            return Err(Why::Touched);
        }
        if population.is_none() || population != record.population || !record.roles.iter().all(known) {
            return Err(Why::Evidence);
        }
        Ok(())
    }

    /// What is kept of a group. `facts` are what the list of groups says of it now.
    pub(crate) fn group(&self, kind: Kind, head: &GroupHead, began: Seconds, facts: &GroupFacts) -> Result<(), Why> {
        let (touched, since) = self.proved(head.at, began)?;
        let is_touched = match kind {
            Kind::GroupRoles | Kind::UserRoles => touched.roles_since([&head.group], since),
            Kind::Nested | Kind::Members | Kind::Everybody => touched.contents_since(&head.group, since),
        };
        if is_touched {
            return Err(Why::Touched);
        }
        let told = match kind {
            Kind::Members => facts.users.is_some(),
            Kind::Nested => facts.groups.is_some(),
            // What nested groups pass on is not looked after; the time tells of another filter.
            Kind::Everybody => facts.groups == Some(0) && facts.users.is_some() && facts.updated_ms != 0,
            Kind::GroupRoles | Kind::UserRoles => true,
        };
        if !told || *facts != head.facts {
            return Err(Why::Evidence);
        }
        Ok(())
    }

    /// The objects that a group's own assignments name.
    pub(crate) fn group_assignments(
        &self,
        head: &GroupHead,
        began: Seconds,
        roles: &[Assignment],
        known: &dyn Fn(&Assignment) -> bool,
    ) -> Result<(), Why> {
        let (touched, since) = self.proved(head.at, began)?;
        // What an outer group holds may stand among them unmarked.
        let inherited = !roles.is_empty() && touched.group_roles_within(since, Seconds::MAX);
        if inherited || touched.roles_since(roles.iter().flat_map(|item| [&item.role, &item.scope_id]), since) {
            return Err(Why::Touched);
        }
        if !roles.iter().all(known) {
            return Err(Why::Evidence);
        }
        Ok(())
    }

    /// Everybody in a list of members is still in the directory, and nobody left it or moved since.
    pub(crate) fn members(
        &self,
        head: &GroupHead,
        began: Seconds,
        members: &[Uuid],
        listed: &dyn Fn(Uuid) -> bool,
    ) -> Result<(), Why> {
        let (touched, since) = self.proved(head.at, began)?;
        if members.iter().any(|user| touched.left_since(user, since)) {
            return Err(Why::Touched);
        }
        let told = head
            .facts
            .users
            .is_some_and(|told| usize::try_from(told) == Ok(members.len()));
        if !told || !members.iter().all(|user| listed(*user)) {
            return Err(Why::Evidence);
        }
        Ok(())
    }

    /// Everybody in a dynamic group: since then only named users may have changed, who are asked, and everybody else is still
    /// listed. Answers since when.
    pub(crate) fn everybody(
        &self,
        head: &GroupHead,
        began: Seconds,
        members: &[Uuid],
        listed: &dyn Fn(Uuid) -> bool,
    ) -> Result<Seconds, Why> {
        let (touched, since) = self.proved(head.at, began)?;
        if touched.everybody_changed_since(since) {
            return Err(Why::Touched);
        }
        let there = |user: &Uuid| touched.changed_since(user, since) || listed(*user);
        if members.iter().all(there) {
            Ok(since)
        } else {
            Err(Why::Evidence)
        }
    }

    /// Whether it is too old, or its turn to be verified; asked last, only of what nothing else speaks against.
    pub(crate) fn turn(&self, turn: &mut Turn, at: Seconds) -> Result<(), Why> {
        self.young(at)?;
        if turn.takes(at) { Err(Why::Verification) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A group's record from 1,000, with `touched` in the activities since.
    fn kept(touched: Touched) -> (Rules, GroupHead, GroupFacts) {
        let facts = GroupFacts {
            users: Some(1),
            groups: Some(0),
            updated_ms: 1,
        };
        let group = Uuid::from_u128(1);
        let rules = Rules {
            now: 9_000,
            overlap: OVERLAP,
            max_age: 100,
            touched: Some(touched),
        };
        let head = GroupHead {
            group,
            at: 1_000,
            facts,
        };
        (rules, head, facts)
    }

    #[test]
    fn what_is_too_old_and_was_touched_is_touched() {
        let mut touched = Touched::default();
        touched.wrote(Uuid::from_u128(1), 2_000);
        for (touched, expected) in [(touched, Why::Touched), (Touched::default(), Why::Age)] {
            let (rules, head, facts) = kept(touched);
            let verdict = rules.group(Kind::GroupRoles, &head, 1_000, &facts);
            let verdict = verdict.and_then(|()| rules.turn(&mut Turn::default(), head.at));
            assert_eq!(verdict, Err(expected));
        }
    }

    #[test]
    fn a_clock_that_was_set_is_noticed_in_both_directions() {
        for (now, expected) in [(5, false), (15, false), (16, true), (-6, true), (i64::MIN, true)] {
            assert_eq!(is_set(5, now), expected, "{now}");
        }
    }

    #[test]
    fn the_oldest_are_verified_at_an_even_cost() {
        let times: Vec<Seconds> = (0..100).collect();
        for (elapsed, expected) in [(0, 0), (8, 0), (9, 1), (90, 10), (450, 50), (9_000, 100)] {
            let mut turn = Turn::of(times.clone(), elapsed, 1_000);
            let taken: Vec<_> = times.iter().filter(|at| turn.takes(**at)).collect();
            assert_eq!(taken, times.iter().take(expected).collect::<Vec<_>>(), "{elapsed}");
        }
        let mut same = Turn::of(vec![7; 100], 90, 1_000);
        assert_eq!((0..100).filter(|_| same.takes(7)).count(), 10);
    }
}
