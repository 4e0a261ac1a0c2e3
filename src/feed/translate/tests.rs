use serde_json::{Value, json};

use super::*;

const ENVIRONMENT: &str = "5f0c6a52-6a1e-4f0b-9a43-2f9a1c0d7e11";
const OWN: &str = "a7c01e5d-1f0b-4c60-9e5c-11aa22bb33cc";
const USER: &str = "7c2e1d94-55a0-4a34-9a1b-c0ffee001001";
const GROUP: &str = "e4a1c7b0-21d3-4a7e-8f6d-0ddba11c0de1";
const OUTER: &str = "e4a1c7b0-21d3-4a7e-8f6d-0ddba11c0de2";

fn places(applications: &HashSet<Uuid>) -> Places<'_> {
    Places {
        environment: ENVIRONMENT,
        applications,
    }
}

fn activity(members: &Value) -> Activity {
    let mut body = json!({
        "id": "66aa11bb-22cc-4d33-9e44-556677889900",
        "recordedAt": "2026-03-02T09:14:05.123Z", "createdAt": "2026-03-02T09:14:04.990Z",
        "actors": {"client": {"id": "adminui"}},
        "result": {"status": "SUCCESS", "description": "d"}
    });
    let members = members.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(members);
    serde_json::from_value(body).unwrap()
}

fn found(action: &str, resource: &Value) -> Option<EventKind> {
    let activity = activity(&json!({"action": {"type": action}, "resources": [resource]}));
    event(&activity, &places(&HashSet::new()), OWN).map(|event| event.kind)
}

#[expect(clippy::unnecessary_wraps, reason = "the form of what is compared with it")]
fn changed(kind: &str, id: &str) -> Option<EventKind> {
    let resource = ResourceRef {
        resource_type: kind.to_owned(),
        id: id.to_owned(),
        ..ResourceRef::default()
    };
    Some(EventKind::ResourceChange { resource })
}

#[test]
fn changes_name_what_changed() {
    let user = json!({"type": "USER", "id": USER.to_uppercase(), "name": "mara"});
    for action in [
        "USER.CREATED",
        "USER.UPDATED",
        "USER.DELETED",
        "USER.LOCKED",
        "USER.MOVED",
        "USER.NEWS",
        "user.updated",
        "ACCOUNT.LINKED",
        "PASSWORD.UNLOCKED",
        "ROLE_ASSIGNMENT.CREATED",
        "ROLE_ASSIGNMENT.DELETED",
    ] {
        assert_eq!(found(action, &user), changed("user", USER), "{action}");
    }
    let group = json!({"type": "GROUP", "id": GROUP});
    for action in ["GROUP.CREATED", "GROUP.DELETED", "ROLE_ASSIGNMENT.CREATED"] {
        assert_eq!(found(action, &group), changed("group", GROUP), "{action}");
    }
    let population = json!({"type": "POPULATION", "id": GROUP});
    assert_eq!(found("POPULATION.UPDATED", &population), changed("population", GROUP));
}

#[test]
fn what_is_no_event_is_left_out() {
    let user = json!({"type": "USER", "id": USER});
    for action in [
        "USER.ACCESS_DENIED",
        "FLOW.CREATED",
        "SESSION.DELETED",
        "DEVICE.CREATED",
        "PASSWORD.SET",
        "PASSWORD.RECOVERY",
        "ROLE_ASSIGNMENT.UPDATED",
        "NEWS",
        "",
    ] {
        assert_eq!(found(action, &user), None, "{action}");
    }
    // Not about somebody, about somebody of another kind, without a UUID.
    assert_eq!(found("USER.UPDATED", &json!({"type": "GROUP", "id": GROUP})), None);
    assert_eq!(found("USER.UPDATED", &json!({"type": "USER", "id": "adminui"})), None);
    assert_eq!(
        found("ROLE_ASSIGNMENT.CREATED", &json!({"type": "APPLICATION", "id": OWN})),
        None
    );
    assert_eq!(event(&Activity::default(), &places(&HashSet::new()), OWN), None);
}

#[test]
fn our_own_writes_and_failures_are_left_out() {
    let made = |client: &str, result: Value| {
        let members = json!({
            "action": {"type": "USER.UPDATED"}, "resources": [{"type": "USER", "id": USER}],
            "actors": {"client": {"id": client}}, "result": result
        });
        event(&activity(&members), &places(&HashSet::new()), OWN).is_some()
    };
    assert!(made("adminui", json!({"status": "success"})));
    assert!(made("adminui", json!({})), "a result need not be there");
    assert!(!made(&OWN.to_uppercase(), json!({"status": "SUCCESS"})));
    assert!(!made("adminui", json!({"status": "FAILED"})));
}

