//! Administrator roles and their assignments.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::Value;
use uuid::Uuid;

use super::{Reference, id};
use crate::lenient::{flag, list, object, text, texts};

/// A permission of a role.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Permission {
    /// Its id, where PingOne gives one.
    #[serde(default, deserialize_with = "text")]
    pub id: Option<String>,
    /// What it is about.
    #[serde(default, deserialize_with = "text")]
    pub classifier: Option<String>,
    /// What it allows.
    #[serde(default, deserialize_with = "text")]
    pub description: Option<String>,
}

/// An administrator role (pingone-api.md §6.9).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// Its id; the same in every tenant for built-in roles.
    #[serde(deserialize_with = "id")]
    pub id: Uuid,
    /// Its name, an open set.
    #[serde(default, deserialize_with = "text")]
    pub name: Option<String>,
    /// Its description.
    #[serde(default, deserialize_with = "text")]
    pub description: Option<String>,
    /// `PLATFORM`, `CUSTOM`, or absent.
    #[serde(default, rename = "type", deserialize_with = "text")]
    pub role_type: Option<String>,
    /// Scope types, verbatim.
    #[serde(default, deserialize_with = "scope_types")]
    pub applicable_to: Vec<String>,
    /// Permissions.
    #[serde(default, deserialize_with = "permissions")]
    pub permissions: Vec<Permission>,
    /// Roles that a holder may assign.
    #[serde(default, deserialize_with = "references")]
    pub can_assign: Vec<Uuid>,
    /// Roles whose holders may assign it.
    #[serde(default, deserialize_with = "references")]
    pub can_be_assigned_by: Vec<Uuid>,
    /// The environment that a custom role belongs to.
    #[serde(default, deserialize_with = "object")]
    pub environment: Option<Reference>,
    /// It came from the environment's own list.
    #[serde(skip)]
    pub from_environment: bool,
}

impl Role {
    /// Takes over what another answer says of the same role, where this one says nothing.
    pub fn complete(&mut self, other: Self) {
        self.name = self.name.take().or(other.name);
        self.description = self.description.take().or(other.description);
        self.role_type = self.role_type.take().or(other.role_type);
        let lists = [
            (&mut self.can_assign, other.can_assign),
            (&mut self.can_be_assigned_by, other.can_be_assigned_by),
        ];
        for (own, theirs) in lists {
            if own.is_empty() {
                *own = theirs;
            }
        }
        if self.applicable_to.is_empty() {
            self.applicable_to = other.applicable_to;
        }
        if self.permissions.is_empty() {
            self.permissions = other.permissions;
        }
    }
}

fn scope_types<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(texts(deserializer)?.unwrap_or_default())
}

fn permissions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Permission>, D::Error> {
    Ok(list(deserializer)?.unwrap_or_default())
}

fn references<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Uuid>, D::Error> {
    let references: Vec<Reference> = list(deserializer)?.unwrap_or_default();
    Ok(references.into_iter().map(|reference| reference.id).collect())
}

/// What a role is assigned over.
#[derive(Debug, Clone, Deserialize)]
pub struct Scope {
    /// Its id.
    #[serde(deserialize_with = "id")]
    pub id: Uuid,
    /// `ORGANIZATION`, `ENVIRONMENT`, `POPULATION`, `APPLICATION`, or anything new.
    #[serde(rename = "type")]
    pub scope_type: String,
}

/// A role assignment (pingone-api.md §6.10).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleAssignment {
    /// Its id.
    #[serde(deserialize_with = "id")]
    pub id: Uuid,
    pub role: Reference,
    /// What it is assigned over.
    pub scope: Scope,
    /// Our client may not delete it.
    #[serde(default, deserialize_with = "yes")]
    pub read_only: bool,
    /// The group it is inherited from (G).
    #[serde(default, deserialize_with = "object")]
    pub group: Option<Reference>,
    /// Where its holder is; PingOne always says it.
    #[serde(default, deserialize_with = "object")]
    pub environment: Option<Reference>,
    /// The application that holds it, where it says so (G).
    #[serde(default, deserialize_with = "object")]
    pub application: Option<Reference>,
    /// The user who holds it, where it says so (G).
    #[serde(default, deserialize_with = "object")]
    pub user: Option<Reference>,
    /// The gateway it belongs to (G). Whatever stands there and has no id could be anybody's, so it spoils the row.
    #[serde(default)]
    pub gateway: Option<Reference>,
    /// Where it is, and whose.
    #[serde(default, rename = "_links", deserialize_with = "object")]
    links: Option<BTreeMap<String, Value>>,
}

impl RoleAssignment {
    /// The principals that its links name: the kind as a path has it, and the id.
    pub(crate) fn holders(&self) -> impl Iterator<Item = (&str, Uuid)> {
        let links = self.links.iter().flatten();
        let links = links.filter(|(name, _)| HOLDERS.contains(&name.as_str()));
        links.filter_map(|(_, link)| holder(link.get("href")?.as_str()?))
    }
}

/// Links of a row that name its holder.
const HOLDERS: [&str; 4] = ["self", "user", "group", "application"];

/// The principal whose object this address is, or is below.
fn holder(href: &str) -> Option<(&str, Uuid)> {
    let mut segments = href.split(['/', '?']);
    let kind = segments.find(|segment| matches!(*segment, "users" | "groups" | "applications"))?;
    Some((kind, Uuid::try_parse(segments.next()?).ok()?))
}

fn yes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(flag(deserializer)?.unwrap_or(false))
}
