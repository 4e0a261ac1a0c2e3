//! Creations whose answer is lost: the state is read before anything is sent again, and there is never a second account.

use baton::task::Code;
use sandbox::pingone::{Fault, FaultAction, Lost};
use serde_json::json;

use super::rig::{NOBODY, Rig, USERS, action_required, already_exists, open, random, refused, success, to_us};

fn accounts(rig: &Rig, name: &str) -> usize {
    let snapshot = rig.server.snapshot();
    let named = |state: &&sandbox::pingone::UserState| state.body["username"] == name;
    snapshot.users.values().filter(named).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_whose_answer_was_lost_is_found_and_not_made_again() {
    for lost in [Lost::Reset, Lost::Status(503), Lost::Status(504)] {
        let rig = Rig::new().await;
        rig.fault(Fault::on("POST", USERS, FaultAction::AnswerLost(lost)));
        let created = rig
            .create_with(json!({"username": "n"}), random(), to_us())
            .await
            .unwrap();
        let (id, state) = rig.named("n").unwrap();
        assert_eq!(success(&created).id.id, id.to_string());
        // What C1 gets is the password that the account has.
        assert_eq!(state.password.as_deref(), Some(open(&created.secrets[0]).as_str()));
        assert_eq!((rig.calls("POST", USERS), accounts(&rig, "n")), (1, 1), "{lost:?}");
        let staff = rig.id("staff");
        let line = format!("create_user user {id} in population {staff}: absent -> created (confirmed_by_read)");
        assert_eq!(rig.audited(), [line]);
    }
}

/// A success whose body is broken took effect all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_whose_answer_is_broken_is_found() {
    for action in [FaultAction::Truncated(50), FaultAction::Body("{}".into())] {
        let rig = Rig::new().await;
        rig.fault(Fault::on("POST", USERS, action));
        let created = rig.create(json!({"username": "n"})).await.unwrap();
        assert_eq!(success(&created).id.id, rig.named("n").unwrap().0.to_string());
        assert_eq!((rig.calls("POST", USERS), accounts(&rig, "n")), (1, 1));
    }
}

/// The request itself was lost: a read shows no account, so it is sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_was_not_made_is_made() {
    let rig = Rig::new().await;
    rig.fault(Fault::on("POST", USERS, FaultAction::Reset));
    success(&rig.create(json!({"username": "n"})).await.unwrap());
    assert_eq!(accounts(&rig, "n"), 1);
    assert!(rig.calls("GET", USERS) >= 2);
}

/// The answer is lost and reads lag behind: the second creation finds the name taken, by ours or by somebody whom we do not
/// see. A person must look, and no password is told for an account that may be another's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_may_be_ours_and_is_not_visible_is_left_to_a_person() {
    let rig = Rig::bent(|options| options.timing.create_delay_ms = 60_000).await;
    rig.fault(Fault::on("POST", USERS, FaultAction::AnswerLost(Lost::Reset)));
    let created = rig
        .create_with(json!({"username": "n"}), random(), to_us())
        .await
        .unwrap();
    let (resource, message) = action_required(&created);
    assert!(
        resource.is_none() && message.contains("rotate its credentials"),
        "{message}"
    );
    assert_eq!((created.secrets.len(), accounts(&rig, "n")), (0, 1));
    let lines = rig.audited();
    assert!(lines.len() == 1 && lines[0].ends_with("(unknown)"), "{lines:?}");
}

/// Visible by the second creation: still ours, still one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_shows_late_is_found_by_the_second_read() {
    let rig = Rig::bent(|options| options.timing.create_delay_ms = 1_000).await;
    rig.fault(Fault::on("POST", USERS, FaultAction::AnswerLost(Lost::Reset)));
    let created = rig
        .create_with(json!({"username": "n"}), random(), to_us())
        .await
        .unwrap();
    assert_eq!(success(&created).id.id, rig.named("n").unwrap().0.to_string());
    assert_eq!(rig.calls("POST", USERS), 1);
    assert!(!created.secrets.is_empty());
}

