//! Rotating a user's password.

use baton::task::{Code, Password, Provisioner as _, RotateCredentialsRequest};
use sandbox::pingone::{Fault, FaultAction, FaultBody, Lost};
use serde_json::json;

use super::rig::{PASSWORD, Rig, USER, open, option, random, refuse, refused, resource, sealed, to_us};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_password_is_set_and_comes_back_encrypted() {
    let rig = Rig::new().await;
    let id = rig.id("mara").to_string();
    let rotated = rig.rotate(&id, random(), to_us()).await.unwrap();
    assert_eq!(rotated.resource, resource("user", &id));
    let state = rig.user("mara");
    assert_eq!(state.password.as_deref(), Some(open(&rotated.secrets[0]).as_str()));
    assert_eq!((state.password_status, rig.writes()), ("MUST_CHANGE_PASSWORD", 1));
    assert_eq!(
        rig.audited(),
        [format!(
            "set_password user {id}: OK -> password set, to be changed (done)"
        )]
    );
    let again = rig.rotate(&id, random(), to_us()).await.unwrap();
    assert_ne!(open(&again.secrets[0]), open(&rotated.secrets[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_of_c1s_is_set_as_it_is_and_none_comes_back() {
    let rig = Rig::new().await;
    let id = rig.id("mara").to_string();
    let rotated = rig
        .rotate(&id, sealed("Correct-Horse-7-battery"), vec![])
        .await
        .unwrap();
    assert!(rotated.secrets.is_empty());
    let state = rig.user("mara");
    assert_eq!(
        (state.password.as_deref(), state.password_status),
        (Some("Correct-Horse-7-battery"), "OK")
    );
    refused(
        rig.rotate(&id, sealed("weak"), vec![]).await,
        Code::InvalidArgument,
        "set the password of user",
    );
    assert_eq!(rig.user("mara").password.as_deref(), Some("Correct-Horse-7-battery"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whose_password_is_elsewhere_is_refused() {
    let rig = Rig::new().await;
    for (user, part) in [
        ("external", "another identity provider (\"SAML\")"),
        ("gateway", "EXTERNAL"),
    ] {
        let outcome = rig.rotate(&rig.id(user).to_string(), random(), to_us()).await;
        refused(outcome, Code::FailedPrecondition, part);
    }
    assert_eq!(rig.writes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_refused_before_anything_is_asked() {
    let id = Rig::new().await.id("mara").to_string();
    let rig = Rig::set(|options| options.protected_users = vec![id.clone()]).await;
    let sso = option(Password::Sso { provider: "x".into() });
    for credentials in [None, option(Password::None), sso] {
        let outcome = rig.rotate(&id, credentials, to_us()).await;
        refused(outcome, Code::InvalidArgument, "random_password or encrypted_password");
    }
    for bad in ["", "mara"] {
        refused(
            rig.rotate(bad, random(), to_us()).await,
            Code::InvalidArgument,
            "not an id of PingOne's",
        );
    }
    refused(
        rig.rotate(&id, random(), to_us()).await,
        Code::FailedPrecondition,
        "protected-users",
    );
    let request = RotateCredentialsRequest {
        resource: resource("group", &id),
        credentials: random(),
        encryption: to_us(),
    };
    let outcome = rig.provisioner.rotate_credentials(request, rig.context()).await;
    refused(
        outcome,
        Code::Unimplemented,
        "does not have credential manager configured",
    );
    assert_eq!(rig.server.requests().total, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_there_is_looked_for_twice() {
    let rig = Rig::new().await;
    let outcome = rig
        .rotate("7c2e1d94-55a0-4a34-9a1b-c0ffee001001", random(), to_us())
        .await;
    refused(outcome, Code::NotFound, "read user");
    assert_eq!(rig.calls("GET", USER), 2);
    rig.fault(refuse("GET", USER, 404, "NOT_FOUND", None, "not yet"));
    rig.rotate(&rig.id("mara").to_string(), random(), to_us())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_read_back_and_the_password_is_the_accounts() {
    for lost in [Lost::Reset, Lost::Status(503)] {
        let rig = Rig::new().await;
        rig.fault(Fault::on("PUT", PASSWORD, FaultAction::AnswerLost(lost)));
        let rotated = rig
            .rotate(&rig.id("mara").to_string(), random(), to_us())
            .await
            .unwrap();
        assert_eq!(
            rig.user("mara").password.as_deref(),
            Some(open(&rotated.secrets[0]).as_str())
        );
        assert_eq!(rig.calls("PUT", PASSWORD), 1);
        assert!(rig.audited()[0].ends_with("(confirmed_by_read)"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_was_lost_is_sent_again() {
    let rig = Rig::new().await;
    rig.fault(Fault::on("PUT", PASSWORD, FaultAction::Reset));
    let rotated = rig
        .rotate(&rig.id("mara").to_string(), random(), to_us())
        .await
        .unwrap();
    assert_eq!(
        rig.user("mara").password.as_deref(),
        Some(open(&rotated.secrets[0]).as_str())
    );
}

/// The password's state as a node that is behind shows it.
fn state_of(rig: &Rig, changed: Option<&str>) -> String {
    let mut state = json!({"user": {"id": rig.id("mara")}, "status": "OK"});
    if let Some(changed) = changed {
        state["lastChangedAt"] = json!(changed);
    }
    state.to_string()
}

/// A maintenance page, a proxy's JSON, another user's state or that of a node that is behind before the change is no proof of it:
/// the password that is told would be one that was never set.
#[tokio::test(start_paused = true)]
async fn a_change_is_not_proved_against_what_was_never_the_state() {
    for case in 0..6 {
        let rig = Rig::new().await;
        let gus = json!({"user": {"id": rig.id("gus")}, "status": "OK"}).to_string();
        let first = match case {
            0 => r#"{"message":"maintenance"}"#.to_owned(),
            1 => "{}".to_owned(),
            2 => r#"{"status":"UP"}"#.to_owned(),
            3 => gus,
            4 => state_of(&rig, None),
            _ => state_of(&rig, Some("2020-02-01T07:00:00.000Z")),
        };
        // Somebody else set it long before the rotation.
        let real = state_of(&rig, Some("2026-02-01T07:00:00.000Z"));
        rig.server.set_faults(vec![
            Fault::on("GET", PASSWORD, FaultAction::Body(first.clone())),
            Fault::on("GET", PASSWORD, FaultAction::Body(real)).nth(2).times(0),
            Fault::on("PUT", PASSWORD, FaultAction::Html.before_effect()).times(0),
        ]);
        let outcome = rig.rotate(&rig.id("mara").to_string(), random(), to_us()).await;
        assert!(outcome.is_err(), "{first}: {outcome:?}");
        assert_eq!(rig.calls("PUT", PASSWORD) > 0, case >= 4, "{first}");
        assert!(rig.audited().iter().all(|line| line.ends_with("(unknown)")), "{first}");
    }
}

/// Reads lag behind, and the second time PingOne refuses the password as the current one: nobody can tell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_of_unknown_outcome_is_not_handed_out() {
    let rig = Rig::new().await;
    let state = state_of(&rig, Some("2026-02-01T07:00:00.000Z"));
    rig.server.set_faults(vec![
        Fault::on("PUT", PASSWORD, FaultAction::AnswerLost(Lost::Reset)),
        Fault::on("GET", PASSWORD, FaultAction::Body(state)).times(0),
    ]);
    let outcome = rig.rotate(&rig.id("mara").to_string(), random(), to_us()).await;
    refused(
        outcome,
        Code::Unavailable,
        "not known which password holds. Rotate again",
    );
    assert!(rig.audited().last().unwrap().ends_with("(unknown)"));
}

/// PingOne says that it set the password: a read after it that fails says nothing against that, one that shows the former
/// password for as long as reads lag does.
#[tokio::test(start_paused = true)]
async fn the_password_is_kept_where_pingone_took_it() {
    let answers = [
        FaultAction::foreign(400, FaultBody::Html),
        FaultAction::foreign(403, FaultBody::Html),
        FaultAction::foreign(404, FaultBody::Html),
        FaultAction::foreign(200, FaultBody::GatewayOk),
        FaultAction::foreign(302, FaultBody::Empty),
        FaultAction::status(400),
        FaultAction::status(403),
        FaultAction::status(404),
        FaultAction::status(409),
    ];
    for answer in answers {
        let is_gone = answer == FaultAction::status(404);
        for times in [1, if is_gone { 2 } else { 0 }] {
            let rig = Rig::new().await;
            rig.fault(Fault::on("GET", PASSWORD, answer.clone()).nth(2).times(times));
            let id = rig.id("mara").to_string();
            let rotated = rig.rotate(&id, random(), to_us()).await;
            let rotated = rotated.unwrap_or_else(|error| panic!("{answer:?}: {error}"));
            let password = open(&rotated.secrets[0]);
            assert_eq!(rig.user("mara").password, Some(password), "{answer:?}");
            assert_eq!(rig.calls("PUT", PASSWORD), 1);
            assert!(rig.audited()[0].ends_with("(done)"));
        }
    }
    for fault in [
        Fault::on("PUT", PASSWORD, FaultAction::AsIs.before_effect()),
        Fault::on("GET", PASSWORD, FaultAction::status(404)).nth(2).times(0),
    ] {
        let rig = Rig::new().await;
        rig.fault(fault);
        let outcome = rig.rotate(&rig.id("mara").to_string(), random(), to_us()).await;
        refused(outcome, Code::Unavailable, "no read shows it");
        assert!(rig.audited()[0].ends_with("(unknown)"));
    }
}

/// The clock that dates a change may be behind the one that dates answers: after PingOne's own answer a time that is later than
/// the former one will do, after a lost one it may be somebody else's change, and nothing is sent again.
#[tokio::test(start_paused = true)]
async fn a_change_that_is_dated_early_is_believed_only_with_pingones_answer() {
    for lost in [false, true] {
        let rig = Rig::new().await;
        let early = (jiff::Timestamp::now() - jiff::SignedDuration::from_mins(1)).to_string();
        let state = state_of(&rig, Some(&early));
        let mut faults = vec![
            Fault::on(
                "GET",
                PASSWORD,
                FaultAction::Body(state_of(&rig, Some("2026-02-01T07:00:00.000Z"))),
            ),
            Fault::on("GET", PASSWORD, FaultAction::Body(state)).nth(2).times(0),
        ];
        faults.extend(lost.then(|| Fault::on("PUT", PASSWORD, FaultAction::AnswerLost(Lost::Reset))));
        rig.server.set_faults(faults);
        let id = rig.id("mara").to_string();
        let outcome = rig.rotate(&id, random(), to_us()).await;
        assert_eq!(rig.calls("PUT", PASSWORD), 1, "lost: {lost}");
        if lost {
            refused(outcome, Code::Unavailable, "not known which password holds");
        } else {
            assert_eq!(rig.user("mara").password, Some(open(&outcome.unwrap().secrets[0])));
        }
    }
}

/// Our call never arrived, and somebody else set another password in that moment: it need not be changed at the next sign-on,
/// as ours would.
#[tokio::test(start_paused = true)]
async fn a_password_of_somebody_elses_is_not_taken_for_ours() {
    let rig = Rig::new().await;
    let state = state_of(&rig, Some("2100-01-01T00:00:00.000Z"));
    rig.server.set_faults(vec![
        Fault::on("PUT", PASSWORD, FaultAction::Reset),
        Fault::on("GET", PASSWORD, FaultAction::Body(state)).nth(2).times(0),
    ]);
    let outcome = rig.rotate(&rig.id("mara").to_string(), random(), to_us()).await;
    refused(outcome, Code::Unavailable, "not known which password holds");
    assert_eq!(rig.calls("PUT", PASSWORD), 1);
}

/// Where the password's state names no policy, the user's population does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_is_the_populations_where_the_state_names_none() {
    let rig = Rig::new().await;
    rig.fault(Fault::on("GET", PASSWORD, FaultAction::Body(state_of(&rig, None))));
    let id = rig.id("mara").to_string();
    rig.rotate(&id, random(), to_us()).await.unwrap();
    assert_eq!(rig.calls("GET", "/environments/{id}/populations/{id}"), 1);
}
