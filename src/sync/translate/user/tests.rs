use serde_json::{Value as Json, json};

use super::*;

const ID: &str = "7c2e1d94-55a0-4a34-9a1b-c0ffee001001";

fn with(extra: &Json) -> User {
    let mut object = json!({ "id": ID });
    for (key, value) in extra.as_object().unwrap() {
        object[key] = value.clone();
    }
    serde_json::from_value(object).unwrap()
}

fn translate(extra: &Json) -> Resource {
    user(&with(extra), None, &UserRules::new(&[], &[], &[]))
}

fn trait_of(extra: &Json) -> UserTrait {
    match translate(extra).resource_trait {
        ResourceTrait::User(user) => *user,
        other => panic!("{other:?}"),
    }
}

fn text(resource: &Resource, key: &str) -> Option<String> {
    match resource.profile.get(key) {
        Some(Value::String(text)) => Some(text.clone()),
        None => None,
        other => panic!("{key} is {other:?}"),
    }
}

#[test]
fn status_follows_enabled_and_details_follow_the_rest() {
    use StatusKind::{Disabled, Enabled, Unspecified};
    let cases = [
        (
            json!({"enabled": true, "account": {"status": "OK"}, "lifecycle": {"status": "ACCOUNT_OK"}}),
            Enabled,
            "ACTIVE",
        ),
        (json!({"enabled": true}), Enabled, "ACTIVE"),
        (
            json!({"enabled": true, "account": {"status": "LOCKED"}}),
            Enabled,
            "LOCKED",
        ),
        (
            json!({"enabled": true, "account": {"status": "LOCKED"}, "lifecycle": {"status": "VERIFICATION_REQUIRED"}}),
            Enabled,
            "LOCKED",
        ),
        (
            json!({"enabled": true, "account": {"status": "OK"}, "lifecycle": {"status": "VERIFICATION_REQUIRED"}}),
            Enabled,
            "VERIFICATION_REQUIRED",
        ),
        (
            json!({"enabled": true, "lifecycle": {"status": "SOMETHING_NEW"}}),
            Enabled,
            "SOMETHING_NEW",
        ),
        (
            json!({"enabled": true, "account": {"status": "FROZEN"}}),
            Enabled,
            "FROZEN",
        ),
        (
            json!({"enabled": false, "account": {"status": "OK"}}),
            Disabled,
            "DISABLED",
        ),
        (
            json!({"enabled": false, "account": {"status": "LOCKED"}}),
            Disabled,
            "DISABLED, LOCKED",
        ),
        (
            json!({"enabled": false, "lifecycle": {"status": "VERIFICATION_REQUIRED"}}),
            Disabled,
            "DISABLED",
        ),
        (json!({"account": {"status": "OK"}}), Unspecified, "UNKNOWN"),
        (json!({}), Unspecified, "UNKNOWN"),
    ];
    for (extra, kind, details) in cases {
        let status = translate(&extra).status.unwrap();
        assert_eq!((status.kind, status.details.as_str()), (kind, details), "{extra}");
    }
}

#[test]
fn the_display_name_is_the_first_that_is_not_blank() {
    let cases = [
        (
            json!({"name": {"formatted": "Mara Lindqvist", "given": "M", "family": "L"}, "nickname": "n"}),
            "Mara Lindqvist",
        ),
        (
            json!({"name": {"formatted": "  ", "given": "Mara", "family": "Lindqvist"}}),
            "Mara Lindqvist",
        ),
        (json!({"name": {"given": "Mara"}, "nickname": "n"}), "Mara"),
        (json!({"name": {"family": "Lindqvist"}}), "Lindqvist"),
        (json!({"name": {}, "nickname": "Mara", "username": "u"}), "Mara"),
        (
            json!({"username": "mara.lindqvist", "email": "m@example.com"}),
            "mara.lindqvist",
        ),
        (json!({"username": " ", "email": "m@example.com"}), "m@example.com"),
        (json!({}), ID),
    ];
    for (extra, expected) in cases {
        assert_eq!(translate(&extra).display_name, expected, "{extra}");
    }
    let long = translate(&json!({"username": "é".repeat(600)}));
    assert_eq!(long.display_name.len(), 1024);
}

