use std::collections::BTreeSet;

use super::*;

fn schema(name: &str) -> ActionSchema {
    let mut all = action_schemas().into_iter();
    all.find(|schema| schema.name == name)
        .unwrap_or_else(|| panic!("no {name}"))
}

/// A row of the table of connector-model.md §7.7: name, scope, types, arguments.
type Row = (
    &'static str,
    Option<&'static str>,
    &'static [ActionType],
    &'static [&'static str],
);

const USER_ONLY: &[&str] = &["user_id"];
const PROFILE: &[&str] = &[
    "user_id",
    "username",
    "email",
    "given_name",
    "family_name",
    "formatted_name",
    "nickname",
    "title",
    "type",
    "external_id",
    "primary_phone",
    "mobile_phone",
    "locale",
    "preferred_language",
    "timezone",
    "additional_attributes",
];
const ROWS: [Row; 14] = {
    use ActionType::{
        Account, AccountDisable, AccountEnable, AccountUpdateProfile, Dynamic, ResourceCreate, ResourceDelete,
    };
    let (user, group) = (Some("user"), Some("group"));
    [
        ("enable_user", None, &[Account, AccountEnable], USER_ONLY),
        ("disable_user", None, &[Account, AccountDisable], USER_ONLY),
        (
            "update_user",
            None,
            &[Account, AccountUpdateProfile],
            &["user_id", "user_profile"],
        ),
        ("update_profile", user, &[AccountUpdateProfile], PROFILE),
        ("lock_user", user, &[Dynamic], USER_ONLY),
        ("unlock_user", user, &[Dynamic], USER_ONLY),
        ("reset_password", user, &[Dynamic], &["user_id", "send_recovery"]),
        ("set_population", user, &[Dynamic], &["user_id", "population_id"]),
        ("sign_out_user", user, &[Dynamic], USER_ONLY),
        ("reset_mfa", user, &[Dynamic], USER_ONLY),
        ("delete_user", user, &[ResourceDelete], USER_ONLY),
        (
            "create",
            group,
            &[ResourceCreate],
            &["name", "description", "population_id"],
        ),
        ("modify_group", group, &[], &["group_id", "name", "description"]),
        ("delete_group", group, &[ResourceDelete], &["group_id", "confirm_name"]),
    ]
};

#[test]
fn the_actions_are_those_of_the_contract() {
    let all = action_schemas();
    assert_eq!(all.len(), ROWS.len());
    for (schema, (name, scope, types, arguments)) in all.iter().zip(ROWS) {
        let found: Vec<&str> = schema.arguments.iter().map(|argument| argument.name).collect();
        assert_eq!(
            (
                schema.name,
                schema.resource_type_id,
                schema.action_types,
                found.as_slice()
            ),
            (name, scope, types, arguments)
        );
        assert!(
            !schema.display_name.is_empty() && !schema.description.is_empty(),
            "{name}"
        );
    }
}

#[test]
fn a_global_action_takes_the_user_as_a_text_and_a_scoped_one_as_a_resource_id() {
    for schema in action_schemas() {
        if schema.resource_type_id == Some("group") {
            continue;
        }
        let user = &schema.arguments[0];
        assert!(user.required && user.name == "user_id", "{}", schema.name);
        match schema.resource_type_id {
            None => {
                assert_eq!(user.kind, ActionFieldKind::String, "{}", schema.name);
                assert!(user.description.contains("not C1's id"), "{}", schema.name);
            }
            Some(_) => assert_eq!(
                user.kind,
                ActionFieldKind::ResourceId {
                    allowed_types: &["user"]
                }
            ),
        }
    }
}

#[test]
fn results_and_defaults_are_those_of_the_contract() {
    let results = |name: &str| -> Vec<(&str, ActionFieldKind)> {
        schema(name)
            .return_types
            .iter()
            .map(|field| (field.name, field.kind))
            .collect()
    };
    let success = ("success", ActionFieldKind::Bool { default: false });
    assert_eq!(results("enable_user"), [success, ("message", ActionFieldKind::String)]);
    assert_eq!(
        results("update_user"),
        [success, ("updated_fields", ActionFieldKind::String)]
    );
    assert_eq!(
        results("update_profile"),
        [success, ("updated_user", ActionFieldKind::Resource)]
    );
    let counts: Vec<&str> = results("reset_mfa").into_iter().map(|(name, _)| name).collect();
    assert_eq!(counts, ["success", "message", "devices_found", "devices_deleted"]);
    let recovery = &schema("reset_password").arguments[1];
    assert_eq!(
        (recovery.kind, recovery.required),
        (ActionFieldKind::Bool { default: true }, false)
    );
    let population = &schema("set_population").arguments[1];
    assert_eq!(
        population.kind,
        ActionFieldKind::ResourceId {
            allowed_types: &["population"]
        }
    );
    assert!(population.required && schema("update_user").arguments[1].required);
    assert!(
        schema("update_profile").arguments[1..]
            .iter()
            .all(|argument| !argument.required)
    );
}

/// c1-protocol.md §9.6: within a resource type at most one action per type other than UNSPECIFIED and DYNAMIC.
#[test]
fn an_action_type_occurs_once_within_a_resource_type() {
    let mut seen = BTreeSet::new();
    for schema in action_schemas()
        .iter()
        .filter(|schema| schema.resource_type_id.is_some())
    {
        for kind in schema.action_types.iter().filter(|kind| **kind != ActionType::Dynamic) {
            assert!(
                seen.insert((schema.resource_type_id, format!("{kind:?}"))),
                "{}: {kind:?}",
                schema.name
            );
        }
    }
    let names: BTreeSet<&str> = action_schemas().iter().map(|schema| schema.name).collect();
    assert_eq!(names.len(), action_schemas().len());
}
