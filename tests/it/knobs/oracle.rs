//! What a file says and what is true, in the same terms.

use std::collections::BTreeSet;
use std::path::Path;

use baton::c1z::{Limits, Reader};
use baton::model::ResourceType;
use baton_ping_one::model::{APPLICATION, GATEWAY, SECRET};
use sandbox::pingone::Snapshot;
use serde_json::Value;
use uuid::Uuid;

/// One fact that an access review relies on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    User(String),
    Disabled(String),
    Enabled(String),
    Group(String),
    Population(String),
    /// User and population
    Lives(String, String),
    /// User and group, in whatever way
    Member(String, String),
    Role(String),
    /// Kind and id of the holder, role, scope; in whatever way
    Holds(&'static str, String, String, String),
    /// The same, by an assignment of its own
    Own(&'static str, String, String, String),
    Application(String),
    /// Kind and id of who may open it or whose members may, and the application
    Opens(&'static str, String, String),
    Gateway(String),
    /// What an application, a gateway or the environment signs on with
    Secret(String),
}

impl Fact {
    /// The type of what has to be synced for this to be in a file.
    fn needs(&self) -> Option<ResourceType> {
        match self {
            Self::Application(_) | Self::Opens(..) | Self::Holds("application", ..) | Self::Own("application", ..) => {
                Some(APPLICATION)
            }
            Self::Gateway(_) | Self::Holds("gateway", ..) | Self::Own("gateway", ..) => Some(GATEWAY),
            Self::Secret(_) => Some(SECRET),
            _ => None,
        }
    }
}

/// What is true, as far as a file says it that has these types beside the usual ones.
pub fn truth(state: &Snapshot, environment: Uuid, syncs: impl Fn(ResourceType) -> bool) -> BTreeSet<Fact> {
    let mut facts = BTreeSet::new();
    for (id, user) in &state.users {
        let id = id.to_string();
        let at = |path: &str| user.body.pointer(path).and_then(Value::as_str);
        let plain = at("/account/status").is_none_or(|status| status == "OK")
            && at("/lifecycle/status").is_none_or(|status| status == "ACCOUNT_OK");
        match user.body.get("enabled").and_then(Value::as_bool) {
            Some(false) => drop(facts.insert(Fact::Disabled(id.clone()))),
            Some(true) if plain => drop(facts.insert(Fact::Enabled(id.clone()))),
            _ => {}
        }
        if let Some(population) = user.population {
            facts.insert(Fact::Lives(id.clone(), population.to_string()));
        }
        facts.insert(Fact::User(id));
    }
    facts.extend(state.groups.keys().map(|id| Fact::Group(id.to_string())));
    facts.extend(state.populations.keys().map(|id| Fact::Population(id.to_string())));
    for (user, group) in state.memberships.keys() {
        facts.insert(Fact::Member(user.to_string(), group.to_string()));
    }
    for item in &state.assignments {
        let scope = if item.scope == environment {
            "here".to_owned()
        } else {
            item.scope.to_string()
        };
        let kind = item.holder_type;
        // Those of another environment and hidden ones are none of ours.
        if kind == "application" && !state.applications.contains_key(&item.holder) {
            continue;
        }
        let holds = |kind, id: Uuid| Fact::Holds(kind, id.to_string(), item.role.to_string(), scope.clone());
        facts.insert(Fact::Own(
            kind,
            item.holder.to_string(),
            item.role.to_string(),
            scope.clone(),
        ));
        facts.insert(holds(kind, item.holder));
        if kind == "group" {
            facts.extend(members(state, item.holder).map(|user| holds("user", user)));
        }
    }
    facts.extend(state.roles.iter().map(|id| Fact::Role(id.to_string())));
    facts.extend(state.gateways.keys().map(|id| Fact::Gateway(id.to_string())));
    facts.extend(state.credentials.iter().map(|id| Fact::Secret(id.to_string())));
    for (id, body) in state.applications.iter().filter(|(_, body)| body["id"].is_string()) {
        facts.insert(Fact::Application(id.to_string()));
        let method = body["tokenEndpointAuthMethod"].as_str().unwrap_or_default();
        if method.starts_with("CLIENT_SECRET_") {
            facts.insert(Fact::Secret(format!("application-{id}-client-secret")));
        }
        opens(state, &id.to_string(), &body["accessControl"], &mut facts);
    }
    facts.retain(|fact| fact.needs().is_none_or(&syncs));
    facts
}

fn members(state: &Snapshot, group: Uuid) -> impl Iterator<Item = Uuid> + '_ {
    let of = state.memberships.keys().filter(move |(_, of)| *of == group);
    of.map(|(user, _)| *user)
}

/// Who may open an application, as far as its condition by groups says (access-model.md §1.5, §1.7).
fn opens(state: &Snapshot, application: &str, condition: &Value, facts: &mut BTreeSet<Fact>) {
    let named = condition["group"]["groups"].as_array().into_iter().flatten();
    let named: BTreeSet<Uuid> = named.filter_map(|group| group["id"].as_str()?.parse().ok()).collect();
    let mut add = |kind, id: Uuid| facts.extend([Fact::Opens(kind, id.to_string(), application.to_owned())]);
    let alone = condition["role"].is_null();
    match condition["group"]["type"].as_str() {
        Some("ALL_GROUPS") if alone && named.len() > 1 => {
            let is_in_all = |user: &Uuid| {
                named
                    .iter()
                    .all(|group| state.memberships.contains_key(&(*user, *group)))
            };
            state
                .users
                .keys()
                .filter(|user| is_in_all(user))
                .for_each(|user| add("user", *user));
        }
        kind => {
            let hands_on = alone && matches!(kind, Some("ANY_GROUP" | "ALL_GROUPS"));
            for group in named.into_iter().filter(|group| state.groups.contains_key(group)) {
                add("group", group);
                members(state, group)
                    .filter(|_| hands_on)
                    .for_each(|user| add("user", user));
            }
        }
    }
}

/// What a file says.
pub fn told(file: &Path, dir: &Path) -> BTreeSet<Fact> {
    let reader = Reader::open(file, dir, Limits::default()).unwrap();
    let mut facts = BTreeSet::new();
    reader
        .resources(|row| {
            match row.resource_type.as_str() {
                "user" => {
                    match row.status.to_ascii_lowercase().as_str() {
                        "enabled" => drop(facts.insert(Fact::Enabled(row.id.clone()))),
                        "disabled" => drop(facts.insert(Fact::Disabled(row.id.clone()))),
                        _ => {}
                    }
                    facts.insert(Fact::User(row.id));
                }
                "group" => drop(facts.insert(Fact::Group(row.id))),
                "population" => drop(facts.insert(Fact::Population(row.id))),
                "role" => drop(facts.insert(Fact::Role(row.id))),
                "application" => drop(facts.insert(Fact::Application(row.id))),
                "gateway" => drop(facts.insert(Fact::Gateway(row.id))),
                "secret" => drop(facts.insert(Fact::Secret(row.id))),
                _ => {}
            }
            Ok(())
        })
        .unwrap();
    reader
        .grants(|row| {
            let mut parts = row.entitlement_id.splitn(3, ':');
            let (Some(kind), Some(of), Some(slug)) = (parts.next(), parts.next(), parts.next()) else {
                panic!("{}", row.entitlement_id);
            };
            let kinds = ["user", "group", "application", "gateway"];
            let Some(holder) = kinds.into_iter().find(|kind| *kind == row.principal_type) else {
                panic!("{row:?}");
            };
            match (kind, holder) {
                ("group", "user") => drop(facts.insert(Fact::Member(row.principal_id, of.to_owned()))),
                ("population", "user") => drop(facts.insert(Fact::Lives(row.principal_id, of.to_owned()))),
                ("role", _) => {
                    let scope = slug.get(slug.len().saturating_sub(36)..).filter(|_| slug != "assigned");
                    let (scope, of) = (scope.unwrap_or("here").to_owned(), of.to_owned());
                    if row.immutable != "expanded" {
                        let (id, of) = (row.principal_id.clone(), of.clone());
                        facts.insert(Fact::Own(holder, id, of, scope.clone()));
                    }
                    facts.insert(Fact::Holds(holder, row.principal_id, of, scope));
                }
                ("application", _) => drop(facts.insert(Fact::Opens(holder, row.principal_id, of.to_owned()))),
                _ => {}
            }
            Ok(())
        })
        .unwrap();
    facts
}

/// What is wrong with a file, where the state went from one to another while it was made: a fact that held all the time is
/// missing, or one stands there that never held. `None`: nothing.
pub fn wrong(told: &BTreeSet<Fact>, before: &BTreeSet<Fact>, after: &BTreeSet<Fact>) -> Option<String> {
    let states = |fact: &Fact| matches!(fact, Fact::Enabled(_) | Fact::Disabled(_));
    let lacks: Vec<_> = before.intersection(after).filter(|fact| !told.contains(fact)).collect();
    // Whether somebody with a lock or an open verification counts as enabled is not for this test to say.
    let knows = |fact: &Fact| match fact {
        Fact::Enabled(id) => before.contains(&Fact::Disabled(id.clone())),
        Fact::Disabled(id) => before.contains(&Fact::Enabled(id.clone())),
        _ => true,
    };
    let invents: Vec<_> = told
        .iter()
        .filter(|fact| !before.contains(fact) && !after.contains(fact))
        .filter(|fact| !states(fact) || knows(fact))
        .collect();
    if lacks.is_empty() && invents.is_empty() {
        return None;
    }
    let some = |facts: &[&Fact]| {
        facts
            .iter()
            .take(2)
            .map(|fact| format!("{fact:?}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    Some(format!(
        "{} missing ({}), {} made up ({})",
        lacks.len(),
        some(&lacks),
        invents.len(),
        some(&invents)
    ))
}

#[test]
fn a_fact_that_is_missing_made_up_or_between_two_states_is_told_apart() {
    let user = |name: &str| Fact::User(name.to_owned());
    let set = |names: &[&str]| names.iter().map(|name| user(name)).collect::<BTreeSet<_>>();
    assert_eq!(wrong(&set(&["a"]), &set(&["a"]), &set(&["a"])), None);
    assert_eq!(wrong(&set(&["a"]), &set(&["a", "b"]), &set(&["a"])), None);
    assert_eq!(wrong(&set(&["a", "b"]), &set(&["a", "b"]), &set(&["a"])), None);
    assert!(wrong(&set(&[]), &set(&["a", "b"]), &set(&["a"])).is_some());
    assert!(wrong(&set(&["a", "c"]), &set(&["a", "b"]), &set(&["a"])).is_some());
}
