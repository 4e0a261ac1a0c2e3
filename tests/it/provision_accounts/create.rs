//! Creating: where the account goes, what it has, who is there already, what is refused before anything is written.

use baton::task::{AccountInfo, Code, CreateAccountRequest, Password, Provisioner as _};
use baton_ping_one::provision::ProvisionOptions;
use sandbox::pingone::{Fault, FaultAction};
use serde_json::{Value, json};

use super::rig::{
    NOBODY, Rig, USERS, action_required, already_exists, is_disabled, option, random, refuse, refused, success, to_us,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_arrives() {
    let rig = Rig::new().await;
    let created = rig
        .create(json!({
            "username": "nils", "email": "nils@example.com", "given_name": "Nils", "family_name": "Ek",
            "formatted_name": "Nils Ek", "nickname": "N", "title": "Clerk", "type": "Employee", "external_id": "E-1",
            "primary_phone": "+46.1", "mobile_phone": "+46.2", "locale": "sv-SE", "preferred_language": "sv",
            "timezone": "Europe/Stockholm", "mfa_enabled": "true", "population": "guests",
            "additional_attributes": {
                "employeeNumber": "7", "badges": ["a", "b"], "preferences": "{\"a\":1}", "accountId": "A-1",
                "address": {"locality": "Malmo", "countryCode": "SE"},
            },
        }))
        .await
        .unwrap();
    let (id, state) = rig.named("nils").unwrap();
    let resource = success(&created);
    assert_eq!(
        (resource.id.id.as_str(), resource.display_name.as_str()),
        (id.to_string().as_str(), "Nils Ek")
    );
    let wanted = json!({
        "username": "nils", "email": "nils@example.com", "name": {"given": "Nils", "family": "Ek", "formatted": "Nils Ek"},
        "nickname": "N", "title": "Clerk", "type": "Employee", "externalId": "E-1", "primaryPhone": "+46.1",
        "mobilePhone": "+46.2", "locale": "sv-SE", "preferredLanguage": "sv", "timezone": "Europe/Stockholm",
        "mfaEnabled": true, "employeeNumber": "7", "badges": ["a", "b"], "preferences": {"a": 1}, "accountId": "A-1",
        "address": {"locality": "Malmo", "countryCode": "SE"}, "enabled": true,
    });
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(&state.body[name], value, "{name}");
    }
    assert_eq!(
        (state.population, state.password_status),
        (Some(rig.id("guests")), "NO_PASSWORD")
    );
    assert!(created.secrets.is_empty());
    assert_eq!(rig.writes(), 1);
    assert_eq!(
        rig.audited(),
        [format!(
            "create_user user {id} in population {}: absent -> created (done)",
            rig.id("guests")
        )]
    );
}

