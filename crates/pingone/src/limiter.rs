//! All work of the process passes here (pingone-api.md §5). Each rate group has a bucket; writes never stand behind reads;
//! reads additionally share one total, because a licence or an address may have one number for all of them, and what
//! writes use of it is taken off. What was learned outlives a sync.
//!
//! Who has to wait stands in his group's line and is granted a turn and a place under way together, so that requests
//! leave as evenly as the buckets let them, and a pause or a new rate holds for everybody at once. Nobody in a line
//! owns anything: whoever is polled moves all lines on, so a caller that does not poll what it began holds up nobody
//! but itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::bucket::Bucket;
use super::in_flight::InFlight;
use super::operation::RateGroup;
use super::stats::Stats;
use super::types::LicenceRates;

/// Requests a second where neither the settings nor the licence say anything (the older published rule).
pub const DEFAULT_CEILING: f64 = 100.0;
/// Share of the licence's rate that one address gets by default.
pub const ADDRESS_SHARE: f64 = 0.35;
/// The least that a licence's rate leaves us.
const LEAST_SHARE: f64 = 1.0;
/// Audit: ten a second for the licence, of which one address gets its share.
const AUDIT_CEILING: f64 = 3.0;
/// Writes under way at a time, beside the reads.
const WRITES_IN_FLIGHT: usize = 16;
/// Wait after a refusal that names none.
const UNNAMED_PAUSE: Duration = Duration::from_millis(500);
/// The longest time after which a waiting caller looks again by itself.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A turn did not come in time; so long it would have taken, as far as can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong(pub(crate) Duration);

/// How a rate group stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateState {
    pub group: RateGroup,
    /// Requests that may begin in a second; lower after refusals.
    pub per_second: f64,
    /// Requests that wait for their turn.
    pub waiting: usize,
}

/// The limits of one client.
#[derive(Debug)]
pub(crate) struct Limiter {
    state: Mutex<State>,
    stats: Arc<Stats>,
    automatic: bool,
}

/// A place among the requests under way.
#[derive(Debug)]
pub(crate) struct Place {
    /// `None`: it was given back already.
    limiter: Option<Arc<Limiter>>,
    group: RateGroup,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(limiter) = self.limiter.take() {
            let mut state = limiter.state();
            state.places(self.group).leave();
            limiter.move_on(&mut state, Instant::now());
        }
    }
}

/// Somebody in a line.
#[derive(Debug)]
struct Waiter {
    ticket: u64,
    grant: oneshot::Sender<Place>,
    /// Look again: you are the first now.
    look: Arc<Notify>,
}

/// One rate group.
#[derive(Debug)]
struct Group {
    bucket: Bucket,
    line: VecDeque<Waiter>,
    tickets: u64,
    /// Since when the bucket holds back the first of the line.
    held_since: Option<Instant>,
}

#[derive(Debug)]
struct State {
    /// In the order of [`RateGroup::ALL`].
    groups: [Group; RateGroup::ALL.len()],
    /// The reads' total.
    total: Bucket,
    reads: InFlight,
    writes: InFlight,
    /// A token is fetched by one at a time, while others hold places and wait for it.
    tokens: InFlight,
    /// Which read group is served first next time.
    turn: usize,
}

impl State {
    fn group(&mut self, group: RateGroup) -> &mut Group {
        let [directory, assignments, configuration, writes, audit, token] = &mut self.groups;
        match group {
            RateGroup::DirectoryReads => directory,
            RateGroup::RoleAssignments => assignments,
            RateGroup::Configuration => configuration,
            RateGroup::DirectoryWrites => writes,
            RateGroup::Audit => audit,
            RateGroup::Token => token,
        }
    }

    fn places(&mut self, group: RateGroup) -> &mut InFlight {
        match group {
            RateGroup::DirectoryWrites => &mut self.writes,
            RateGroup::Token => &mut self.tokens,
            _ => &mut self.reads,
        }
    }

    /// When the group's buckets let the next request start.
    fn ready_at(&mut self, group: RateGroup, now: Instant) -> Instant {
        self.tell_others(group, now);
        let own = self.group(group).bucket.ready_at(now);
        if group.is_read() {
            own.max(self.total.ready_at(now))
        } else {
            own
        }
    }

    /// Read groups may share a limit that nothing tells: each learns beside what the others take.
    fn tell_others(&mut self, group: RateGroup, now: Instant) {
        if group.is_read() && !self.group(group).bucket.is_free() {
            let others = RateGroup::ALL
                .into_iter()
                .filter(|other| other.is_read() && *other != group);
            let starts = others.map(|other| self.group(other).bucket.used(now)).sum();
            self.group(group).bucket.set_others(starts);
        }
    }

