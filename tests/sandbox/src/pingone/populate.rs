//! Builds the world: populations, groups with their members, roles, assignments, workers; first the generated part, then what
//! was made by hand. Contract: pingone-api 9 point 60 and the bench directories.

use super::builder::{Directory, Entry, Holder, ScopeOf};
use super::clock::Clock;
use super::filter;
use super::generate::{DEPARTMENTS, EPOCH_MS, People, Spec, pick, stream, threshold, within};
use super::ids::{Ids, Kind, draw};
use super::names::{REGIONS, TEAMS};
use super::options::{AuthMethod, Options};
use super::rolebook;
use super::world::{Application, Assignment, Group, Population, User, Users, World, insert};
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap, HashSet};
use uuid::Uuid;

impl World {
    /// Builds everything; `base` is what hrefs begin with.
    pub(crate) fn build(options: Options, base: String, clock: Clock) -> anyhow::Result<Self> {
        let directory = options.custom.clone().unwrap_or_else(|| Directory {
            spec: Spec::of(&options.directory),
            ..Directory::builder().build()
        });
        let spec = directory.spec.clone();
        let ids = Ids::new(spec.seed);
        let environment = ids.encode(Kind::Environment, 0);
        let root = format!("{base}/environments/{environment}");
        let people = People::new(&spec, &ids, environment, &root);
        let mut world = Self {
            people,
            environment,
            other_environment: ids.encode(Kind::Environment, 1),
            organization: ids.encode(Kind::Organization, 0),
            license: ids.encode(Kind::License, 0),
            users: Users {
                next: spec.users,
                ..Users::default()
            },
            populations: Vec::new(),
            population_by_id: HashMap::new(),
            groups: Vec::new(),
            group_by_id: HashMap::new(),
            roles: rolebook::built_in(&ids),
            user_assignments: HashMap::new(),
            admin_groups: BTreeSet::new(),
            applications: Vec::new(),
            created: 0,
            version: 0,
            activities: super::activities::Log::default(),
            told_rates: Vec::new(),
            options,
            spec,
            ids,
            clock,
            base,
        };
        world.generate_populations();
        world.generate_roles();
        world.generate_groups();
        world.by_hand(&directory)?;
        world.settle_all();
        world.poison(&directory)?;
        world.generate_applications()?;
        Ok(world)
    }

    fn generate_populations(&mut self) {
        for number in 0..self.spec.populations {
            let name = match number {
                0 => "Employees".to_owned(),
                1 => "Contractors".to_owned(),
                n => format!(
                    "{} {}",
                    pick(&REGIONS, n.into()),
                    pick(&["Staff", "Partners", "Customers"], u64::from(n) / 12)
                ),
            };
            let name = if number < 38 { name } else { format!("{name} {number}") };
            self.add_population(
                self.ids.encode(Kind::Population, number.into()),
                name,
                number == 0,
                Map::new(),
            );
        }
        for user in 0..self.spec.users {
            let population = self.people.population(user) as usize;
            if let Some(population) = self.populations.get_mut(population) {
                population.users.push(user);
            }
        }
    }

    pub(crate) fn add_population(&mut self, id: Uuid, name: String, default: bool, over: Map<String, Value>) -> u32 {
        let number = u32::try_from(self.populations.len()).unwrap_or(u32::MAX);
        self.population_by_id.insert(id, number);
        self.populations.push(Population {
            id,
            name,
            default,
            over,
            users: Vec::new(),
        });
        number
    }

    fn generate_roles(&mut self) {
        let wanted = self.spec.roles as usize;
        for number in rolebook::BUILT_IN_COUNT..wanted {
            let id = self.ids.encode(Kind::Role, number as u64);
            self.roles
                .push(rolebook::custom(number - rolebook::BUILT_IN_COUNT, id, &self.ids));
        }
    }

