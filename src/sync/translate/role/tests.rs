use serde_json::json;

use super::*;

const ID: &str = "0bd9c966-7664-4ac1-b059-0ff9293908e2";

#[test]
fn a_role_keeps_what_pingone_says() {
    let pingone: Role = serde_json::from_value(json!({
        "id": ID, "name": "Identity Data Admin", "description": "Manages identities",
        "applicableTo": ["ENVIRONMENT", "galaxy"],
        "permissions": [
            {"id": "dir:read:user", "classifier": "user", "description": "Read users"},
            {"classifier": "group", "description": "Read groups"},
            {"id": "a:first"},
            {}
        ],
        "canAssign": [{"id": "29ddce68-cd7f-4b2a-b6fc-f7a19553b496"}],
    }))
    .unwrap();
    let (resource, info) = role(&pingone);
    let list = |values: &[&str]| Value::List(values.iter().map(|text| Value::String((*text).to_owned())).collect());
    assert_eq!(resource.display_name, "Identity Data Admin");
    assert_eq!(resource.description, "Manages identities");
    assert_eq!(
        resource.profile.get("role_type"),
        Some(&Value::String("PLATFORM".to_owned()))
    );
    assert_eq!(
        resource.profile.get("applicable_to"),
        Some(&list(&["ENVIRONMENT", "galaxy"]))
    );
    assert_eq!(
        resource.profile.get("permissions"),
        Some(&list(&["a:first", "dir:read:user", "group: Read groups"]))
    );
    assert_eq!(resource.profile.get("permission_count"), Some(&Value::Number(4.0)));
    assert_eq!(resource.profile.get("permissions_truncated"), None);
    assert_eq!(
        resource.profile.get("can_assign"),
        Some(&list(&["29ddce68-cd7f-4b2a-b6fc-f7a19553b496"]))
    );
    assert_eq!(resource.profile.get("can_be_assigned_by"), Some(&list(&[])));
    assert_eq!(info.applicable_to, ["ENVIRONMENT", "galaxy"]);
}

#[test]
fn permissions_are_cut_at_five_hundred_and_say_so() {
    for (count, listed, truncated) in [(500, 500, None), (501, 500, Some(&Value::Bool(true)))] {
        let permissions: Vec<_> = (0..count).map(|n| json!({"id": format!("p:{n:04}")})).collect();
        let pingone: Role =
            serde_json::from_value(json!({"id": ID, "type": "CUSTOM", "permissions": permissions})).unwrap();
        let (resource, _) = role(&pingone);
        let Some(Value::List(found)) = resource.profile.get("permissions") else {
            panic!()
        };
        assert_eq!(found.len(), listed);
        assert_eq!(resource.profile.get("permissions_truncated"), truncated);
        assert_eq!(
            resource.profile.get("role_type"),
            Some(&Value::String("CUSTOM".to_owned()))
        );
    }
}

#[test]
fn an_unlisted_role_stays_visible_under_its_id() {
    let id: RoleId = ID.parse().unwrap();
    let (resource, info) = placeholder_role(id);
    assert_eq!(resource.display_name, ID);
    assert_eq!(
        resource.profile.get("role_type"),
        Some(&Value::String("UNKNOWN".to_owned()))
    );
    assert!(info.applicable_to.is_empty());
}
