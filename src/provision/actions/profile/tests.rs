use super::*;
use baton::task::Code;

fn user() -> User {
    serde_json::from_value(json!({
        "id": "7c2e1d94-55a0-4a34-9a1b-c0ffee001001",
        "username": "mara.lindqvist",
        "email": "mara.lindqvist@example.com",
        "name": {"given": "Mara", "family": "Lindqvist", "middle": "E"},
        "address": {"locality": "Malmo", "countryCode": "SE"},
        "title": "Controller",
        "employeeNumber": "100482",
        "preferences": {"theme": "dark"}
    }))
    .unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "a literal at every call")]
fn read(profile: Value) -> Result<Changes, TaskError> {
    let mut changes = Changes::default();
    changes.read(profile.as_object().unwrap(), Form::Whole)?;
    Ok(changes)
}

fn body(profile: Value) -> Option<Value> {
    let mut changes = read(profile).unwrap();
    changes = changes.differing(&user());
    changes.body(&user())
}

/// PingOne may write a phone number in its own form, also where it had it in that form before.
#[test]
fn a_phone_number_is_compared_by_its_digits() {
    let mut now = user();
    now.mobile_phone = Some("+46.700000000".to_owned());
    for (number, unmet) in [("+46 700 000 000", false), ("+46 700 000 001", true), ("mobile", true)] {
        let changes = read(json!({"mobile_phone": number})).unwrap();
        assert_eq!(changes.unmet(&now, &now).is_empty(), !unmet, "{number}");
    }
}

#[test]
fn keys_of_ours_and_names_of_pingone_are_the_same_attributes() {
    for profile in [
        json!({"given_name": "Maja", "external_id": "E-7"}),
        json!({"name": {"given": "Maja"}, "externalId": "E-7"}),
        json!({"name.given": "Maja", "externalId": "E-7"}),
    ] {
        let expected = json!({"externalId": "E-7", "name": {"family": "Lindqvist", "given": "Maja", "middle": "E"}});
        assert_eq!(body(profile), Some(expected));
    }
}

#[test]
fn what_the_user_has_already_is_not_sent() {
    assert_eq!(
        body(json!({"title": "Controller", "given_name": "Mara", "nickname": ""})),
        None
    );
    assert_eq!(
        body(json!({"preferences": {"theme": "dark"}, "employeeNumber": "100482"})),
        None
    );
    assert_eq!(
        body(json!({"title": "Auditor", "given_name": "Mara"})),
        Some(json!({"title": "Auditor"}))
    );
    assert_eq!(body(json!({})), None);
}

#[test]
fn an_empty_text_and_null_clear_and_leave_the_other_parts() {
    for nothing in [json!(""), Value::Null] {
        assert_eq!(body(json!({ "title": nothing })), Some(json!({"title": null})));
        let expected = json!({"name": {"given": "Mara", "family": "Lindqvist", "middle": null}});
        assert_eq!(body(json!({"name": {"middle": nothing}})), Some(expected));
    }
    assert_eq!(
        body(json!({"employeeNumber": ""})),
        Some(json!({"employeeNumber": null}))
    );
    let all = body(json!({ "address": null })).unwrap();
    assert_eq!(all, json!({"address": {"locality": null, "countryCode": null}}));
}

#[test]
fn switches_are_read_beside_the_attributes() {
    let changes = read(json!({"population": "Staff", "mfa_enabled": "true", "identity_provider_id": "p"})).unwrap();
    assert_eq!(
        (
            changes.population.as_deref(),
            changes.mfa_enabled,
            changes.identity_provider.as_deref()
        ),
        (Some("Staff"), Some(true), Some("p"))
    );
    assert_eq!(changes.body(&user()), None);
    assert!(!changes.is_empty());
    assert_eq!(
        read(json!({"population": {"id": "x"}})).unwrap().population.as_deref(),
        Some("x")
    );
}

#[test]
fn custom_attributes_are_told_apart_for_the_schema() {
    let mut changes = read(json!({"department": "Sales", "title": "x", "badges": ["a"]})).unwrap();
    let custom: Vec<(&str, Value)> = changes.custom().map(|(name, value)| (name, value.clone())).collect();
    assert_eq!(custom, [("badges", json!(["a"])), ("department", json!("Sales"))]);
    changes.set_custom("badges", json!(["b"]));
    assert_eq!(changes.body(&user()).unwrap()["badges"], json!(["b"]));
}