    fn generate_groups(&mut self) {
        let plan = Plan::new(&self.spec);
        let departments = Departments::new(&self.people);
        let mut names = HashSet::new();
        for number in 0..self.spec.groups {
            let id = self.ids.encode(Kind::Group, number.into());
            let mut group = Group {
                id,
                created_ms: EPOCH_MS + i64::from(number) * 60_000,
                ..Group::default()
            };
            self.name_group(number, &plan, &mut group, &mut names);
            self.fill_group(number, &plan, &departments, &mut group);
            self.group_by_id.insert(id, number);
            self.groups.push(group);
        }
        for [top, middle, bottom] in &plan.chains {
            self.nest(*middle, *top);
            self.nest(*bottom, *middle);
        }
        for ring in &plan.rings {
            for (at, child) in ring.iter().enumerate() {
                if let Some(parent) = ring.get((at + 1) % ring.len()) {
                    self.nest(*child, *parent);
                }
            }
        }
        for (at, number) in plan.admins.iter().enumerate() {
            self.generate_group_assignments(at, *number);
        }
    }

    fn name_group(&self, number: u32, plan: &Plan, group: &mut Group, names: &mut HashSet<(Option<u32>, String)>) {
        let traits = draw(self.spec.seed, stream::GROUP_TRAIT, number.into());
        let plain = format!("{} {}", pick(&TEAMS, traits), pick(&REGIONS, traits >> 8));
        let local = plan.role(number) == Part::Plain && traits >> 16 & 7 == 0;
        group.population = local.then(|| u32::try_from(traits >> 24).unwrap_or(0) % self.spec.populations.max(1));
        group.name = if local { plain } else { format!("{plain} {number}") };
        if !names.insert((group.population, group.name.clone())) {
            group.name = format!("{} {number}", group.name);
        }
        if traits >> 20 & 3 != 0 {
            group.description = Some(format!("Made-up group {number}"));
        }
        if traits >> 22 & 3 == 0 {
            group
                .over
                .insert("externalId".to_owned(), json!(format!("cost-centre-{number}")));
            group.over.insert(
                "customData".to_owned(),
                json!({"owner": format!("owner{number}@example.com")}),
            );
        }
    }

    fn fill_group(&self, number: u32, plan: &Plan, departments: &Departments, group: &mut Group) {
        let size = plan.size(number);
        match plan.role(number) {
            Part::Filtered => {
                let parts = (size * DEPARTMENTS)
                    .checked_div(self.spec.users.into())
                    .unwrap_or(0)
                    .clamp(1, DEPARTMENTS);
                let first = draw(self.spec.seed, stream::MEMBER, number.into()) % (DEPARTMENTS - parts + 1);
                let text = department_filter(first, first + parts);
                group.parsed = filter::parse(&text).ok();
                group.user_filter = Some(text);
                group.auto = departments.range(first, first + parts);
            }
            Part::External => {
                group.source = Some(("GATEWAY".to_owned(), self.ids.encode(Kind::IdentityProvider, 90)));
                group.auto = self.sample(number, size, None);
            }
            _ => group.direct = self.sample(number, size, group.population),
        }
    }

    /// `size` users of the directory or of one population, spread evenly, in order.
    fn sample(&self, group: u32, size: u64, population: Option<u32>) -> Vec<u32> {
        let within = population
            .and_then(|at| self.populations.get(at as usize))
            .map(|found| found.users.as_slice());
        let total = within.map_or(u64::from(self.spec.users), |list| list.len() as u64);
        let size = size.min(total);
        (0..size)
            .filter_map(|at| {
                let (low, high) = (at * total / size, (at + 1) * total / size);
                let picked = low + draw(self.spec.seed, stream::MEMBER, u64::from(group) << 32 | at) % (high - low);
                match within {
                    Some(list) => list.get(usize::try_from(picked).ok()?).copied(),
                    None => u32::try_from(picked).ok(),
                }
            })
            .collect()
    }

