//! Reads after a write that are not PingOne's, refusals of what took effect, and what is told of either.

use baton::task::{ActionCall, ActionOutcome, Code, Provisioner as _, TaskError};
use baton_ping_one::provision::ChangeOutcome;
use sandbox::pingone::{Directory, Fault, FaultAction, FaultBody, Holder, ScopeOf};
use serde_json::{Value, json};

use super::rig::{READ_ONLY, Rig, Setup, refuse, refused, was_revoked};

const USER: &str = "/environments/{id}/users/{id}";
const ROLES: &str = "*/roleAssignments";
const ROLE: &str = "*/roleAssignments/*";

async fn rig() -> Rig {
    let environment = || ScopeOf::Environment;
    let twice = || Holder::User("ann".into());
    let directory = Directory::builder()
        .population("staff", json!({"default": true}))
        .user("ann", "staff", json!({"sessions": 3, "devices": 3}))
        .user("bob", "staff", json!({}))
        .assignment(twice(), READ_ONLY, environment())
        .assignment(twice(), READ_ONLY, environment())
        .build();
    let mut setup = Setup::default();
    setup.sandbox.custom = Some(directory);
    Rig::with(setup).await
}

async fn act(rig: &Rig, name: &str) -> Result<String, String> {
    let ann = rig.id("ann");
    let scoped = name != "disable_user";
    let user_id = if scoped {
        json!({"resource_type_id": "user", "resource_id": ann})
    } else {
        json!(ann)
    };
    let call = ActionCall {
        name: name.to_owned(),
        resource_type_id: scoped.then(|| "user".to_owned()),
        args: json!({ "user_id": user_id }).as_object().unwrap().clone(),
    };
    match rig.provisioner.run_action(call, rig.context()).await {
        Ok(ActionOutcome::Complete(response)) => Ok(response["message"].as_str().unwrap().to_owned()),
        Ok(ActionOutcome::Failed { message, .. }) | Err(TaskError { message, .. }) => Err(message),
    }
}

/// What a read was answered with in place of the object.
fn foreign() -> Vec<FaultAction> {
    let refused = |status, code: &str| FaultAction::Refuse {
        status,
        code: code.into(),
        detail: None,
        target: None,
        message: "no".into(),
    };
    vec![
        FaultAction::foreign(400, FaultBody::Html),
        FaultAction::foreign(403, FaultBody::Html),
        FaultAction::foreign(404, FaultBody::Html),
        FaultAction::foreign(302, FaultBody::Empty),
        FaultAction::foreign(200, FaultBody::GatewayOk),
        refused(400, "INVALID_DATA"),
        refused(403, "ACCESS_FAILED"),
        refused(404, "NOT_FOUND"),
        refused(409, "CONFLICT"),
    ]
}

