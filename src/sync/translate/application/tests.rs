use serde_json::{Value as Json, json};

use super::*;

const APP: Uuid = Uuid::from_u128(0xa7);
const GROUPS: [Uuid; 3] = [Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3)];

fn row(members: &Json) -> Application {
    let mut body =
        json!({"id": APP, "name": "Expenses", "type": "WEB_APP", "protocol": "OPENID_CONNECT", "_links": {}});
    body.as_object_mut()
        .unwrap()
        .extend(members.as_object().unwrap().clone());
    serde_json::from_value(body).unwrap()
}

fn groups(kind: &str, count: usize) -> Json {
    let groups: Vec<Json> = GROUPS.iter().take(count).map(|id| json!({"id": id})).collect();
    json!({"type": kind, "groups": groups})
}

fn with<T>(row: &Application, look: impl FnOnce(&Translated<'_>) -> T) -> T {
    let names = BTreeMap::from([(GROUPS[0], "Zoo".to_owned()), (GROUPS[1], "Ant".to_owned())]);
    let around = Around {
        groups: &names,
        own: None,
        with_groups: true,
        with_users: true,
    };
    look(&Translated::new(APP, row, &around))
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of conditions")]
fn one_mode_says_who_may_sign_on_and_the_entitlement_says_it_in_words() {
    let admin = json!({"type": "ADMIN_USERS_ONLY"});
    let cases = [
        (
            json!({}),
            "everyone",
            "Every user of the environment; not limited by group",
        ),
        (
            json!({"role": admin}),
            "admin_only",
            "Holders of an administrator role; not limited by group",
        ),
        (
            json!({"group": groups("ANY_GROUP", 2)}),
            "any_group",
            "Member of any of: Ant, Zoo",
        ),
        (
            json!({"group": groups("ALL_GROUPS", 1)}),
            "any_group",
            "Member of any of: Zoo",
        ),
        (
            json!({"group": groups("ALL_GROUPS", 2)}),
            "all_groups",
            "Member of all of these together: Ant, Zoo",
        ),
        (
            json!({"role": admin, "group": groups("ANY_GROUP", 1)}),
            "admin_and_groups",
            "Administrator and member of any of: Zoo",
        ),
        (
            json!({"role": admin, "group": groups("ALL_GROUPS", 2)}),
            "admin_and_groups",
            "Administrator and member of all of: Ant, Zoo",
        ),
        (
            json!({"group": groups("ANY_GROUP", 0)}),
            "groups_empty",
            "Limited to groups, and no group is named",
        ),
        (
            json!({"group": {}}),
            "groups_empty",
            "Limited to groups, and no group is named",
        ),
        (
            json!({"group": groups("MOST_GROUPS", 2)}),
            "unknown",
            "Limited by a condition that this connector does not know: MOST_GROUPS",
        ),
        (
            json!({"role": {"type": "ON_TUESDAYS"}}),
            "unknown",
            "Limited by a condition that this connector does not know: ON_TUESDAYS",
        ),
        (
            json!({"device": {"managed": true}}),
            "unknown",
            "Limited by a condition that this connector does not know: device",
        ),
        (
            json!("everybody"),
            "unknown",
            "Limited by a condition that this connector does not know: accessControl",
        ),
    ];
    for (access, mode, words) in cases {
        let row = row(&json!({"accessControl": access}));
        with(&row, |application| {
            assert_eq!(application.mode.as_str(), mode, "{access}");
            let entitlement = application.entitlement().unwrap();
            assert_eq!(entitlement.description, words, "{access}");
            assert_eq!(entitlement.id.to_string(), format!("application:{APP}:access"));
            assert_eq!(entitlement.display_name, "Expenses Access");
            assert_eq!(
                entitlement.immutable_metadata.unwrap().get("access_mode"),
                Some(&Value::String(mode.to_owned()))
            );
            assert!(entitlement.immutable.is_some());
        });
    }
}

#[test]
fn what_nobody_can_be_granted_is_not_offered() {
    for (members, offered) in [
        (json!({"type": "WORKER"}), false),
        (json!({"type": "SERVICE"}), false),
        (
            json!({"type": "WORKER", "accessControl": {"role": {"type": "ADMIN_USERS_ONLY"}}}),
            false,
        ),
        (
            json!({"type": "WORKER", "accessControl": {"group": groups("ANY_GROUP", 1)}}),
            true,
        ),
        (
            json!({"type": "WEB_APP", "accessControl": {"role": {"type": "ADMIN_USERS_ONLY"}}}),
            true,
        ),
        (json!({"enabled": false}), true),
    ] {
        let found = with(&row(&members), |application| application.entitlement().is_some());
        assert_eq!(found, offered, "{members}");
    }
}

#[test]
fn only_a_group_that_is_enough_by_itself_hands_access_on() {
    let admin = json!({"type": "ADMIN_USERS_ONLY"});
    for (access, source_id, expands) in [
        (json!({"group": groups("ANY_GROUP", 3)}), "group-access", true),
        (
            json!({"role": admin, "group": groups("ANY_GROUP", 3)}),
            "admin-and-groups",
            false,
        ),
        (json!({"group": groups("MOST_GROUPS", 3)}), "unknown-condition", false),
        (json!({"group": groups("ALL_GROUPS", 3)}), "all-groups", false),
    ] {
        let mut missing = Vec::new();
        let grants = with(&row(&json!({"accessControl": access})), |application| {
            application.group_grants(|group| missing.push(group))
        });
        assert_eq!((grants.len(), missing.as_slice()), (2, &GROUPS[2..]), "{access}");
        for grant in &grants {
            assert_eq!(grant.immutable.as_ref().unwrap().source_id, source_id);
            assert_eq!(grant.expandable.is_some(), expands, "{access}");
        }
    }
    for open in [
        json!({}),
        json!({"role": admin}),
        json!({"group": groups("ANY_GROUP", 0)}),
    ] {
        let grants = with(&row(&json!({"accessControl": open})), |application| {
            application.group_grants(|_| {})
        });
        assert!(grants.is_empty(), "{open}");
    }
}

#[test]
fn the_row_becomes_profile_flags_and_status() {
    let row = row(&json!({
        "protocol": "SAML", "enabled": false, "hiddenFromAppPortal": true, "tags": ["b", "a"], "createdAt":
        "2026-03-02T09:14:05Z", "icon": {"href": "https://x/i.png"}, "jwks": "marker-jwks", "redirectUris": ["marker"],
        "accessControl": {"role": {"type": "ADMIN_USERS_ONLY"}, "group": groups("ALL_GROUPS", 3)}
    }));
    let resource = with(&row, |application| application.resource(true));
    assert_eq!(resource.status.as_ref().unwrap().details, "DISABLED");
    let ResourceTrait::App(app) = &resource.resource_trait else {
        panic!("no application")
    };
    assert_eq!(app.flags, ["APP_FLAG_HIDDEN", "APP_FLAG_INACTIVE", "APP_FLAG_SAML"]);
    assert_eq!(
        (app.source_type, app.raw_source_type.as_str()),
        ("saml", "SAML/WEB_APP")
    );
    assert_eq!(app.non_human, None);
    let text = format!("{:?}", resource.profile);
    assert!(!text.contains("marker"), "{text}");
    let list = |key: &str| match resource.profile.get(key) {
        Some(Value::List(values)) => values.len(),
        other => panic!("{key}: {other:?}"),
    };
    assert_eq!(
        (list("access_group_ids"), list("access_group_names"), list("tags")),
        (3, 3, 2)
    );
    for key in [
        "is_system",
        "is_connector",
        "access_admin_only",
        "access_unresolved",
        "hidden_from_app_portal",
    ] {
        assert!(matches!(resource.profile.get(key), Some(Value::Bool(_))), "{key}");
    }
    assert!(resource.profile.get("grant_types").is_none());
}

#[test]
fn whoever_signs_on_by_itself_is_a_machine() {
    for (members, detail) in [
        (json!({"type": "WORKER"}), Some("pingone.application.worker")),
        (json!({"type": "SERVICE"}), Some("pingone.application.service")),
        (
            json!({"grantTypes": ["CLIENT_CREDENTIALS"]}),
            Some("pingone.application.web_app"),
        ),
        (
            json!({"tokenEndpointAuthMethod": "PRIVATE_KEY_JWT", "type": null}),
            Some("pingone.application"),
        ),
        (json!({"tokenEndpointAuthMethod": "NONE", "type": "AI_AGENT"}), None),
        (json!({"type": "SINGLE_PAGE_APP"}), None),
        (
            json!({"type": "PING_ONE_PORTAL", "tokenEndpointAuthMethod": "CLIENT_SECRET_POST"}),
            None,
        ),
        (json!({"type": "WORKER", "protocol": "SAML"}), None),
    ] {
        assert_eq!(app_trait(&row(&members)).non_human.as_deref(), detail, "{members}");
    }
}