#[test]
fn an_address_that_is_not_bare_stays_in_the_profile_alone() {
    let label = "a".repeat(63);
    let long_domain = format!("{label}.{label}.{label}.{label}");
    let cases = [
        ("mara.lindqvist@example.com".to_owned(), true),
        ("m+x_y@sub.example-one.com".to_owned(), true),
        ("o'brien@example.com".to_owned(), true),
        ("m@localhost".to_owned(), true),
        (format!("m@{label}.com"), true),
        (format!("m@{label}a.com"), false),
        (format!("{}@example.com", "a".repeat(64)), true),
        (format!("{}@example.com", "a".repeat(65)), false),
        (format!("m@{long_domain}"), false),
        ("Mara <m@example.com>".to_owned(), false),
        ("m@example.com, n@example.com".to_owned(), false),
        ("m@-example.com".to_owned(), false),
        ("m@example-.com".to_owned(), false),
        ("m@exa_mple.com".to_owned(), false),
        ("m@example..com".to_owned(), false),
        (".m@example.com".to_owned(), false),
        ("m.@example.com".to_owned(), false),
        ("m m@example.com".to_owned(), false),
        ("@example.com".to_owned(), false),
        ("m@".to_owned(), false),
        ("no address".to_owned(), false),
        (String::new(), false),
    ];
    for (email, bare) in cases {
        let resource = translate(&json!({ "email": email }));
        assert_eq!(text(&resource, "email").as_deref(), Some(email.as_str()));
        assert_eq!(trait_of(&json!({ "email": email })).email.is_some(), bare, "{email}");
    }
}

#[test]
fn login_aliases_have_no_duplicates() {
    let cases = [
        (json!({"username": "mara"}), vec![]),
        (json!({"username": "mara@example.com"}), vec!["mara"]),
        (
            json!({"username": "mara@example.com", "email": "mara@example.com"}),
            vec!["mara"],
        ),
        (
            json!({"username": "mara@example.com", "email": "m@example.org"}),
            vec!["mara", "m@example.org"],
        ),
        (json!({"username": "mara@x.com", "email": "mara"}), vec!["mara"]),
        (json!({"username": "a@b@c"}), vec![]),
        (json!({"username": "@c"}), vec![]),
        (json!({"email": "m@example.org"}), vec!["m@example.org"]),
    ];
    for (extra, expected) in cases {
        assert_eq!(trait_of(&extra).login_aliases, expected, "{extra}");
    }
}

#[test]
fn a_structured_name_needs_a_part() {
    assert_eq!(trait_of(&json!({})).structured_name, None);
    assert_eq!(trait_of(&json!({"name": {"formatted": "Mara"}})).structured_name, None);
    let all = json!({"name": {
        "given": "Mara", "middle": "E", "family": "Lindqvist", "honorificPrefix": "Ms.", "honorificSuffix": "CPA"
    }});
    let name = trait_of(&all).structured_name.unwrap();
    let parts = [name.given, name.middle, name.family, name.prefix, name.suffix];
    assert_eq!(parts.map(Option::unwrap), ["Mara", "E", "Lindqvist", "Ms.", "CPA"]);
}

#[test]
fn employee_ids_come_from_the_named_attributes_without_case_and_underscores() {
    let extra = json!({
        "externalId": "x", "Employee_Number": "100", "employeeID": "100", "employeeIdNumber": 7, "badge": "b",
        "title": "T-1", "costCenters": ["c1", " ", 8, "c1", {"id": "no"}]
    });
    let rules = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        UserRules::new(&[], &names, &[])
    };
    let cases = [
        (rules(&[]), vec!["100", "7"]),
        (rules(&["Badge", "external_id"]), vec!["x", "b"]),
        (rules(&["title", "cost_centers", "address"]), vec!["T-1", "c1", "8"]),
    ];
    for (rules, expected) in cases {
        let ResourceTrait::User(user) = user(&with(&extra), None, &rules).resource_trait else {
            panic!()
        };
        assert_eq!(user.employee_ids, expected);
    }
}

