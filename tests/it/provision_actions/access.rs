//! Password, sessions, MFA devices.

use baton::task::{ActionStatus, Code};
use baton_ping_one::provision::ProvisionOptions;
use sandbox::pingone::{Directory, Fault, FaultAction, Lost, Options};
use serde_json::json;

use super::rig::Rig;

const PASSWORD: &str = "/environments/{id}/users/{id}/password";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_marked_and_the_recovery_mail_started() {
    let rig = Rig::new().await;
    let message = rig.done("reset_password", "mara", json!({})).await;
    assert!(
        message.contains("must be changed") && message.contains("recovery mail was started"),
        "{message}"
    );
    assert_eq!(rig.user("mara").password_status, "MUST_CHANGE_PASSWORD");
    assert_eq!(rig.writes(), 2);
    let message = rig
        .done("reset_password", "mara", json!({"send_recovery": false}))
        .await;
    assert!(message.contains("was already to be changed"), "{message}");
    assert_eq!(rig.writes(), 2);
}

/// Forcing the change also unlocks the password, so the mail goes out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_locked_out_is_reset_as_well() {
    let rig = Rig::new().await;
    let message = rig
        .done("reset_password", "locked", json!({"send_recovery": "true"}))
        .await;
    assert!(message.contains("recovery mail was started"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_pingone_refuses_is_a_failure_that_says_what_was_done() {
    let rig = Rig::new().await;
    let error = rig.invoke("reset_password", "off", json!({})).await.unwrap_err();
    assert_eq!(error.code, Code::Unknown);
    assert!(error.message.contains("must be changed at the next sign-on"), "{error}");
    assert!(
        error.message.contains("not started: the account is disabled"),
        "{error}"
    );
    assert_eq!(rig.user("off").password_status, "MUST_CHANGE_PASSWORD");
    rig.done("reset_password", "off", json!({"send_recovery": false})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_there_is_no_password_of_pingones_nothing_is_reset() {
    let rig = Rig::new().await;
    let before = rig.snapshot();
    for (user, part) in [
        ("bare", "NO_PASSWORD"),
        ("external", "another identity provider (SAML)"),
    ] {
        let error = rig.invoke("reset_password", user, json!({})).await.unwrap_err();
        assert_eq!(error.code, Code::FailedPrecondition);
        assert!(error.message.contains(part), "{error}");
    }
    assert_eq!((rig.writes(), rig.snapshot()), (0, before));
}

/// A mail cannot be read back, so it is never asked for twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_whose_answer_was_lost_is_not_asked_for_again() {
    let rig = Rig::new().await;
    rig.fault(Fault::on("POST", PASSWORD, FaultAction::AnswerLost(Lost::Reset)).nth(2));
    let error = rig.invoke("reset_password", "mara", json!({})).await.unwrap_err();
    assert!(
        error
            .message
            .contains("not known whether the recovery mail was started"),
        "{error}"
    );
    assert_eq!(rig.server.requests().of("POST", PASSWORD), 2);
    assert_eq!(rig.audited().last().unwrap()[4], "unknown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_session_is_ended() {
    let rig = Rig::new().await;
    let id = rig.id("mara");
    let message = rig.done("sign_out_user", "mara", json!({})).await;
    assert_eq!(message, format!("3 sessions of account {id} have been ended"));
    assert!(rig.user("mara").sessions.is_empty());
    let message = rig.done("sign_out_user", "mara", json!({})).await;
    assert_eq!(message, format!("Account {id} had no session"));
    assert_eq!(rig.writes(), 3);
    assert!(
        rig.audited()
            .iter()
            .all(|line| line[0] == "end_session" && line[3] == "ended")
    );
}

fn crowded(options: &mut Options, key: &str, count: u64) {
    let directory = Directory::builder().population("staff", json!({"default": true}));
    options.custom = Some(directory.user("mara", "staff", json!({ key: count })).build());
}

/// A listing shows ten sessions (pingone-api.md §6.5): it is read until none is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_sessions_than_one_listing_shows_are_ended() {
    let rig = Rig::with(|options| crowded(options, "sessions", 23), ProvisionOptions::default()).await;
    let message = rig.done("sign_out_user", "mara", json!({})).await;
    assert!(message.starts_with("23 sessions"), "{message}");
    assert!(rig.user("mara").sessions.is_empty());
}

/// A full listing of sessions that were ended already may hide others.
#[tokio::test(start_paused = true)]
async fn a_full_listing_without_news_does_not_end_the_work() {
    let rig = Rig::with(|options| crowded(options, "sessions", 13), ProvisionOptions::default()).await;
    let first: Vec<_> = rig
        .user("mara")
        .sessions
        .iter()
        .take(10)
        .map(|id| json!({ "id": id }))
        .collect();
    let body = json!({"_links": {}, "_embedded": {"sessions": first}, "size": 10}).to_string();
    let sessions = "/environments/{id}/users/{id}/sessions";
    // After the tenth session was ended, the listing still shows the first ten once.
    let fault = Fault::on("GET", sessions, FaultAction::Body(body)).nth(12);
    rig.fault(fault);
    let message = rig.done("sign_out_user", "mara", json!({})).await;
    assert!(message.starts_with("13 sessions"), "{message}");
    assert!(rig.user("mara").sessions.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_stay_open_are_a_failure_with_the_count() {
    let rig = Rig::new().await;
    let fault = Fault::on(
        "DELETE",
        "/environments/{id}/users/{id}/sessions/{id}",
        FaultAction::status(500),
    );
    rig.fault(fault.nth(3).times(0));
    let message = rig.failure("sign_out_user", "mara", json!({})).await;
    assert!(message.starts_with("2 sessions"), "{message}");
    assert_eq!(rig.user("mara").sessions.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_device_is_deleted_and_counted() {
    let rig = Rig::new().await;
    let id = rig.id("mara");
    let state = rig.complete("reset_mfa", "mara", json!({})).await;
    assert_eq!(
        state.response["message"],
        format!("2 MFA devices of account {id} have been deleted")
    );
    assert_eq!(
        (&state.response["devices_found"], &state.response["devices_deleted"]),
        (&json!(2), &json!(2))
    );
    assert!(rig.user("mara").devices.is_empty());
    let state = rig.complete("reset_mfa", "mara", json!({})).await;
    assert_eq!(state.response["message"], format!("Account {id} had no MFA device"));
    assert_eq!(rig.writes(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_of_deletions_are_read_back() {
    let rig = Rig::new().await;
    rig.fault(Fault::on("DELETE", "*", FaultAction::AnswerLost(Lost::Reset)).times(0));
    rig.complete("reset_mfa", "mara", json!({})).await;
    rig.complete("sign_out_user", "mara", json!({})).await;
    assert_eq!(rig.writes(), 5);
    assert!(rig.audited().iter().all(|line| line[4] == "confirmed_by_read"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_environment_without_the_mfa_service_says_so() {
    let rig = Rig::with(|options| options.access.mfa_off = true, ProvisionOptions::default()).await;
    let error = rig.invoke("reset_mfa", "mara", json!({})).await.unwrap_err();
    assert_eq!(error.code, Code::PermissionDenied);
    assert!(
        error
            .message
            .contains("The MFA service is not enabled in this environment"),
        "{error}"
    );
    assert_eq!(rig.user("mara").devices.len(), 2);
}

/// c1-protocol.md §9.6: a slow action answers RUNNING after a second and is asked for later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_action_is_running_and_then_complete() {
    let rig = Rig::new().await;
    rig.fault(Fault::on("DELETE", "*", FaultAction::Slow(3_000)));
    let running = rig.invoke("sign_out_user", "mara", json!({})).await.unwrap();
    assert_eq!((running.status, running.response.len()), (ActionStatus::Running, 0));
    let state = rig.settled(&running).await;
    assert_eq!(
        (state.status, state.id, state.name.as_str()),
        (ActionStatus::Complete, running.id, "sign_out_user")
    );
}

/// PingOne does not find to delete what it still lists: the listing counts.
#[tokio::test(start_paused = true)]
async fn what_is_still_listed_is_not_deleted() {
    for (action, path, part) in [
        (
            "reset_mfa",
            "/environments/{id}/users/{id}/devices/{id}",
            "0 of 2 devices",
        ),
        (
            "sign_out_user",
            "/environments/{id}/users/{id}/sessions/{id}",
            "0 sessions",
        ),
    ] {
        let rig = Rig::new().await;
        let before = rig.snapshot();
        rig.fault(Fault::on("DELETE", path, FaultAction::status(404).before_effect()).times(0));
        let message = rig.failure(action, "mara", json!({})).await;
        assert!(
            message.starts_with(part) && message.contains("still lists"),
            "{message}"
        );
        assert_eq!(rig.snapshot(), before);
        // Once they are found, all go.
        rig.server.set_faults(Vec::new());
        rig.complete(action, "mara", json!({})).await;
        let mara = rig.user("mara");
        assert!(if action == "reset_mfa" {
            mara.devices.is_empty()
        } else {
            mara.sessions.is_empty()
        });
    }
}
