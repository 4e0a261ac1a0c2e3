//! Every field of connector-model.md §7.3: its type, its fallback, its limits.

use serde_json::{Value, json};

use super::*;
use baton::task::{Code, Email};

fn account(profile: Value) -> AccountInfo {
    let Value::Object(profile) = profile else {
        panic!("no object")
    };
    AccountInfo {
        profile,
        ..AccountInfo::default()
    }
}

/// With a user name.
fn with(key: &str, value: Value) -> AccountInfo {
    let mut profile = json!({"username": "mara"});
    profile[key] = value;
    account(profile)
}

#[track_caller]
fn refused(account: &AccountInfo, part: &str) {
    let error = NewAccount::read(account).unwrap_err().into_task();
    assert_eq!(error.code, Code::InvalidArgument, "{error}");
    assert!(error.message.contains(part), "{part:?} is not in: {error}");
    assert!(
        error.message.len() < 300 && !error.message.contains("hidden"),
        "{error}"
    );
}

#[test]
fn every_text_goes_where_it_belongs() {
    for (key, value, wanted) in [
        ("username", "mara.lindqvist", json!({"username": "mara.lindqvist"})),
        ("email", "mara@example.com", json!({"email": "mara@example.com"})),
        ("given_name", "Mara", json!({"name": {"given": "Mara"}})),
        ("family_name", "Lindqvist", json!({"name": {"family": "Lindqvist"}})),
        (
            "formatted_name",
            "Mara \"M\" 🦊",
            json!({"name": {"formatted": "Mara \"M\" 🦊"}}),
        ),
        ("nickname", "M", json!({"nickname": "M"})),
        ("title", "Controller", json!({"title": "Controller"})),
        ("type", "Employee", json!({"type": "Employee"})),
        ("external_id", "E-1", json!({"externalId": "E-1"})),
        ("primary_phone", "+46.1", json!({"primaryPhone": "+46.1"})),
        ("mobile_phone", "+46.2", json!({"mobilePhone": "+46.2"})),
        ("locale", "sv-SE", json!({"locale": "sv-SE"})),
        (
            "preferred_language",
            "sv;q=0.9",
            json!({"preferredLanguage": "sv;q=0.9"}),
        ),
        ("timezone", "Europe/Stockholm", json!({"timezone": "Europe/Stockholm"})),
    ] {
        let read = NewAccount::read(&with(key, json!(value))).unwrap();
        let mut body = json!({"username": "mara"});
        for (name, value) in wanted.as_object().unwrap() {
            body[name] = value.clone();
        }
        assert_eq!(Value::Object(read.body), body, "{key}");
        for wrong in [json!(7), json!(true), json!([value]), json!({"a": value})] {
            refused(&with(key, wrong), &format!("{key} must be a text"));
        }
        // Nothing and an empty text are left out.
        for empty in [json!(null), json!(""), json!("  ")] {
            let read = NewAccount::read(&AccountInfo {
                login: "login".to_owned(),
                ..with(key, empty)
            });
            let name = if key == "username" { "login" } else { "mara" };
            assert_eq!(Value::Object(read.unwrap().body), json!({"username": name}), "{key}");
        }
    }
}

#[test]
fn truth_values_come_as_themselves_or_as_text() {
    type Get = fn(&NewAccount) -> Option<bool>;
    let fields: [(&str, Get, Option<bool>); 3] = [
        ("create_disabled", |read| Some(read.create_disabled), Some(false)),
        (
            "require_verification",
            |read| Some(read.require_verification),
            Some(false),
        ),
        ("mfa_enabled", |read| read.mfa_enabled, None),
    ];
    for (key, get, default) in fields {
        for (value, wanted) in [
            (json!(true), Some(true)),
            (json!("true"), Some(true)),
            (json!("True"), Some(true)),
            (json!(false), Some(false)),
            (json!("false"), Some(false)),
            (json!(null), default),
        ] {
            let read = NewAccount::read(&with(key, value.clone())).unwrap();
            assert_eq!(get(&read), wanted, "{key} {value}");
        }
        assert_eq!(get(&NewAccount::read(&with("title", json!("x"))).unwrap()), default);
        // An account that should be disabled is not created enabled because a text was odd.
        for wrong in [json!("yes"), json!(""), json!(1), json!({}), json!(["true"])] {
            refused(&with(key, wrong), &format!("{key} must be true or false"));
        }
    }
}

