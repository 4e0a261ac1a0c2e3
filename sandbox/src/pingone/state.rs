//! The true state, to compare with: sizes and the least calls of a sync, every row as JSON lines, and a snapshot that tests
//! compare before and after.

use super::http::Shared;
use super::world::{Assignment, World, holds};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

/// How much there is, and the least calls of a full sync (pingone-api.md §8, L).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names say what is counted")]
pub struct Sizes {
    pub users: usize,
    pub populations: usize,
    pub groups: usize,
    pub dynamic_groups: usize,
    pub external_groups: usize,
    pub parent_groups: usize,
    pub roles: usize,
    /// (user, group) pairs, each once
    pub memberships: usize,
    /// Of these, direct ones
    pub direct_memberships: usize,
    /// Group nestings, direct
    pub nestings: usize,
    pub user_assignments: usize,
    pub users_with_roles: usize,
    pub group_assignments: usize,
    /// Scopes outside this environment, its organization and its populations
    pub foreign_scopes: usize,
    /// L of pingone-api.md §8 without the call of `capabilities`
    pub least_calls: usize,
}

/// Counts everything.
pub(crate) fn sizes(world: &World) -> Sizes {
    let groups: Vec<_> = world.groups.iter().filter(|group| !group.gone).collect();
    let mut foreign: BTreeSet<Uuid> = BTreeSet::new();
    let mut see = |items: &[Assignment]| {
        let own = |scope: &Uuid| {
            *scope == world.environment || *scope == world.organization || world.population_by_id.contains_key(scope)
        };
        foreign.extend(items.iter().map(|item| item.scope).filter(|scope| !own(scope)));
    };
    let (mut user_assignments, mut users_with_roles) = (0, 0);
    for user in world.living() {
        let own = world.own_assignments(user);
        user_assignments += own.len();
        users_with_roles += usize::from(!own.is_empty());
        see(&own);
    }
    for group in &groups {
        see(&group.assignments);
    }
    let direct = |group: &super::world::Group| group.direct_members(world.options.groups.external_members).len();
    let users = world.living_count();
    let mut sizes = Sizes {
        users,
        populations: world.populations.iter().filter(|found| !found.gone).count(),
        groups: groups.len(),
        dynamic_groups: groups.iter().filter(|group| group.user_filter.is_some()).count(),
        external_groups: groups.iter().filter(|group| group.source.is_some()).count(),
        parent_groups: groups.iter().filter(|group| !group.children.is_empty()).count(),
        roles: world.roles.len(),
        memberships: groups.iter().map(|group| group.members().len()).sum(),
        direct_memberships: groups.iter().map(|group| direct(group)).sum(),
        nestings: groups.iter().map(|group| group.children.len()).sum(),
        user_assignments,
        users_with_roles,
        group_assignments: groups.iter().map(|group| group.assignments.len()).sum(),
        foreign_scopes: foreign.len(),
        least_calls: 0,
    };
    sizes.least_calls = least_calls(world, &sizes);
    sizes
}

fn least_calls(world: &World, sizes: &Sizes) -> usize {
    let paging = &world.options.paging;
    let pages = |rows: usize| rows.div_ceil(paging.max_page_users.max(1));
    let other = |rows: usize| rows.div_ceil(paging.max_page.max(1)).max(1);
    let of_groups: usize = world
        .groups
        .iter()
        .filter(|group| !group.gone)
        .map(|group| {
            let calculated = group.user_filter.is_some() || group.source.is_some();
            let direct = group.direct_members(world.options.groups.external_members).len();
            let all = if calculated {
                pages(group.members().len()).max(1)
            } else {
                0
            };
            let children = group.children.len().div_ceil(paging.max_page.max(1));
            pages(direct) + all + children + usize::from(!calculated)
        })
        .sum();
    let lists = pages(sizes.users).max(1) + other(sizes.populations) + other(sizes.groups) + 2;
    2 + lists + of_groups + sizes.users + sizes.foreign_scopes
}

/// A membership as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Membership {
    /// Added by hand
    pub direct: bool,
    /// Through the filter or the source of the group itself
    pub computed: bool,
    /// Through a nested group
    pub nested: bool,
}

/// An assignment as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[expect(missing_docs, reason = "the names of the API")]
pub struct AssignmentState {
    pub holder_type: &'static str,
    pub holder: Uuid,
    pub role: Uuid,
    pub scope_type: String,
    pub scope: Uuid,
    pub id: Uuid,
    pub read_only: bool,
}

/// A user as it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UserState {
    /// The object without links
    pub body: Value,
    /// Its population
    pub population: Option<Uuid>,
    /// Status of the password
    pub password_status: &'static str,
    /// The password, where one was set through the API
    pub password: Option<String>,
    /// Open sessions
    pub sessions: Vec<Uuid>,
    /// MFA devices
    pub devices: Vec<Uuid>,
}

