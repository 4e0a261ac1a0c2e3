//! The true state of the fake PingOne: objects, memberships, assignments. Generated users are computed from their number;
//! only what was made by hand or changed is stored. Invariants: member lists are sorted and hold living users only; a group's
//! `all` is the union of what it and its nested groups hold; an object's number never changes and is never reused.

use super::clock::{Clock, parse_stamp};
use super::filter::Filter;
use super::generate::{People, Spec};
use super::ids::{Ids, Kind};
use super::options::Options;
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap, HashSet};
use tokio::time::Instant;
use uuid::Uuid;

/// Everything that requests read and change.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) spec: Spec,
    pub(crate) ids: Ids,
    pub(crate) clock: Clock,
    /// `<public base>`, like `http://127.0.0.1:4000/v1`
    pub(crate) base: String,
    pub(crate) environment: Uuid,
    pub(crate) other_environment: Uuid,
    pub(crate) organization: Uuid,
    pub(crate) license: Uuid,
    pub(crate) people: People,
    pub(crate) users: Users,
    pub(crate) populations: Vec<Population>,
    pub(crate) population_by_id: HashMap<Uuid, u32>,
    pub(crate) groups: Vec<Group>,
    pub(crate) group_by_id: HashMap<Uuid, u32>,
    pub(crate) roles: Vec<Role>,
    /// Assignments of users whose set differs from what their number says.
    pub(crate) user_assignments: HashMap<u32, Vec<Assignment>>,
    /// Groups with assignments.
    pub(crate) admin_groups: BTreeSet<u32>,
    pub(crate) applications: Vec<Application>,
    pub(crate) gateways: Vec<super::machines::Gateway>,
    pub(crate) created: u64,
    /// Grows with every change; match lists of an older number are stale.
    pub(crate) version: u64,
    pub(crate) activities: super::activities::Log,
    /// What capabilities tell of the rates.
    pub(crate) told_rates: Vec<(&'static str, u64)>,
    /// How often [`World::change`] drew.
    pub(crate) drawn: u64,
    /// Counts as they were, for `--count-lag-ms`.
    pub(crate) counted: std::collections::VecDeque<super::lag::Counted>,
}

/// Users that are stored, and which generated ones are gone.
#[derive(Clone, Default)]
pub(crate) struct Users {
    /// Numbers handed out, generated ones included.
    pub(crate) next: u32,
    pub(crate) stored: HashMap<u32, Box<User>>,
    pub(crate) gone: HashSet<u32>,
    pub(crate) by_id: HashMap<Uuid, u32>,
    pub(crate) by_username: HashMap<String, u32>,
    pub(crate) poisoned: HashSet<u32>,
}

/// A stored user.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) population: Option<u32>,
    /// The object without `_links`, hand-made oddities included.
    pub(crate) body: Map<String, Value>,
    pub(crate) visible_from: Option<Instant>,
    /// Deleted, and gone from listings at this time.
    pub(crate) listed_until: Option<Instant>,
    pub(crate) just_enabled: bool,
    pub(crate) password: Password,
    pub(crate) sessions: Vec<Uuid>,
    pub(crate) devices: Vec<Uuid>,
}

/// State of a password.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Password {
    pub(crate) status: &'static str,
    pub(crate) changed_ms: Option<i64>,
    pub(crate) value: Option<String>,
}

/// A population.
#[derive(Clone, Debug)]
pub(crate) struct Population {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) default: bool,
    pub(crate) over: Map<String, Value>,
    pub(crate) users: Vec<u32>,
    pub(crate) gone: bool,
}

/// A group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) population: Option<u32>,
    pub(crate) user_filter: Option<String>,
    pub(crate) parsed: Option<Filter>,
    pub(crate) source: Option<(String, Uuid)>,
    pub(crate) over: Map<String, Value>,
    pub(crate) created_ms: i64,
    /// When it was replaced.
    pub(crate) updated_ms: Option<i64>,
    pub(crate) direct: Vec<u32>,
    /// Members through the filter or the source.
    pub(crate) auto: Vec<u32>,
    /// Union over the nested groups; `None` when `direct` or `auto` alone says it.
    pub(crate) all: Option<Vec<u32>>,
    pub(crate) parents: Vec<u32>,
    pub(crate) children: Vec<u32>,
    pub(crate) assignments: Vec<Assignment>,
    pub(crate) gone: bool,
    pub(crate) visible_from: Option<Instant>,
    pub(crate) listed_until: Option<Instant>,
}