/// As a sync would emit it: with the population's name and the attributes that a sync takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_resource_is_the_one_of_a_sync() {
    let rig = Rig::set(|options| options.custom_attributes = vec!["department".into()]).await;
    let profile = json!({"username": "nils", "additional_attributes": {"department": "Books", "employeeNumber": "7"}});
    let created = rig.create(profile).await.unwrap();
    let shown = format!("{:?}", success(&created).profile);
    for part in ["staff", "Books"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_population_is_named_configured_or_the_default() {
    let rig = Rig::new().await;
    let guests = rig.id("guests").to_string();
    for (name, population, wanted) in [
        ("a", json!(null), "staff"),
        ("b", json!(guests), "guests"),
        ("c", json!(guests.to_uppercase()), "guests"),
        ("d", json!("guests"), "guests"),
        ("e", json!(""), "staff"),
    ] {
        rig.create(json!({"username": name, "population": population}))
            .await
            .unwrap();
        assert_eq!(rig.named(name).unwrap().1.population, Some(rig.id(wanted)), "{name}");
    }
    let before = rig.server.snapshot();
    for (population, part) in [
        (json!("Guests"), "names no population"),
        (json!("Twin"), "names several populations"),
        (json!("7c2e1d94-55a0-4a34-9a1b-c0ffee001001"), "names no population"),
        (json!(rig.server.environment_id().to_string()), "names no population"),
        (json!(7), "population must be a text"),
    ] {
        let outcome = rig.create(json!({"username": "f", "population": population})).await;
        refused(outcome, Code::InvalidArgument, part);
    }
    assert_eq!(rig.server.snapshot(), before);

    let id = rig.id("guests");
    let rig = Rig::set(|options| options.default_population = Some(id)).await;
    rig.create(json!({"username": "a"})).await.unwrap();
    assert_eq!(rig.named("a").unwrap().1.population, Some(rig.id("guests")));
    let id = rig.server.environment_id();
    let rig = Rig::set(|options| options.default_population = Some(id)).await;
    refused(
        rig.create(json!({"username": "a"})).await,
        Code::FailedPrecondition,
        "default-population-id",
    );
    for email in ["no address", "Nils <n@example.com>", "a@b@c"] {
        let outcome = rig.create(json!({"username": "a", "email": email})).await;
        refused(outcome, Code::InvalidArgument, "email is not one e-mail address");
    }
    assert_eq!(rig.writes(), 0);
}

/// A name that is taken, in whatever case, is no failure; the user stays as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_there_already_is_returned_unchanged() {
    let rig = Rig::new().await;
    let before = rig.server.snapshot();
    for username in ["off", "OFF"] {
        let profile = json!({"username": username, "population": "guests", "title": "New", "create_disabled": false});
        let created = rig.create_with(profile, random(), to_us()).await.unwrap();
        let resource = already_exists(&created).unwrap();
        assert_eq!(resource.id.id, rig.id("off").to_string());
        assert!(is_disabled(resource) && created.secrets.is_empty());
    }
    assert_eq!((rig.writes(), rig.server.snapshot()), (0, before));
}

/// The first look misses the user, PingOne refuses the name, the second look finds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shows_only_after_the_refusal_is_returned_as_well() {
    let rig = Rig::new().await;
    rig.fault(Fault::on("GET", USERS, FaultAction::Body(NOBODY.into())));
    let created = rig
        .create_with(json!({"username": "Mara"}), random(), to_us())
        .await
        .unwrap();
    assert_eq!(already_exists(&created).unwrap().id.id, rig.id("mara").to_string());
    assert!(created.secrets.is_empty());
    assert_eq!(rig.calls("POST", USERS), 1);
    assert!(rig.audited().is_empty());
    assert_eq!(rig.user("mara").password, None);
}

/// User names are unique across populations, and some populations may be hidden from us.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_there_out_of_sight_is_returned_without_a_resource() {
    let rig = Rig::bent(|options| {
        options.access.worker_role = vec!["Identity Data Admin@POPULATION:0".into()];
    })
    .await;
    let created = rig.create(json!({"username": "gus"})).await.unwrap();
    assert_eq!(already_exists(&created), None);
    assert!(rig.audited().is_empty());
    rig.create(json!({"username": "nils"})).await.unwrap();
    assert!(rig.named("nils").is_some());
}