#[test]
fn what_cannot_be_changed_here_is_an_error_that_says_what_can() {
    for (profile, part) in [
        (json!({"enabled": false}), "disable_user"),
        (json!({"create_disabled": true}), "disable_user"),
        (json!({"password": {"value": "x"}}), "rotate"),
        (json!({"id": "x"}), "PingOne keeps it"),
        (json!({"title": 7}), "must be a text"),
        (json!({"title": {"a": 1}}), "must be a text"),
        (json!({"name": "Mara"}), "must be an object"),
        (json!({"name": {"nick": "M"}}), "name has no part nick"),
        (json!({"username": ""}), "cannot be cleared"),
        (json!({"username": "x".repeat(300)}), "longer than 128"),
        (json!({"title": "é".repeat(257)}), "longer than 256"),
        (json!({"primary_phone": "0".repeat(33)}), "longer than 32"),
        (json!({"timezone": "UTC"}), "Area/City"),
        (json!({"address": {"countryCode": "Sweden"}}), "two capital letters"),
        (
            json!({"given_name": "a", "name": {"given": "b"}}),
            "name the same attribute",
        ),
        (json!({"mfa_enabled": "maybe"}), "true or false"),
        (json!({"population": null}), "cannot be cleared"),
        (json!({"additional_attributes": "x"}), "must be an object"),
        (json!({"additional_attributes": {"title": "x"}}), "a key of its own"),
        (
            json!({"additional_attributes": {"given_name": "x"}}),
            "a key of its own",
        ),
        (
            json!({"additional_attributes": {"population": "x"}}),
            "a key of its own",
        ),
        (
            json!({"additional_attributes": {"name": {"given": "x"}}}),
            "a key of its own",
        ),
    ] {
        let error = read(profile.clone()).unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument, "{profile}");
        assert!(error.message.contains(part), "{profile}: {error}");
    }
    let mut changes = Changes::default();
    let further = json!({"department": "Sales", "accountId": "A"});
    changes.read(further.as_object().unwrap(), Form::Additional).unwrap();
    assert_eq!(changes.keys(), ["accountId", "department"]);
}

#[test]
fn an_attribute_that_stayed_as_it_was_or_has_a_third_value_is_unmet_and_one_that_was_rewritten_is_not() {
    let mut changes = read(json!({"title": "Auditor", "email": "M@EXAMPLE.COM", "departement": "x"})).unwrap();
    changes = changes.differing(&user());
    let after = User {
        title: Some("Auditor".to_owned()),
        email: Some("m@example.com".to_owned()),
        ..user()
    };
    assert_eq!(changes.unmet(&user(), &after), ["departement"]);
    assert_eq!(changes.unmet(&user(), &user()), ["departement", "email", "title"]);
    let third = User {
        title: Some("Clerk".to_owned()),
        ..after
    };
    assert_eq!(changes.unmet(&user(), &third), ["departement", "title"]);
    assert_eq!(changes.otherwise(&user(), &third), ["title"]);
    // Where only the letters' case is to change, the old one is not the new one.
    let mut changes = read(json!({"title": "CLERK"})).unwrap();
    changes = changes.differing(&third);
    assert_eq!(changes.unmet(&third, &third), ["title"]);
}

#[test]
fn every_named_key_changes_the_attribute_that_it_is_compared_with() {
    for named in &NAMED {
        let value = if named.key == "timezone" {
            "Europe/Stockholm"
        } else {
            "x"
        };
        let mut changes = read(json!({ named.key: value })).unwrap();
        let sent = changes.body(&User::default()).unwrap();
        let after: User = serde_json::from_value(
            [("id".to_owned(), json!("7c2e1d94-55a0-4a34-9a1b-c0ffee001001"))]
                .into_iter()
                .chain(sent.as_object().unwrap().clone())
                .collect::<Map<_, _>>()
                .into(),
        )
        .unwrap();
        assert!(changes.unmet(&User::default(), &after).is_empty(), "{}", named.key);
        changes = changes.differing(&after);
        assert!(changes.is_empty(), "{}", named.key);
    }
}
