//! Whose the account is that a read shows: one that was there before is left alone, and one of ours is ours although PingOne
//! made it otherwise than it was asked for.

use baton::task::Code;
use sandbox::pingone::{ChangeKind, Changes, Directory, Fault, FaultAction, FaultBody, Lost};
use serde_json::{Value, json};
use uuid::Uuid;

use super::rig::{
    ENABLED, NOBODY, PASSWORD, Rig, USERS, action_required, already_exists, open, random, refuse, refused, success,
    to_us,
};

/// A listing of one user.
fn listed(user: &Value) -> String {
    json!({"_embedded": {"users": [user]}, "count": 1, "size": 1}).to_string()
}

/// A gateway tells of our call what PingOne did not say.
fn gateways() -> Vec<FaultAction> {
    let empty = FaultAction::Answer {
        status: 204,
        content_type: String::new(),
        body: String::new(),
    };
    vec![
        FaultAction::AnswerLost(Lost::Reset),
        FaultAction::AnswerLost(Lost::Status(500)),
        FaultAction::foreign(502, FaultBody::Html),
        FaultAction::foreign(503, FaultBody::Empty),
        FaultAction::foreign(200, FaultBody::Html),
        FaultAction::foreign(403, FaultBody::Html),
        empty,
    ]
}

/// PingOne refuses the name, and a gateway answers in its place. The first look came from a node that was behind.
#[tokio::test(start_paused = true)]
async fn an_account_that_was_there_before_is_left_alone() {
    for gateway in gateways() {
        for more in [
            json!({}),
            json!({"create_disabled": true}),
            json!({"require_verification": true}),
        ] {
            let rig = Rig::new().await;
            let before = rig.server.snapshot();
            let mut old = json!({"username": "gus", "email": "gus@example.com", "population": "guests"});
            old.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let user = json!({
                "id": rig.id("gus"), "username": "gus", "email": "gus@example.com", "enabled": true,
                "population": {"id": rig.id("guests")}, "createdAt": "2026-02-01T00:00:00.000Z",
            });
            rig.server.set_faults(vec![
                Fault::on("GET", USERS, FaultAction::Body(NOBODY.into())),
                Fault::on("GET", USERS, FaultAction::Body(listed(&user)))
                    .nth(2)
                    .times(0),
                Fault::on("POST", USERS, gateway.clone().before_effect()),
            ]);
            let created = rig.create_with(old, random(), to_us()).await.unwrap();
            let resource = already_exists(&created).unwrap_or_else(|| panic!("{gateway:?}"));
            assert_eq!(resource.id.id, rig.id("gus").to_string());
            assert!(created.secrets.is_empty());
            assert_eq!((rig.writes(), rig.server.snapshot()), (1, before), "{gateway:?} {more}");
            assert!(!format!("{:?}", rig.audited()).contains("confirmed"));
        }
    }
}

/// However young it looks: who is listed in `protected-users` was there before.
#[tokio::test(start_paused = true)]
async fn a_protected_account_is_never_worked_on() {
    let id = Rig::new().await.id("gus").to_string();
    let rig = Rig::set(|options| options.protected_users = vec![id.clone()]).await;
    let user = json!({"id": id, "username": "zoe", "createdAt": "2100-01-01T00:00:00.000Z"});
    rig.server.set_faults(vec![
        Fault::on("POST", USERS, FaultAction::AnswerLost(Lost::Reset).before_effect()),
        Fault::on("GET", USERS, FaultAction::Body(listed(&user)))
            .nth(2)
            .times(0),
    ]);
    let profile = json!({"username": "zoe", "create_disabled": true});
    let created = rig.create_with(profile, random(), to_us()).await.unwrap();
    assert_eq!(already_exists(&created).unwrap().id.id, id);
    assert_eq!((created.secrets.len(), rig.writes()), (0, 1));
}

