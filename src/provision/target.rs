//! What a task names, checked before anything is asked of PingOne.

use crate::model::{Slug, USER};
use uuid::Uuid;

use super::access::follows_from_condition;
use super::error::{Failure, shown};
use baton::task::{Code, EntitlementRef, ResourceRef};

/// What an entitlement gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// Membership of a group.
    Group(Uuid),
    /// Membership of a population.
    Population(Uuid),
    /// A role over a scope; `None` is the configured environment.
    Role {
        /// The role.
        role: Uuid,
        /// Type in lower case, and id.
        scope: Option<(String, Uuid)>,
    },
}

/// An id as PingOne writes it. Anything else would be a bad path (pingone-api.md §3.4) and is refused here.
pub(crate) fn uuid(what: &str, text: &str) -> Result<Uuid, Failure> {
    let parsed = Uuid::try_parse(text).ok().filter(|_| text.len() == 36);
    parsed.ok_or_else(|| Failure::invalid(format!("{what} is not an id of PingOne's (a UUID)")))
}

/// Who is to be a member of a group: only users are.
pub(crate) fn member(principal: &ResourceRef) -> Result<Uuid, Failure> {
    if principal.resource_type != USER.id() {
        return Err(Failure::invalid("only users can be granted group membership"));
    }
    uuid("the user's id", &principal.id)
}

/// An entitlement by its ids alone (connector-model.md §7.1).
pub(crate) fn target(entitlement: &EntitlementRef) -> Result<Target, Failure> {
    let resource = &entitlement.resource;
    if resource.resource_type == "application" {
        return Err(follows_from_condition(entitlement));
    }
    let slug = slug(entitlement)?;
    match (resource.resource_type.as_str(), slug) {
        ("group", Slug::Member) => Ok(Target::Group(uuid("the group's id", &resource.id)?)),
        ("population", Slug::Member) => Ok(Target::Population(uuid("the population's id", &resource.id)?)),
        ("role", Slug::Assigned) => Ok(Target::Role {
            role: uuid("the role's id", &resource.id)?,
            scope: None,
        }),
        ("role", Slug::AssignedScope { scope_type, scope_id }) => Ok(Target::Role {
            role: uuid("the role's id", &resource.id)?,
            scope: Some((scope_type.to_lowercase(), uuid("the scope's id", &scope_id)?)),
        }),
        ("group" | "population" | "role", slug) => Err(Failure::invalid(format!(
            "a {} has no entitlement {slug}",
            resource.resource_type
        ))),
        (other, _) => Err(Failure::refused(
            Code::Unimplemented,
            format!("resource type {} does not have provisioner configured", shown(other)),
        )),
    }
}

/// The slug, from the field or the id's tail; where both are there they must agree.
fn slug(entitlement: &EntitlementRef) -> Result<Slug, Failure> {
    let ResourceRef { resource_type, id, .. } = &entitlement.resource;
    let prefix = format!("{resource_type}:{id}:");
    let tail = match entitlement.id.as_str() {
        "" => entitlement.slug.as_str(),
        full => full
            .strip_prefix(&prefix)
            .ok_or_else(|| Failure::invalid("the entitlement's id is not one of its resource"))?,
    };
    if !entitlement.slug.is_empty() && entitlement.slug != tail {
        return Err(Failure::invalid("the entitlement's slug and id do not agree"));
    }
    if !matches!(resource_type.as_str(), "group" | "population" | "role") {
        return Ok(Slug::Member);
    }
    Slug::parse(tail).ok_or_else(|| Failure::invalid(format!("the entitlement {} is not known", shown(tail))))
}