/// Between our look and our creation somebody else made an account of that name, and our answer was lost: it is not
/// ours, and our password is not handed out for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_of_somebody_else_is_not_taken_for_ours() {
    let rig = Rig::new().await;
    rig.server.set_faults(vec![
        Fault::on("GET", USERS, FaultAction::Body(NOBODY.into())),
        Fault::on("POST", USERS, FaultAction::AnswerLost(Lost::Reset)),
    ]);
    let profile = json!({"username": "gus", "email": "new@example.com"});
    let created = rig.create_with(profile, random(), to_us()).await.unwrap();
    assert_eq!(already_exists(&created).unwrap().id.id, rig.id("gus").to_string());
    assert!(created.secrets.is_empty() && rig.audited().is_empty());
    assert_eq!(rig.calls("POST", USERS), 1);
}

/// Nobody can tell: an error, an audit line that says so, and nothing repeated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outcome_that_no_read_can_tell_is_an_error() {
    let rig = Rig::new().await;
    rig.server.set_faults(vec![
        Fault::on("POST", USERS, FaultAction::AnswerLost(Lost::Reset)),
        super::rig::refuse("GET", USERS, 400, "INVALID_REQUEST", None, "no")
            .nth(2)
            .times(0),
    ]);
    let outcome = rig.create_with(json!({"username": "n"}), random(), to_us()).await;
    refused(outcome, Code::Unavailable, "the answer was lost on the way");
    assert_eq!(rig.calls("POST", USERS), 1);
    let lines = rig.audited();
    assert!(lines.len() == 1 && lines[0].ends_with("(unknown)"), "{lines:?}");
}

/// PingOne limits the rate: it surely did nothing, so the creation is sent again without a look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_that_was_limited_is_sent_again() {
    let rig = Rig::new().await;
    rig.fault(Fault::on("POST", USERS, FaultAction::too_many(Some(1))));
    success(&rig.create(json!({"username": "n"})).await.unwrap());
    // The look before it, and the one that shows it.
    assert_eq!((rig.calls("POST", USERS), rig.calls("GET", USERS)), (2, 2));
}

fn conflict() -> Fault {
    super::rig::refuse("POST", USERS, 409, "CONFLICT", None, "try again")
}

/// A conflict says that nothing was done, and not that the name is taken: that is read (connector-model.md §9).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflict_is_read_and_then_tried_once_more() {
    let rig = Rig::new().await;
    rig.fault(conflict());
    let created = rig.create(json!({"username": "n"})).await.unwrap();
    let (id, _) = rig.named("n").unwrap();
    assert_eq!(success(&created).id.id, id.to_string());
    assert_eq!((rig.calls("POST", USERS), accounts(&rig, "n")), (2, 1));

    let rig = Rig::new().await;
    rig.fault(conflict().times(0));
    let outcome = rig.create(json!({"username": "n"})).await;
    refused(outcome, Code::AlreadyExists, "409 CONFLICT");
    assert_eq!((rig.calls("POST", USERS), accounts(&rig, "n")), (2, 0));
    assert!(rig.audited().is_empty());

    // Somebody else made it meanwhile: the first look does not show it, the one after the conflict does.
    let rig = Rig::new().await;
    let nobody = FaultAction::Body(NOBODY.to_owned());
    rig.server
        .set_faults(vec![Fault::on("GET", USERS, nobody), conflict().times(0)]);
    let created = rig.create(json!({"username": "gus"})).await.unwrap();
    assert_eq!(already_exists(&created).unwrap().id.id, rig.id("gus").to_string());
    assert_eq!(rig.calls("POST", USERS), 1);
}

/// PingOne's refusal may name who has the name (pingone-api.md §3.3): that user is read, whatever the lookup shows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_user_that_a_refusal_names_is_the_one_who_has_the_name() {
    let rig = Rig::bent(|options| options.users.existing_id = true).await;
    rig.fault(Fault::on("GET", USERS, FaultAction::Body(NOBODY.to_owned())).times(0));
    let created = rig.create(json!({"username": "gus"})).await.unwrap();
    assert_eq!(already_exists(&created).unwrap().id.id, rig.id("gus").to_string());
    assert_eq!(rig.calls("POST", USERS), 1);
}