#[test]
fn population_and_provider_are_texts() {
    let read = NewAccount::read(&with("population", json!("Staff \"North\""))).unwrap();
    assert_eq!(read.population.as_deref(), Some("Staff \"North\""));
    let read = NewAccount::read(&with("identity_provider_id", json!("p1"))).unwrap();
    assert_eq!(read.identity_provider.as_deref(), Some("p1"));
    refused(&with("population", json!({"id": "x"})), "population must be a text");
    refused(
        &with("identity_provider_id", json!(7)),
        "identity_provider_id must be a text",
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_missing_name_and_address_come_from_the_account() {
    let email = |address: &str, is_primary| Email {
        address: address.to_owned(),
        is_primary,
    };
    let two = vec![email("second@example.com", false), email("first@example.com", true)];
    for (login, emails, profile, username, address) in [
        ("login", vec![], json!({}), "login", None),
        ("login", two.clone(), json!({}), "login", Some("first@example.com")),
        (
            "",
            two.clone(),
            json!({}),
            "first@example.com",
            Some("first@example.com"),
        ),
        (
            "",
            vec![email("only@example.com", false)],
            json!({}),
            "only@example.com",
            Some("only@example.com"),
        ),
        (
            "",
            vec![],
            json!({"email": "e@example.com"}),
            "e@example.com",
            Some("e@example.com"),
        ),
        (
            "login",
            two.clone(),
            json!({"username": "u", "email": "e@example.com"}),
            "u",
            Some("e@example.com"),
        ),
        (
            "login",
            two.clone(),
            json!({"username": "", "email": null}),
            "login",
            Some("first@example.com"),
        ),
    ] {
        let account = AccountInfo {
            login: login.to_owned(),
            emails,
            ..account(profile)
        };
        let read = NewAccount::read(&account).unwrap();
        assert_eq!(read.username, username);
        assert_eq!(read.body["username"], username);
        assert_eq!(read.body.get("email").and_then(Value::as_str), address);
    }
    refused(&account(json!({})), "username is missing");
    let many = vec![email("a@example.com", false), email("b@example.com", false)];
    refused(
        &AccountInfo {
            emails: many,
            ..account(json!({}))
        },
        "username is missing",
    );
    // A key with a wrong type is no missing key.
    refused(
        &AccountInfo {
            login: "login".to_owned(),
            ..account(json!({"username": 7}))
        },
        "username must be a text",
    );
}

#[test]
fn lengths_and_formats_are_checked_in_characters() {
    for (key, most) in [
        ("username", 128),
        ("nickname", 256),
        ("title", 256),
        ("type", 256),
        ("locale", 256),
        ("primary_phone", 32),
        ("mobile_phone", 32),
        ("external_id", 1024),
    ] {
        assert!(NewAccount::read(&with(key, json!("ä".repeat(most)))).is_ok(), "{key}");
        refused(
            &with(key, json!("ä".repeat(most + 1))),
            &format!("longer than {most} characters"),
        );
    }
    refused(&with("username", json!("x".repeat(300))), "longer than 128 characters");
    refused(&with("timezone", json!("UTC")), "must look like Area/City");
}

#[test]
fn further_attributes_are_a_map_that_overrides_nothing() {
    let key = "additional_attributes";
    for value in [
        json!({"employeeNumber": "7", "badges": ["a"], "x": null, "y": ""}),
        json!("{\"employeeNumber\":\"7\",\"badges\":[\"a\"]}"),
    ] {
        let read = NewAccount::read(&with(key, value)).unwrap();
        assert_eq!(
            Value::Object(read.additional),
            json!({"employeeNumber": "7", "badges": ["a"]})
        );
    }
    for empty in [json!(null), json!({}), json!("")] {
        assert!(NewAccount::read(&with(key, empty)).unwrap().additional.is_empty());
    }
    for wrong in [json!(7), json!(["a"]), json!("hidden"), json!("[1]"), json!(true)] {
        refused(&with(key, wrong), "additional_attributes must be a map");
    }
    for name in [
        "username",
        "email",
        "name",
        "given_name",
        "externalId",
        "external_id",
        "population",
        "mfaEnabled",
        "mfa_enabled",
        "identity_provider_id",
        "create_disabled",
        "timezone",
        "title",
        "type",
    ] {
        refused(&with(key, json!({name: "hidden"})), "it has a field of its own");
    }
    for name in [
        "enabled",
        "password",
        "lifecycle",
        "account",
        "id",
        "identityProvider",
        "emailVerified",
        "createdAt",
    ] {
        refused(
            &with(key, json!({name: "hidden"})),
            "it is not set when a user is created",
        );
    }
}

#[test]
fn what_is_no_field_and_what_is_too_much_is_refused() {
    refused(
        &with("employeeNumber", json!("hidden")),
        "\"employeeNumber\" is no field of an account",
    );
    refused(&with(&"k".repeat(100_000), json!("hidden")), "is no field");
    let large = json!({"a": {"b": ["hidden".repeat(100_000)]}});
    refused(&with("additional_attributes", large), "larger than 256 KiB");
}
