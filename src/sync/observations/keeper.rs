//! The observations of one sync: what syncs before it left, judged by the rules, and what this one sees, kept as it goes.
//! Nothing here can fail a sync: what cannot be read is read from PingOne, what cannot be written is not kept.

mod end;
mod everybody;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use uuid::Uuid;

use super::loaded::{Loaded, Stored};
use super::record::{
    GroupFacts, GroupHead, Kind, Parts, Seconds, UserRecord, put_assignments, put_group, put_ids, put_user,
};
use super::rules::{Rules, Turn, Why};
use super::segment::Appender;
use super::store::{Store, remove};
use super::tally::Tally;
use crate::sync::options::Reuse;
use crate::sync::read::Assignment;
use everybody::Dynamic;
use pingone::Client;
use pingone::types::{Group, Population, Role};

/// Users' records in a block, where they come one by one: a killed process loses no more.
const USERS_AT_A_TIME: usize = 4;
/// Bytes in a block, where they are copied.
const COPIED_AT_A_TIME: usize = 1 << 16;

/// What the sync has of observations.
#[derive(Debug)]
pub(crate) struct Keeper {
    reuse: Reuse,
    /// PingOne's time, and when it was that.
    clock: (Seconds, Instant),
    /// What reading the activities may cost.
    pages_most: u64,
    rules: Rules,
    hasher: RandomState,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// `None` after the end of the sync.
    store: Option<Store>,
    out: Option<Appender>,
    waiting: Vec<u8>,
    waiting_users: usize,
    stored: HashMap<(Kind, Uuid), Stored>,
    facts: HashMap<Uuid, GroupFacts>,
    /// Ids of the listed populations, groups and roles.
    listed: HashSet<Uuid>,
    turn: Turn,
    /// What the list of users says of kept members of groups.
    settled: HashMap<(Kind, Uuid), Result<(), Why>>,
    dynamic: Dynamic,
    /// What is read although nothing spoke against it, as a digest.
    expected: HashMap<(Kind, Uuid), u64>,
    differ: Vec<(Kind, Uuid)>,
    tally: Tally,
    /// Whose answers are kept: our client, and the id that it had when the sync began.
    client: (Client, String),
}

