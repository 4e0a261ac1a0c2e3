//! An audit activity as an event of C1 (connector-model.md §7.8, pingone-api.md §6.11). Pure.
//!
//! A membership names both sides and becomes a grant or a revocation. A role assignment names only who holds it, so it
//! becomes a change of the holder. What is no event is left out: PingOne's list of activities is an open set.

use std::collections::HashSet;

use crate::model::{APPLICATION, GROUP, POPULATION, USER};
use uuid::Uuid;

use baton::model::{EntitlementId, ResourceType};
use baton::task::{EntitlementRef, Event, EventKind, ResourceRef};
use pingone::types::{Activity, ActivityResource, Holder};

/// Where somebody can sign on to.
#[derive(Debug)]
pub(super) struct Places<'a> {
    /// The environment.
    pub(super) environment: &'a str,
    /// The applications that a sync has; none where it has none.
    pub(super) applications: &'a HashSet<Uuid>,
}

/// The event, or `None` for what is none: another kind of activity, one that failed, one of our own, or one that does
/// not say whom it is about.
pub(super) fn event(activity: &Activity, places: &Places<'_>, own_client: &str) -> Option<Event> {
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
        kind: kind(activity, places)?,
    })
}

fn kind(activity: &Activity, places: &Places<'_>) -> Option<EventKind> {
    let action = activity.action_type.as_deref()?.to_ascii_uppercase();
    let (object, verb) = action.split_once('.')?;
    match (object, verb) {
        ("USER", "ACCESS_ALLOWED") => sign_on(activity, places),
        ("USER", "ACCESS_DENIED") => None,
        ("MEMBER_OF_GROUP", "CREATED") => {
            let (entitlement, principal) = membership(activity)?;
            Some(EventKind::CreateGrant { entitlement, principal })
        }
        ("MEMBER_OF_GROUP", "DELETED") => {
            let (entitlement, principal) = membership(activity)?;
            Some(EventKind::CreateRevoke { entitlement, principal })
        }
        ("ROLE_ASSIGNMENT", "CREATED" | "DELETED") => change(activity, USER).or_else(|| change(activity, GROUP)),
        ("USER" | "ACCOUNT", _) | ("PASSWORD", "UNLOCKED") => change(activity, USER),
        ("GROUP", _) => change(activity, GROUP),
        ("POPULATION", _) => change(activity, POPULATION),
        _ => None,
    }
}

fn change(activity: &Activity, kind: ResourceType) -> Option<EventKind> {
    let resource = reference(kind, id_of(activity, kind)?);
    Some(EventKind::ResourceChange { resource })
}

/// Somebody signed on: to an application that a sync has, else to the environment. The actor is not always of this
/// environment; the resource is.
fn sign_on(activity: &Activity, places: &Places<'_>) -> Option<EventKind> {
    let actor = || {
        activity
            .user
            .as_ref()
            .and_then(|user| user.id.as_deref())
            .and_then(uuid)
    };
    let user = id_of(activity, USER).or_else(actor)?;
    let client = || activity.client.as_ref()?.id.as_deref().and_then(uuid);
    let application = id_of(activity, APPLICATION).or_else(client);
    let application = application.filter(|id| places.applications.contains(id));
    Some(EventKind::Usage {
        target: match application {
            Some(id) => reference(APPLICATION, id),
            None => ResourceRef {
                resource_type: "environment".to_owned(),
                id: places.environment.to_owned(),
                ..ResourceRef::default()
            },
        },
        actor: reference(USER, user),
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

/// Group and holder of a membership.
fn membership(activity: &Activity) -> Option<(EntitlementRef, ResourceRef)> {
    let found = activity.resources.iter().find_map(|resource| {
        let (holder, group) = resource.membership()?;
        let holder = match holder {
            Holder::User(id) => reference(USER, id),
            Holder::Group(id) => reference(GROUP, id),
        };
        Some((holder, group, resource.name.clone()))
    });
    let (principal, group, name) = found?;
    let id = EntitlementId::member(GROUP, group);
    let entitlement = EntitlementRef {
        binding: None,
        id: id.to_string(),
        slug: id.slug.to_string(),
        description: String::new(),
        resource: ResourceRef {
            display_name: name
                .map(|name| baton::model::cut(&name, baton::model::DISPLAY_NAME_MAX_BYTES).into_owned())
                .unwrap_or_default(),
            ..reference(GROUP, group)
        },
    };
    Some((entitlement, principal))
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
