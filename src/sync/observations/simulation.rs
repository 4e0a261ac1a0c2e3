//! Random histories against a model: changes that activities tell late or not at all, syncs that are killed and gone on with,
//! gaps, a clock that is put back. Whatever the rules use again must be what a full sync would read, unless a change was silent;
//! and a silent one is found within the age.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use uuid::Uuid;

use super::record::{GroupFacts, GroupHead, Kind, Seconds, UserRecord};
use super::rules::{OVERLAP, Rules, Turn, Why, is_set};
use super::touched::Touched;
use crate::sync::read::Assignment;

const USERS: u128 = 12;
const GROUPS: u128 = 5;
const HISTORIES: u64 = 1_000;
const MAX_AGE: Seconds = 2_000;

/// Numbers drawn by a seed.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    pub(super) fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

/// What is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Planted {
    Nothing,
    NoOverlap,
    ForgottenType,
    CountsIgnored,
    AgeIgnored,
    GapIgnored,
    InheritedIgnored,
    ClockIgnored,
}

#[derive(Clone)]
struct Event {
    recorded: Seconds,
    visible: Seconds,
    value: serde_json::Value,
}

/// The directory.
#[derive(Clone, Default)]
struct World {
    now: Seconds,
    /// By how much PingOne's clock was set in all.
    ahead: i64,
    roles: BTreeMap<u128, BTreeSet<u128>>,
    group_roles: BTreeMap<u128, BTreeSet<u128>>,
    members: BTreeMap<u128, BTreeSet<u128>>,
    populations: BTreeMap<u128, u128>,
    events: Vec<Event>,
    /// Silent changes, and when they were made.
    silent: BTreeMap<(Kind, u128), Seconds>,
    made: u128,
}

/// One file of observations.
#[derive(Default, Clone)]
struct File {
    began: Seconds,
    ahead: i64,
    users: Vec<UserRecord>,
    groups: Vec<(GroupHead, Vec<Uuid>)>,
}

fn id(of: u128) -> Uuid {
    Uuid::from_u128(of)
}

fn user(n: u128) -> u128 {
    0x1000 + n
}