    fn generate_group_assignments(&mut self, at: usize, group: u32) {
        let roles: Vec<Uuid> = self
            .roles
            .iter()
            .filter(|role| role.applicable_to.contains(&"ENVIRONMENT"))
            .map(|role| role.id)
            .collect();
        let Some(role) = roles.get(at % roles.len().max(1)).copied() else {
            return;
        };
        let id = self.ids.encode(Kind::GroupAssignment, group.into());
        let assignment = Assignment::new(id, role, "ENVIRONMENT", self.environment);
        if let Some(group) = self.groups.get_mut(group as usize) {
            group.assignments.push(assignment);
        }
        self.admin_groups.insert(group);
    }

    pub(crate) fn nest(&mut self, child: u32, parent: u32) {
        if let Some(group) = self.groups.get_mut(parent as usize) {
            insert(&mut group.children, child);
        }
        if let Some(group) = self.groups.get_mut(child as usize) {
            insert(&mut group.parents, parent);
        }
    }

    fn settle_all(&mut self) {
        for number in 0..u32::try_from(self.groups.len()).unwrap_or(0) {
            let Some(group) = self.group(number) else { continue };
            let mixed = !group.direct.is_empty() && !group.auto.is_empty();
            if mixed || !group.children.is_empty() {
                self.settle(number);
            }
        }
    }

    fn generate_applications(&mut self) -> anyhow::Result<()> {
        let secret = |n: u64| {
            format!(
                "sbx~{:016x}.{:016x}_-",
                draw(self.spec.seed, 0x5ec, n),
                draw(self.spec.seed, 0x5ed, n)
            )
        };
        let worker = |n: u64, environment, name: &str, secret: String| Application {
            id: self.ids.encode(Kind::Application, n),
            environment,
            name: name.to_owned(),
            kind: "WORKER",
            protocol: "OPENID_CONNECT",
            enabled: true,
            method: self.options.auth.auth_method,
            secret,
            assignments: Vec::new(),
        };
        let mut own = worker(0, self.environment, "Governance connector", secret(0));
        own.enabled = !self.options.auth.client_disabled;
        let mut foreign = worker(1, self.other_environment, "Central automation", secret(1));
        foreign.method = AuthMethod::Basic;
        let mut web = worker(2, self.environment, "Staff portal", secret(2));
        (web.kind, web.assignments) = ("WEB_APP", Vec::new());
        let mut idle = worker(3, self.environment, "Old import job", secret(3));
        idle.enabled = false;
        if !self.options.access.no_worker_role {
            own.assignments = self.worker_roles(0, &self.options.access.worker_role)?;
        }
        foreign.assignments = self.worker_roles(1, &self.options.access.foreign_worker_role)?;
        idle.assignments = self.worker_roles(3, &["Identity Data Read Only".to_owned()])?;
        self.applications = vec![own, foreign, web, idle];
        Ok(())
    }

    fn worker_roles(&self, application: u64, texts: &[String]) -> anyhow::Result<Vec<Assignment>> {
        let parsed = texts.iter().enumerate().map(|(at, text)| {
            let id = self.ids.encode(Kind::WorkerAssignment, application * 1000 + at as u64);
            self.worker_role(id, text)
        });
        parsed.collect()
    }

    /// Reads `NAME[@SCOPE[:n]]`.
    pub(crate) fn worker_role(&self, id: Uuid, text: &str) -> anyhow::Result<Assignment> {
        let (name, scope) = text.rsplit_once('@').unwrap_or((text, "ENVIRONMENT"));
        let role = self
            .role_named(name)
            .ok_or_else(|| anyhow::anyhow!("no role is named {name}"))?
            .id;
        let (kind, number) = scope.split_once(':').unwrap_or((scope, "0"));
        let scope = match kind {
            "ENVIRONMENT" if number == "1" => self.other_environment,
            "ENVIRONMENT" => self.environment,
            "ORGANIZATION" => self.organization,
            "POPULATION" => {
                let at: usize = number.parse()?;
                self.populations
                    .get(at)
                    .ok_or_else(|| anyhow::anyhow!("there is no population {at}"))?
                    .id
            }
            other => anyhow::bail!("{other} is no scope: ENVIRONMENT, ORGANIZATION or POPULATION:<n>"),
        };
        Ok(Assignment::new(id, role, kind, scope))
    }
}

