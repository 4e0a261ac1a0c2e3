//! Changes that administrators and other programs make while nobody looks: drawn at random or named, through the same code as
//! the API's writes, so that every side effect and every event is the same.

use super::access::Reach;
use super::activities::{CONSOLE, NOBODY};
use super::answer::Outcome;
use super::call::Call;
use super::generate::{threshold, within};
use super::ids::{Kind, draw};
use super::paging::Query;
use super::route::{Part, Principal, Target};
use super::world::World;
use super::writes::JSON;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

/// What to change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Changes {
    /// How many changes
    pub count: u32,
    /// Seed of what is drawn; absent: draws go on where the last ones ended
    pub seed: Option<u64>,
    /// Kinds to draw from; empty: all
    pub kinds: Vec<ChangeKind>,
    /// The user by number; absent: drawn
    pub user: Option<u32>,
    /// The group by number; absent: drawn
    pub group: Option<u32>,
    /// The population by number; absent: drawn
    pub population: Option<u32>,
    /// No activity tells of it
    pub silent: bool,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            count: 1,
            seed: None,
            kinds: Vec::new(),
            user: None,
            group: None,
            population: None,
            silent: false,
        }
    }
}

impl Changes {
    /// So many changes of one kind.
    pub fn of(kind: ChangeKind, count: u32) -> Self {
        Self {
            count,
            kinds: vec![kind],
            ..Self::default()
        }
    }
}

/// A kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum ChangeKind {
    CreateUser,
    DeleteUser,
    UpdateUser,
    /// Enables a disabled user and disables an enabled one
    ToggleUser,
    MoveUser,
    AddMember,
    RemoveMember,
    CreateGroup,
    RenameGroup,
    DeleteGroup,
    Nest,
    Unnest,
    AssignRole,
    UnassignRole,
    AssignGroupRole,
    UnassignGroupRole,
    CreatePopulation,
    DeletePopulation,
}

impl ChangeKind {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::CreateUser,
        Self::DeleteUser,
        Self::UpdateUser,
        Self::ToggleUser,
        Self::MoveUser,
        Self::AddMember,
        Self::RemoveMember,
        Self::CreateGroup,
        Self::RenameGroup,
        Self::DeleteGroup,
        Self::Nest,
        Self::Unnest,
        Self::AssignRole,
        Self::UnassignRole,
        Self::AssignGroupRole,
        Self::UnassignGroupRole,
        Self::CreatePopulation,
        Self::DeletePopulation,
    ];
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// What was done
    pub kind: ChangeKind,
    /// The user, group or population that was changed
    pub id: Uuid,
    /// What it was joined with or parted from: a group, a population, a role
    pub with: Option<Uuid>,
}

/// How often a change that is refused or has nothing to change is drawn anew.
const TRIES: u32 = 64;

/// Numbers drawn for one change.
struct Dice {
    seed: u64,
    change: u64,
    rolls: u64,
}

impl Dice {
    /// A number below `bound`; 0 where there is none.
    fn below(&mut self, bound: usize) -> usize {
        self.rolls += 1;
        let drawn = draw(self.seed ^ 0xc4a6, self.change, self.rolls);
        usize::try_from(drawn % (bound.max(1) as u64)).unwrap_or(0)
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> Option<T> {
        list.get(self.below(list.len())).copied()
    }
}

/// A write that is to be made.
struct Plan {
    method: Method,
    target: Target,
    body: Value,
    id: Option<Uuid>,
    with: Option<Uuid>,
}

impl Plan {
    fn new(method: Method, target: Target, body: Value) -> Self {
        Self {
            method,
            target,
            body,
            id: None,
            with: None,
        }
    }

    fn on(self, id: Uuid) -> Self {
        Self { id: Some(id), ..self }
    }

    fn with(self, with: Uuid) -> Self {
        Self {
            with: Some(with),
            ..self
        }
    }
}

impl World {
    /// Records that so many people, drawn at random, signed on to an application (access-model.md §11 point 131).
    pub(crate) fn sign_ons(&mut self, count: u32) {
        for _ in 0..count {
            self.drawn += 1;
            let mut dice = Dice {
                seed: self.spec.seed,
                change: self.drawn,
                rolls: 0,
            };
            let listed: Vec<(Uuid, Value)> = self
                .applications
                .iter()
                .filter(|found| found.listed && found.environment == self.environment)
                .map(|found| (found.id, self.application_value(found)))
                .collect();
            let user = self
                .drawn_user(&Changes::default(), &mut dice)
                .map(|number| self.user_id(number));
            let (Some(user), Some((id, application))) = (user, listed.get(dice.below(listed.len()))) else {
                continue;
            };
            let here = json!({"id": self.environment});
            let members = json!({
                "action": {"type": "USER.ACCESS_ALLOWED", "description": "User Access Allowed"},
                "actors": {
                    "client": {"id": id, "name": application.get("name"), "type": "CLIENT", "environment": here},
                    "user": {"id": user, "type": "USER", "environment": here},
                },
                "resources": [{"type": "USER", "id": user, "environment": here}],
            });
            self.record_foreign(&members, std::time::Duration::ZERO);
        }
    }