/// A role.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) custom: bool,
    pub(crate) applicable_to: Vec<&'static str>,
    pub(crate) permissions: Vec<&'static str>,
    pub(crate) can_assign: Vec<Uuid>,
    pub(crate) can_be_assigned_by: Vec<Uuid>,
    pub(crate) over: Map<String, Value>,
}

/// A role assignment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Assignment {
    pub(crate) id: Uuid,
    pub(crate) role: Uuid,
    pub(crate) scope_type: String,
    pub(crate) scope: Uuid,
    pub(crate) read_only: bool,
    /// Read only until then (point 51).
    pub(crate) fresh_until: Option<Instant>,
    /// Without effect until then (point 10).
    pub(crate) effective_from: Option<Instant>,
    /// Not listed before.
    pub(crate) visible_from: Option<Instant>,
}

/// A worker or any other application.
#[derive(Clone, Debug)]
pub(crate) struct Application {
    pub(crate) id: Uuid,
    pub(crate) environment: Uuid,
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) protocol: &'static str,
    pub(crate) enabled: bool,
    pub(crate) method: super::options::AuthMethod,
    pub(crate) secret: String,
    /// Older secrets that are still taken, with their numbers
    pub(crate) former: Vec<(u64, String)>,
    /// The secret before, and until when it is taken
    pub(crate) previous: Option<(String, Instant)>,
    /// How often the secret was replaced: the number of the current one
    pub(crate) replaced: u64,
    /// Laid over what the object would say by itself; null takes a member away
    pub(crate) over: Map<String, Value>,
    /// It may hold roles.
    pub(crate) roles: bool,
    /// It stands in the list.
    pub(crate) listed: bool,
    pub(crate) assignments: Vec<Assignment>,
}

impl Group {
    /// All members, direct, through filter or source, and through nested groups.
    pub(crate) fn members(&self) -> &[u32] {
        match &self.all {
            Some(all) => all,
            None if self.auto.is_empty() => &self.direct,
            None => &self.auto,
        }
    }

    /// Members that the API calls direct.
    pub(crate) fn direct_members(&self, source: super::options::SourceType) -> &[u32] {
        if self.source.is_some() && source == super::options::SourceType::Direct {
            &self.auto
        } else {
            &self.direct
        }
    }

    pub(crate) fn listed(&self, now: Instant) -> bool {
        match self.listed_until {
            Some(until) => now < until,
            None => !self.gone && self.visible_from.is_none_or(|from| from <= now),
        }
    }

    pub(crate) fn readable(&self, now: Instant) -> bool {
        !self.gone && self.visible_from.is_none_or(|from| from <= now)
    }
}

pub(crate) fn holds(list: &[u32], number: u32) -> bool {
    list.binary_search(&number).is_ok()
}

/// Adds to a sorted list; false if it was there.
pub(crate) fn insert(list: &mut Vec<u32>, number: u32) -> bool {
    match list.binary_search(&number) {
        Ok(_) => false,
        Err(at) => {
            list.insert(at, number);
            true
        }
    }
}

/// Removes from a sorted list; false if it was not there.
pub(crate) fn remove(list: &mut Vec<u32>, number: u32) -> bool {
    match list.binary_search(&number) {
        Ok(at) => {
            list.remove(at);
            true
        }
        Err(_) => false,
    }
}

impl World {
    /// Number of a user that exists, visible or not.
    pub(crate) fn user_number(&self, id: Uuid) -> Option<u32> {
        let number = match self.ids.decode(id) {
            Some((Kind::User, n)) if n < u64::from(self.people.count) => u32::try_from(n).ok()?,
            _ => *self.users.by_id.get(&id)?,
        };
        self.user_lives(number).then_some(number)
    }

    /// Whether the user exists.
    pub(crate) fn user_lives(&self, number: u32) -> bool {
        if let Some(user) = self.users.stored.get(&number) {
            return user.listed_until.is_none();
        }
        number < self.people.count && !self.users.gone.contains(&number)
    }

