//! An audit activity as an event of C1 (connector-model.md §7.8, pingone-api.md §6.11). Pure.
//!
//! A membership names both sides and becomes a grant or a revocation. A role assignment names only who holds it, so it
//! becomes a change of the holder. What is no event is left out: PingOne's list of activities is an open set.

use uuid::Uuid;

use crate::model::{EntitlementId, ResourceType};
use crate::pingone::types::{Activity, ActivityResource};
use crate::task::{EntitlementRef, Event, EventKind, ResourceRef};

/// The event, or `None` for what is none: another kind of activity, one that failed, one of our own, or one that does
/// not say whom it is about.
pub(super) fn event(activity: &Activity, environment: &str, own_client: &str) -> Option<Event> {
    let by = activity.client.as_ref().and_then(|client| client.id.as_deref());
    if by.is_some_and(|by| by.eq_ignore_ascii_case(own_client)) {
        return None;
    }
    let failed = |status: &String| !status.eq_ignore_ascii_case("SUCCESS");
    if activity.result_status.as_ref().is_some_and(failed) {
        return None;
    }
    Some(Event {
        id: activity.id.clone()?,
        occurred_at: activity.created_at.or(activity.recorded_at)?,
        kind: kind(activity, environment)?,
    })
}

fn kind(activity: &Activity, environment: &str) -> Option<EventKind> {
    let action = activity.action_type.as_deref()?.to_ascii_uppercase();
    let (object, verb) = action.split_once('.')?;
    match (object, verb) {
        ("USER", "ACCESS_ALLOWED") => sign_on(activity, environment),
        ("USER", "ACCESS_DENIED") => None,
        ("MEMBER_OF_GROUP", "CREATED") => {
            let (entitlement, principal) = membership(activity)?;
            Some(EventKind::CreateGrant { entitlement, principal })
        }
        ("MEMBER_OF_GROUP", "DELETED") => {
            let (entitlement, principal) = membership(activity)?;
            Some(EventKind::CreateRevoke { entitlement, principal })
        }
        ("ROLE_ASSIGNMENT", "CREATED" | "DELETED") => {
            change(activity, ResourceType::User).or_else(|| change(activity, ResourceType::Group))
        }
        ("USER" | "ACCOUNT", _) | ("PASSWORD", "UNLOCKED") => change(activity, ResourceType::User),
        ("GROUP", _) => change(activity, ResourceType::Group),
        ("POPULATION", _) => change(activity, ResourceType::Population),
        _ => None,
    }
}

fn change(activity: &Activity, kind: ResourceType) -> Option<EventKind> {
    let resource = reference(kind, id_of(activity, kind)?);
    Some(EventKind::ResourceChange { resource })
}

/// Somebody signed on to the environment. The actor is not always of this environment; the resource is.
fn sign_on(activity: &Activity, environment: &str) -> Option<EventKind> {
    let actor = || {
        activity
            .user
            .as_ref()
            .and_then(|user| user.id.as_deref())
            .and_then(uuid)
    };
    let user = id_of(activity, ResourceType::User).or_else(actor)?;
    Some(EventKind::Usage {
        target: ResourceRef {
            resource_type: "environment".to_owned(),
            id: environment.to_owned(),
            ..ResourceRef::default()
        },
        actor: reference(ResourceType::User, user),
    })
}

/// The id of the activity's resource of this type.
fn id_of(activity: &Activity, kind: ResourceType) -> Option<Uuid> {
    let of_kind = |resource: &&ActivityResource| {
        let name = resource.resource_type.as_deref();
        name.is_some_and(|name| name.eq_ignore_ascii_case(kind.id()))
    };
    let mut found = activity.resources.iter().filter(of_kind);
    found.find_map(|resource| resource.id.as_deref().and_then(uuid))
}

/// Group and holder, which only the address names: `…/users/{user}/memberOfGroups/{group}`, or `groups` where a group
/// is nested.
fn membership(activity: &Activity) -> Option<(EntitlementRef, ResourceRef)> {
    let found = activity.resources.iter().find_map(|resource| {
        let (principal, group) = parties(resource.href.as_deref()?)?;
        Some((principal, group, resource.name.clone()))
    });
    let (principal, group, name) = found?;
    let id = EntitlementId::member(ResourceType::Group, group);
    let entitlement = EntitlementRef {
        id: id.to_string(),
        slug: id.slug.to_string(),
        resource: ResourceRef {
            display_name: name
                .map(|name| crate::model::cut(&name, crate::model::DISPLAY_NAME_MAX_BYTES).into_owned())
                .unwrap_or_default(),
            ..reference(ResourceType::Group, group)
        },
    };
    Some((entitlement, principal))
}

fn parties(href: &str) -> Option<(ResourceRef, Uuid)> {
    let path = href.split(['?', '#']).next().unwrap_or_default();
    let mut parts = path.trim_end_matches('/').rsplit('/');
    let group = uuid(parts.next()?)?;
    if !parts.next()?.eq_ignore_ascii_case("memberOfGroups") {
        return None;
    }
    let holder = uuid(parts.next()?)?;
    let kind = match parts.next()? {
        "users" => ResourceType::User,
        "groups" => ResourceType::Group,
        _ => return None,
    };
    Some((reference(kind, holder), group))
}

fn uuid(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok()
}

fn reference(kind: ResourceType, id: Uuid) -> ResourceRef {
    ResourceRef {
        resource_type: kind.id().to_owned(),
        id: id.to_string(),
        ..ResourceRef::default()
    }
}

#[cfg(test)]
mod tests;
