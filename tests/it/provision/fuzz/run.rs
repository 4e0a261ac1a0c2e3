//! One run: draw an operation and its faults, say what must come of it, do it, compare the whole directory.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::{Arc, Mutex};

use baton::task::{Code, EntitlementRef, Provisioner, ResourceRef};
use baton_ping_one::provision::{PingOneProvisioner, ProvisionOptions};
use sandbox::pingone::{Membership, Options, Server, Snapshot, start};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use uuid::Uuid;

use super::super::rig::{HELP_DESK, READ_ONLY, client, directory, entitlement, resource};
use super::fault::draw;
use super::model::{Assigned, State};
use super::perform::{Got, Op, perform};
use super::planted::{Plant, Planted};
use crate::dice::Dice;

const USERS: [&str; 8] = ["ann", "bob", "gus", "ivy", "dora", "eve", "ada", "rita"];
const GROUPS: [&str; 8] = [
    "team",
    "top",
    "low",
    "filtered",
    "outside",
    "staff-only",
    "admins",
    "near-admins",
];
const NAMES: [&str; 6] = ["new-1", "new-2", "new-3", "New-1", "ann", "ünï \"q\" 🦀"];

/// What a run saw.
#[derive(Debug, Default)]
pub struct Report {
    pub steps: u32,
    pub faults: u32,
    pub changed: u32,
    pub already: u32,
    pub refused: u32,
    pub undecided: u32,
}

impl Report {
    pub fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.faults += other.faults;
        self.changed += other.changed;
        self.already += other.already;
        self.refused += other.refused;
        self.undecided += other.undecided;
    }
}

/// What must come of an operation that nothing disturbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// It changes something and succeeds.
    Change,
    /// It is so already.
    Already,
    /// It is refused, and this is the code.
    Refused(Code),
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub struct Run {
    seed: u32,
    dice: Dice,
    server: Server,
    options: Options,
    provisioner: Arc<dyn Provisioner>,
    ids: BTreeMap<&'static str, Uuid>,
    roles: BTreeMap<String, Uuid>,
    /// Everybody who was ever there.
    people: Vec<Uuid>,
    log: Log,
    _logging: DefaultGuard,
}

/// Each seed answers differently where PingOne's answers are not certain.
fn options(seed: u32) -> Options {
    let mut options = Options {
        custom: Some(directory()),
        ..Options::default()
    };
    let on = |every: u32| seed.is_multiple_of(every);
    options.roles.duplicate_assignment_ok = on(2);
    options.roles.inherited_unmarked = on(3);
    options.roles.lower_case_scopes = on(4);
    options.roles.read_only_seconds = if on(5) { 5 } else { 0 };
    options.groups.remove_indirect_status = if on(2) { 404 } else { 400 };
    options.groups.duplicate_member_ok = seed % 4 == 1;
    options.groups.refuse_dynamic_add = seed % 3 == 1;
    options.groups.add_status = if on(3) { 204 } else { 201 };
    options.groups.no_direct_counts = seed % 5 == 1;
    options.filters.refuse_direct = seed % 5 == 2;
    options.timing.create_delay_ms = if seed % 4 == 3 { 1_500 } else { 0 };
    options
}

impl Run {
    pub async fn new(seed: u32, plant: Option<Plant>) -> Self {
        let options = options(seed);
        let server = start(options.clone()).await.unwrap();
        let client = client(&server, 100_000);
        let real: Arc<dyn Provisioner> = Arc::new(PingOneProvisioner::new(ProvisionOptions::default(), client.clone()));
        let provisioner = match plant {
            None => real,
            Some(plant) => Arc::new(Planted { plant, real, client }),
        };
        let directory = directory();
        let labels = USERS.into_iter().chain(GROUPS).chain(["staff", "guests"]);
        let ids: BTreeMap<_, _> = labels.map(|label| (label, directory.id(label).unwrap())).collect();
        let roles = server.directory().roles();
        let roles = roles.into_iter().map(|(id, name, _)| (name, id)).collect();
        let log = Log::default();
        let writer = log.clone();
        let ours = Targets::new()
            .with_default(LevelFilter::INFO)
            .with_target("baton_ping_one", LevelFilter::TRACE);
        let records = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(ours).with(records);
        Self {
            seed,
            dice: Dice::new(seed),
            options,
            provisioner,
            people: USERS
                .iter()
                .map(|label| ids[label])
                .chain([Uuid::from_u128(7)])
                .collect(),
            ids,
            roles,
            log,
            _logging: tracing::subscriber::set_default(subscriber),
            server,
        }
    }