    /// Whether the user answers a read by id.
    pub(crate) fn user_readable(&self, number: u32, now: Instant) -> bool {
        match self.users.stored.get(&number) {
            Some(user) => user.listed_until.is_none() && user.visible_from.is_none_or(|from| from <= now),
            None => self.user_lives(number),
        }
    }

    /// Whether the user stands in listings.
    pub(crate) fn user_listed(&self, number: u32, now: Instant) -> bool {
        match self.users.stored.get(&number) {
            Some(user) => match user.listed_until {
                Some(until) => now < until,
                None => user.visible_from.is_none_or(|from| from <= now),
            },
            None => number < self.people.count && !self.users.gone.contains(&number),
        }
    }

    /// True while no user was stored or removed: then every generated number is listed.
    pub(crate) fn users_untouched(&self) -> bool {
        self.users.stored.is_empty() && self.users.gone.is_empty()
    }

    pub(crate) fn user_id(&self, number: u32) -> Uuid {
        self.users
            .stored
            .get(&number)
            .map_or_else(|| self.people.id(number), |user| user.id)
    }

    pub(crate) fn user_population(&self, number: u32) -> Option<u32> {
        match self.users.stored.get(&number) {
            Some(user) => user.population,
            None => Some(self.people.population(number)),
        }
    }