    /// Makes the changes; those that were made.
    pub(crate) fn change(&mut self, changes: &Changes) -> Vec<Changed> {
        let kinds: &[ChangeKind] = if changes.kinds.is_empty() {
            &ChangeKind::ALL
        } else {
            &changes.kinds
        };
        let mut made = Vec::new();
        let mut at = changes.seed.map_or(self.drawn, |_| 0);
        for _ in 0..changes.count {
            for _ in 0..TRIES {
                at += 1;
                let mut dice = Dice {
                    seed: changes.seed.unwrap_or(self.spec.seed),
                    change: at,
                    rolls: 0,
                };
                let kind = dice.pick(kinds);
                if let Some(done) = kind.and_then(|kind| self.change_once(kind, changes, &mut dice)) {
                    made.push(done);
                    break;
                }
            }
        }
        if changes.seed.is_none() {
            self.drawn = at;
        }
        made
    }

    fn change_once(&mut self, kind: ChangeKind, changes: &Changes, dice: &mut Dice) -> Option<Changed> {
        let plan = match kind {
            ChangeKind::CreateUser
            | ChangeKind::DeleteUser
            | ChangeKind::UpdateUser
            | ChangeKind::ToggleUser
            | ChangeKind::MoveUser => self.user_plan(kind, changes, dice),
            ChangeKind::AssignRole | ChangeKind::UnassignRole => {
                let user = self.drawn_user(changes, dice)?;
                let own: Vec<_> = self
                    .own_assignments(user)
                    .iter()
                    .map(|item| (item.id, item.role))
                    .collect();
                self.role_plan(
                    Principal::User,
                    self.user_id(user),
                    &own,
                    kind == ChangeKind::AssignRole,
                    dice,
                )
            }
            ChangeKind::AssignGroupRole | ChangeKind::UnassignGroupRole => {
                let group = self.group(self.drawn_group(changes, dice)?)?;
                let own: Vec<_> = group.assignments.iter().map(|item| (item.id, item.role)).collect();
                self.role_plan(
                    Principal::Group,
                    group.id,
                    &own,
                    kind == ChangeKind::AssignGroupRole,
                    dice,
                )
            }
            ChangeKind::CreatePopulation | ChangeKind::DeletePopulation => self.population_plan(kind, changes, dice),
            _ => self.group_plan(kind, changes, dice),
        }?;
        let by_chance = draw(self.spec.seed, 0x51e7, self.version);
        let silent = changes.silent || within(by_chance, threshold(self.options.audit.silent_changes));
        let answer = self.made_by_others(&plan, silent).ok()?;
        let told = || {
            let body: Value = serde_json::from_slice(&answer.body).ok()?;
            Uuid::try_parse(body.get("id")?.as_str()?).ok()
        };
        Some(Changed {
            kind,
            id: plan.id.or_else(told)?,
            with: plan.with,
        })
    }

    fn made_by_others(&mut self, plan: &Plan, silent: bool) -> Outcome {
        let query = Query::parse("")?;
        let body = plan.body.to_string();
        let call = Call {
            method: &plan.method,
            target: plan.target,
            environment: self.environment,
            path: "",
            raw_query: "",
            query: &query,
            media: JSON,
            body: body.as_bytes(),
            worker: if silent { NOBODY } else { CONSOLE },
            reach: Reach::All,
            token: 0,
            now: Instant::now(),
            fault: None,
            correlation: self.ids.encode(Kind::Correlation, (1 << 39) + self.version),
        };
        self.write(&call)
    }

    fn drawn_user(&self, changes: &Changes, dice: &mut Dice) -> Option<u32> {
        let drawn = || u32::try_from(dice.below(self.users.next as usize)).ok();
        changes.user.or_else(drawn).filter(|number| self.user_lives(*number))
    }

    /// A group that a person may change.
    fn drawn_group(&self, changes: &Changes, dice: &mut Dice) -> Option<u32> {
        let drawn = || u32::try_from(dice.below(self.groups.len())).ok();
        let number = changes.group.or_else(drawn)?;
        let group = self.group(number).filter(|group| !group.gone)?;
        group.source.is_none().then_some(number)
    }

    fn drawn_population(&self, changes: &Changes, dice: &mut Dice) -> Option<(u32, Uuid)> {
        let drawn = || u32::try_from(dice.below(self.populations.len())).ok();
        let number = changes.population.or_else(drawn)?;
        let found = self.populations.get(number as usize).filter(|found| !found.gone)?;
        Some((number, found.id))
    }