    /// The rate that limits a group now, if any does.
    fn limit(&mut self, group: RateGroup) -> Option<f64> {
        let own = self.group(group).bucket.limit();
        let total = self.total.limit().filter(|_| group.is_read());
        match (own, total) {
            (Some(own), Some(total)) => Some(own.min(total)),
            (own, total) => own.or(total),
        }
    }

    fn take(&mut self, group: RateGroup, now: Instant) {
        self.group(group).bucket.take(now);
        if group.counts_in_total() {
            self.total.take(now);
        }
    }

    /// Writes and tokens first, then the reads, each group in its turn.
    fn order(&mut self) -> [RateGroup; RateGroup::ALL.len()] {
        use RateGroup::{Audit, Configuration, DirectoryReads, DirectoryWrites, RoleAssignments, Token};
        self.turn = self.turn.wrapping_add(1);
        match self.turn % 3 {
            0 => [
                DirectoryWrites,
                Token,
                DirectoryReads,
                RoleAssignments,
                Configuration,
                Audit,
            ],
            1 => [
                DirectoryWrites,
                Token,
                RoleAssignments,
                Configuration,
                DirectoryReads,
                Audit,
            ],
            _ => [
                DirectoryWrites,
                Token,
                Configuration,
                DirectoryReads,
                RoleAssignments,
                Audit,
            ],
        }
    }
}

