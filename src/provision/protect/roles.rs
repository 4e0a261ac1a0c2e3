//! The roles that `protected-roles` names.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::provision::error::shown;
use pingone::types::Role;
use pingone::{Client, PingOneError, api_name};

/// Roles may be renamed: how long their names are believed.
const BELIEVED: Duration = Duration::from_mins(10);
/// How long a role that is not among the known ones is not looked for again.
const KNOWN_AT_LEAST: Duration = Duration::from_secs(5);

/// The roles of the environment, and which of them are protected.
#[derive(Debug, Clone)]
pub(crate) struct Protected {
    read: Instant,
    known: BTreeSet<Uuid>,
    untouchable: BTreeSet<Uuid>,
}

/// Entries of `protected-roles` that name no role, with the names that there are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnknownEntries {
    entries: Vec<String>,
    names: Vec<String>,
}

impl std::fmt::Display for UnknownEntries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let entries: Vec<String> = self.entries.iter().map(|entry| shown(entry)).collect();
        write!(
            f,
            "protected-roles (BATON_PROTECTED_ROLES) names no role of this environment with {}. The roles are: {}",
            entries.join(", "),
            self.names.join(", ")
        )
    }
}

/// Which of `roles` the list names: by id, or by name without case in the API's or the documentation's spelling.
fn resolve(list: &[String], roles: &[Role]) -> Result<BTreeSet<Uuid>, UnknownEntries> {
    let mut ids = BTreeSet::new();
    let mut unknown = Vec::new();
    for entry in list {
        let entry = entry.trim();
        let name = api_name(entry).to_lowercase();
        let named = roles.iter().filter(|role| {
            entry.eq_ignore_ascii_case(&role.id.to_string())
                || role
                    .name
                    .as_deref()
                    .is_some_and(|own| own.trim().to_lowercase() == name)
        });
        let named: Vec<Uuid> = named.map(|role| role.id).collect();
        if named.is_empty() {
            unknown.push(entry.to_owned());
        }
        ids.extend(named);
    }
    if unknown.is_empty() {
        return Ok(ids);
    }
    let names: BTreeSet<String> = roles.iter().filter_map(|role| role.name.clone()).collect();
    Err(UnknownEntries {
        entries: unknown,
        names: names.into_iter().collect(),
    })
}

/// Every role that our client can see. One that may not list the built-in roles knows those with fixed ids.
async fn roles(client: &Client) -> Result<Vec<Role>, PingOneError> {
    let refused = |error: &PingOneError| error.is_right_missing();
    let mut roles = match client.builtin_roles().all().await {
        Err(error) if refused(&error) => client.fallback_roles(),
        outcome => outcome?,
    };
    match client.custom_roles().all().await {
        // What is not seen is not known, and what is not known is refused.
        Err(error) if refused(&error) => {}
        outcome => roles.extend(outcome?),
    }
    Ok(roles)
}

impl Protected {
    /// Reads the roles and resolves the list.
    pub(crate) async fn read(client: &Client, list: &[String]) -> Result<Result<Self, UnknownEntries>, PingOneError> {
        let roles = roles(client).await?;
        Ok(resolve(list, &roles).map(|untouchable| Self {
            read: Instant::now(),
            known: roles.iter().map(|role| role.id).collect(),
            untouchable,
        }))
    }

    /// Whether this is recent enough to decide about a role.
    pub(super) fn decides(&self, role: Uuid) -> bool {
        let age = self.read.elapsed();
        age < KNOWN_AT_LEAST || age < BELIEVED && self.knows(role)
    }

    /// The role is among those that PingOne shows.
    pub(super) fn knows(&self, role: Uuid) -> bool {
        self.known.contains(&role)
    }

    /// The list names the role.
    pub(super) fn names(&self, role: Uuid) -> bool {
        self.untouchable.contains(&role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(id: u128, name: &str) -> Role {
        Role {
            id: Uuid::from_u128(id),
            name: Some(name.to_owned()),
            ..Role::default()
        }
    }

    #[test]
    fn an_entry_is_an_id_or_a_name_in_either_spelling() {
        let roles = [
            role(1, "Identity Data Read Only"),
            role(2, "DaVinci Admin Read Only"),
            role(3, "Desk"),
        ];
        let cases = [
            ("00000000-0000-0000-0000-000000000003", 3),
            (" desk ", 3),
            ("IDENTITY DATA READ ONLY", 1),
            ("Identity Data Read-Only Admin", 1),
            ("davinci read-only admin", 2),
        ];
        for (entry, id) in cases {
            let resolved = resolve(&[entry.to_owned()], &roles).unwrap();
            assert_eq!(resolved, BTreeSet::from([Uuid::from_u128(id)]), "{entry}");
        }
        // The same role twice is no mistake.
        let twice = ["Desk".to_owned(), Uuid::from_u128(3).to_string()];
        assert_eq!(resolve(&twice, &roles).unwrap().len(), 1);
    }

    #[test]
    fn an_entry_that_names_nothing_is_told_with_the_names_that_there_are() {
        let roles = [role(1, "Desk"), role(2, "Auditor")];
        for entry in ["Identity Data", "00000000-0000-0000-0000-000000000009", ""] {
            let list = ["Desk".to_owned(), entry.to_owned()];
            let text = resolve(&list, &roles).unwrap_err().to_string();
            assert!(
                text.contains(&format!("{entry:?}")) && text.ends_with("The roles are: Auditor, Desk"),
                "{text}"
            );
        }
    }
}
