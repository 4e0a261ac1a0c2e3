//! Builds the world: populations, groups with their members, roles, assignments, workers; first the generated part, then what
//! was made by hand. Contract: pingone-api.md §9 point 60 and the bench directories.

use super::builder::Directory;
use super::clock::Clock;
use super::filter;
use super::generate::{DEPARTMENTS, EPOCH_MS, People, Spec, pick, stream};
use super::ids::{Ids, Kind, draw};
use super::names::{REGIONS, TEAMS};
use super::options::{AuthMethod, Options};
use super::plan::{Departments, Part, Plan, department_filter, is_local};
use super::rolebook;
use super::world::{Application, Assignment, Group, Population, Users, World, insert};
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
            gateways: Vec::new(),
            created: 0,
            version: 0,
            activities: super::activities::Log::default(),
            told_rates: Vec::new(),
            drawn: 0,
            counted: std::collections::VecDeque::new(),
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
        world.generate_more_applications();
        world.generate_gateways();
        Ok(world)
    }

    fn generate_populations(&mut self) {
        let defaults = self.options.access_model.default_populations;
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
                number < defaults,
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
            gone: false,
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
        let bare = format!("{} {}", pick(&TEAMS, traits), pick(&REGIONS, traits >> 8));
        let local = plan.role(number) == Part::Plain && is_local(&self.spec, number);
        group.population = local.then(|| u32::try_from(traits >> 24).unwrap_or(0) % self.spec.populations.max(1));
        group.name = if local { bare } else { format!("{bare} {number}") };
        if !names.insert((group.population, group.name.clone())) {
            group.name = format!("{} {number}", group.name);
        }
        if !(traits >> 20).is_multiple_of(4) {
            group.description = Some(format!("Made-up group {number}"));
        }
        if (traits >> 22).is_multiple_of(4) {
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
                let half = u64::from(self.spec.users) / 2;
                let parts = (size * DEPARTMENTS + half)
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
            former: Vec::new(),
            previous: None,
            replaced: 0,
            over: Map::new(),
            roles: true,
            listed: true,
            assignments: Vec::new(),
        };
        let mut own = worker(0, self.environment, "Governance connector", secret(0));
        own.enabled = !self.options.auth.client_disabled;
        if own.method == AuthMethod::PrivateKeyJwt {
            own.secret = super::assertion::private_key();
        }
        let mut foreign = worker(1, self.other_environment, "Central automation", secret(1));
        foreign.method = AuthMethod::Basic;
        let mut web = worker(2, self.environment, "Staff portal", secret(2));
        (web.kind, web.roles) = ("WEB_APP", false);
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
            "APPLICATION" => self.ids.encode(Kind::Application, number.parse()?),
            other => anyhow::bail!("{other} is no scope: ENVIRONMENT, ORGANIZATION, POPULATION:<n> or APPLICATION:<n>"),
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