#[test]
fn the_account_type_is_human_unless_the_type_is_listed() {
    let rules = UserRules::new(&[], &[], &["Service".to_owned()]);
    for (extra, expected) in [
        (json!({"type": "SERVICE"}), AccountType::Service),
        (json!({"type": "Services"}), AccountType::Human),
        (json!({}), AccountType::Human),
    ] {
        let ResourceTrait::User(user) = user(&with(&extra), None, &rules).resource_trait else {
            panic!()
        };
        assert_eq!(user.account_type, expected, "{extra}");
    }
}

#[test]
fn mfa_and_sso_are_set_only_where_pingone_says_something() {
    for (extra, mfa, sso) in [
        (json!({}), None, None),
        (
            json!({"mfaEnabled": false, "identityProvider": {"type": "PING_ONE"}}),
            Some(false),
            None,
        ),
        (
            json!({"mfaEnabled": true, "identityProvider": {"id": "i", "type": "SAML"}}),
            Some(true),
            Some(true),
        ),
        (json!({"identityProvider": {"type": "BRAND_NEW"}}), None, Some(true)),
    ] {
        let user = trait_of(&extra);
        assert_eq!((user.mfa_enabled, user.sso_enabled), (mfa, sso), "{extra}");
    }
}

/// The user of pingone-api.md §7 with every attribute.
fn full() -> Json {
    json!({
        "environment": {"id": "5f0c6a52-6a1e-4f0b-9a43-2f9a1c0d7e11"},
        "account": {"canAuthenticate": true, "status": "OK"},
        "accountId": "ACC-77",
        "address": {
            "streetAddress": "1 Quay", "locality": "Malmo", "region": "Skane", "postalCode": "21120", "countryCode": "SE"
        },
        "createdAt": "2025-08-18T19:33:26.304Z",
        "email": "mara.lindqvist@example.com",
        "emailVerified": true,
        "enabled": true,
        "externalId": "E-100482",
        "identityProvider": {"id": "b1c9f6de-0f3a-4a5d-8c11-5d6a2a9be499", "type": "SAML"},
        "lastSignOn": {"at": "2026-02-27T06:58:01.002Z", "remoteIp": "203.0.113.24"},
        "lifecycle": {"status": "ACCOUNT_OK"},
        "locale": "sv-SE",
        "mfaEnabled": true,
        "mobilePhone": "+46.700000000",
        "name": {
            "formatted": "Mara Lindqvist", "given": "Mara", "middle": "E", "family": "Lindqvist",
            "honorificPrefix": "Ms.", "honorificSuffix": "CPA"
        },
        "nickname": "Mara",
        "photo": {"href": "https://example.com/p/mara.png"},
        "population": {"id": "b1c9f6de-0f3a-4a5d-8c11-5d6a2a9be402"},
        "preferredLanguage": "sv;q=0.9",
        "primaryPhone": "+46.400000000",
        "timezone": "Europe/Stockholm",
        "title": "Controller",
        "type": "Employee",
        "updatedAt": "2026-02-27T06:58:01.500Z",
        "username": "mara.lindqvist",
        "verifyStatus": "NOT_INITIATED",
        "employeeNumber": "100482",
        "badge": {"level": 3}
    })
}

