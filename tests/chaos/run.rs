//! One schedule from its first task to the sync at the end, and the record of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use prost::Message as _;
use sandbox::c1::proto::baton::baton_service_finish_task_request::FinalState;
use sandbox::c1::proto::connector::{BatonActionStatus, InvokeActionResponse};
use sandbox::c1::{Received, Rpc, task_from_json};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::facts::{Fact, told};
use crate::oracle::{End, Finish, Goal, Record, Task, Upload, judge};
use crate::schedule::{Event, OTHERS, Op, Schedule};
use crate::world::World;

/// The action of an audit event, and what it is about.
type Change = (&'static str, String);

/// A role that the worker may assign.
const HELP_DESK: &str = "Help Desk Admin";
/// Time between looks at the directory.
const LOOK: Duration = Duration::from_millis(100);
/// Everything has an end long before this, unless it never has.
const LONG: Duration = Duration::from_mins(4);
/// After this long C1 offers what nobody finished again.
const OFFER: Duration = Duration::from_secs(15);
/// The program looks at the mounted folder every 2 s, and proves what it finds.
const KEEP_OLD: Duration = Duration::from_secs(6);

/// What came of runs.
#[derive(Debug, Default)]
pub struct Report {
    pub runs: usize,
    pub tasks: usize,
    pub done: usize,
    pub failed: usize,
    pub faults: usize,
    pub kills: usize,
    pub stops: usize,
    pub writes: usize,
    pub uploads: usize,
    pub seconds: u64,
    pub broken: Vec<String>,
}

impl Report {
    pub fn line(&self) -> String {
        let end = if self.broken.is_empty() {
            "ok".to_owned()
        } else {
            self.broken.join("; ")
        };
        let mut line = String::new();
        write!(
            line,
            "{} tasks ({} done, {} failed), {} faults, {} kills, {} restarts, {} uploads, {} writes, {} s: {end}",
            self.tasks,
            self.done,
            self.failed,
            self.faults,
            self.kills,
            self.stops,
            self.uploads,
            self.writes,
            self.seconds
        )
        .unwrap();
        line
    }

    pub fn add(&mut self, other: &Self) {
        self.runs += 1;
        self.tasks += other.tasks;
        self.done += other.done;
        self.failed += other.failed;
        self.faults += other.faults;
        self.kills += other.kills;
        self.stops += other.stops;
        self.writes += other.writes;
        self.uploads += other.uploads;
        self.seconds += other.seconds;
        self.broken.extend(other.broken.iter().cloned());
    }

    /// One line that a release note can quote.
    pub fn summary(&self, took: Duration) -> String {
        let count = |rule: &str| self.broken.iter().filter(|text| text.starts_with(rule)).count();
        format!(
            "{} schedules in {} s: {} tasks ({} done, {} failed), {} faults, {} kills, {} restarts, {} uploads, {} writes; \
             {} wrong files, {} double writes, {} lost tasks, {} other broken rules",
            self.runs,
            took.as_secs(),
            self.tasks,
            self.done,
            self.failed,
            self.faults,
            self.kills,
            self.stops,
            self.uploads,
            self.writes,
            count("wrong file") + count("last"),
            count("twice"),
            count("lost"),
            self.broken.len() - count("wrong file") - count("last") - count("twice") - count("lost"),
        )
    }
}

pub struct Run {
    pub world: World,
    pub tasks: Vec<Task>,
    /// From when on which life lived.
    births: Vec<Duration>,
    /// The longest time between two looks.
    gap: Duration,
    looked: Instant,
    faults: usize,
    /// Old secrets end at these times.
    retire: Vec<(Instant, bool)>,
    /// C1 comes back then.
    away: Option<Instant>,
    lag: Duration,
}

/// Runs a schedule and judges it.
pub async fn run(seed: u64) -> Report {
    let schedule = Schedule::of(seed);
    let lag = Duration::from_millis(schedule.pingone.timing.read_lag_ms);
    let world = World::new(schedule.pingone, schedule.token_lifetime, schedule.batched).await;
    let mut run = Run::new(world, lag);
    run.start();
    let begun = Instant::now();
    for (at, event) in schedule.events {
        run.until(begun + at).await;
        run.happen(event).await;
    }
    run.until(begun + Duration::from_secs(6)).await;
    run.finish().await
}

impl Run {
    pub fn new(world: World, lag: Duration) -> Self {
        Self {
            world,
            tasks: Vec::new(),
            births: Vec::new(),
            gap: LOOK,
            looked: Instant::now(),
            faults: 0,
            retire: Vec::new(),
            away: None,
            lag,
        }
    }

    pub fn start(&mut self) {
        self.births.push(self.world.started.elapsed());
        self.world.start();
    }

    /// Looks at the directory, and does what is due.
    pub fn look(&mut self) {
        self.world.look();
        self.gap = self.gap.max(self.looked.elapsed());
        self.looked = Instant::now();
        let now = self.looked;
        if self.away.is_some_and(|end| end <= now) {
            self.away = None;
            self.world.c1.set_down(false);
        }
        let due = self.retire.iter().filter(|(end, _)| *end <= now);
        for (_, pingone) in due {
            if *pingone {
                self.world.pingone.retire_secrets();
            } else {
                self.world.c1.retire_secrets();
            }
        }
        self.retire.retain(|(end, _)| *end > now);
    }

    /// Lets time pass.
    pub async fn until(&mut self, end: Instant) {
        while Instant::now() < end {
            self.look();
            sleep(LOOK.min(end.saturating_duration_since(Instant::now()))).await;
        }
    }

    async fn happen(&mut self, event: Event) {
        self.look();
        self.faults += usize::from(!matches!(event, Event::Queue(_)));
        match event {
            Event::Queue(op) => drop(self.queue(op)),
            Event::PingOne(faults) => self.world.pingone.set_faults(faults),
            Event::C1(rpc, steps) => self.world.c1.plan(rpc, steps),
            Event::C1Tokens(steps) => self.world.c1.plan_tokens(steps),
            Event::C1Away(time) => {
                self.world.c1.set_down(true);
                self.away = Some(Instant::now() + time);
            }
            Event::C1Cut => self.world.c1.end_connections(),
            Event::C1Link(bytes) => self.world.c1.limit_link(bytes),
            Event::OfferAgain(number) => {
                if let Some(task) = self.tasks.get(number) {
                    self.world.c1.offer_again(&task.id);
                }
            }
            Event::PingOneTokens => self.world.pingone.expire_tokens(),
            Event::C1TokensEnd => self.world.c1.revoke_tokens(),
            Event::Change(changes) => drop(self.world.pingone.change(&changes)),
            Event::RotatePingOne(keep_old) => {
                self.world.rotate_pingone(keep_old);
                self.retire.push((Instant::now() + KEEP_OLD, true));
            }
            Event::RotateC1 => {
                self.world.rotate_c1();
                self.retire.push((Instant::now() + KEEP_OLD, false));
            }
            Event::Stop => {
                self.world.stop().await;
                self.start();
                self.world.c1.requeue_unfinished();
            }
            Event::Kill => {
                self.world.kill().await;
                self.start();
                self.world.c1.requeue_unfinished();
            }
        }
        self.look();
    }

    /// Queues a task that nobody else's changes or tasks are about. `None`: there is nothing to do.
    pub fn queue(&mut self, op: Op) -> Option<String> {
        let (task, goal, write) = self.task(op)?;
        let task = task_from_json(task).unwrap();
        let id = task.id.clone();
        self.tasks.push(Task {
            id: id.clone(),
            goal,
            queued: self.world.started.elapsed(),
            write,
        });
        self.world.c1.queue_task(task);
        Some(id)
    }

    fn task(&self, op: Op) -> Option<(Value, Goal, Option<Change>)> {
        let state = self.world.pingone.snapshot();
        let taken = |user: Uuid| {
            let text = user.to_string();
            self.tasks.iter().any(|task| format!("{:?}", task.goal).contains(&text))
        };
        let everybody = self.world.pingone.directory().users();
        let first = self.world.history.first()?;
        let users: Vec<Uuid> = everybody
            .into_iter()
            .skip(usize::try_from(OTHERS).unwrap())
            // Whom others made meanwhile is nobody's business.
            .filter(|user| first.facts.contains(&Fact::User(user.to_string())) && !taken(*user))
            .collect();
        let groups: Vec<Uuid> = state
            .groups
            .iter()
            .filter(|(_, body)| is_plain(body))
            .map(|(id, _)| *id)
            .collect();
        let is_member = |user: Uuid, group: Uuid| state.memberships.contains_key(&(user, group));
        let pairs = || {
            users
                .iter()
                .flat_map(|user| groups.iter().map(move |group| (*user, *group)))
        };
        let member = |user: Uuid, group: Uuid| Fact::Member(user.to_string(), group.to_string());
        let environment = self.world.pingone.environment_id();
        let roles = self.world.pingone.directory().roles();
        let role = roles.iter().find(|(_, name, _)| name == HELP_DESK)?.0;
        let held = |user: Uuid| Fact::Holds("user", user.to_string(), role.to_string(), "here".to_owned());
        let free = users.last().copied();
        Some(match op {
            Op::Sync => (json!({"syncFull": {}}), Goal::File, None),
            Op::Grant => {
                let (user, group) = pairs().find(|(user, group)| !is_member(*user, *group))?;
                let about = format!("{user}/memberOfGroups/{group}");
                (
                    grant(&group_member(group), user),
                    Goal::Holds(member(user, group)),
                    Some(("MEMBER_OF_GROUP.CREATED", about)),
                )
            }
            Op::Revoke => {
                let direct = |user: Uuid, group: Uuid| {
                    let how = state.memberships.get(&(user, group));
                    how.is_some_and(|how| how.direct && !how.computed && !how.nested)
                };
                let (user, group) = pairs().find(|(user, group)| direct(*user, *group))?;
                let about = format!("{user}/memberOfGroups/{group}");
                (
                    revoke(&group_member(group), user),
                    Goal::Lacks(member(user, group)),
                    Some(("MEMBER_OF_GROUP.DELETED", about)),
                )
            }
            Op::Assign => {
                let user = *users.iter().find(|user| !state.has_role(**user, role, environment))?;
                (
                    grant(&role_assigned(role), user),
                    Goal::Holds(held(user)),
                    Some(("ROLE_ASSIGNMENT.CREATED", user.to_string())),
                )
            }
            Op::Unassign => {
                // Not one that a group gives as well: it would stay.
                let through_group = |user: Uuid, role: Uuid| {
                    let mut of_groups = state.assignments.iter().filter(|item| item.holder_type == "group");
                    of_groups.any(|item| item.role == role && is_member(user, item.holder))
                };
                let mut own = state.assignments.iter().filter(|item| {
                    item.holder_type == "user" && !item.read_only && !through_group(item.holder, item.role)
                });
                let item = own.find(|item| item.scope == environment && users.contains(&item.holder))?;
                let fact = Fact::Holds(
                    "user",
                    item.holder.to_string(),
                    item.role.to_string(),
                    "here".to_owned(),
                );
                let write = ("ROLE_ASSIGNMENT.DELETED", item.holder.to_string());
                (
                    revoke(&role_assigned(item.role), item.holder),
                    Goal::Lacks(fact),
                    Some(write),
                )
            }
            Op::Create => {
                let name = format!("chaos-{}", self.tasks.len());
                (create(&name), Goal::Named(name.clone()), Some(("USER.CREATED", name)))
            }
            Op::Delete => {
                let user = free?;
                let task = json!({"deleteResource": {"resourceId": {"resourceType": "user", "resource": user}}});
                (
                    task,
                    Goal::Lacks(Fact::User(user.to_string())),
                    Some(("USER.DELETED", user.to_string())),
                )
            }
            Op::Disable => {
                let enabled = |user: &Uuid| first.facts.contains(&Fact::Enabled(user.to_string()));
                let user = users.iter().rev().copied().find(enabled)?;
                let task = json!({"actionInvoke": {"name": "disable_user", "args": {"user_id": user}}});
                (
                    task,
                    Goal::Holds(Fact::Disabled(user.to_string())),
                    Some(("USER.UPDATED", user.to_string())),
                )
            }
        })
    }

    /// Ends whatever goes wrong, waits for every task, syncs once more, stops, and judges.
    pub async fn finish(mut self) -> Report {
        self.calm();
        let mut stuck = timeout(LONG, self.all_finished()).await.is_err();
        // Reads may still be behind.
        let settled = Instant::now() + self.lag.saturating_add(Duration::from_secs(1));
        self.until(settled.max(self.retire.iter().map(|(end, _)| *end).max().unwrap_or(settled)))
            .await;
        self.look();
        let last = self.queue(Op::Sync).unwrap_or_default();
        stuck |= timeout(LONG, self.all_finished()).await.is_err();
        self.world.stop().await;
        self.look();
        let record = self.record(last, stuck);
        let kills = record.ends.iter().filter(|end| **end == End::Killed).count();
        let codes: BTreeMap<&str, i32> = record
            .finishes
            .iter()
            .map(|one| (one.task.as_str(), one.code))
            .collect();
        let broken = judge(&record);
        if !broken.is_empty() {
            self.keep(&record);
        }
        Report {
            runs: 1,
            tasks: record.tasks.len(),
            done: codes.values().filter(|code| **code == 0).count(),
            failed: codes.values().filter(|code| **code != 0).count(),
            faults: self.faults,
            kills,
            stops: record.ends.len().saturating_sub(kills + 1),
            writes: record.writes.len(),
            uploads: record.uploads.len(),
            seconds: self.world.started.elapsed().as_secs(),
            broken,
        }
    }

    fn calm(&mut self) {
        self.world.pingone.set_faults(Vec::new());
        for rpc in [
            Rpc::Hello,
            Rpc::GetTask,
            Rpc::GetTasks,
            Rpc::Heartbeat,
            Rpc::FinishTask,
            Rpc::UploadAsset,
        ] {
            self.world.c1.clear_plan(rpc);
        }
        self.world.c1.limit_link(None);
        self.away = None;
        self.world.c1.set_down(false);
    }

    /// Waits until C1 has every answer, and offers what is open again now and then.
    pub async fn all_finished(&mut self) {
        let mut offered = Instant::now();
        while !self.world.c1.unfinished().is_empty() {
            if offered.elapsed() > OFFER {
                offered = Instant::now();
                self.world.c1.requeue_unfinished();
            }
            if self.world.notice_death() {
                self.start();
            }
            self.until(Instant::now() + LOOK).await;
        }
    }

    pub fn record(&self, last: String, stuck: bool) -> Record {
        let mut finishes = Vec::new();
        let mut uploads = Vec::new();
        for entry in self.world.c1.log() {
            let life = self.births.iter().filter(|birth| **birth <= entry.at).count();
            match entry.received {
                Received::Finish(request) => {
                    let (code, message) = verdict(&request);
                    finishes.push(Finish {
                        task: request.task_id,
                        at: entry.at,
                        code,
                        message,
                        life,
                    });
                }
                Received::Upload(upload) => {
                    if let Some(file) = &upload.file {
                        let dir = self.world.dir.path().to_owned();
                        let read = std::panic::catch_unwind(|| told(file, &dir));
                        uploads.push(Upload {
                            task: upload.task_id.clone(),
                            at: entry.at,
                            facts: read.map_err(|_| "it cannot be read".to_owned()),
                        });
                    }
                }
                _ => {}
            }
        }
        let mut unfinished = self.world.c1.unfinished();
        if stuck && unfinished.is_empty() {
            unfinished.push("that took too long".to_owned());
        }
        Record {
            tasks: self.tasks.clone(),
            finishes,
            uploads,
            history: self.world.history.clone(),
            lag: self
                .lag
                .saturating_add(self.gap)
                .saturating_add(Duration::from_millis(50)),
            writes: self.writes(),
            unfinished,
            violations: self.world.c1.violations(),
            ends: self.world.ends.clone(),
            grace: World::grace(),
            last,
            left: self.world.left(),
            log: self.world.log(),
            secrets: self.world.secrets.clone(),
        }
    }

    /// The changes that our worker made, as PingOne's audit log has them.
    fn writes(&self) -> Vec<(String, String)> {
        let ours = self.world.pingone.client_id().to_string();
        let text = |event: &Value, path: &str| {
            event
                .pointer(path)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let events = self.world.pingone.directory().activities();
        let own = events.iter().filter(|event| text(event, "/actors/client/id") == ours);
        own.map(|event| {
            let about = [
                "/resources/0/href",
                "/resources/0/name",
                "/resources/0/id",
                "/result/description",
            ];
            let about: Vec<String> = about.iter().map(|path| text(event, path)).collect();
            (text(event, "/action/type"), about.join(" "))
        })
        .collect()
    }

    /// Leaves what is needed to understand a broken rule.
    fn keep(&self, record: &Record) {
        let dir = std::env::temp_dir().join(format!("chaos-{}", self.world.pid().unwrap_or(std::process::id())));
        std::fs::create_dir_all(&dir).ok();
        let name = self.tasks.first().map_or("none", |task| task.id.as_str());
        std::fs::write(dir.join(format!("{name}.log")), &record.log).ok();
        let rest = format!(
            "{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}",
            record.tasks, record.finishes, record.writes, record.ends, record.violations
        );
        std::fs::write(dir.join(format!("{name}.txt")), rest).ok();
        println!("  kept in {}/{name}.log", dir.display());
    }
}

/// Neither a filter nor a source nor a population decides who is in it.
fn is_plain(group: &Value) -> bool {
    ["userFilter", "sourceType", "population"]
        .iter()
        .all(|key| group.get(key).is_none_or(Value::is_null))
}

fn reference(kind: &str, id: Uuid) -> Value {
    json!({"id": {"resourceType": kind, "resource": id}})
}

fn group_member(group: Uuid) -> Value {
    json!({"id": format!("group:{group}:member"), "slug": "member", "resource": reference("group", group)})
}

fn role_assigned(role: Uuid) -> Value {
    json!({"id": format!("role:{role}:assigned"), "slug": "assigned", "resource": reference("role", role)})
}

fn grant(entitlement: &Value, user: Uuid) -> Value {
    json!({"grant": {"entitlement": entitlement, "principal": reference("user", user)}})
}

fn revoke(entitlement: &Value, user: Uuid) -> Value {
    let id = format!("{}:user:{user}", entitlement["id"].as_str().unwrap());
    json!({"revoke": {"grant": {"id": id, "entitlement": entitlement, "principal": reference("user", user)}}})
}

fn create(name: &str) -> Value {
    let address = format!("{name}@example.com");
    json!({"createAccount": {
        "resourceTypeId": "user",
        "accountInfo": {
            "login": name,
            "emails": [{"address": address, "isPrimary": true}],
            "profile": {"given_name": "Chao", "family_name": "S"},
        },
        "credentialOptions": {"noPassword": {}},
    }})
}

/// What C1 was told of an action that was still running: neither done nor refused.
pub const RUNNING: i32 = -1;

/// Code and message; an action that failed has code 2.
pub fn verdict(request: &sandbox::c1::proto::baton::BatonServiceFinishTaskRequest) -> (i32, String) {
    if let Some(status) = request.status.as_ref().filter(|status| status.code != 0) {
        return (status.code, status.message.clone());
    }
    match &request.final_state {
        Some(FinalState::Success(success)) => {
            let action = success
                .response
                .as_ref()
                .filter(|any| any.type_url.ends_with("InvokeActionResponse"));
            let action = action.and_then(|any| InvokeActionResponse::decode(any.value.as_slice()).ok());
            match action.map(|action| action.status()) {
                Some(BatonActionStatus::Failed) => return (2, "the action failed".to_owned()),
                Some(BatonActionStatus::Running | BatonActionStatus::Pending) => {
                    return (RUNNING, "the action is running".to_owned());
                }
                _ => {}
            }
            (0, String::new())
        }
        other => (2, format!("{other:?}")),
    }
}