impl Assignment {
    pub(crate) fn new(id: Uuid, role: Uuid, scope_type: &str, scope: Uuid) -> Self {
        Self {
            id,
            role,
            scope_type: scope_type.to_owned(),
            scope,
            read_only: false,
            fresh_until: None,
            effective_from: None,
            visible_from: None,
        }
    }
}

/// What a generated group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Plain,
    Filtered,
    External,
    Nested,
    Admin,
}

/// Which group is what, and how many members each gets.
struct Plan {
    parts: Vec<Part>,
    sizes: Vec<u64>,
    chains: Vec<[u32; 3]>,
    rings: Vec<Vec<u32>>,
    admins: Vec<u32>,
}

impl Plan {
    fn new(spec: &Spec) -> Self {
        let mut order: Vec<u32> = (0..spec.groups).collect();
        order.sort_by_key(|number| draw(spec.seed, stream::GROUP_RANK, (*number).into()));
        let mut rest = order.into_iter();
        let mut parts = vec![Part::Plain; spec.groups as usize];
        let count =
            |share: f64| usize::try_from(threshold(share) * u64::from(spec.groups) / 1_000_000_000).unwrap_or(0);
        let mut take = |count: usize, part: Part| -> Vec<u32> {
            let taken: Vec<u32> = rest.by_ref().take(count).collect();
            for number in &taken {
                if let Some(slot) = parts.get_mut(*number as usize) {
                    *slot = part;
                }
            }
            taken
        };
        take(count(spec.filtered_groups), Part::Filtered);
        take(count(spec.external_groups), Part::External);
        let chained = take(count(spec.nested_groups) * 3, Part::Nested);
        let chains = chained.as_chunks().0.to_vec();
        let rings = (0..spec.rings)
            .map(|_| take(3, Part::Nested))
            .filter(|ring| ring.len() == 3)
            .collect();
        let admins = if spec.users_with_roles > 0.0 {
            spec.groups.div_ceil(500) as usize
        } else {
            0
        };
        let admins = take(admins, Part::Admin);
        let sizes = sizes(spec, &parts, &chains);
        Self {
            parts,
            sizes,
            chains,
            rings,
            admins,
        }
    }

    fn role(&self, number: u32) -> Part {
        self.parts.get(number as usize).copied().unwrap_or(Part::Plain)
    }

    fn size(&self, number: u32) -> u64 {
        self.sizes.get(number as usize).copied().unwrap_or(0)
    }
}

/// Members per group, so that all memberships together, inherited ones included, come close to the wanted number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "sizes below 2^32"
)]
fn sizes(spec: &Spec, parts: &[Part], chains: &[[u32; 3]]) -> Vec<u64> {
    let weight = |number: usize| {
        let drawn = (draw(spec.seed, stream::GROUP_WEIGHT, number as u64) % 1000) as f64 / 1000.0;
        match parts.get(number) {
            Some(Part::Filtered) => 0.5 + drawn,
            Some(Part::Admin) => 0.0,
            _ => 0.25 + 4.0 * drawn.powi(3),
        }
    };
    let mut counted = vec![1.0; parts.len()];
    for [_, middle, bottom] in chains {
        for (number, times) in [(middle, 2.0), (bottom, 3.0)] {
            if let Some(slot) = counted.get_mut(*number as usize) {
                *slot = times;
            }
        }
    }
    let filtered = |number: usize| parts.get(number) == Some(&Part::Filtered);
    let sum = |wanted: bool| -> f64 {
        let all = counted
            .iter()
            .enumerate()
            .filter(|(number, _)| filtered(*number) == wanted);
        all.map(|(number, times)| times * weight(number)).sum()
    };
    let total = spec.memberships_per_user * f64::from(spec.users);
    let dynamic = if parts.contains(&Part::Filtered) {
        total * spec.dynamic_share
    } else {
        0.0
    };
    let (by_filter, by_hand) = (dynamic / sum(true).max(1e-9), (total - dynamic) / sum(false).max(1e-9));
    (0..parts.len())
        .map(|number| match parts.get(number) {
            Some(Part::Admin) => 3 + number as u64 % 5,
            _ => (weight(number) * if filtered(number) { by_filter } else { by_hand }).round() as u64,
        })
        .map(|size| size.min(spec.users.into()))
        .collect()
}