/// Another attribute may be unique as well; its owner is not the user that was asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_address_is_not_a_taken_name() {
    let rig = Rig::bent(|options| options.users.unique_attribute = vec!["email".into()]).await;
    let outcome = rig
        .create(json!({"username": "nils", "email": "MARA@example.com"}))
        .await;
    let email = rig.user("mara").body["email"].as_str().unwrap().to_owned();
    assert_eq!(email, "mara@example.com");
    if outcome.is_ok() {
        // Compared with case here; the address as it stands is taken for sure.
        let outcome = rig.create(json!({"username": "other", "email": email})).await;
        refused(outcome, Code::AlreadyExists, "unique");
    } else {
        refused(outcome, Code::AlreadyExists, "unique");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_with_quotes_and_pictures_are_looked_up_as_they_are() {
    let rig = Rig::new().await;
    for name in [r#"o'"neil\"#, "🦊 räv", r#"x" or username sw ""#, "ÅSA"] {
        let created = rig.create(json!({"username": name})).await.unwrap();
        success(&created);
        let again = rig.create(json!({"username": name.to_lowercase()})).await.unwrap();
        let (id, _) = rig.named(name).unwrap();
        assert_eq!(already_exists(&again).unwrap().id.id, id.to_string(), "{name}");
    }
    assert_eq!(rig.writes(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_fields_are_refused_before_anything_is_asked() {
    let rig = Rig::new().await;
    for (profile, part) in [
        (json!({}), "username is missing"),
        (json!({"username": "x".repeat(300)}), "longer than 128 characters"),
        (json!({"username": 7}), "username must be a text"),
        (
            json!({"username": "n", "create_disabled": "maybe"}),
            "create_disabled must be true or false",
        ),
        (json!({"username": "n", "favourite": "x"}), "is no field of an account"),
        (json!({"username": "n", "timezone": "UTC"}), "Area/City"),
        (
            json!({"username": "n", "additional_attributes": {"email": "x"}}),
            "a field of its own",
        ),
        (
            json!({"username": "n", "additional_attributes": "x".repeat(1_000_000)}),
            "larger than 256 KiB",
        ),
    ] {
        refused(rig.create(profile).await, Code::InvalidArgument, part);
    }
    let request = CreateAccountRequest {
        account: AccountInfo {
            login: "n".into(),
            ..AccountInfo::default()
        },
        credentials: None,
        encryption: Vec::new(),
        resource_type_id: "group".into(),
    };
    let outcome = rig.provisioner.create_account(request, rig.context()).await;
    refused(
        outcome,
        Code::Unimplemented,
        "account manager configured for resource type: \"group\"",
    );
    assert_eq!(rig.server.requests().total, 0);
}

/// PingOne ignores what it does not know, so names and types are held against the schema.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attributes_are_held_against_the_schema() {
    let rig = Rig::new().await;
    for (attributes, part) in [
        (json!({"shoeSize": "7"}), "shoeSize"),
        (json!({"EMPLOYEENUMBER": "7"}), "case"),
        (json!({"employeeNumber": 7}), "must be a text"),
        (json!({"preferences": "{"}), "must be JSON"),
        (json!({"badges": {"a": 1}}), "must be a list"),
    ] {
        let outcome = rig
            .create(json!({"username": "n", "additional_attributes": attributes}))
            .await;
        refused(outcome, Code::InvalidArgument, part);
    }
    assert_eq!(rig.writes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_on_elsewhere_is_by_id_or_exact_name() {
    let rig = Rig::new().await;
    let providers = rig.client.identity_providers().await.unwrap();
    let (saml, oidc) = (providers[0].id.clone(), providers[1].id.clone());
    let sso = |provider: &str| {
        option(Password::Sso {
            provider: provider.to_owned(),
        })
    };
    for (name, field, password, kind) in [
        ("a", json!(saml), None, "SAML"),
        ("b", json!(null), sso(&oidc), "OPENID_CONNECT"),
        ("c", json!(null), sso("Corporate SAML"), "SAML"),
        ("d", json!(saml), sso("Corporate SAML"), "SAML"),
        ("e", json!(null), option(Password::None), "PING_ONE"),
        ("f", json!(null), None, "PING_ONE"),
    ] {
        let profile = json!({"username": name, "identity_provider_id": field});
        let created = rig.create_with(profile, password, to_us()).await.unwrap();
        success(&created);
        assert!(created.secrets.is_empty());
        let state = rig.named(name).unwrap().1;
        assert_eq!(
            (&state.body["identityProvider"]["type"], state.password_status),
            (&json!(kind), "NO_PASSWORD")
        );
    }
    let before = rig.writes();
    for (field, password, part) in [
        (
            json!("Corporate SAML"),
            None,
            "identity_provider_id names no identity provider",
        ),
        (
            json!(null),
            sso("corporate saml"),
            "sso_provider names no identity provider",
        ),
        (json!(null), sso(" "), "sso_provider names no identity provider"),
        (json!(saml), sso(&oidc), "two providers"),
        (json!(saml), random(), "does not go with a password"),
    ] {
        let profile = json!({"username": "z", "identity_provider_id": field});
        refused(
            rig.create_with(profile, password, to_us()).await,
            Code::InvalidArgument,
            part,
        );
    }
    assert_eq!(rig.writes(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_pingone_refuses_keeps_its_words_and_gets_its_code() {
    let rig = Rig::bent(|options| {
        options.users.email_required = true;
        options.users.licensed_users = 5;
    })
    .await;
    refused(
        rig.create(json!({"username": "n"})).await,
        Code::InvalidArgument,
        "create a user in environment",
    );
    let full = rig.create(json!({"username": "n", "email": "n@example.com"})).await;
    refused(full, Code::ResourceExhausted, "license");
    rig.fault(
        refuse(
            "POST",
            USERS,
            403,
            "ACCESS_FAILED",
            Some("INSUFFICIENT_PERMISSIONS"),
            "no",
        )
        .times(0),
    );
    let denied = rig.create(json!({"username": "n", "email": "n@example.com"})).await;
    refused(denied, Code::PermissionDenied, "Identity Data Admin");
    assert!(rig.audited().is_empty() && rig.named("n").is_none());
}

/// A right that may only not have spread yet is tried once more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_spreads_late_is_waited_for() {
    let rig = Rig::new().await;
    rig.fault(refuse(
        "POST",
        USERS,
        403,
        "ACCESS_FAILED",
        Some("INSUFFICIENT_PERMISSIONS"),
        "no",
    ));
    success(&rig.create(json!({"username": "n"})).await.unwrap());
    assert_eq!(rig.calls("POST", USERS), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_must_verify_says_so() {
    let rig = Rig::new().await;
    for (name, password) in [("a", None), ("b", random())] {
        let profile = json!({"username": name, "email": "n@example.com", "require_verification": true});
        let created = rig.create_with(profile, password, to_us()).await.unwrap();
        let (resource, message) = action_required(&created);
        let (id, state) = rig.named(name).unwrap();
        assert_eq!(resource.unwrap().id.id, id.to_string());
        assert!(message.contains("verification code"), "{message}");
        assert_eq!(state.body["lifecycle"]["status"], "VERIFICATION_REQUIRED");
    }
    assert_eq!(rig.writes(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_equal_creations_side_by_side_make_one_account() {
    let rig = Rig::new().await;
    let (first, second) = tokio::join!(
        rig.create(json!({"username": "n"})),
        rig.create(json!({"username": "N"}))
    );
    let (first, second) = (first.unwrap(), second.unwrap());
    let made = [&first, &second].map(|one| matches!(one.result, baton::task::AccountResult::Success { .. }));
    assert_ne!(made[0], made[1]);
    assert_eq!(rig.writes(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_checks_and_shows_every_call_and_writes_nothing() {
    let options = ProvisionOptions {
        dry_run: true,
        ..ProvisionOptions::default()
    };
    let rig = Rig::with(|_| {}, options).await;
    let before = rig.server.snapshot();
    let profile = json!({"username": "zoe.private", "create_disabled": true, "require_verification": true});
    let outcome = rig.create_with(profile.clone(), random(), to_us()).await;
    // C1 keeps the text, so it has names and ids; the values are for standard output alone.
    let told = outcome.as_ref().unwrap_err().message.clone();
    assert!(
        told.contains("username") && told.contains(&rig.id("staff").to_string()),
        "{told}"
    );
    assert!(!told.contains("zoe.private"), "{told}");
    refused(outcome, Code::FailedPrecondition, "nothing was written");
    let plan = rig.provisioner.take_plan().unwrap();
    assert!(plan.lines()[0].contains("zoe.private"), "{:?}", plan.lines());
    let methods: Vec<&str> = plan.calls().iter().map(|call| call.method.as_str()).collect();
    assert_eq!(methods, ["POST", "PUT", "PUT", "POST"]);
    assert!(plan.lines()[2].contains("with a secret"), "{plan}");
    let bad: Value = json!({"username": "n", "population": "nowhere"});
    refused(rig.create(bad).await, Code::InvalidArgument, "names no population");
    assert_eq!((rig.writes(), rig.server.snapshot()), (0, before));
    assert!(rig.audited().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_may_be_written_as_people_do() {
    let rig = Rig::new().await;
    let profile = json!({
        "userName": "nils", "email_address": "nils@example.com", "firstName": "Nils", "last_name": "Ek",
        "population_id": rig.id("guests"), "department": null
    });
    rig.create(profile).await.unwrap();
    let (_, state) = rig.named("nils").unwrap();
    assert_eq!(
        (&state.body["email"], &state.body["name"], state.population),
        (
            &json!("nils@example.com"),
            &json!({"given": "Nils", "family": "Ek"}),
            Some(rig.id("guests"))
        )
    );
    let outcome = rig.create(json!({"username": "n", "titel": "x"})).await;
    refused(outcome, Code::InvalidArgument, "the nearest is title");
}