    /// Numbers of all living users.
    pub(crate) fn living(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.users.next).filter(|number| self.user_lives(*number))
    }

    pub(crate) fn living_count(&self) -> usize {
        if self.users_untouched() {
            self.people.count as usize
        } else {
            self.living().count()
        }
    }

    /// The user as an object without `_links`, as stored (nothing laid over).
    pub(crate) fn user_body(&self, number: u32) -> Map<String, Value> {
        if let Some(user) = self.users.stored.get(&number) {
            let mut body = user.body.clone();
            self.end_lock(&mut body);
            return body;
        }
        let mut out = Vec::with_capacity(2304);
        self.people.render(number, &mut out);
        match serde_json::from_slice(&out) {
            Ok(Value::Object(mut body)) => {
                body.remove("_links");
                body
            }
            _ => Map::new(),
        }
    }

    /// An expired lock counts as none (pingone-api.md §6.5, D).
    fn end_lock(&self, body: &mut Map<String, Value>) {
        let account = body.get("account");
        let until = account
            .and_then(|account| account.get("unlockAt"))
            .and_then(Value::as_str)
            .and_then(parse_stamp);
        if until.is_some_and(|until| until <= self.clock.unix_ms()) {
            let enabled = body.get("enabled") == Some(&Value::Bool(true));
            body.insert(
                "account".to_owned(),
                json!({"status": "OK", "canAuthenticate": enabled}),
            );
        }
    }

    /// The stored form of a user, made from the generated one at the first change.
    pub(crate) fn user_mut(&mut self, number: u32) -> &mut User {
        let fresh = (!self.users.stored.contains_key(&number)).then(|| self.materialize(number));
        if let Some(name) = fresh
            .as_ref()
            .and_then(|user| user.body.get("username"))
            .and_then(Value::as_str)
        {
            self.users.by_username.insert(name.to_lowercase(), number);
        }
        self.version += 1;
        self.users
            .stored
            .entry(number)
            .or_insert_with(|| Box::new(fresh.unwrap_or_else(User::blank)))
    }

    /// The user with everything that has no stored form yet.
    pub(crate) fn user(&self, number: u32) -> User {
        self.users
            .stored
            .get(&number)
            .map_or_else(|| self.materialize(number), |user| (**user).clone())
    }

    fn materialize(&self, number: u32) -> User {
        let n = u64::from(number);
        User {
            id: self.people.id(number),
            population: Some(self.people.population(number)),
            body: self.user_body(number),
            sessions: (0..n % 3).map(|k| self.ids.encode(Kind::Session, n * 4 + k)).collect(),
            devices: (0..n % 2).map(|k| self.ids.encode(Kind::Device, n * 4 + k)).collect(),
            password: Password {
                status: "OK",
                changed_ms: Some(super::generate::EPOCH_MS),
                value: None,
            },
            ..User::blank()
        }
    }

    /// Number of a group that exists.
    pub(crate) fn group_number(&self, id: Uuid) -> Option<u32> {
        let number = *self.group_by_id.get(&id)?;
        self.group(number).filter(|group| !group.gone).map(|_| number)
    }

    pub(crate) fn group(&self, number: u32) -> Option<&Group> {
        self.groups.get(number as usize)
    }

    pub(crate) fn role(&self, id: Uuid) -> Option<&Role> {
        self.roles.iter().find(|role| role.id == id)
    }

    pub(crate) fn role_named(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.name.eq_ignore_ascii_case(name))
    }

    /// The number of the user with this user name, compared without case.
    pub(crate) fn user_named(&self, username: &str) -> Option<u32> {
        let folded = username.to_lowercase();
        if let Some(number) = self.users.by_username.get(&folded) {
            return Some(*number).filter(|number| self.user_lives(*number));
        }
        self.people
            .by_username(&folded)
            .filter(|number| !self.users.stored.contains_key(number) && self.user_lives(*number))
    }

    /// A new identifier for a created object.
    pub(crate) fn fresh_id(&mut self) -> Uuid {
        self.created += 1;
        self.ids.encode(Kind::Created, self.created)
    }

    /// Recomputes the `all` lists of a group and of every group it is nested in.
    pub(crate) fn settle(&mut self, number: u32) {
        for group in self.closure(number, |group| &group.parents) {
            let all = self.union(group);
            if let Some(group) = self.groups.get_mut(group as usize) {
                group.all = all;
            }
        }
        self.version += 1;
    }

    fn union(&self, number: u32) -> Option<Vec<u32>> {
        let parts: Vec<&[u32]> = self
            .closure(number, |group| &group.children)
            .into_iter()
            .filter_map(|inner| self.group(inner))
            .flat_map(|inner| [inner.direct.as_slice(), inner.auto.as_slice()])
            .filter(|list| !list.is_empty())
            .collect();
        let own = self.group(number)?;
        let alone = usize::from(!own.direct.is_empty()) + usize::from(!own.auto.is_empty());
        if parts.len() == alone && alone < 2 {
            return None;
        }
        let mut all = parts.concat();
        all.sort_unstable();
        all.dedup();
        Some(all)
    }

    /// The group itself and everything reached from it, rings included.
    pub(crate) fn closure(&self, number: u32, next: impl Fn(&Group) -> &Vec<u32>) -> Vec<u32> {
        let mut found = vec![number];
        let mut at = 0;
        while let Some(current) = found.get(at).copied() {
            at += 1;
            let Some(group) = self.group(current) else { continue };
            for inner in next(group) {
                if !found.contains(inner) {
                    found.push(*inner);
                }
            }
        }
        found
    }

    /// Recomputes which dynamic groups hold a user.
    pub(crate) fn refilter(&mut self, number: u32) {
        let body = Value::Object(self.user_body(number));
        let lives = self.user_lives(number);
        let mut changed = Vec::new();
        for at in 0..self.groups.len() {
            let Some(group) = self.groups.get(at) else { continue };
            let Some(filter) = group.parsed.as_ref().filter(|_| !group.gone) else {
                continue;
            };
            let fits = lives && self.filter_fits(filter, number, &body);
            if fits != holds(&group.auto, number) {
                changed.push((at, fits));
            }
        }
        for (at, fits) in changed {
            if let Some(group) = self.groups.get_mut(at) {
                if fits {
                    insert(&mut group.auto, number)
                } else {
                    remove(&mut group.auto, number)
                };
            }
            self.settle(u32::try_from(at).unwrap_or(u32::MAX));
        }
    }

    /// Whether a user matches a filter.
    pub(crate) fn filter_fits(&self, filter: &Filter, number: u32, body: &Value) -> bool {
        super::filter::matches(filter, body, &|group, direct| {
            let group = Uuid::try_parse(group).ok().and_then(|id| self.group_number(id));
            group.and_then(|group| self.group(group)).is_some_and(|group| {
                let list = if direct || self.options.filters.plain_means_direct {
                    group.direct_members(self.options.groups.external_members)
                } else {
                    group.members()
                };
                holds(list, number)
            })
        })
    }
}

impl User {
    pub(crate) fn blank() -> Self {
        Self {
            id: Uuid::nil(),
            population: None,
            body: Map::new(),
            visible_from: None,
            listed_until: None,
            just_enabled: false,
            password: Password {
                status: "NO_PASSWORD",
                changed_ms: None,
                value: None,
            },
            sessions: Vec::new(),
            devices: Vec::new(),
        }
    }
}