fn group(n: u128) -> u128 {
    0x2000 + n
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            now: 1_000_000,
            made: 0x10_000,
            ..Self::default()
        };
        for n in 0..USERS {
            world.populations.insert(user(n), 0x3000);
        }
        for n in 0..GROUPS {
            world.members.insert(group(n), BTreeSet::new());
        }
        world
    }

    fn tell(&mut self, dice: &mut Dice, silent: Option<(Kind, u128)>, action: &str, resource: &serde_json::Value) {
        if let Some(what) = silent {
            self.silent.insert(what, self.now);
            return;
        }
        // Late, but not later than the contract says.
        let visible = self.now + Seconds::try_from(dice.below(60)).unwrap();
        let value = json!({"action": {"type": action}, "resources": [resource]});
        self.events.push(Event {
            recorded: self.now,
            visible,
            value,
        });
    }

    fn change(&mut self, dice: &mut Dice, may_be_silent: bool) {
        let silent = may_be_silent && dice.one_in(4);
        let someone = user(u128::from(dice.below(u64::try_from(USERS).unwrap())));
        let some_group = group(u128::from(dice.below(u64::try_from(GROUPS).unwrap())));
        self.made += 1;
        match dice.below(5) {
            0 => {
                self.populations.insert(someone, 0x3000 + u128::from(dice.below(3)));
                let resource = json!({"type": "USER", "id": id(someone)});
                self.tell(dice, silent.then_some((Kind::UserRoles, 0)), "USER.MOVED", &resource);
            }
            1 => {
                // Two of them could leave the count as it was: only age finds that.
                let silent = silent && self.silent.insert((Kind::Nested, some_group), self.now).is_none();
                let list = self.members.entry(some_group).or_default();
                let action = if list.remove(&someone) { "DELETED" } else { "CREATED" };
                if action == "CREATED" {
                    list.insert(someone);
                }
                let href = format!("https://x/users/{}/memberOfGroups/{}", id(someone), id(some_group));
                let action = format!("MEMBER_OF_GROUP.{action}");
                // A count tells of it.
                self.tell(
                    dice,
                    silent.then_some((Kind::Members, 0)),
                    &action,
                    &json!({"href": href}),
                );
            }
            2 => {
                let list = self.group_roles.entry(some_group).or_default();
                if dice.one_in(2) || list.pop_first().is_none() {
                    list.insert(self.made);
                }
                let resource = json!({"type": "GROUP", "id": id(some_group)});
                self.tell(dice, None, "ROLE_ASSIGNMENT.CREATED", &resource);
            }
            _ => {
                let list = self.roles.entry(someone).or_default();
                if dice.one_in(2) || list.pop_first().is_none() {
                    list.insert(self.made);
                }
                let resource = json!({"type": "USER", "id": id(someone)});
                self.tell(
                    dice,
                    silent.then_some((Kind::UserRoles, someone)),
                    "ROLE_ASSIGNMENT.CREATED",
                    &resource,
                );
            }
        }
    }

    /// What PingOne answers for a user: its own assignments and those of its groups, unmarked.
    fn assignments(&self, of: u128) -> BTreeSet<u128> {
        let mut found = self.roles.get(&of).cloned().unwrap_or_default();
        for (group, members) in &self.members {
            if members.contains(&of) {
                found.extend(self.group_roles.get(group).into_iter().flatten());
            }
        }
        found
    }

    fn facts(&self, of: u128) -> GroupFacts {
        let count = self.members.get(&of).map_or(0, BTreeSet::len);
        GroupFacts {
            users: u32::try_from(count).ok(),
            groups: Some(0),
            updated_ms: 0,
        }
    }

    fn touched(&self, from: Seconds, planted: Planted) -> Touched {
        let mut touched = Touched::default();
        for event in self
            .events
            .iter()
            .filter(|event| event.visible <= self.now && event.recorded >= from)
        {
            let forgotten = planted == Planted::ForgottenType
                && event.value["action"]["type"].as_str().unwrap().starts_with("MEMBER");
            let of_group = planted == Planted::InheritedIgnored && event.value["resources"][0]["type"] == "GROUP";
            if !forgotten && !of_group {
                touched.note(&serde_json::from_value(event.value.clone()).unwrap(), event.recorded);
            }
        }
        touched
    }
}

fn assignment(of: u128) -> Assignment {
    Assignment {
        id: id(of),
        role: id(0x5000),
        scope_type: "ENVIRONMENT".to_owned(),
        scope_id: id(0x6000),
        read_only: false,
        group: None,
        gateway: false,
    }
}

/// What a sync said of a user or a group: own assignments, or members.
type Rows = BTreeMap<(Kind, u128), BTreeSet<u128>>;

struct Syncs {
    files: Vec<File>,
    planted: Planted,
    /// Time that a reading takes.
    step: Seconds,
}

impl Syncs {
    /// One sync; `None` where it was killed. What it used again must be right as of the time when the activities were read,
    /// less what they lag.
    fn run(&mut self, world: &mut World, dice: &mut Dice, kill_after: Option<u64>, gap: bool) -> Option<Rows> {
        let mut rules = Rules {
            now: world.now,
            overlap: if self.planted == Planted::NoOverlap { 0 } else { OVERLAP },
            max_age: if self.planted == Planted::AgeIgnored {
                Seconds::MAX
            } else {
                MAX_AGE
            },
            touched: None,
        };
        let first = self.files.iter().map(|file| file.began).min().unwrap_or(world.now);
        let from = first.saturating_sub(rules.overlap);
        let was_set = self.files.iter().any(|file| is_set(file.ahead, world.ahead));
        let is_minded = self.planted != Planted::ClockIgnored;
        if was_set && is_minded {
            // Nothing is believed.
        } else if !gap || self.planted == Planted::GapIgnored {
            let touched = if gap {
                Touched::default()
            } else {
                world.touched(from, self.planted)
            };
            rules.touched = Some(touched);
        }
        self.files.push(File {
            began: world.now,
            ahead: world.ahead,
            ..File::default()
        });
        let mut left = kill_after;
        let rows = self.read(world, dice, &rules, &mut left);
        if rows.is_some() {
            let newest = self.files.pop()?;
            self.files = vec![newest];
        }
        rows
    }

