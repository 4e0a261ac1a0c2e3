use crate::model::{USER, immutable};
use serde_json::{Value as Json, json};

use super::*;

const ID: &str = "e4a1c7b0-21d3-4a7e-8f6d-0ddba11c0de1";
const POPULATION: &str = "b1c9f6de-0f3a-4a5d-8c11-5d6a2a9be402";

fn with(extra: &Json) -> Group {
    let mut object = json!({ "id": ID, "name": "Finance" });
    for (key, value) in extra.as_object().unwrap() {
        object[key] = value.clone();
    }
    serde_json::from_value(object).unwrap()
}

fn translate(extra: &Json, population: Option<&str>) -> (Resource, Entitlement) {
    let pingone = with(extra);
    group(&pingone, &GroupPlan::of(&pingone), population, &[], true)
}

#[test]
fn the_kind_decides_source_types_and_immutability() {
    let cases = [
        (json!({}), "native", "STATIC", false),
        (
            json!({"userFilter": "type eq \"Employee\""}),
            "dynamic",
            "DYNAMIC",
            false,
        ),
        (json!({"userFilter": " "}), "native", "STATIC", false),
        (
            json!({"sourceType": "GATEWAY", "sourceId": "s"}),
            "directory_synced",
            "EXTERNAL:GATEWAY",
            true,
        ),
        (
            json!({"sourceType": "NEW_KIND"}),
            "directory_synced",
            "EXTERNAL:NEW_KIND",
            true,
        ),
        (json!({"sourceId": "s"}), "directory_synced", "EXTERNAL", true),
        (
            json!({"sourceType": "IDP", "userFilter": "x eq 1"}),
            "directory_synced",
            "EXTERNAL:IDP",
            true,
        ),
    ];
    for (extra, source, raw, immutable) in cases {
        let (resource, entitlement) = translate(&extra, None);
        let ResourceTrait::Group(group) = &resource.resource_trait else {
            panic!()
        };
        assert_eq!(
            (group.source_type, group.raw_source_type.as_str()),
            (source, raw),
            "{extra}"
        );
        let expected = immutable.then_some(immutable::EXTERNAL_GROUP);
        assert_eq!(
            (resource.immutable, entitlement.immutable),
            (expected, expected),
            "{extra}"
        );
    }
}

#[test]
fn every_profile_key_has_its_source() {
    let pingone = with(&json!({
        "description": "Finance staff",
        "externalId": "cost-centre-40",
        "population": {"id": POPULATION},
        "userFilter": "type eq \"Employee\"",
        "customData": {"owner": {"level": 2}},
        "directMemberCounts": {"users": 212, "groups": 1},
        "totalMemberCounts": {"users": 300},
        "createdAt": "2024-06-01T09:00:00.000Z",
        "somethingNew": [1]
    }));
    let parent = uuid::Uuid::from_u128(7);
    let (resource, entitlement) = group(&pingone, &GroupPlan::of(&pingone), Some("Employees"), &[parent], true);
    let expected: std::collections::BTreeMap<String, Value> = [
        ("id", Value::String(ID.to_owned())),
        ("name", Value::String("Finance".to_owned())),
        ("description", Value::String("Finance staff".to_owned())),
        ("external_id", Value::String("cost-centre-40".to_owned())),
        ("population_id", Value::String(POPULATION.to_owned())),
        ("population_name", Value::String("Employees".to_owned())),
        ("scope", Value::String("POPULATION".to_owned())),
        ("user_filter", Value::String("type eq \"Employee\"".to_owned())),
        ("is_dynamic", Value::Bool(true)),
        ("is_external", Value::Bool(false)),
        ("direct_user_count", Value::Number(212.0)),
        ("total_user_count", Value::Number(300.0)),
        ("parent_group_ids", Value::List(vec![Value::String(parent.to_string())])),
        (
            "custom_data",
            Value::Object(
                [(
                    "owner".to_owned(),
                    Value::Object([("level".to_owned(), Value::Number(2.0))].into()),
                )]
                .into(),
            ),
        ),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect();
    assert_eq!(resource.profile.0, expected);
    assert_eq!(resource.created_at.unwrap().to_string(), "2024-06-01T09:00:00Z");
    assert_eq!(entitlement.id.to_string(), format!("group:{ID}:member"));
    assert_eq!(entitlement.display_name, "Finance Group Member");
    assert_eq!(
        entitlement.description,
        "Member of the Finance group in PingOne (population Employees)"
    );
    assert_eq!(entitlement.grantable_to, [USER]);
}

#[test]
fn an_environment_level_group_names_no_population_and_hides_custom_data_unless_asked() {
    let pingone = with(&json!({"customData": {"owner": "x"}}));
    let (resource, entitlement) = group(&pingone, &GroupPlan::of(&pingone), None, &[], false);
    assert_eq!(
        resource.profile.get("scope"),
        Some(&Value::String("ENVIRONMENT".to_owned()))
    );
    assert_eq!(resource.profile.get("custom_data"), None);
    assert_eq!(entitlement.description, "Member of the Finance group in PingOne");
}

#[test]
fn names_are_cut_after_the_words_are_added() {
    let (resource, entitlement) = translate(&json!({"name": "é".repeat(2_000)}), None);
    assert_eq!(resource.display_name.len(), 1_024);
    assert!(entitlement.display_name.len() <= 1_024 && entitlement.description.len() <= 2_048);
}