/// Users by department.
struct Departments {
    members: Vec<Vec<u32>>,
}

impl Departments {
    fn new(people: &People) -> Self {
        let mut members = vec![Vec::new(); usize::try_from(DEPARTMENTS).unwrap_or(0)];
        for user in 0..people.count {
            if let Some(list) = usize::try_from(people.department(user))
                .ok()
                .and_then(|at| members.get_mut(at))
            {
                list.push(user);
            }
        }
        Self { members }
    }

    fn range(&self, first: u64, end: u64) -> Vec<u32> {
        let (first, end) = (usize::try_from(first).unwrap_or(0), usize::try_from(end).unwrap_or(0));
        let mut all = self.members.get(first..end).unwrap_or_default().concat();
        all.sort_unstable();
        all
    }
}

/// A user filter for the departments `first..end`, as few prefixes as it takes.
fn department_filter(first: u64, end: u64) -> String {
    let mut parts = Vec::new();
    let mut at = first;
    while at < end {
        if at.is_multiple_of(100) && at + 100 <= end {
            parts.push(format!("department sw \"D-{}\"", at / 100));
            at += 100;
        } else if at.is_multiple_of(10) && at + 10 <= end {
            parts.push(format!("department sw \"D-{:02}\"", at / 10));
            at += 10;
        } else {
            parts.push(format!("department eq \"D-{at:03}\""));
            at += 1;
        }
    }
    parts.join(" or ")
}

/// The hand-made part.
impl World {
    fn by_hand(&mut self, directory: &Directory) -> anyhow::Result<()> {
        let defaults = directory
            .populations
            .iter()
            .any(|entry| entry.over.get("default") == Some(&Value::Bool(true)));
        for (at, entry) in directory.populations.iter().enumerate() {
            let default = entry.over.get("default").and_then(Value::as_bool);
            let first = at == 0 && !defaults && self.populations.is_empty();
            let mut over = entry.over.clone();
            over.remove("default");
            self.add_population(entry.id, entry.label.clone(), default.unwrap_or(first), over);
        }
        for entry in &directory.users {
            self.add_user_by_hand(&entry.entry, directory.id(&entry.population))?;
        }
        for entry in &directory.groups {
            self.add_group_by_hand(entry, directory);
        }
        for entry in &directory.roles {
            let mut role = rolebook::custom(0, entry.id, &self.ids);
            role.name.clone_from(&entry.label);
            role.over = entry.over.clone();
            self.roles.push(role);
        }
        for (group, user) in &directory.members {
            let user = self.user_number(id_of(directory, user)?).ok_or_else(|| unknown(user))?;
            let at = self
                .group_number(id_of(directory, group)?)
                .ok_or_else(|| unknown(group))?;
            if let Some(group) = self.groups.get_mut(at as usize) {
                insert(
                    if group.source.is_some() {
                        &mut group.auto
                    } else {
                        &mut group.direct
                    },
                    user,
                );
            }
        }
        for (child, parent) in &directory.nested {
            let child = self
                .group_number(id_of(directory, child)?)
                .ok_or_else(|| unknown(child))?;
            let parent = self
                .group_number(id_of(directory, parent)?)
                .ok_or_else(|| unknown(parent))?;
            self.nest(child, parent);
        }
        self.fill_by_filters();
        self.assignments_by_hand(directory)
    }