#[test]
fn every_profile_key_has_its_source() {
    let resource = user(&with(&full()), Some("Employees"), &UserRules::new(&[], &[], &[]));
    let texts = [
        ("id", ID),
        ("username", "mara.lindqvist"),
        ("email", "mara.lindqvist@example.com"),
        ("external_id", "E-100482"),
        ("account_id", "ACC-77"),
        ("type", "Employee"),
        ("environment_id", "5f0c6a52-6a1e-4f0b-9a43-2f9a1c0d7e11"),
        ("given_name", "Mara"),
        ("family_name", "Lindqvist"),
        ("middle_name", "E"),
        ("formatted_name", "Mara Lindqvist"),
        ("honorific_prefix", "Ms."),
        ("honorific_suffix", "CPA"),
        ("nickname", "Mara"),
        ("title", "Controller"),
        ("primary_phone", "+46.400000000"),
        ("mobile_phone", "+46.700000000"),
        ("street_address", "1 Quay"),
        ("locality", "Malmo"),
        ("region", "Skane"),
        ("postal_code", "21120"),
        ("country_code", "SE"),
        ("photo_url", "https://example.com/p/mara.png"),
        ("locale", "sv-SE"),
        ("preferred_language", "sv;q=0.9"),
        ("timezone", "Europe/Stockholm"),
        ("population_id", "b1c9f6de-0f3a-4a5d-8c11-5d6a2a9be402"),
        ("population_name", "Employees"),
        ("account_status", "OK"),
        ("lifecycle_status", "ACCOUNT_OK"),
        ("verify_status", "NOT_INITIATED"),
        ("identity_provider_id", "b1c9f6de-0f3a-4a5d-8c11-5d6a2a9be499"),
        ("identity_provider_type", "SAML"),
        ("last_sign_on_at", "2026-02-27T06:58:01.002Z"),
        ("created_at", "2025-08-18T19:33:26.304Z"),
        ("updated_at", "2026-02-27T06:58:01.5Z"),
    ];
    for (key, expected) in texts {
        assert_eq!(text(&resource, key).as_deref(), Some(expected), "{key}");
    }
    let flags = ["email_verified", "enabled", "account_can_authenticate", "mfa_enabled"];
    for key in flags {
        assert_eq!(resource.profile.get(key), Some(&Value::Bool(true)), "{key}");
    }
    assert_eq!(resource.profile.0.len(), texts.len() + flags.len());
    assert_eq!(resource.created_at.unwrap().to_string(), "2025-08-18T19:33:26.304Z");
}

#[test]
fn a_value_that_pingone_lacks_is_absent_never_null() {
    let bare = translate(&json!({"name": null, "email": null, "population": null, "enabled": null}));
    assert_eq!(bare.profile.0.keys().collect::<Vec<_>>(), ["id"]);
}

#[test]
fn custom_attributes_go_into_the_profile_only_when_asked_for() {
    for (names, expected) in [
        (vec![], None),
        (vec!["badge"], Some(vec!["badge"])),
        (vec!["*"], Some(vec!["badge", "employeeNumber"])),
        (vec!["nothing"], None),
    ] {
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let resource = user(&with(&full()), None, &UserRules::new(&names, &[], &[]));
        let found = match resource.profile.get("custom") {
            Some(Value::Object(object)) => Some(object.keys().map(String::as_str).collect::<Vec<_>>()),
            _ => None,
        };
        assert_eq!(found, expected, "{names:?}");
    }
}

#[test]
#[expect(deprecated, reason = "the copies are what is tested")]
fn the_trait_copies_equal_the_resource() {
    use baton::proto::c1::connector::v2 as pb;
    use prost::Message;
    for extra in [full(), json!({"enabled": false}), json!({})] {
        let resource = translate(&extra);
        let message = pb::Resource::decode(baton::wire::resource(&resource).as_slice()).unwrap();
        let copy = pb::UserTrait::decode(message.annotations[0].value.as_slice()).unwrap();
        assert_eq!(message.profile, copy.profile);
        assert_eq!(message.created_at, copy.created_at);
        let (status, copied) = (message.status.unwrap(), copy.status.unwrap());
        assert_eq!(
            (status.status, status.details),
            (copied.status, copied.details),
            "{extra}"
        );
        assert!(message.annotations[1].type_url.ends_with("RawId"));
    }
}