    /// Runs so many operations; the first that the model does not allow ends the run.
    pub async fn steps(mut self, steps: u32) -> Result<Report, String> {
        let mut report = Report::default();
        let mut before = self.server.snapshot();
        let mut old = State::of(&before);
        for step in 0..steps {
            let op = self.operation();
            let faults = draw(&mut self.dice);
            let disturbed = !faults.is_empty();
            let due = self.due(&op, &before, &old);
            let shown = format!("{faults:?}");
            self.server.set_faults(faults);
            // A password's age tells whether it was changed, so no two changes are at the same moment.
            tokio::time::advance(std::time::Duration::from_secs(1)).await;
            let (got, told) = perform(self.provisioner.as_ref(), &op).await;
            self.server.set_faults(Vec::new());
            // What a lost call does later than its answer is seen too.
            tokio::task::yield_now().await;
            let after = self.server.snapshot();
            let now = State::of(&after);
            let verdict = self
                .judge(&op, due, &got, disturbed, &old, &now)
                .and_then(|()| self.secrets(&after, &told));
            if let Err(fault) = verdict {
                return Err(format!(
                    "seed {} step {step}: {fault}\n  {op:?}\n  due {due:?}, got {got:?}\n  faults {shown}",
                    self.seed
                ));
            }
            report.steps += 1;
            report.faults += u32::from(disturbed);
            match &got {
                Got::Done { already: true } => report.already += 1,
                Got::Done { already: false } => report.changed += 1,
                Got::Failed(_) if old != now => report.undecided += 1,
                Got::Failed(_) => report.refused += 1,
            }
            for user in after.users.keys() {
                if !self.people.contains(user) {
                    self.people.push(*user);
                }
            }
            (before, old) = (after, now);
        }
        Ok(report)
    }

    fn operation(&mut self) -> Op {
        let user = *self.dice.pick(&self.people);
        let group = self.ids[*self.dice.pick(&GROUPS)];
        let kind = if self.dice.one_in(30) { "group" } else { "user" };
        match self.dice.below(26) {
            0..4 => Op::Grant(entitlement("group", group, "member"), resource(kind, user)),
            4..8 => Op::Revoke(entitlement("group", group, "member"), resource(kind, user)),
            8..14 => Op::Grant(self.role(), self.holder(user, group)),
            14..20 => Op::Revoke(self.role(), self.holder(user, group)),
            20..23 => {
                let population = self.ids[["staff", "guests"][self.dice.below(2)]];
                Op::Create((*self.dice.pick(&NAMES)).to_owned(), population)
            }
            // Of those who were there at the start some must stay, or little is left to do.
            23 => Op::Delete(*self.dice.pick(&self.people[USERS.len()..])),
            _ => Op::Rotate(user),
        }
    }

    fn role(&mut self) -> EntitlementRef {
        let name = *self
            .dice
            .pick(&[READ_ONLY, READ_ONLY, HELP_DESK, "Client Application Developer"]);
        let role = self.role_named(name);
        let slug = match self.dice.below(4) {
            0 => format!("assigned-population-{}", self.ids["staff"]),
            1 => format!("assigned-population-{}", self.ids["guests"]),
            _ => "assigned".to_owned(),
        };
        entitlement("role", role, &slug)
    }