    fn read(&mut self, world: &mut World, dice: &mut Dice, rules: &Rules, left: &mut Option<u64>) -> Option<Rows> {
        let mut rows = Rows::new();
        let mut inherited = BTreeSet::new();
        for n in 0..GROUPS {
            inherited.extend(world.group_roles.get(&group(n)).into_iter().flatten().copied());
            self.pass(world, dice, left)?;
        }
        for n in 0..USERS {
            let of = user(n);
            let population = world.populations.get(&of).map(|population| id(*population));
            let newest = self.files.iter().rev().find_map(|file| {
                let record = file.users.iter().rev().find(|record| record.user == id(of))?;
                Some((file.began, record.clone()))
            });
            let kept = newest.filter(|(began, record)| {
                let population = if self.planted == Planted::CountsIgnored {
                    record.population
                } else {
                    population
                };
                let known = rules.user(record, *began, population, &|_| true);
                known.and_then(|()| rules.turn(&mut Turn::default(), record.at)).is_ok()
            });
            let record = if let Some((_, record)) = kept {
                record
            } else {
                let at = world.now;
                let found = world.assignments(of);
                let own = found.into_iter().filter(|item| !inherited.contains(item));
                let record = UserRecord {
                    user: id(of),
                    at,
                    population,
                    roles: own.map(assignment).collect(),
                };
                self.pass(world, dice, left)?;
                record
            };
            let own = record.roles.iter().map(|item| item.id.as_u128());
            let own = own.filter(|item| !inherited.contains(item)).collect();
            rows.insert((Kind::UserRoles, of), own);
            self.files.last_mut()?.users.push(record);
        }
        self.read_members(world, dice, rules, left, &mut rows)?;
        Some(rows)
    }

    fn read_members(
        &mut self,
        world: &mut World,
        dice: &mut Dice,
        rules: &Rules,
        left: &mut Option<u64>,
        rows: &mut Rows,
    ) -> Option<()> {
        for n in 0..GROUPS {
            let of = group(n);
            let facts = world.facts(of);
            let newest = self.files.iter().rev().find_map(|file| {
                let found = file.groups.iter().rev().find(|(head, _)| head.group == id(of))?;
                Some((file.began, found.clone()))
            });
            let kept = newest.filter(|(began, (head, members))| {
                let facts = if self.planted == Planted::CountsIgnored {
                    head.facts
                } else {
                    facts
                };
                let known = rules.group(Kind::Members, head, *began, &facts);
                known
                    .and_then(|()| rules.members(head, *began, members, &|_| true))
                    .and_then(|()| rules.turn(&mut Turn::default(), head.at))
                    .is_ok()
            });
            let (head, members) = if let Some((_, kept)) = kept {
                kept
            } else {
                let head = GroupHead {
                    group: id(of),
                    at: world.now,
                    facts,
                };
                let members = world.members.get(&of).into_iter().flatten().map(|user| id(*user));
                let found = (head, members.collect());
                self.pass(world, dice, left)?;
                found
            };
            rows.insert((Kind::Members, of), members.iter().map(Uuid::as_u128).collect());
            self.files.last_mut()?.groups.push((head, members));
        }
        Some(())
    }

    /// Time passes while something is read, somebody changes something, and the sync may be killed.
    fn pass(&self, world: &mut World, dice: &mut Dice, left: &mut Option<u64>) -> Option<()> {
        world.now += self.step;
        if dice.one_in(12) {
            world.change(dice, false);
        }
        if let Some(left) = left {
            *left = left.checked_sub(1)?;
        }
        Some(())
    }
}