/// Everything that calls can change, comparable. Meant for small directories.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// By id
    pub users: BTreeMap<Uuid, UserState>,
    /// By id, without links
    pub groups: BTreeMap<Uuid, Value>,
    /// By id, without links
    pub populations: BTreeMap<Uuid, Value>,
    /// By (user, group)
    pub memberships: BTreeMap<(Uuid, Uuid), Membership>,
    /// Direct nestings (child, parent)
    pub nestings: BTreeSet<(Uuid, Uuid)>,
    /// Own assignments of users, groups and applications
    pub assignments: BTreeSet<AssignmentState>,
    /// Roles
    pub roles: BTreeSet<Uuid>,
    /// Applications that the environment's list shows, by id, without links
    pub applications: BTreeMap<Uuid, Value>,
    /// Gateways by id, with their type
    pub gateways: BTreeMap<Uuid, &'static str>,
    /// Ids of the gateways' credentials and of the environment's keys
    pub credentials: BTreeSet<Uuid>,
}

impl Snapshot {
    /// The user with this user name, compared without case.
    pub fn user_named(&self, username: &str) -> Option<(Uuid, &UserState)> {
        let named = |state: &UserState| {
            let name = state.body.get("username").and_then(Value::as_str);
            name.is_some_and(|name| name.to_lowercase() == username.to_lowercase())
        };
        self.users
            .iter()
            .find(|(_, state)| named(state))
            .map(|(id, state)| (*id, state))
    }

    /// Whether a user holds a role over a scope by an assignment of its own.
    pub fn has_role(&self, holder: Uuid, role: Uuid, scope: Uuid) -> bool {
        self.assignments
            .iter()
            .any(|item| item.holder == holder && item.role == role && item.scope == scope)
    }
}

/// The members of a group with how they are members.
pub(crate) fn members(world: &World, number: u32) -> Vec<(u32, Membership)> {
    let Some(group) = world.group(number).filter(|group| !group.gone) else {
        return Vec::new();
    };
    let inner: Vec<_> = world
        .closure(number, |group| &group.children)
        .into_iter()
        .filter(|inner| *inner != number)
        .filter_map(|inner| world.group(inner))
        .collect();
    let how = |user: &u32| Membership {
        direct: holds(&group.direct, *user),
        computed: holds(&group.auto, *user),
        nested: inner
            .iter()
            .any(|inner| holds(&inner.direct, *user) || holds(&inner.auto, *user)),
    };
    group.members().iter().map(|user| (*user, how(user))).collect()
}

fn without_links(mut value: Value) -> Value {
    if let Some(body) = value.as_object_mut() {
        body.remove("_links");
    }
    value
}

/// Takes a snapshot.
pub(crate) fn snapshot(world: &World) -> Snapshot {
    let mut taken = Snapshot::default();
    for number in world.living() {
        let user = world.user(number);
        let population = user
            .population
            .and_then(|at| world.populations.get(at as usize))
            .map(|found| found.id);
        let state = UserState {
            body: Value::Object(user.body),
            population,
            password_status: user.password.status,
            password: user.password.value,
            sessions: user.sessions,
            devices: user.devices,
        };
        taken.users.insert(user.id, state);
        taken
            .assignments
            .extend(states("user", user.id, &world.own_assignments(number)));
    }
    for number in 0..u32::try_from(world.groups.len()).unwrap_or(0) {
        let Some(group) = world.group(number).filter(|group| !group.gone) else {
            continue;
        };
        taken
            .groups
            .insert(group.id, without_links(world.group_value(number, true)));
        taken.assignments.extend(states("group", group.id, &group.assignments));
        for (user, how) in members(world, number) {
            taken.memberships.insert((world.user_id(user), group.id), how);
        }
        let parents = group.parents.iter().filter_map(|parent| world.group(*parent));
        taken.nestings.extend(parents.map(|parent| (group.id, parent.id)));
    }
    for number in 0..u32::try_from(world.populations.len()).unwrap_or(0) {
        if let Some(population) = world.populations.get(number as usize).filter(|found| !found.gone) {
            taken
                .populations
                .insert(population.id, without_links(world.population_value(number)));
        }
    }
    for application in &world.applications {
        if application.listed && application.environment == world.environment {
            let value = without_links(world.application_value(application));
            taken.applications.insert(application.id, value);
        }
        taken
            .assignments
            .extend(states("application", application.id, &application.assignments));
    }
    for gateway in &world.gateways {
        taken.gateways.insert(gateway.id, gateway.kind);
        taken
            .assignments
            .extend(states("gateway", gateway.id, &gateway.assignments));
    }
    taken.roles = world.roles.iter().map(|role| role.id).collect();
    taken.credentials = world.credential_ids();
    taken
}

pub(crate) fn states<'a>(
    holder_type: &'static str,
    holder: Uuid,
    items: &'a [Assignment],
) -> impl Iterator<Item = AssignmentState> + 'a {
    items.iter().map(move |item| AssignmentState {
        holder_type,
        holder,
        role: item.role,
        scope_type: item.scope_type.clone(),
        scope: item.scope,
        id: item.id,
        read_only: item.read_only,
    })
}

