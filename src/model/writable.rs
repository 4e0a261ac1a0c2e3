//! Scopes beyond the environment, its organization and its populations over which roles may be changed
//! (`writable-role-scopes`, access-model.md §5).

use std::collections::BTreeSet;

use uuid::Uuid;

/// The scope types that an entry may name with an id or `*`.
pub const WRITABLE_TYPES: [&str; 4] = ["environment", "application", "group", "population"];

/// An allow-list of scopes. Types are in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WritableScopes {
    exact: BTreeSet<(String, Uuid)>,
    any: BTreeSet<String>,
}

impl WritableScopes {
    /// From entries of a type and an id; without an id it is every scope of the type.
    pub fn new(entries: impl IntoIterator<Item = (String, Option<Uuid>)>) -> Self {
        let mut this = Self::default();
        for (kind, id) in entries {
            match id {
                Some(id) => {
                    this.exact.insert((kind, id));
                }
                None => {
                    this.any.insert(kind);
                }
            }
        }
        this
    }

    /// Nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.any.is_empty()
    }

    /// Whether roles over this scope may be changed. An organization never becomes writable here: the own one is, others are
    /// not.
    pub fn allows(&self, kind: &str, id: Uuid) -> bool {
        kind != ORGANIZATION
            && (self.any.contains(kind) || self.exact.iter().any(|(known, listed)| known == kind && *listed == id))
    }

    /// The scopes that are named one by one, organizations left out.
    pub fn exact(&self) -> impl Iterator<Item = (&str, Uuid)> {
        self.exact
            .iter()
            .filter(|(kind, _)| kind != ORGANIZATION)
            .map(|(kind, id)| (kind.as_str(), *id))
    }

    /// The organizations that are named.
    pub fn organizations(&self) -> impl Iterator<Item = Uuid> {
        self.exact
            .iter()
            .filter(|(kind, _)| kind == ORGANIZATION)
            .map(|(_, id)| *id)
    }
}

const ORGANIZATION: &str = "organization";