#[test]
fn a_membership_is_a_grant_whose_sides_stand_in_the_address() {
    let resource = |holder: &str, id: &str, group: &str| {
        json!({"type": "MEMBER_OF_GROUP", "name": "Finance",
            "href": format!("https://api.pingone.com/v1/environments/{ENVIRONMENT}/{holder}/{id}/memberOfGroups/{group}")})
    };
    let entitlement = |group: &str| EntitlementRef {
        binding: None,
        id: format!("group:{group}:member"),
        slug: "member".to_owned(),
        description: String::new(),
        resource: ResourceRef {
            resource_type: "group".to_owned(),
            id: group.to_owned(),
            display_name: "Finance".to_owned(),
            ..ResourceRef::default()
        },
    };
    let principal = |kind: &str, id: &str| ResourceRef {
        resource_type: kind.to_owned(),
        id: id.to_owned(),
        ..ResourceRef::default()
    };
    assert_eq!(
        found("MEMBER_OF_GROUP.CREATED", &resource("users", USER, GROUP)),
        Some(EventKind::CreateGrant {
            entitlement: entitlement(GROUP),
            principal: principal("user", USER)
        })
    );
    assert_eq!(
        found("MEMBER_OF_GROUP.DELETED", &resource("groups", GROUP, OUTER)),
        Some(EventKind::CreateRevoke {
            entitlement: entitlement(OUTER),
            principal: principal("group", GROUP)
        })
    );
    for (holder, id, group) in [("devices", USER, GROUP), ("users", "x", GROUP), ("users", USER, "x")] {
        assert_eq!(found("MEMBER_OF_GROUP.CREATED", &resource(holder, id, group)), None);
    }
    for href in ["", "/", "memberOfGroups", &format!("/users/{USER}/memberOf/{GROUP}")] {
        assert_eq!(found("MEMBER_OF_GROUP.CREATED", &json!({"href": href})), None, "{href}");
    }
}

#[test]
fn a_sign_on_uses_the_environment() {
    let signed_on = |members: Value| {
        let mut all = json!({"action": {"type": "USER.ACCESS_ALLOWED"}});
        all.as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        event(&activity(&all), &places(&HashSet::new()), OWN)
    };
    let other = json!({"client": {"id": "app"}, "user": {"id": GROUP}});
    let by_resource = signed_on(json!({"actors": other, "resources": [{"type": "USER", "id": USER}]})).unwrap();
    let EventKind::Usage { target, actor } = by_resource.kind else {
        panic!("{by_resource:?}")
    };
    assert_eq!(
        (target.resource_type.as_str(), target.id.as_str()),
        ("environment", ENVIRONMENT)
    );
    assert_eq!((actor.resource_type.as_str(), actor.id.as_str()), ("user", USER));
    assert_eq!(by_resource.id, "66aa11bb-22cc-4d33-9e44-556677889900");
    assert_eq!(by_resource.occurred_at.to_string(), "2026-03-02T09:14:04.99Z");
    let by_actor = signed_on(json!({"actors": other})).unwrap();
    assert!(matches!(by_actor.kind, EventKind::Usage { actor, .. } if actor.id == GROUP));
    assert_eq!(
        signed_on(json!({"result": {"status": "FAILED"}, "actors": other})),
        None
    );
}

#[test]
fn a_sign_on_names_an_application_that_a_sync_has_and_no_other() {
    let known = HashSet::from([uuid(OUTER).unwrap()]);
    let target = |client: &str, resources: Value| {
        let all = json!({
            "action": {"type": "USER.ACCESS_ALLOWED"}, "resources": resources,
            "actors": {"client": {"id": client}, "user": {"id": USER}}
        });
        let event = event(&activity(&all), &places(&known), OWN).unwrap();
        match event.kind {
            EventKind::Usage { target, actor } if actor.id == USER => (target.resource_type, target.id),
            other => panic!("{other:?}"),
        }
    };
    let environment = ("environment".to_owned(), ENVIRONMENT.to_owned());
    let application = ("application".to_owned(), OUTER.to_owned());
    assert_eq!(target(&OUTER.to_uppercase(), json!([])), application);
    assert_eq!(
        target("adminui", json!([{"type": "APPLICATION", "id": OUTER}])),
        application
    );
    assert_eq!(target(GROUP, json!([])), environment);
    assert_eq!(target("adminui", json!([])), environment);
    assert_eq!(target(GROUP, json!([{"type": "USER", "id": USER}])), environment);
}