/// Users per piece of the full state.
const PIECE: u32 = 2000;

/// Every row of the true state, as JSON lines: `population`, `role`, `group` (with its members: `direct`, `computed` through
/// filter or source, `nested`; and its children), `user` (id, population), `assignment`.
pub(crate) fn lines(shared: Arc<Shared>) -> impl Iterator<Item = Bytes> + Send {
    let (groups, users) = {
        let world = shared.read_world();
        (u32::try_from(world.groups.len()).unwrap_or(0), world.users.next)
    };
    let again = Arc::clone(&shared);
    let more = Arc::clone(&shared);
    let head = std::iter::once_with(move || estate_lines(&shared.read_world()));
    let middle = (0..groups).map(move |number| group_lines(&again.read_world(), number));
    let tail = (0..users.div_ceil(PIECE)).map(move |piece| user_lines(&more.read_world(), piece * PIECE));
    head.chain(middle)
        .chain(tail)
        .map(Bytes::from)
        .filter(|piece| !piece.is_empty())
}

fn line(out: &mut String, value: &Value) {
    out.push_str(&value.to_string());
    out.push('\n');
}

fn assignment_lines(out: &mut String, kind: &'static str, holder: Uuid, items: &[Assignment]) {
    for state in states(kind, holder, items) {
        let mut value = json!(state);
        if let Some(body) = value.as_object_mut() {
            body.insert("kind".to_owned(), json!("assignment"));
        }
        line(out, &value);
    }
}

fn estate_lines(world: &World) -> String {
    let mut out = String::new();
    for population in world.populations.iter().filter(|found| !found.gone) {
        line(
            &mut out,
            &json!({"kind": "population", "id": population.id, "name": population.name, "users": population.users.len()}),
        );
    }
    for role in &world.roles {
        line(
            &mut out,
            &json!({"kind": "role", "id": role.id, "name": role.name, "custom": role.custom}),
        );
    }
    for application in &world.applications {
        let value = world.application_value(application);
        line(
            &mut out,
            &json!({"kind": "application", "id": application.id, "name": value.get("name"),
                "enabled": value.get("enabled"), "access": value.get("accessControl"), "listed": application.listed}),
        );
        assignment_lines(&mut out, "application", application.id, &application.assignments);
    }
    for gateway in &world.gateways {
        line(
            &mut out,
            &json!({"kind": "gateway", "id": gateway.id, "name": gateway.name, "type": gateway.kind}),
        );
        assignment_lines(&mut out, "gateway", gateway.id, &gateway.assignments);
    }
    out
}

fn group_lines(world: &World, number: u32) -> String {
    let mut out = String::new();
    let Some(group) = world.group(number).filter(|group| !group.gone) else {
        return out;
    };
    let nested = members(world, number)
        .into_iter()
        .filter(|(_, how)| how.nested)
        .map(|(user, _)| user);
    let children = group
        .children
        .iter()
        .filter_map(|child| world.group(*child))
        .map(|child| child.id);
    let population = group.population.and_then(|at| world.populations.get(at as usize));
    let head = json!({
        "kind": "group", "id": group.id, "name": group.name, "dynamic": group.user_filter.is_some(),
        "external": group.source.is_some(), "population": population.map(|found| found.id),
    });
    out.push_str(head.to_string().trim_end_matches('}'));
    id_list(&mut out, "direct", group.direct.iter().map(|user| world.user_id(*user)));
    id_list(&mut out, "computed", group.auto.iter().map(|user| world.user_id(*user)));
    id_list(&mut out, "nested", nested.map(|user| world.user_id(user)));
    id_list(&mut out, "children", children);
    out.push_str("}\n");
    assignment_lines(&mut out, "group", group.id, &group.assignments);
    out
}

/// Appends `,"<key>":["…", …]`.
fn id_list(out: &mut String, key: &str, ids: impl Iterator<Item = Uuid>) {
    out.push_str(",\"");
    out.push_str(key);
    out.push_str("\":[");
    for (at, id) in ids.enumerate() {
        out.push_str(if at == 0 { "\"" } else { ",\"" });
        out.push_str(id.hyphenated().encode_lower(&mut [0; 36]));
        out.push('"');
    }
    out.push(']');
}

fn user_lines(world: &World, first: u32) -> String {
    let mut out = String::new();
    for number in (first..first.saturating_add(PIECE).min(world.users.next)).filter(|number| world.user_lives(*number))
    {
        let id = world.user_id(number);
        let population = world
            .user_population(number)
            .and_then(|at| world.populations.get(at as usize))
            .map(|found| found.id);
        line(&mut out, &json!({"kind": "user", "id": id, "population": population}));
        assignment_lines(&mut out, "user", id, &world.own_assignments(number));
    }
    out
}
