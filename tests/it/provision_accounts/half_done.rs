//! Creations of several calls: never live when they should be disabled, and told honestly when a step fails.

use sandbox::pingone::{Fault, FaultAction, FaultBody};
use serde_json::json;

use super::rig::{
    ENABLED, PASSWORD, Rig, USER, action_required, is_disabled, open, random, refuse, sealed, success, to_us,
};

/// Created without a password, disabled, then given its password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_is_created_disabled_is_never_live() {
    let rig = Rig::new().await;
    let profile = json!({"username": "n", "create_disabled": true});
    let created = rig.create_with(profile, random(), to_us()).await.unwrap();
    assert!(is_disabled(success(&created)));
    let (id, state) = rig.named("n").unwrap();
    assert_eq!(state.body["enabled"], false);
    assert_eq!(state.password.as_deref(), Some(open(&created.secrets[0]).as_str()));
    assert_eq!(state.password_status, "MUST_CHANGE_PASSWORD");
    let lines = rig.audited();
    assert_eq!(
        lines[1..],
        [
            format!("set_enabled user {id}: enabled -> disabled (done)"),
            format!("set_password user {id}: NO_PASSWORD -> password set, to be changed (done)")
        ]
    );
    assert_eq!((lines.len(), rig.writes()), (3, 3));
    success(
        &rig.create(json!({"username": "m", "create_disabled": "true"}))
            .await
            .unwrap(),
    );
    assert_eq!(rig.named("m").unwrap().1.body["enabled"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_could_not_be_disabled_gets_no_password_and_says_what_to_do() {
    let rig = Rig::new().await;
    rig.fault(
        refuse(
            "PUT",
            ENABLED,
            400,
            "INVALID_DATA",
            Some("CONSTRAINT_VIOLATION"),
            "not this one",
        )
        .times(0),
    );
    let profile = json!({"username": "n", "create_disabled": true});
    let created = rig.create_with(profile, random(), to_us()).await.unwrap();
    let (resource, message) = action_required(&created);
    let (id, state) = rig.named("n").unwrap();
    assert!(!is_disabled(resource.unwrap()) && created.secrets.is_empty());
    for part in [
        format!("Account {id} has been created, but"),
        "still enabled, disable it in PingOne".into(),
        "rotate its credentials".into(),
        "not this one".into(),
    ] {
        assert!(message.contains(&part), "{part:?} is not in: {message}");
    }
    assert_eq!((state.password_status, rig.calls("PUT", PASSWORD)), ("NO_PASSWORD", 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_could_not_be_set_is_not_handed_out() {
    let rig = Rig::new().await;
    rig.fault(refuse("PUT", PASSWORD, 400, "INVALID_DATA", Some("INVALID_VALUE"), "policy").times(0));
    let profile = json!({"username": "n", "create_disabled": true});
    let created = rig.create_with(profile, random(), to_us()).await.unwrap();
    let (resource, message) = action_required(&created);
    assert!(
        message.contains("has no known password, rotate its credentials"),
        "{message}"
    );
    assert!(is_disabled(resource.unwrap()) && created.secrets.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verification_that_was_not_started_is_told() {
    let rig = Rig::new().await;
    rig.fault(
        refuse(
            "POST",
            USER,
            403,
            "ACCESS_FAILED",
            Some("LICENSE_EXCEEDED"),
            "no mails left",
        )
        .times(0),
    );
    let profile = json!({"username": "n", "email": "n@example.com", "require_verification": true});
    let created = rig.create(profile).await.unwrap();
    let (resource, message) = action_required(&created);
    assert!(
        message.contains("verification was not started") && message.contains("no mails left"),
        "{message}"
    );
    assert!(resource.is_some());
}

/// Reads may lag behind the creation: the next step waits for it once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_waits_for_an_account_that_is_not_visible_yet() {
    let rig = Rig::bent(|options| options.timing.create_delay_ms = 1_000).await;
    let profile = json!({"username": "n", "create_disabled": true});
    let created = rig.create_with(profile, random(), to_us()).await.unwrap();
    assert!(is_disabled(success(&created)));
    assert_eq!(
        rig.named("n").unwrap().1.password.as_deref(),
        Some(open(&created.secrets[0]).as_str())
    );
}

/// Cancelling after the creation would leave the account enabled, and C1 would never learn of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_does_not_leave_a_creation_half_done() {
    let rig = Rig::new().await;
    rig.cancel_after_the_first_write();
    let profile = json!({"username": "n", "create_disabled": true});
    let created = rig.create_with(profile, random(), to_us()).await.unwrap();
    assert!(rig.token.is_cancelled());
    assert!(is_disabled(success(&created)));
    assert!(rig.named("n").unwrap().1.password.is_some());
    // Before anything is written, it ends the task.
    let error = rig.create(json!({"username": "m"})).await.unwrap_err();
    assert_eq!(error.code, baton::task::Code::Cancelled);
    assert!(rig.named("m").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_of_the_steps_are_read_back() {
    for path in [ENABLED, PASSWORD] {
        let rig = Rig::new().await;
        rig.fault(Fault::on(
            "PUT",
            path,
            FaultAction::AnswerLost(sandbox::pingone::Lost::Reset),
        ));
        let profile = json!({"username": "n", "create_disabled": true});
        let created = rig
            .create_with(profile, sealed("Correct-Horse-7-battery"), vec![])
            .await
            .unwrap();
        assert!(is_disabled(success(&created)), "{path}");
        assert_eq!(rig.calls("PUT", path), 1);
        assert_eq!(
            rig.audited()
                .iter()
                .filter(|line| line.contains("confirmed_by_read"))
                .count(),
            1
        );
    }
}

/// A gateway that says that it is up says nothing of a password.
#[tokio::test(start_paused = true)]
async fn a_password_is_set_only_by_pingones_word() {
    for body in [r#"{"status":"UP"}"#, r#"{"status":"OK"}"#, "{}", r#"{"message":"ok"}"#] {
        let rig = Rig::new().await;
        rig.server.set_faults(vec![
            Fault::on("GET", PASSWORD, FaultAction::Body(body.to_owned())).times(0),
            Fault::on(
                "PUT",
                PASSWORD,
                FaultAction::foreign(200, FaultBody::Html).before_effect(),
            )
            .times(0),
        ]);
        let profile = json!({"username": "n", "create_disabled": true});
        let created = rig.create_with(profile, random(), to_us()).await.unwrap();
        assert!(created.secrets.is_empty(), "{body}");
        assert!(action_required(&created).1.contains("rotate its credentials"), "{body}");
        assert_eq!(rig.named("n").unwrap().1.password, None);
        assert!(rig.audited().last().unwrap().ends_with("(unknown)"), "{body}");
    }
}