    fn add_user_by_hand(&mut self, entry: &Entry, population: Option<Uuid>) -> anyhow::Result<()> {
        let population = population.ok_or_else(|| anyhow::anyhow!("user {} has no known population", entry.label))?;
        let body = json!({
            "id": entry.id, "environment": {"id": self.environment},
            "account": {"canAuthenticate": true, "status": "OK"},
            "createdAt": "2025-08-18T19:33:26.304Z", "updatedAt": "2026-02-27T06:58:01.500Z",
            "email": format!("{}@example.com", entry.label), "emailVerified": true, "enabled": true,
            "identityProvider": {"type": "PING_ONE"}, "lifecycle": {"status": "ACCOUNT_OK"}, "mfaEnabled": false,
            "name": {"given": entry.label, "family": "Example"},
            "population": {"id": population}, "username": entry.label, "verifyStatus": "NOT_INITIATED",
        });
        let Value::Object(mut body) = body else { return Ok(()) };
        for (key, value) in &entry.over {
            match value {
                Value::Null => body.remove(key),
                value => body.insert(key.clone(), value.clone()),
            };
        }
        let number = self.users.next;
        self.users.next += 1;
        if let Some(name) = body.get("username").and_then(Value::as_str) {
            self.users.by_username.insert(name.to_lowercase(), number);
        }
        let population = self.population_by_id.get(&population).copied();
        if let Some(found) = population.and_then(|at| self.populations.get_mut(at as usize)) {
            found.users.push(number);
        }
        self.users.by_id.insert(entry.id, number);
        self.users.stored.insert(
            number,
            Box::new(User {
                id: entry.id,
                population,
                body,
                ..User::blank()
            }),
        );
        Ok(())
    }

    fn add_group_by_hand(&mut self, entry: &Entry, directory: &Directory) {
        let mut over = entry.over.clone();
        let text = |value: Option<Value>| value.and_then(|value| value.as_str().map(str::to_owned));
        let population = text(over.remove("population")).and_then(|label| directory.id(&label));
        let source_id = text(over.remove("sourceId")).and_then(|id| Uuid::try_parse(&id).ok());
        let source_id = source_id.unwrap_or_else(|| self.ids.encode(Kind::IdentityProvider, 90));
        let user_filter = text(over.remove("userFilter"));
        let name = text(over.get("name").cloned()).unwrap_or_else(|| entry.label.clone());
        let group = Group {
            id: entry.id,
            name,
            population: population.and_then(|id| self.population_by_id.get(&id).copied()),
            parsed: user_filter.as_deref().and_then(|text| filter::parse(text).ok()),
            user_filter,
            source: text(over.remove("sourceType")).map(|kind| (kind, source_id)),
            over,
            created_ms: EPOCH_MS,
            ..Group::default()
        };
        self.group_by_id
            .insert(entry.id, u32::try_from(self.groups.len()).unwrap_or(u32::MAX));
        self.groups.push(group);
    }

    fn fill_by_filters(&mut self) {
        let wanted: Vec<usize> = (self.spec.groups as usize..self.groups.len())
            .filter(|at| self.groups.get(*at).is_some_and(|group| group.parsed.is_some()))
            .collect();
        for at in wanted {
            let Some(parsed) = self.groups.get(at).and_then(|group| group.parsed.clone()) else {
                continue;
            };
            let auto: Vec<u32> = self
                .living()
                .filter(|user| self.filter_fits(&parsed, *user, &self.user_body(*user).into()))
                .collect();
            if let Some(group) = self.groups.get_mut(at) {
                group.auto = auto;
            }
        }
    }