    fn role_named(&self, name: &str) -> Uuid {
        self.roles[name]
    }

    fn holder(&mut self, user: Uuid, group: Uuid) -> ResourceRef {
        if self.dice.one_in(4) {
            resource("group", group)
        } else {
            resource("user", user)
        }
    }

    fn assigned(&self, entitlement: &EntitlementRef, holder: Uuid) -> Assigned {
        let role = entitlement.resource.id.parse().unwrap();
        match entitlement.slug.strip_prefix("assigned-population-") {
            Some(population) => (holder, role, "POPULATION".into(), population.parse().unwrap()),
            None => (holder, role, "ENVIRONMENT".into(), self.server.environment_id()),
        }
    }

    /// What the operation leaves where it takes effect.
    fn applied(&self, op: &Op, before: &State) -> State {
        let mut state = before.clone();
        match op {
            Op::Grant(what, who) | Op::Revoke(what, who) => {
                let (id, holder): (Uuid, Uuid) = (what.resource.id.parse().unwrap(), who.id.parse().unwrap());
                match (op, what.resource.resource_type.as_str()) {
                    (Op::Grant(..), "group") => {
                        state.direct.insert((holder, id));
                    }
                    (Op::Revoke(..), "group") => {
                        state.direct.remove(&(holder, id));
                    }
                    (Op::Grant(..), _) => {
                        state.assigned.entry(self.assigned(what, holder)).or_insert(1);
                    }
                    _ => {
                        state.assigned.remove(&self.assigned(what, holder));
                    }
                }
            }
            Op::Delete(user) => state = state.without(*user),
            Op::Create(..) | Op::Rotate(_) => {}
        }
        state
    }

    /// What must come of it, from the contract alone.
    fn due(&self, op: &Op, now: &Snapshot, state: &State) -> Due {
        match op {
            Op::Grant(what, who) | Op::Revoke(what, who) => {
                let grants = matches!(op, Op::Grant(..));
                let holder: Uuid = who.id.parse().unwrap();
                match what.resource.resource_type.as_str() {
                    "group" => self.due_membership(grants, what, who, holder, now),
                    _ => self.due_role(grants, what, who, holder, (now, state)),
                }
            }
            Op::Create(name, _) if now.user_named(name).is_some() => Due::Already,
            Op::Delete(user) if !now.users.contains_key(user) => Due::Already,
            Op::Rotate(user) if !now.users.contains_key(user) => Due::Refused(Code::NotFound),
            Op::Create(..) | Op::Delete(_) | Op::Rotate(_) => Due::Change,
        }
    }

    fn due_membership(
        &self,
        grants: bool,
        what: &EntitlementRef,
        who: &ResourceRef,
        user: Uuid,
        now: &Snapshot,
    ) -> Due {
        let group: Uuid = what.resource.id.parse().unwrap();
        let is = |label: &str| self.ids[label] == group;
        let there = now.users.get(&user);
        let none = Membership {
            direct: false,
            computed: false,
            nested: false,
        };
        let how = now.memberships.get(&(user, group)).copied().unwrap_or(none);
        let indirect = how.computed || how.nested;
        match grants {
            _ if who.resource_type != "user" => Due::Refused(Code::InvalidArgument),
            true if is("outside") => Due::Refused(Code::FailedPrecondition),
            true if there.is_none() => Due::Refused(Code::NotFound),
            true if how.direct => Due::Already,
            true if is("staff-only") && there.unwrap().population != Some(self.ids["staff"]) => {
                Due::Refused(Code::FailedPrecondition)
            }
            true if is("filtered") && self.options.groups.refuse_dynamic_add => Due::Refused(Code::FailedPrecondition),
            true => Due::Change,
            false if is("outside") && (indirect || how.direct) => Due::Refused(Code::FailedPrecondition),
            false if indirect => Due::Refused(Code::FailedPrecondition),
            false if how.direct => Due::Change,
            false => Due::Already,
        }
    }