impl Limiter {
    /// `rate` is `pingone-rate-limit`: 0 is automatic.
    pub(crate) fn new(rate: u32, most_in_flight: usize, counters: Arc<Stats>) -> Arc<Self> {
        let now = Instant::now();
        let automatic = rate == 0;
        let ceiling = if automatic { DEFAULT_CEILING } else { f64::from(rate) };
        let state = State {
            groups: RateGroup::ALL.map(|group| Group {
                bucket: Bucket::new(of_group(group, ceiling), now),
                line: VecDeque::new(),
                tickets: 0,
                held_since: None,
            }),
            total: Bucket::new(ceiling, now),
            reads: InFlight::new(most_in_flight, now),
            writes: InFlight::new(WRITES_IN_FLIGHT.min(most_in_flight), now),
            tokens: InFlight::new(1, now),
            turn: 0,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            stats: counters,
            automatic,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the ceiling is to be learned from the licence.
    pub(crate) fn is_automatic(&self) -> bool {
        self.automatic
    }

    /// The licence's rates, of which one address gets its share. A group that the licence does not name keeps to the
    /// directory's rate, and so does the total.
    pub(crate) fn licence_rates(&self, rates: &LicenceRates) {
        let share = |rate: Option<f64>| rate.map(|rate| (rate * ADDRESS_SHARE).max(LEAST_SHARE));
        let directory = share(rates.directory);
        let mut state = self.state();
        for group in RateGroup::ALL {
            let own = match group {
                RateGroup::Configuration => share(rates.configuration),
                RateGroup::Audit => share(rates.audit),
                _ => None,
            };
            if let Some(ceiling) = own.or(directory) {
                state.group(group).bucket.set_ceiling(of_group(group, ceiling));
            }
        }
        if let Some(ceiling) = directory {
            state.total.set_ceiling(ceiling);
        }
    }

    /// Waits for the group's turn and a place under way. Fails at once where a pause lasts longer than the caller can
    /// wait, and when his time is over.
    pub(crate) async fn enter(self: &Arc<Self>, group: RateGroup, deadline: Instant) -> Result<Place, TooLong> {
        let Some((ticket, mut grant, look)) = self.ask(group, deadline)? else {
            return Ok(self.place(group));
        };
        loop {
            let until = self.look_at(group, ticket, deadline)?;
            tokio::select! {
                biased;
                place = &mut grant => {
                    // The sender goes only with the limiter, which we hold.
                    return place.map_err(|_| TooLong(Duration::ZERO));
                }
                () = tokio::time::sleep_until(until.min(deadline)) => {
                    let now = Instant::now();
                    let mut state = self.state();
                    self.move_on(&mut state, now);
                    drop(state);
                    if now >= deadline {
                        // A grant that comes just now goes back by itself.
                        return grant.try_recv().map_err(|_| TooLong(self.left(group, now)));
                    }
                }
                () = look.notified() => {}
            }
        }
    }

    /// Takes a turn and a place at once (`None`), or joins the line.
    #[expect(clippy::type_complexity, reason = "the three parts of a wait, used in one place")]
    fn ask(
        self: &Arc<Self>,
        group: RateGroup,
        deadline: Instant,
    ) -> Result<Option<(u64, oneshot::Receiver<Place>, Arc<Notify>)>, TooLong> {
        let now = Instant::now();
        let mut state = self.state();
        let ready = state.ready_at(group, now);
        if ready > deadline {
            return Err(TooLong(ready.saturating_duration_since(now)));
        }
        if ready <= now && state.group(group).line.is_empty() && state.places(group).enter() {
            state.take(group, now);
            return Ok(None);
        }
        let (grant, granted) = oneshot::channel();
        let look = Arc::new(Notify::new());
        let waiting = state.group(group);
        if waiting.line.is_empty() {
            waiting.held_since = None;
        }
        let ticket = waiting.tickets;
        waiting.tickets += 1;
        waiting.line.push_back(Waiter {
            ticket,
            grant,
            look: Arc::clone(&look),
        });
        if ready > now {
            waiting.held_since.get_or_insert(now);
        }
        Ok(Some((ticket, granted, look)))
    }

    /// When a waiting caller should look again: about when his turn comes. Fails where a pause outlasts him.
    fn look_at(&self, group: RateGroup, ticket: u64, deadline: Instant) -> Result<Instant, TooLong> {
        let now = Instant::now();
        let mut state = self.state();
        let ready = state.ready_at(group, now);
        if ready > deadline {
            return Err(TooLong(ready.saturating_duration_since(now)));
        }
        let rate = state.limit(group);
        let first = state.group(group).line.front().map_or(ticket, |first| first.ticket);
        let before = u32::try_from(ticket.saturating_sub(first)).unwrap_or(u32::MAX);
        Ok(match rate {
            Some(rate) if ready > now => {
                let own = ready + Duration::from_secs_f64(f64::from(before) / rate.max(0.1));
                // Those before may have gone away.
                own.min(ready.max(now + LOOK_AGAIN))
            }
            _ => now + LOOK_AGAIN,
        })
    }

    fn left(&self, group: RateGroup, now: Instant) -> Duration {
        self.state().ready_at(group, now).saturating_duration_since(now)
    }

    fn place(self: &Arc<Self>, group: RateGroup) -> Place {
        Place {
            limiter: Some(Arc::clone(self)),
            group,
        }
    }

    /// Grants whatever can be granted now.
    fn move_on(self: &Arc<Self>, state: &mut State, now: Instant) {
        for group in state.order() {
            while !state.group(group).line.is_empty() {
                if state.ready_at(group, now) > now {
                    let waiting = state.group(group);
                    waiting.held_since.get_or_insert(now);
                    if let Some(first) = waiting.line.front() {
                        first.look.notify_one();
                    }
                    break;
                }
                if let Some(since) = state.group(group).held_since.take() {
                    self.stats.wait(group, now.saturating_duration_since(since));
                }
                if !state.places(group).enter() {
                    break;
                }
                let Some(waiter) = state.group(group).line.pop_front() else {
                    break;
                };
                match waiter.grant.send(self.place(group)) {
                    Ok(()) => state.take(group, now),
                    Err(mut place) => {
                        // He went away. The state is locked: give the place back by hand.
                        place.limiter = None;
                        state.places(group).leave();
                    }
                }
            }
        }
    }

    /// What holds now of each group.
    pub(crate) fn states(&self) -> Vec<RateState> {
        let mut state = self.state();
        let of_group = |group| {
            let group_state = state.group(group);
            RateState {
                group,
                per_second: group_state.bucket.rate(),
                waiting: group_state.line.len(),
            }
        };
        RateGroup::ALL.into_iter().map(of_group).collect()
    }

    /// A request that was sent at `sent` came back and was not refused for its rate.
    pub(crate) fn finished(&self, group: RateGroup, sent: Instant) {
        let now = Instant::now();
        let mut state = self.state();
        state.group(group).bucket.accepted(sent);
        let limit = state.limit(group);
        let latency = now.saturating_duration_since(sent);
        state.places(group).finished(now, latency, limit);
    }

    /// A request was refused for its rate.
    pub(crate) fn refused(&self, group: RateGroup, sent: Instant, retry_after: Option<Duration>) {
        let wait = retry_after.unwrap_or(UNNAMED_PAUSE);
        let now = Instant::now();
        let mut state = self.state();
        state.tell_others(group, now);
        state.group(group).bucket.refused(sent, now, wait);
    }

    /// The rate at which a group's requests may start now.
    #[cfg(test)]
    pub(crate) fn rate(&self, group: RateGroup) -> f64 {
        self.state().group(group).bucket.rate()
    }
}

fn of_group(group: RateGroup, ceiling: f64) -> f64 {
    if group == RateGroup::Audit {
        ceiling.min(AUDIT_CEILING)
    } else {
        ceiling
    }
}

#[cfg(test)]
mod tests;