/// A history; the first thing that was wrong.
fn history(seed: u64, planted: Planted) -> Result<(), String> {
    let mut dice = Dice::of(seed);
    let (mut world, silent, clock_is_set) = (World::new(), dice.one_in(3), dice.one_in(2));
    let mut syncs = Syncs {
        files: Vec::new(),
        planted,
        step: Seconds::try_from(dice.below(4)).unwrap(),
    };
    for round in 0..10 {
        for _ in 0..dice.below(6) {
            world.change(&mut dice, silent);
            world.now += Seconds::try_from(dice.below(90)).unwrap();
        }
        match dice.below(8) {
            0 => {
                let kill = Some(dice.below(25));
                syncs.run(&mut world, &mut dice, kill, false);
            }
            // PingOne's clock is set, and what was recorded keeps its time but appears no later for it; then something changes.
            1 if clock_is_set => {
                let step = i64::try_from(dice.below(500)).unwrap() - 250;
                let set = |time: Seconds| Seconds::try_from(i64::from(time) + step).unwrap();
                world.ahead += step;
                world.now = set(world.now);
                world
                    .events
                    .iter_mut()
                    .for_each(|event| event.visible = set(event.visible));
                world.change(&mut dice, false);
            }
            _ => {}
        }
        let gap = dice.one_in(8);
        syncs.run(&mut world, &mut dice, None, gap);
        // Everything that happened is visible by now, and nothing changes any more: a sync must give the truth.
        world.now += OVERLAP + 1 + Seconds::try_from(dice.below(300)).unwrap();
        let mut quiet = Syncs {
            files: syncs.files.clone(),
            planted,
            step: 0,
        };
        let mut still = world.clone();
        let rows = quiet.settled(&mut still, &mut Dice::of(u64::MAX));
        check(&still, &rows, still.now).map_err(|wrong| format!("seed {seed} round {round}: {wrong}"))?;
    }
    Ok(())
}

impl Syncs {
    /// A sync during which nothing changes.
    fn settled(&mut self, world: &mut World, dice: &mut Dice) -> Rows {
        loop {
            let before = world.made;
            let files = self.files.clone();
            let rows = self.run(world, dice, None, false);
            if let Some(rows) = rows.filter(|_| world.made == before) {
                return rows;
            }
            self.files = files;
            world.now += OVERLAP + 1;
        }
    }
}

fn check(world: &World, rows: &Rows, now: Seconds) -> Result<(), String> {
    for ((kind, of), found) in rows {
        let wanted = match kind {
            Kind::Members => world.members.get(of),
            _ => world.roles.get(of),
        };
        let wanted = wanted.cloned().unwrap_or_default();
        // Somebody gained or lost a role without a word: within the age it is found.
        let excused = world
            .silent
            .get(&(*kind, *of))
            .is_some_and(|at| now.saturating_sub(*at) < MAX_AGE + 1_000);
        if *found != wanted && !excused {
            return Err(format!("{kind:?} {of:x}: {found:x?} instead of {wanted:x?}"));
        }
    }
    Ok(())
}

#[test]
fn whatever_happens_the_rows_are_those_of_a_full_sync() {
    for seed in 0..HISTORIES {
        history(seed, Planted::Nothing).unwrap();
    }
}

#[test]
fn each_planted_fault_is_caught() {
    for planted in [
        Planted::NoOverlap,
        Planted::ForgottenType,
        Planted::CountsIgnored,
        Planted::AgeIgnored,
        Planted::GapIgnored,
        Planted::InheritedIgnored,
        Planted::ClockIgnored,
    ] {
        let caught = (0..HISTORIES).any(|seed| history(seed, planted).is_err());
        assert!(caught, "{planted:?}");
    }
}

#[test]
fn every_reason_has_a_name_of_its_own() {
    let names: BTreeSet<_> = Why::ALL.iter().map(|why| why.as_str()).collect();
    assert_eq!(names.len(), Why::ALL.len());
}