    fn due_role(
        &self,
        grants: bool,
        what: &EntitlementRef,
        who: &ResourceRef,
        holder: Uuid,
        (now, state): (&Snapshot, &State),
    ) -> Due {
        let key = self.assigned(what, holder);
        let own = state.assigned.contains_key(&key);
        let is_group = who.resource_type == "group";
        let there = now.users.contains_key(&holder) || now.groups.contains_key(&holder);
        let unfit = key.1 == self.role_named("Client Application Developer") && key.2 != "ENVIRONMENT";
        let filled = [self.ids["filtered"], self.ids["outside"]].contains(&holder);
        let rita = key.0 == self.ids["rita"] && key.1 == self.role_named(READ_ONLY) && key.2 == "ENVIRONMENT";
        let inherited = now.memberships.keys().any(|(user, group)| {
            let through = (*group, key.1, key.2.clone(), key.3);
            *user == holder && state.assigned.contains_key(&through)
        });
        match grants {
            true if unfit => Due::Refused(Code::InvalidArgument),
            true if is_group && filled => Due::Refused(Code::FailedPrecondition),
            true if !there => Due::Refused(Code::NotFound),
            true if own => Due::Already,
            true => Due::Change,
            false if own && rita => Due::Refused(Code::FailedPrecondition),
            false if own => Due::Change,
            false if inherited && !is_group => Due::Refused(Code::FailedPrecondition),
            false => Due::Already,
        }
    }

    /// Whether what came of it is what the model allows.
    fn judge(&self, op: &Op, due: Due, got: &Got, disturbed: bool, old: &State, now: &State) -> Result<(), String> {
        let mut wanted = self.applied(op, old);
        if let Op::Create(name, _) = op
            && due == Due::Change
            && let Some(id) = now.users.get(name)
        {
            wanted.users.insert(name.clone(), *id);
        }
        let wanted = &wanted;
        match got {
            Got::Done { already } => {
                if let Due::Refused(_) = due {
                    return Err("success where a refusal is due".into());
                }
                if now != wanted {
                    return Err(format!("success, but the directory differs: {}", now.differs(wanted)));
                }
                if *already && due == Due::Change {
                    return Err("\"already\" was claimed of what was not so".into());
                }
                let silent = disturbed || self.options.groups.duplicate_member_ok || matches!(op, Op::Delete(_));
                if !already && due == Due::Already && !silent {
                    return Err("what was so already was not said to be".into());
                }
                Ok(())
            }
            Got::Failed(error) => {
                if error.code == Code::Unknown {
                    return Err(error.message.clone());
                }
                let passing = matches!(
                    error.code,
                    Code::Unavailable
                        | Code::DeadlineExceeded
                        | Code::Internal
                        | Code::PermissionDenied
                        | Code::Unauthenticated
                ) || error.message.contains("This is not an answer of PingOne's");
                let expected = matches!(due, Due::Refused(code) if code == error.code);
                if !(expected || disturbed && passing) {
                    return Err("a failure that nothing explains".into());
                }
                let stays = matches!(op, Op::Revoke(..)) && now == wanted;
                let undecided = passing && disturbed && now == wanted && !matches!(due, Due::Refused(_));
                if now != old && !stays && !undecided {
                    return Err(format!("a failure that changed the directory: {}", now.differs(old)));
                }
                Ok(())
            }
        }
    }

    /// No password that was set is in the log, in an answer or in an error.
    fn secrets(&self, after: &Snapshot, told: &str) -> Result<(), String> {
        let passwords: BTreeSet<_> = after
            .users
            .values()
            .filter_map(|user| user.password.as_deref())
            .collect();
        let log = std::mem::take(&mut *self.log.0.lock().unwrap());
        let log = String::from_utf8_lossy(&log);
        for password in passwords {
            if log.contains(password) || told.contains(password) {
                return Err("a password can be read".into());
            }
        }
        Ok(())
    }
}
