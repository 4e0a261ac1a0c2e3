//! What a file says and what is true, in the same terms.

use std::collections::BTreeSet;
use std::path::Path;

use baton::c1z::{Limits, Reader};
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
    /// Kind and id of the holder, role, scope
    Holds(&'static str, String, String, String),
}

/// What is true.
pub fn truth(state: &Snapshot, environment: Uuid) -> BTreeSet<Fact> {
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
        let holds = |kind, id: Uuid| Fact::Holds(kind, id.to_string(), item.role.to_string(), scope.clone());
        match item.holder_type {
            "user" => drop(facts.insert(holds("user", item.holder))),
            "group" => {
                facts.insert(holds("group", item.holder));
                let through = state.memberships.keys().filter(|(_, group)| *group == item.holder);
                facts.extend(through.map(|(user, _)| holds("user", *user)));
            }
            _ => {}
        }
    }
    facts
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
            let holder = match row.principal_type.as_str() {
                "user" => "user",
                "group" => "group",
                _ => return Ok(()),
            };
            match (kind, holder) {
                ("group", "user") => drop(facts.insert(Fact::Member(row.principal_id, of.to_owned()))),
                ("population", "user") => drop(facts.insert(Fact::Lives(row.principal_id, of.to_owned()))),
                ("role", _) => {
                    let scope = slug.get(slug.len().saturating_sub(36)..).filter(|_| slug != "assigned");
                    let scope = scope.unwrap_or("here").to_owned();
                    facts.insert(Fact::Holds(holder, row.principal_id, of.to_owned(), scope));
                }
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