    fn user_plan(&self, kind: ChangeKind, changes: &Changes, dice: &mut Dice) -> Option<Plan> {
        let department = format!("D-{:03}", dice.below(1000));
        if kind == ChangeKind::CreateUser {
            let (_, population) = self.drawn_population(changes, dice)?;
            let name = format!("new.person.{}@example.com", self.created);
            let body = json!({"username": name, "email": name, "name": {"given": "New", "family": "Person"},
                "department": department, "population": {"id": population}});
            return Some(Plan::new(Method::POST, Target::Users, body).with(population));
        }
        let number = self.drawn_user(changes, dice)?;
        let id = self.user_id(number);
        let plan = match kind {
            ChangeKind::DeleteUser => Plan::new(Method::DELETE, Target::User(id), Value::Null),
            ChangeKind::UpdateUser => {
                let body = json!({"department": department, "nickname": format!("nick {}", dice.below(10_000))});
                Plan::new(Method::PATCH, Target::User(id), body)
            }
            ChangeKind::ToggleUser => {
                let enabled = self.user_body(number).get("enabled") == Some(&Value::Bool(true));
                let target = Target::UserPart(id, Part::Enabled);
                Plan::new(Method::PUT, target, json!({"enabled": !enabled}))
            }
            _ => {
                let (target, population) = self.drawn_population(changes, dice)?;
                if self.user_population(number) == Some(target) {
                    return None;
                }
                let part = Target::UserPart(id, Part::Population);
                Plan::new(Method::PUT, part, json!({"id": population})).with(population)
            }
        };
        Some(plan.on(id))
    }

    fn group_plan(&self, kind: ChangeKind, changes: &Changes, dice: &mut Dice) -> Option<Plan> {
        if kind == ChangeKind::CreateGroup {
            let body = json!({"name": format!("New team {}", self.created)});
            return Some(Plan::new(Method::POST, Target::Groups, body));
        }
        let number = self.drawn_group(changes, dice)?;
        let group = self.group(number)?;
        let plan = match kind {
            ChangeKind::AddMember => {
                let user = self.user_id(self.drawn_user(changes, dice)?);
                let target = Target::Memberships(Principal::User, user);
                Plan::new(Method::POST, target, json!({"id": group.id})).with(user)
            }
            ChangeKind::RemoveMember => {
                let user = self.user_id(dice.pick(&group.direct)?);
                let target = Target::Membership(Principal::User, user, group.id);
                Plan::new(Method::DELETE, target, Value::Null).with(user)
            }
            ChangeKind::Nest => {
                let any = Changes::default();
                let child = self.group(self.drawn_group(&any, dice)?)?.id;
                let target = Target::Memberships(Principal::Group, child);
                Plan::new(Method::POST, target, json!({"id": group.id})).with(child)
            }
            ChangeKind::Unnest => {
                let child = self.group(dice.pick(&group.children)?)?.id;
                let target = Target::Membership(Principal::Group, child, group.id);
                Plan::new(Method::DELETE, target, Value::Null).with(child)
            }
            ChangeKind::RenameGroup => {
                let mut body = json!({"name": format!("Renamed team {}", self.version)});
                if let (Some(filter), Value::Object(body)) = (&group.user_filter, &mut body) {
                    body.insert("userFilter".to_owned(), json!(filter));
                }
                Plan::new(Method::PUT, Target::Group(group.id), body)
            }
            _ => Plan::new(Method::DELETE, Target::Group(group.id), Value::Null),
        };
        Some(plan.on(group.id))
    }

    fn role_plan(
        &self,
        principal: Principal,
        id: Uuid,
        own: &[(Uuid, Uuid)],
        assign: bool,
        dice: &mut Dice,
    ) -> Option<Plan> {
        if !assign {
            let (assignment, role) = dice.pick(own)?;
            let target = Target::Assignment(principal, id, assignment);
            return Some(Plan::new(Method::DELETE, target, Value::Null).on(id).with(role));
        }
        let fitting = self
            .roles
            .iter()
            .filter(|role| role.applicable_to.contains(&"ENVIRONMENT"));
        let fitting: Vec<Uuid> = fitting.map(|role| role.id).collect();
        let role = dice.pick(&fitting)?;
        let body = json!({"role": {"id": role}, "scope": {"id": self.environment, "type": "ENVIRONMENT"}});
        let target = Target::Assignments(principal, id);
        Some(Plan::new(Method::POST, target, body).on(id).with(role))
    }

    fn population_plan(&self, kind: ChangeKind, changes: &Changes, dice: &mut Dice) -> Option<Plan> {
        if kind == ChangeKind::CreatePopulation {
            let body = json!({"name": format!("New population {}", self.created)});
            return Some(Plan::new(Method::POST, Target::Populations, body));
        }
        let (_, id) = self.drawn_population(changes, dice)?;
        Some(Plan::new(Method::DELETE, Target::Population(id), Value::Null).on(id))
    }
}