/// Made about when we asked, or with another address: nobody can tell whose it is, and a person must look.
#[tokio::test(start_paused = true)]
async fn an_account_that_may_be_anybodys_is_left_to_a_person() {
    let moment = (jiff::Timestamp::now() - jiff::SignedDuration::from_mins(5)).to_string();
    for user in [
        json!({"id": Uuid::from_u128(7), "username": "zoe", "email": "z@example.com", "createdAt": moment}),
        json!({"id": Uuid::from_u128(7), "username": "zoe", "email": "z@example.com"}),
        json!({"id": Uuid::from_u128(7), "username": "zoe", "email": "o@example.com", "createdAt": "2100-01-01T00:00:00.000Z"}),
    ] {
        let rig = Rig::new().await;
        rig.server.set_faults(vec![
            Fault::on("POST", USERS, FaultAction::AnswerLost(Lost::Reset).before_effect()),
            Fault::on("GET", USERS, FaultAction::Body(listed(&user)))
                .nth(2)
                .times(0),
        ]);
        let profile = json!({"username": "zoe", "email": "z@example.com", "create_disabled": true});
        let created = rig.create_with(profile, random(), to_us()).await.unwrap();
        let (resource, message) = action_required(&created);
        assert!(
            resource.is_none() && message.contains(&Uuid::from_u128(7).to_string()),
            "{message}"
        );
        assert!(message.contains("If it is the new one: disable it"), "{message}");
        assert_eq!((created.secrets.len(), rig.writes()), (0, 1), "{user}");
        assert!(rig.audited().last().unwrap().ends_with("(unknown)"));
    }
}

/// PingOne's answer names another user than the one who has the name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_about_another_user_is_not_worked_on() {
    let rig = Rig::new().await;
    let before = rig.user("gus");
    let other = json!({"id": rig.id("gus"), "username": "zoe"}).to_string();
    rig.fault(Fault::on("POST", USERS, FaultAction::Body(other).after_effect()));
    let profile = json!({"username": "zoe", "create_disabled": true});
    let created = rig.create_with(profile, random(), to_us()).await.unwrap();
    let (id, state) = rig.named("zoe").unwrap();
    assert_eq!(
        (success(&created).id.id.as_str(), rig.user("gus")),
        (id.to_string().as_str(), before)
    );
    assert_eq!(state.password.as_deref(), Some(open(&created.secrets[0]).as_str()));
}

/// A rule of the environment moves the new account before it is read back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_in_another_population_is_ours_and_says_so() {
    for lost in [false, true] {
        let rig = Rig::new().await;
        let moved = Changes {
            user: Some(5),
            population: Some(1),
            ..Changes::of(ChangeKind::MoveUser, 1)
        };
        let mut faults = vec![Fault::on("GET", USERS, FaultAction::Changes(moved)).nth(2)];
        faults.extend(lost.then(|| Fault::on("POST", USERS, FaultAction::AnswerLost(Lost::Reset))));
        rig.server.set_faults(faults);
        let profile = json!({"username": "zoe", "create_disabled": true});
        let created = rig.create_with(profile, random(), to_us()).await.unwrap();
        let (id, state) = rig.named("zoe").unwrap();
        assert_eq!(state.population, Some(rig.id("guests")));
        let (resource, message) = action_required(&created);
        let part = format!("in population {} instead of {}", rig.id("guests"), rig.id("staff"));
        assert!(message.contains(&part), "{message}");
        assert_eq!(resource.unwrap().id.id, id.to_string());
        assert_eq!(state.body["enabled"], false, "lost: {lost}");
        assert_eq!(state.password.as_deref(), Some(open(&created.secrets[0]).as_str()));
    }
}

/// A gateway sends our call twice: the first one takes effect, and the answer is the second one's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_was_sent_twice_made_our_account() {
    for (status, code, detail) in [
        (400, "INVALID_DATA", Some("UNIQUENESS_VIOLATION")),
        (409, "REQUEST_FAILED", None),
    ] {
        let rig = Rig::new().await;
        let refusal = FaultAction::Refuse {
            status,
            code: code.into(),
            detail: detail.map(str::to_owned),
            target: detail.map(|_| "username".to_owned()),
            message: "is unique".into(),
        };
        rig.fault(Fault::on("POST", USERS, refusal.after_effect()));
        let created = rig
            .create_with(json!({"username": "zoe"}), random(), to_us())
            .await
            .unwrap();
        let (id, state) = rig.named("zoe").unwrap();
        assert_eq!(success(&created).id.id, id.to_string());
        assert_eq!(state.password.as_deref(), Some(open(&created.secrets[0]).as_str()));
        assert_eq!(rig.calls("POST", USERS), 1);
    }
}

