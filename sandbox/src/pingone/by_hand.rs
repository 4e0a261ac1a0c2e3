//! The hand-made part of a world, and the assignments that generated users have by their number.

use super::builder::{Directory, Entry, Holder, ScopeOf};
use super::filter;
use super::generate::{EPOCH_MS, stream, threshold, within};
use super::ids::{Kind, draw};
use super::rolebook;
use super::world::{Assignment, Group, User, World, insert};
use serde_json::{Value, json};
use uuid::Uuid;

/// What is laid over a user and is not shown in its object.
const BESIDE: [&str; 3] = ["sessions", "devices", "passwordStatus"];
/// Every status of a password (pingone-api.md §6.5, D).
const PASSWORD_STATUSES: [&str; 6] = [
    "OK",
    "NO_PASSWORD",
    "PASSWORD_EXPIRED",
    "PASSWORD_LOCKED_OUT",
    "MUST_CHANGE_PASSWORD",
    "EXTERNAL",
];

impl World {
    pub(super) fn by_hand(&mut self, directory: &Directory) -> anyhow::Result<()> {
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
            role.over.clone_from(&entry.over);
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
        let number = self.users.next;
        self.users.next += 1;
        let mut user = User {
            id: entry.id,
            ..User::blank()
        };
        self.beside_the_object(&mut user, number, entry)?;
        let over = entry.over.iter().filter(|(key, _)| !BESIDE.contains(&key.as_str()));
        for (key, value) in over {
            match value {
                Value::Null => body.remove(key),
                value => body.insert(key.clone(), value.clone()),
            };
        }
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
                population,
                body,
                ..user
            }),
        );
        Ok(())
    }

    /// What a user has beside its object: `sessions` and `devices` by number, `passwordStatus` (pingone-api.md §6.5).
    fn beside_the_object(&self, user: &mut User, number: u32, entry: &Entry) -> anyhow::Result<()> {
        let count = |key: &str| entry.over.get(key).and_then(Value::as_u64).unwrap_or(0);
        let first = (1 << 34) + u64::from(number) * 1_000;
        user.sessions = (first..first + count("sessions"))
            .map(|at| self.ids.encode(Kind::Session, at))
            .collect();
        user.devices = (first..first + count("devices"))
            .map(|at| self.ids.encode(Kind::Device, at))
            .collect();
        if let Some(status) = entry.over.get("passwordStatus").and_then(Value::as_str) {
            let known = PASSWORD_STATUSES.iter().find(|known| **known == status);
            user.password.status = known.ok_or_else(|| unknown(status))?;
        }
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

    pub(super) fn poison(&mut self, directory: &Directory) -> anyhow::Result<()> {
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
        let second = (drawn >> 8)
            .is_multiple_of(4)
            .then(|| self.generated_assignment(user, 1, drawn.rotate_left(29)));
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
            _ if (drawn >> 20).is_multiple_of(16) => ("ENVIRONMENT", self.other_environment),
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
