//! What a task names, checked before anything is asked of PingOne.

use crate::model::{BindingIds, ROLE, ROLE_ASSIGNMENT, Slug, USER, scope_resource_type};
use uuid::Uuid;

use super::access::follows_from_condition;
use super::error::{Failure, shown};
use super::scope::{Over, names_no_scope};
use baton::task::{Code, EntitlementRef, ResourceRef};
use baton::wire::stored::StoredBinding;

/// What an entitlement gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// Membership of a group.
    Group(Uuid),
    /// Membership of a population.
    Population(Uuid),
    /// A role over a scope.
    Role {
        /// The role.
        role: Uuid,
        /// What it is held over.
        over: Over,
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
    if resource.resource_type == ROLE_ASSIGNMENT.id() {
        return binding(entitlement);
    }
    let slug = slug(entitlement)?;
    match (resource.resource_type.as_str(), slug) {
        ("group", Slug::Member) => Ok(Target::Group(uuid("the group's id", &resource.id)?)),
        ("population", Slug::Member) => Ok(Target::Population(uuid("the population's id", &resource.id)?)),
        ("role", Slug::Assigned) => Ok(Target::Role {
            role: uuid("the role's id", &resource.id)?,
            over: Over::Home,
        }),
        ("role", Slug::AssignedScope { scope_type, scope_id }) => Ok(Target::Role {
            role: uuid("the role's id", &resource.id)?,
            over: Over::Named(scope_type.to_lowercase(), uuid("the scope's id", &scope_id)?),
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

/// A binding, also one that no sync had. Its trait says what it joins; its id is read only where C1 left the trait out.
fn binding(entitlement: &EntitlementRef) -> Result<Target, Failure> {
    let tail = entitlement.id.rsplit(':').next().unwrap_or_default();
    let slugs = [entitlement.slug.as_str(), tail];
    let mut given = slugs.into_iter().filter(|slug| !slug.is_empty()).peekable();
    if given.peek().is_none() || given.any(|slug| slug != "assigned") {
        return Err(Failure::invalid("a role_assignment has no entitlement but assigned"));
    }
    let Some(StoredBinding { role, scope }) = &entitlement.binding else {
        let ids = BindingIds::parse(&entitlement.resource.id);
        let ids = ids.ok_or_else(|| names_no_scope(&shown(&entitlement.resource.id)))?;
        return Ok(Target::Role {
            role: ids.role,
            over: Over::Binding(None, ids.scope),
        });
    };
    if role.0 != ROLE.id() {
        return Err(Failure::invalid(format!(
            "the binding names {} as its role",
            shown(&role.0)
        )));
    }
    let kind = scope.0.as_str();
    if kind != scope_resource_type(kind).id() {
        return Err(Failure::invalid(format!("no role is held over a {}", shown(kind))));
    }
    Ok(Target::Role {
        role: uuid("the role's id", &role.1)?,
        over: Over::Binding(Some(kind.to_owned()), uuid("the scope's id", &scope.1)?),
    })
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
