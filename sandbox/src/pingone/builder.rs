//! Hand-made directories: objects named by labels, each with JSON that is laid over what the sandbox would say by itself. What
//! is laid over is shown as it is, wrong types included; `null` takes a member away.

use super::generate::Spec;
use super::ids::{Ids, Kind};
use serde_json::{Map, Value};
use uuid::Uuid;

/// A directory to start a sandbox with: a generated part and hand-made objects.
#[derive(Clone, Debug)]
pub struct Directory {
    pub(crate) spec: Spec,
    pub(crate) populations: Vec<Entry>,
    pub(crate) users: Vec<UserEntry>,
    pub(crate) groups: Vec<Entry>,
    pub(crate) roles: Vec<Entry>,
    pub(crate) members: Vec<(String, String)>,
    pub(crate) nested: Vec<(String, String)>,
    pub(crate) assignments: Vec<AssignmentEntry>,
    pub(crate) poisoned: Vec<String>,
}

/// A labelled object.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) label: String,
    pub(crate) id: Uuid,
    pub(crate) over: Map<String, Value>,
}

/// A labelled user and the label of its population.
#[derive(Clone, Debug)]
pub(crate) struct UserEntry {
    pub(crate) entry: Entry,
    pub(crate) population: String,
}

/// An assignment by labels.
#[derive(Clone, Debug)]
pub(crate) struct AssignmentEntry {
    pub(crate) holder: Holder,
    pub(crate) role: String,
    pub(crate) scope: ScopeOf,
    pub(crate) read_only: bool,
}

/// Who holds an assignment, by label.
#[derive(Clone, Debug)]
pub enum Holder {
    /// A user
    User(String),
    /// A group
    Group(String),
}

/// What an assignment covers.
#[derive(Clone, Debug)]
pub enum ScopeOf {
    /// The environment
    Environment,
    /// The organization
    Organization,
    /// A population, by label
    Population(String),
    /// Anything else, as it is written on the wire
    Other(String, Uuid),
}

impl Directory {
    /// Starts an empty hand-made directory with the seed that [`DirectoryBuilder`] uses for its identifiers.
    pub fn builder() -> DirectoryBuilder {
        DirectoryBuilder::on(Spec {
            populations: 0,
            ..Spec::empty(1)
        })
    }

    /// Identifier of the object with this label; `None` for an unknown label.
    pub fn id(&self, label: &str) -> Option<Uuid> {
        let users = self.users.iter().map(|user| &user.entry);
        let all = self
            .populations
            .iter()
            .chain(&self.groups)
            .chain(&self.roles)
            .chain(users);
        all.filter(|entry| entry.label == label).map(|entry| entry.id).next()
    }
}

/// Adds objects to a directory. A label is free text, unique across all kinds.
#[derive(Clone, Debug)]
pub struct DirectoryBuilder {
    directory: Directory,
    ids: Ids,
}

impl DirectoryBuilder {
    /// Adds to a generated directory.
    pub fn on(spec: Spec) -> Self {
        let ids = Ids::new(spec.seed);
        let directory = Directory {
            spec,
            populations: Vec::new(),
            users: Vec::new(),
            groups: Vec::new(),
            roles: Vec::new(),
            members: Vec::new(),
            nested: Vec::new(),
            assignments: Vec::new(),
            poisoned: Vec::new(),
        };
        Self { directory, ids }
    }

    fn entry(&self, kind: Kind, number: usize, label: &str, over: Value) -> Entry {
        let over = if let Value::Object(over) = over {
            over
        } else {
            Map::new()
        };
        let given = over
            .get("id")
            .and_then(Value::as_str)
            .and_then(|id| Uuid::try_parse(id).ok());
        let number = u64::try_from(number).unwrap_or(0);
        Entry {
            label: label.to_owned(),
            id: given.unwrap_or_else(|| self.ids.encode(kind, number)),
            over,
        }
    }

    /// A population named by its label. The first one is the default unless one says `"default": true`.
    #[must_use]
    pub fn population(mut self, label: &str, over: Value) -> Self {
        let number = self.directory.spec.populations as usize + self.directory.populations.len();
        let entry = self.entry(Kind::Population, number, label, over);
        self.directory.populations.push(entry);
        self
    }

    /// A user of a population (by label) with user name = label, the e-mail `<label>@example.com` and a name. `sessions`,
    /// `devices` (numbers) and `passwordStatus` are what the user has beside its object.
    #[must_use]
    pub fn user(mut self, label: &str, population: &str, over: Value) -> Self {
        let number = self.directory.spec.users as usize + self.directory.users.len();
        let entry = self.entry(Kind::User, number, label, over);
        self.directory.users.push(UserEntry {
            entry,
            population: population.to_owned(),
        });
        self
    }

    /// A group named by its label. `"population": "<label>"` makes it one of that population, `userFilter` a dynamic one,
    /// `sourceType` an external one, whose members then come from its source.
    #[must_use]
    pub fn group(mut self, label: &str, over: Value) -> Self {
        let number = self.directory.spec.groups as usize + self.directory.groups.len();
        let entry = self.entry(Kind::Group, number, label, over);
        self.directory.groups.push(entry);
        self
    }

    /// A custom role named by its label.
    #[must_use]
    pub fn role(mut self, label: &str, over: Value) -> Self {
        let number = self.directory.spec.roles as usize + self.directory.roles.len() + 100;
        let entry = self.entry(Kind::Role, number, label, over);
        self.directory.roles.push(entry);
        self
    }

    /// Puts a user into a group.
    #[must_use]
    pub fn member(mut self, group: &str, user: &str) -> Self {
        self.directory.members.push((group.to_owned(), user.to_owned()));
        self
    }

    /// Nests `child` into `parent`.
    #[must_use]
    pub fn nested(mut self, child: &str, parent: &str) -> Self {
        self.directory.nested.push((child.to_owned(), parent.to_owned()));
        self
    }

    /// Gives a role (built-in name, custom label, or an id that no list has) over a scope.
    #[must_use]
    pub fn assignment(self, holder: Holder, role: &str, scope: ScopeOf) -> Self {
        self.assign(holder, role, scope, false)
    }

    /// The same, read only.
    #[must_use]
    pub fn read_only_assignment(self, holder: Holder, role: &str, scope: ScopeOf) -> Self {
        self.assign(holder, role, scope, true)
    }

    fn assign(mut self, holder: Holder, role: &str, scope: ScopeOf, read_only: bool) -> Self {
        self.directory.assignments.push(AssignmentEntry {
            holder,
            role: role.to_owned(),
            scope,
            read_only,
        });
        self
    }

    /// Makes a row that the service cannot serve (point 56).
    #[must_use]
    pub fn poisoned(mut self, user: &str) -> Self {
        self.directory.poisoned.push(user.to_owned());
        self
    }

    /// The directory.
    #[must_use]
    pub fn build(self) -> Directory {
        self.directory
    }
}