impl Keeper {
    pub(super) fn new(
        (client, reuse): ((Client, String), Reuse),
        (clock, pages_most): ((Seconds, Instant), u64),
        rules: Rules,
        loaded: Loaded,
    ) -> Self {
        let Loaded {
            store,
            out,
            stored,
            turn,
            tally,
        } = loaded;
        Self {
            reuse,
            clock,
            pages_most,
            rules,
            hasher: RandomState::new(),
            state: Mutex::new(State {
                store: Some(store),
                out,
                waiting: Vec::new(),
                waiting_users: 0,
                stored,
                facts: HashMap::new(),
                listed: HashSet::new(),
                turn,
                settled: HashMap::new(),
                dynamic: Dynamic::default(),
                expected: HashMap::new(),
                differ: Vec::new(),
                tally,
                client,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// PingOne's time, whatever becomes of ours.
    pub(crate) fn now(&self) -> Seconds {
        let (at, heard) = self.clock;
        at.saturating_add(u32::try_from(heard.elapsed().as_secs()).unwrap_or(u32::MAX))
    }

    /// Requests that reading the activities may take.
    pub(super) const fn pages_most(&self) -> u64 {
        self.pages_most
    }

    /// How long the sync has run.
    pub(super) fn ran(&self) -> Duration {
        Duration::from_secs(self.now().saturating_sub(self.began()).into())
    }

    /// When the sync began, by PingOne's clock.
    pub(super) const fn began(&self) -> Seconds {
        self.rules.now
    }

    /// The lists that every sync reads are the evidence.
    pub(crate) fn learn(&self, populations: &[Population], groups: &[Group], roles: &[Role]) {
        let mut state = self.state();
        let small = |count: Option<u64>| count.and_then(|count| u32::try_from(count).ok());
        for group in groups {
            let counts = group.direct_member_counts.as_ref();
            let facts = GroupFacts {
                users: small(counts.and_then(|counts| counts.users)),
                groups: small(counts.and_then(|counts| counts.groups)),
                updated_ms: group.updated_at.map_or(0, Timestamp::as_millisecond),
            };
            state.facts.insert(group.id, facts);
            state.listed.insert(group.id);
        }
        state.listed.extend(populations.iter().map(|population| population.id));
        state.listed.extend(roles.iter().map(|role| role.id));
    }

    /// The role assignments of a group, where they are known to be what they were.
    pub(crate) fn group_roles(&self, group: Uuid) -> Option<Vec<Assignment>> {
        let (head, body) = self.kept(Kind::GroupRoles, group, |state, rules, stored, body| {
            let roles = Parts(body).assignments().ok_or(Why::New)?;
            rules.group_assignments(&stored.head, stored.began, &roles, &state.knows())
        })?;
        let roles = Parts(&body).assignments()?;
        self.copy(Kind::GroupRoles, &head, &body);
        Some(roles)
    }

    /// The groups nested in a group, where they are known to be what they were.
    pub(crate) fn nested(&self, group: Uuid) -> Option<Vec<Uuid>> {
        self.ids(Kind::Nested, group, |_, _, _, _| Ok(()))
    }

    /// The direct members of a group, where they are known to be what they were.
    pub(crate) fn members(&self, group: Uuid) -> Option<Vec<Uuid>> {
        self.ids(Kind::Members, group, |state, _, stored, _| {
            let settled = state.settled.get(&(Kind::Members, stored.head.group)).copied();
            settled.unwrap_or(Err(Why::New))
        })
    }

    fn ids(
        &self,
        kind: Kind,
        group: Uuid,
        further: impl FnOnce(&State, &Rules, &Stored, &[u8]) -> Result<(), Why>,
    ) -> Option<Vec<Uuid>> {
        let (head, body) = self.kept(kind, group, further)?;
        let ids = Parts(&body).ids()?;
        self.copy(kind, &head, &body);
        Some(ids)
    }

    /// What is kept of a group, if it may be used.
    fn kept(
        &self,
        kind: Kind,
        group: Uuid,
        further: impl FnOnce(&State, &Rules, &Stored, &[u8]) -> Result<(), Why>,
    ) -> Option<(GroupHead, Vec<u8>)> {
        let mut state = self.state();
        let facts = *state.facts.get(&group)?;
        let (stored, body) = state.stored(kind, group)?;
        let head = stored.head;
        let verdict = self
            .rules
            .group(kind, &head, stored.began, &facts)
            .and_then(|()| further(&state, &self.rules, &stored, &body));
        self.judge(&mut state, (kind, group, head.at), verdict, &body)
            .then_some((head, body))
    }

    /// Whether it is used; what is read instead is compared with it later where nothing spoke against it.
    fn judge(
        &self,
        state: &mut State,
        (kind, id, at): (Kind, Uuid, Seconds),
        verdict: Result<(), Why>,
        body: &[u8],
    ) -> bool {
        let verdict = verdict.and_then(|()| self.rules.turn(&mut state.turn, at));
        match verdict {
            Ok(()) if self.reuse != Reuse::Verify => {
                state.tally.reused(kind, at);
                return true;
            }
            Ok(()) | Err(Why::Verification | Why::Age) => {
                state.expected.insert((kind, id), self.hasher.hash_one(body));
            }
            Err(_) => {}
        }
        state.tally.refused(kind, verdict.err().unwrap_or(Why::Verification));
        false
    }

    /// Judges every kept user's record and every kept list of members against the list of users; what is used is handed to
    /// `take`. Answers which positions of the list need no reading.
    pub(crate) fn settle(&self, listed: &dyn Listed, mut take: impl FnMut(Uuid, Vec<Assignment>)) -> Positions {
        let mut state = self.state();
        let segments = state.store.as_mut().map(|store| std::mem::take(&mut store.segments));
        let segments = segments.unwrap_or_default();
        let (mut seen, mut used) = (Positions::default(), Positions::default());
        for (number, segment) in segments.iter().enumerate() {
            let began = segment.head.began;
            let Ok(mut blocks) = segment.blocks() else { continue };
            while let Some((kind, place, content)) = blocks.next() {
                if kind == Kind::UserRoles {
                    let mut parts = Parts(&content);
                    while let Some(record) = parts.user() {
                        let Some(position) = listed.position(record.user).filter(|at| seen.add(*at)) else {
                            continue;
                        };
                        if self.settle_user(&mut state, began, &record, listed) {
                            used.add(position);
                            take(record.user, record.roles);
                        }
                    }
                } else if matches!(kind, Kind::Members | Kind::Everybody) {
                    let mut parts = Parts(&content);
                    let Some(head) = parts.group() else { continue };
                    let newest = state.stored.get(&(kind, head.group));
                    if newest.is_some_and(|stored| stored.segment == number && stored.place == place) {
                        let ids = parts.ids().unwrap_or_default();
                        let verdict = if kind == Kind::Members {
                            let in_list = |user| !listed.is_everybody() || listed.position(user).is_some();
                            self.rules.members(&head, began, &ids, &in_list)
                        } else {
                            self.settle_everybody(&mut state, (&head, began), &ids, listed)
                        };
                        state.settled.insert((kind, head.group), verdict);
                    }
                }
            }
        }
        if let Some(store) = &mut state.store {
            store.segments = segments;
        }
        state.flush();
        used
    }

    fn settle_user(&self, state: &mut State, began: Seconds, record: &UserRecord, listed: &dyn Listed) -> bool {
        if !listed.is_scanned(record.user) {
            return false;
        }
        let mut body = Vec::new();
        if put_assignments(&mut body, &record.roles).is_none() {
            return false;
        }
        let population = listed.population(record.user);
        let verdict = self.rules.user(record, began, population, &state.knows());
        let used = self.judge(state, (Kind::UserRoles, record.user, record.at), verdict, &body);
        if used {
            put_user(&mut state.waiting, record);
            if state.waiting.len() >= COPIED_AT_A_TIME {
                state.flush();
            }
        }
        used
    }

    fn copy(&self, kind: Kind, head: &GroupHead, body: &[u8]) {
        self.state().put(kind, head, body);
    }

    /// A user's own assignments were read, asked for `at`.
    pub(crate) fn saw_user(&self, at: Seconds, user: Uuid, population: Option<Uuid>, mut roles: Vec<Assignment>) {
        roles.sort_unstable_by_key(|item| item.id);
        let mut body = Vec::new();
        let fits = put_assignments(&mut body, &roles).is_some();
        let mut state = self.state();
        self.saw(&mut state, Kind::UserRoles, user, &body);
        let record = UserRecord {
            user,
            at,
            population,
            roles,
        };
        if fits && self.is_prompt(at) && put_user(&mut state.waiting, &record).is_some() {
            state.waiting_users += 1;
            if state.waiting_users >= USERS_AT_A_TIME {
                state.flush();
            }
        }
    }

    /// A group's assignments were read.
    pub(crate) fn saw_group_roles(&self, at: Seconds, group: Uuid, roles: &[Assignment]) {
        let mut roles = roles.to_vec();
        roles.sort_unstable_by_key(|item| item.id);
        let mut body = Vec::new();
        if put_assignments(&mut body, &roles).is_some() {
            self.saw_group(Kind::GroupRoles, at, group, &body);
        }
    }

    /// The groups nested in a group, or its direct members, were read.
    pub(crate) fn saw_ids(&self, kind: Kind, at: Seconds, group: Uuid, ids: &[Uuid]) {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        let mut body = Vec::with_capacity(ids.len() * 16);
        put_ids(&mut body, &ids);
        self.saw_group(kind, at, group, &body);
    }

    fn saw_group(&self, kind: Kind, at: Seconds, group: Uuid, body: &[u8]) {
        let mut state = self.state();
        self.saw(&mut state, kind, group, body);
        let is_prompt = kind == Kind::Everybody || self.is_prompt(at);
        // A group that no list named has nothing that could speak for it.
        if let Some(facts) = state.facts.get(&group).copied().filter(|_| is_prompt) {
            state.put(kind, &GroupHead { group, at, facts }, body);
        }
    }

    /// An answer that took long says nothing certain about when it was true.
    fn is_prompt(&self, at: Seconds) -> bool {
        self.now().saturating_sub(at) < self.rules.overlap
    }

    fn saw(&self, state: &mut State, kind: Kind, id: Uuid, body: &[u8]) {
        state.tally.read(kind);
        if let Some(expected) = state.expected.remove(&(kind, id)) {
            state.tally.compared += 1;
            if expected != self.hasher.hash_one(body) {
                state.differ.push((kind, id));
            }
        }
    }
}

impl State {
    /// What is kept of a group, with its body.
    fn stored(&self, kind: Kind, group: Uuid) -> Option<(Stored, Vec<u8>)> {
        let stored = *self.stored.get(&(kind, group))?;
        let segment = self.store.as_ref()?.segments.get(stored.segment)?;
        let content = segment.read(kind, stored.place)?;
        let mut parts = Parts(&content);
        parts.group().filter(|head| *head == stored.head)?;
        Some((stored, parts.0.to_vec()))
    }

    /// Whether an assignment's role and scope are still listed, as far as lists tell.
    fn knows(&self) -> impl Fn(&Assignment) -> bool + '_ {
        |item| {
            let in_lists = ["population", "group"]
                .iter()
                .any(|kind| item.scope_type.eq_ignore_ascii_case(kind));
            self.listed.contains(&item.role) && (!in_lists || self.listed.contains(&item.scope_id))
        }
    }

    fn flush(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_users = 0;
        if !waiting.is_empty() {
            self.append(Kind::UserRoles, &waiting);
        }
    }

    fn put(&mut self, kind: Kind, head: &GroupHead, body: &[u8]) {
        let mut content = Vec::with_capacity(body.len() + 64);
        put_group(&mut content, head);
        content.extend(body);
        self.append(kind, &content);
    }

    fn append(&mut self, kind: Kind, content: &[u8]) {
        let Some(out) = &mut self.out else { return };
        if self.client.0.client_id() != self.client.1 {
            tracing::info!("another client answers for ours now: what is observed from here on is not kept");
            self.out = None;
            return;
        }
        if let Err(error) = out.append(kind, content) {
            tracing::warn!(error = %error, "observations cannot be written and are no longer kept in this sync");
            self.out = None;
        }
    }

    /// Nothing that is kept is to be believed, and no copy of it elsewhere either.
    fn drop_all(&mut self) {
        self.discard();
        if let Some(store) = &self.store {
            store.drop_own();
        }
        if let Some(Err(error)) = self.store.as_ref().map(Store::mark_dropped) {
            tracing::warn!(error = %error, "that observations were dropped cannot be noted (state-dir)");
        }
    }

    fn discard(&mut self) {
        self.waiting.clear();
        if let Some(out) = self.out.take() {
            remove(&out.path);
        }
        if let Some(store) = &mut self.store {
            store.drop_earlier();
        }
    }
}

/// The list of users, as far as observations are concerned.
pub(crate) trait Listed: Sync {
    /// Where a user stands in it.
    fn position(&self, user: Uuid) -> Option<usize>;
    /// The user's population.
    fn population(&self, user: Uuid) -> Option<Uuid>;
    /// Whether the user's role assignments belong to the sync.
    fn is_scanned(&self, user: Uuid) -> bool;
    /// No setting leaves users out.
    fn is_everybody(&self) -> bool;
}

/// Positions of the list of users: a bit each.
#[derive(Debug, Default)]
pub(crate) struct Positions(Vec<u64>);

impl Positions {
    /// `false` where it is there already.
    fn add(&mut self, position: usize) -> bool {
        let (word, bit) = (position / 64, 1 << (position % 64));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let Some(word) = self.0.get_mut(word) else { return false };
        let added = *word & bit == 0;
        *word |= bit;
        added
    }

    pub(crate) fn contains(&self, position: usize) -> bool {
        let word = self.0.get(position / 64).copied().unwrap_or_default();
        word & 1 << (position % 64) != 0
    }
}