    fn assignments_by_hand(&mut self, directory: &Directory) -> anyhow::Result<()> {
        for (at, entry) in directory.assignments.iter().enumerate() {
            let role = match self.role_named(&entry.role) {
                Some(role) => role.id,
                None => Uuid::try_parse(&entry.role).map_err(|_| unknown(&entry.role))?,
            };
            let (kind, scope) = match &entry.scope {
                ScopeOf::Environment => ("ENVIRONMENT", self.environment),
                ScopeOf::Organization => ("ORGANIZATION", self.organization),
                ScopeOf::Population(label) => ("POPULATION", id_of(directory, label)?),
                ScopeOf::Other(kind, id) => (kind.as_str(), *id),
            };
            let id = self.ids.encode(Kind::Assignment, (1 << 36) + at as u64);
            let assignment = Assignment {
                read_only: entry.read_only,
                ..Assignment::new(id, role, kind, scope)
            };
            match &entry.holder {
                Holder::User(label) => {
                    let user = self
                        .user_number(id_of(directory, label)?)
                        .ok_or_else(|| unknown(label))?;
                    let own = self.own_assignments(user);
                    self.user_assignments.entry(user).or_insert(own).push(assignment);
                }
                Holder::Group(label) => {
                    let group = self
                        .group_number(id_of(directory, label)?)
                        .ok_or_else(|| unknown(label))?;
                    self.admin_groups.insert(group);
                    if let Some(group) = self.groups.get_mut(group as usize) {
                        group.assignments.push(assignment);
                    }
                }
            }
        }
        Ok(())
    }

    fn poison(&mut self, directory: &Directory) -> anyhow::Result<()> {
        for label in &directory.poisoned {
            let user = self
                .user_number(id_of(directory, label)?)
                .ok_or_else(|| unknown(label))?;
            self.users.poisoned.insert(user);
        }
        self.users
            .poisoned
            .extend(self.options.timing.poisoned_user.iter().copied());
        Ok(())
    }

    /// The user's own assignments; those of generated users follow from their number.
    pub(crate) fn own_assignments(&self, user: u32) -> Vec<Assignment> {
        if let Some(stored) = self.user_assignments.get(&user) {
            return stored.clone();
        }
        if user >= self.people.count || !self.generated_with_role(user) {
            return Vec::new();
        }
        let drawn = draw(self.spec.seed, stream::ROLE_PICK, user.into());
        let first = self.generated_assignment(user, 0, drawn);
        let second = (drawn >> 8 & 3 == 0).then(|| self.generated_assignment(user, 1, drawn.rotate_left(29)));
        first.into_iter().chain(second.flatten()).collect()
    }

    pub(crate) fn generated_with_role(&self, user: u32) -> bool {
        within(
            draw(self.spec.seed, stream::ROLE, user.into()),
            threshold(self.spec.users_with_roles),
        )
    }

    fn generated_assignment(&self, user: u32, slot: u64, drawn: u64) -> Option<Assignment> {
        let role = self
            .roles
            .get(usize::try_from(drawn % self.roles.len().max(1) as u64).ok()?)?;
        let id = self.ids.encode(Kind::Assignment, u64::from(user) * 4 + slot);
        let kind = *role
            .applicable_to
            .get(usize::try_from(drawn >> 12 & 0xff).ok()? % role.applicable_to.len().max(1))?;
        let (kind, scope) = match kind {
            "ORGANIZATION" => (kind, self.organization),
            "POPULATION" => {
                let at = usize::try_from(drawn >> 24).ok()? % self.populations.len().max(1);
                (kind, self.populations.get(at)?.id)
            }
            _ if drawn >> 20 & 0xf == 0 => ("ENVIRONMENT", self.other_environment),
            _ => ("ENVIRONMENT", self.environment),
        };
        let read_only = drawn >> 60 == 0;
        Some(Assignment {
            read_only,
            ..Assignment::new(id, role.id, kind, scope)
        })
    }
}

fn id_of(directory: &Directory, label: &str) -> anyhow::Result<Uuid> {
    directory.id(label).ok_or_else(|| unknown(label))
}

fn unknown(label: &str) -> anyhow::Error {
    anyhow::anyhow!("the directory has nothing named {label}")
}