#[tokio::test(start_paused = true)]
async fn one_read_that_fails_after_a_write_is_made_again() {
    for answer in foreign() {
        let rig = rig().await;
        let fault = Fault::on("GET", USER, answer.clone()).nth(2);
        rig.server.set_faults(vec![fault]);
        let told = act(&rig, "disable_user").await;
        assert!(
            told.is_ok() && rig.writes() == 1,
            "{answer:?}: {told:?} {:?}",
            rig.calls()
        );
        assert_eq!(rig.outcomes(), [("set_enabled", ChangeOutcome::Done)], "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_last_read_was_answered_with_is_told() {
    let rig = rig().await;
    let hidden = refuse("GET", USER, 403, "ACCESS_FAILED", None, "switched off meanwhile");
    rig.server.set_faults(vec![hidden.nth(2).times(0)]);
    let begun = tokio::time::Instant::now();
    let told = act(&rig, "disable_user").await.unwrap_err();
    assert!(
        told.contains("could not be read back") && told.contains("switched off meanwhile"),
        "{told}"
    );
    assert!(
        !told.contains("no read shows it") && begun.elapsed().as_secs() >= 9,
        "{told}"
    );
    assert_eq!(rig.outcomes(), [("set_enabled", ChangeOutcome::Unknown)]);
}

/// An account that is locked must not get a lock of another kind because one read failed.
#[tokio::test(start_paused = true)]
async fn only_a_read_that_shows_no_lock_leads_to_a_second_one() {
    for answer in foreign() {
        for times in [1, 12] {
            let rig = rig().await;
            let fault = Fault::on("GET", USER, answer.clone()).nth(2).times(times);
            rig.server.set_faults(vec![fault]);
            let told = act(&rig, "lock_user").await;
            assert_eq!(rig.writes(), 1, "{answer:?} x{times}: {told:?}");
            assert!(!format!("{told:?}").contains("until"), "{answer:?} x{times}: {told:?}");
        }
    }
}

/// The other sessions and devices do not live on because of one listing.
#[tokio::test(start_paused = true)]
async fn what_is_left_is_ended_though_one_cannot_be_read_back() {
    for (name, path) in [("sign_out_user", "*/sessions"), ("reset_mfa", "*/devices")] {
        let rig = rig().await;
        let page = FaultAction::foreign(404, FaultBody::Html);
        rig.server
            .set_faults(vec![Fault::on("GET", path, page).nth(2).times(6)]);
        let told = act(&rig, name).await;
        assert!(
            told.as_ref().is_ok_and(|told| told.starts_with('3')),
            "{name}: {told:?}"
        );
        assert_eq!(rig.writes(), 3, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_pingone_does_not_find_to_delete_is_sent_three_times() {
    let rig = rig().await;
    let gone = |path| refuse("DELETE", path, 404, "NOT_FOUND", None, "gone").times(0);
    rig.server.set_faults(vec![gone("*/sessions/*"), gone(ROLE)]);
    let told = act(&rig, "sign_out_user").await.unwrap_err();
    assert!(!told.contains("Disable the account"), "{told}");
    assert_eq!(rig.writes(), 9);
    let text = "does not find it to delete";
    refused(rig.unassign(READ_ONLY, "ann").await, Code::FailedPrecondition, &[text]);
    assert_eq!(rig.writes(), 15);
}

/// The list before the deletion lacks one of two; the one after it shows it.
#[tokio::test(start_paused = true)]
async fn a_role_is_revoked_when_a_list_shows_no_assignment_of_it() {
    let rig = rig().await;
    let environment = rig.server.environment_id();
    let first = &rig.server.directory().assignments(rig.id("ann"))[0];
    let one = json!({"_links": {}, "_embedded": {"roleAssignments": [{"id": first.id, "role": {"id": first.role},
        "scope": {"id": first.scope, "type": "ENVIRONMENT"}}]}, "size": 1});
    rig.server
        .set_faults(vec![Fault::on("GET", ROLES, FaultAction::Body(one.to_string()))]);
    assert!(!was_revoked(&rig.unassign(READ_ONLY, "ann").await.unwrap()));
    assert_eq!((rig.held("ann", READ_ONLY, environment), rig.writes()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_revoke_that_fails_says_what_is_already_deleted() {
    let rig = rig().await;
    let denied = refuse(
        "DELETE",
        ROLE,
        403,
        "ACCESS_FAILED",
        Some("INSUFFICIENT_PERMISSIONS"),
        "no",
    );
    rig.server.set_faults(vec![denied.nth(2).times(0)]);
    let text = "Of the assignments with the same role and scope 1 is already deleted.";
    refused(rig.unassign(READ_ONLY, "ann").await, Code::PermissionDenied, &[text]);
}

/// PingOne's refusals of what it did all the same.
#[tokio::test(start_paused = true)]
async fn a_role_is_looked_for_before_it_is_sent_again() {
    for (status, code) in [(403, "ACCESS_FAILED"), (404, "NOT_FOUND")] {
        let rig = rig().await;
        let mut fault = refuse("POST", ROLES, status, code, Some("INSUFFICIENT_PERMISSIONS"), "no");
        fault.action = fault.action.after_effect();
        rig.server.set_faults(vec![fault]);
        rig.assign(READ_ONLY, "bob").await.unwrap();
        let environment = rig.server.environment_id();
        assert_eq!(
            (rig.held("bob", READ_ONLY, environment), rig.writes()),
            (1, 1),
            "{status}"
        );
        assert_eq!(rig.lines()[0].after, "assigned");
    }
}

/// Who deletes what is gone already is not told that it is there.
#[tokio::test(start_paused = true)]
async fn the_line_of_a_refusal_says_how_it_is() {
    let rig = rig().await;
    let mut fault = refuse("DELETE", "*/sessions/*", 404, "NOT_FOUND", None, "gone").times(0);
    fault.action = fault.action.after_effect();
    rig.server.set_faults(vec![fault]);
    act(&rig, "sign_out_user").await.unwrap();
    for line in rig.lines() {
        let words = (line.before.as_str(), line.after.as_str(), line.outcome);
        assert_eq!(words, ("listed", "ended", ChangeOutcome::Refused));
    }
}

fn answer(status: u16, body: &Value) -> FaultAction {
    FaultAction::Answer {
        status,
        content_type: "application/hal+json".into(),
        body: body.to_string(),
    }
}

/// A gateway may answer with what it was sent.
#[tokio::test(start_paused = true)]
async fn what_an_answer_repeats_of_secrets_and_persons_is_not_told() {
    let rig = rig().await;
    let secret = rig.server.client_secret();
    let message = format!("for {secret} of eva@example.com, \u{202e}reversed");
    let body = json!({"id": format!("Bearer {secret}"), "code": format!("X{secret}"), "message": message});
    let fault = Fault::on("PUT", "*/enabled", answer(400, &body)).times(0);
    rig.server.set_faults(vec![fault]);
    let told = act(&rig, "disable_user").await.unwrap_err();
    for never in [secret.as_str(), "eva@example.com", "\u{202e}"] {
        assert!(!told.contains(never), "{told}");
    }
    assert!(
        told.contains("for [redacted] of (an address), \\u{202e}reversed"),
        "{told}"
    );
    assert!(told.contains("Correct what PingOne does not take"), "{told}");
    let ids: Vec<_> = rig.lines().into_iter().filter_map(|line| line.request_id).collect();
    assert!(ids.iter().all(|id| !id.contains(&secret)), "{ids:?}");
}

#[tokio::test(start_paused = true)]
async fn a_membership_and_a_role_are_named_in_what_is_told() {
    let rig = Rig::new().await;
    let no = |path| refuse("POST", path, 400, "INVALID_DATA", None, "no").times(0);
    rig.server.set_faults(vec![no("*/memberOfGroups"), no(ROLES)]);
    let (team, role) = (rig.id("team").to_string(), rig.role(READ_ONLY).to_string());
    refused(rig.join("team", "ann").await, Code::InvalidArgument, &[&team]);
    refused(rig.assign(READ_ONLY, "ann").await, Code::InvalidArgument, &[&role]);
}