/// PingOne ignores what it does not take, and may alter the rest.
#[tokio::test(start_paused = true)]
async fn what_pingone_made_otherwise_is_told() {
    let id = Uuid::from_u128(7);
    for (profile, user, part) in [
        (json!({"title": "Boss"}), json!({}), "did not take title"),
        (
            json!({"mfa_enabled": true}),
            json!({"mfaEnabled": false}),
            "did not take mfa_enabled",
        ),
        (
            json!({"additional_attributes": {"department": "Books"}}),
            json!({}),
            "did not take department",
        ),
        (
            json!({"given_name": "Zoe"}),
            json!({"name": {"given": "Z"}}),
            "did not take given_name",
        ),
        (
            json!({"email": "zoe@example.com"}),
            json!({"email": "other@example.com"}),
            "did not take email",
        ),
        (json!({}), json!({"enabled": false}), "it is disabled"),
        (
            json!({}),
            json!({"identityProvider": {"id": "x", "type": "SAML"}}),
            "another identity provider (\"SAML\")",
        ),
        (
            json!({"require_verification": true}),
            json!({"lifecycle": {"status": "ACCOUNT_OK"}}),
            "verification was not started",
        ),
    ] {
        let rig = Rig::new().await;
        let mut asked = json!({"username": "zoe"});
        asked
            .as_object_mut()
            .unwrap()
            .extend(profile.as_object().unwrap().clone());
        let mut made = json!({"id": id, "username": "zoe", "createdAt": "2100-01-01T00:00:00.000Z", "enabled": true});
        made.as_object_mut().unwrap().extend(user.as_object().unwrap().clone());
        rig.server.set_faults(vec![
            Fault::on("POST", USERS, FaultAction::Body(made.to_string()).before_effect()),
            Fault::on("GET", USERS, FaultAction::Body(listed(&made)))
                .nth(2)
                .times(0),
        ]);
        let created = rig.create_with(asked, random(), to_us()).await.unwrap();
        let (resource, message) = action_required(&created);
        assert!(message.contains(part) && !message.contains("must enter"), "{message}");
        assert_eq!(resource.unwrap().id.id, id.to_string());
        assert_eq!(created.secrets.len(), 1, "{message}");
    }
}

/// The name need not be what is not unique.
#[tokio::test(start_paused = true)]
async fn a_refusal_that_names_no_attribute_is_an_error() {
    let rig = Rig::new().await;
    rig.fault(refuse(
        "POST",
        USERS,
        400,
        "INVALID_DATA",
        Some("UNIQUENESS_VIOLATION"),
        "is unique",
    ));
    let outcome = rig.create(json!({"username": "zoe"})).await;
    refused(outcome, Code::AlreadyExists, "PingOne does not say which");
}

#[tokio::test(start_paused = true)]
async fn no_account_is_made_where_it_does_not_belong() {
    let staff = Rig::new().await.id("staff").to_string();
    let rig = Rig::set(|options| options.population_filter = vec![staff.clone()]).await;
    let outcome = rig.create(json!({"username": "zoe", "population": "guests"})).await;
    refused(outcome, Code::FailedPrecondition, "outside population-filter");
    success(&rig.create(json!({"username": "zoe"})).await.unwrap());

    let two = Directory::builder()
        .population("staff", json!({"default": true}))
        .population("guests", json!({"default": true}))
        .build();
    let ids = ["staff", "guests"].map(|label| two.id(label).unwrap().to_string());
    let rig = Rig::bent(|options| options.custom = Some(two)).await;
    let outcome = rig.create(json!({"username": "zoe"})).await;
    for id in &ids {
        refused(outcome.clone(), Code::FailedPrecondition, id);
    }
    assert_eq!(rig.writes(), 0);
}

/// A new account's password is set by PingOne's word, although the read after it fails.
#[tokio::test(start_paused = true)]
async fn the_password_of_a_disabled_account_is_kept_where_pingone_took_it() {
    let rig = Rig::new().await;
    rig.fault(Fault::on("GET", PASSWORD, FaultAction::foreign(404, FaultBody::Html)).times(0));
    let profile = json!({"username": "zoe", "create_disabled": true});
    let created = rig.create_with(profile, random(), to_us()).await.unwrap();
    success(&created);
    let state = rig.named("zoe").unwrap().1;
    assert_eq!(state.password.as_deref(), Some(open(&created.secrets[0]).as_str()));
    assert_eq!(rig.calls("PUT", ENABLED), 1);
}
