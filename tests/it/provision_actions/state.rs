//! Enabled, locked, moved, deleted.

use baton::task::Code;
use baton_ping_one::provision::{Deprovision, ProvisionOptions};
use sandbox::pingone::{Fault, FaultAction, Lost};
use serde_json::json;

use super::rig::Rig;

fn lost(method: &str, path: &str) -> Fault {
    Fault::on(method, path, FaultAction::AnswerLost(Lost::Reset))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn enabling_and_disabling_write_once_and_say_already_afterwards() {
    let rig = Rig::new().await;
    for (action, user, word, enabled) in [
        ("disable_user", "mara", "disabled", false),
        ("enable_user", "off", "enabled", true),
    ] {
        let id = rig.id(user);
        let before = rig.writes();
        assert_eq!(
            rig.done(action, user, json!({})).await,
            format!("Account {id} has been {word}")
        );
        assert_eq!(
            rig.done(action, user, json!({})).await,
            format!("Account {id} was already {word}")
        );
        assert_eq!(rig.writes(), before + 1);
        assert_eq!(rig.user(user).body["enabled"], enabled);
    }
    let (mara, off) = (rig.id("mara"), rig.id("off"));
    assert_eq!(
        rig.audited(),
        [
            ["set_enabled", &format!("user {mara}"), "enabled", "disabled", "done"],
            ["set_enabled", &format!("user {off}"), "disabled", "enabled", "done"]
        ]
    );
    assert!(rig.lines_are_complete());
}

/// A lost answer is decided by a read: no second write where it took effect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_read_back_and_not_written_again() {
    let cases = [
        (
            "disable_user",
            "mara",
            "PUT",
            "/environments/{id}/users/{id}/enabled",
            json!({}),
        ),
        (
            "update_user",
            "mara",
            "PATCH",
            "/environments/{id}/users/{id}",
            json!({"user_profile": {"title": "Auditor"}}),
        ),
        ("lock_user", "mara", "POST", "/environments/{id}/users/{id}", json!({})),
        (
            "unlock_user",
            "locked",
            "POST",
            "/environments/{id}/users/{id}",
            json!({}),
        ),
        (
            "reset_password",
            "mara",
            "POST",
            "/environments/{id}/users/{id}/password",
            json!({"send_recovery": false}),
        ),
        (
            "delete_user",
            "mara",
            "DELETE",
            "/environments/{id}/users/{id}",
            json!({}),
        ),
    ];
    for (action, user, method, path, args) in cases {
        let rig = Rig::new().await;
        rig.fault(lost(method, path));
        rig.complete(action, user, args).await;
        assert_eq!(rig.writes(), 1, "{action}");
        let audited = rig.audited();
        assert_eq!(audited.len(), 1, "{action}: {audited:?}");
        assert_eq!(audited[0][4], "confirmed_by_read", "{action}");
    }
}

/// The connection breaks before the request takes effect: the read shows the old state, and only then the write goes
/// out again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_never_happened_goes_out_again_after_a_read() {
    let rig = Rig::new().await;
    let path = "/environments/{id}/users/{id}/enabled";
    rig.fault(Fault::on("PUT", path, FaultAction::Reset));
    rig.complete("disable_user", "mara", json!({})).await;
    assert_eq!(rig.user("mara").body["enabled"], false);
    assert_eq!(rig.writes(), 2);
    // The decision to disable, two looks at what became of it, because PingOne's reads may lag behind its writes, and the
    // one that shows it.
    assert_eq!(rig.server.requests().of("GET", "/environments/{id}/users/{id}"), 4);

    let rig = Rig::new().await;
    rig.fault(Fault::on("PUT", path, FaultAction::Reset).times(0));
    let message = rig.failure("disable_user", "mara", json!({})).await;
    assert!(message.contains("enable or disable user"), "{message}");
    assert_eq!(rig.audited().last().unwrap()[4], "unknown");
    assert_eq!((rig.writes(), &rig.user("mara").body["enabled"]), (3, &json!(true)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_set_and_taken_and_already_is_success() {
    let rig = Rig::new().await;
    let id = rig.id("mara");
    let done = async |action: &str| rig.done(action, "mara", json!({})).await;
    assert_eq!(done("lock_user").await, format!("Account {id} has been locked"));
    assert_eq!(rig.user("mara").body["account"]["status"], "LOCKED");
    assert_eq!(done("lock_user").await, format!("Account {id} was already locked"));
    assert_eq!(done("unlock_user").await, format!("Account {id} has been unlocked"));
    assert_eq!(done("unlock_user").await, format!("Account {id} was already unlocked"));
    assert_eq!(rig.user("mara").body["account"]["status"], "OK");
    assert_eq!(rig.writes(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_lock_without_an_end_is_ignored_one_with_an_end_is_set() {
    let rig = Rig::with(
        |options| options.users.open_lock_ignored = true,
        ProvisionOptions::default(),
    )
    .await;
    let message = rig.done("lock_user", "mara", json!({})).await;
    assert!(message.contains("has been locked until 20"), "{message}");
    let account = &rig.user("mara").body["account"];
    assert_eq!(account["status"], "LOCKED");
    assert!(account["unlockAt"].as_str().unwrap() > "2030", "{account}");
}

/// pingone-api.md §6.5: 415 right after enabling passes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_415_right_after_enabling_is_tried_again() {
    let rig = Rig::with(
        |options| options.users.lock_415_after_enabling = true,
        ProvisionOptions::default(),
    )
    .await;
    rig.complete("enable_user", "off", json!({})).await;
    rig.complete("lock_user", "off", json!({})).await;
    assert_eq!(rig.server.requests().with_status(415), 1);
    assert_eq!(rig.user("off").body["account"]["status"], "LOCKED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disabled_account_that_pingone_does_not_lock_is_a_refusal_that_says_so() {
    let rig = Rig::with(
        |options| options.users.lock_415_when_disabled = true,
        ProvisionOptions::default(),
    )
    .await;
    let before = rig.snapshot();
    let error = rig.invoke("lock_user", "off", json!({})).await.unwrap_err();
    assert_eq!(error.code, Code::FailedPrecondition);
    assert!(error.message.contains("disabled"), "{error}");
    assert_eq!(rig.snapshot(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_moved_and_told_what_is_lost() {
    let rig = Rig::new().await;
    let (mara, guests, group) = (rig.id("mara"), rig.id("guests"), rig.id("staff-only"));
    let args = json!({"population_id": {"resource_type_id": "population", "resource_id": guests.to_string()}});
    assert!(rig.snapshot().memberships.contains_key(&(mara, group)));
    let message = rig.done("set_population", "mara", args.clone()).await;
    assert!(
        message.contains("memberships in groups of the old population are lost"),
        "{message}"
    );
    assert_eq!(rig.user("mara").population, Some(guests));
    assert!(!rig.snapshot().memberships.contains_key(&(mara, group)));
    let message = rig.done("set_population", "mara", args).await;
    assert!(message.contains("was already in population"), "{message}");
    assert_eq!(rig.writes(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_population_that_is_not_there_is_refused_before_any_write() {
    let rig = Rig::new().await;
    let nowhere = "7c2e1d94-55a0-4a34-9a1b-c0ffee001001";
    for (population, code) in [
        (json!(nowhere), Code::NotFound),
        (json!("guests"), Code::InvalidArgument),
        (
            json!({"resource_type_id": "group", "resource_id": nowhere}),
            Code::InvalidArgument,
        ),
    ] {
        let error = rig
            .invoke("set_population", "mara", json!({ "population_id": population }))
            .await
            .unwrap_err();
        assert_eq!(error.code, code, "{error}");
    }
    assert_eq!(rig.writes(), 0);
}

/// Always deletes, whatever `deprovision-mode` says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_deleted_and_a_second_time_is_success() {
    let options = ProvisionOptions {
        deprovision: Deprovision::Disable,
        ..ProvisionOptions::default()
    };
    let rig = Rig::with(|_| {}, options).await;
    let id = rig.id("mara");
    assert_eq!(
        rig.done("delete_user", "mara", json!({})).await,
        format!("Account {id} has been deleted")
    );
    assert!(!rig.snapshot().users.contains_key(&id));
    assert_eq!(
        rig.done("delete_user", "mara", json!({})).await,
        format!("Account {id} was already deleted")
    );
    assert_eq!(rig.writes(), 2);
}

type Part = fn(&Rig) -> serde_json::Value;

/// A node that is behind shows once that it is so already: nothing is said before a second read.
#[tokio::test(start_paused = true)]
async fn what_one_read_shows_as_so_already_is_not_believed() {
    let path = "/environments/{id}/users/{id}";
    let guests = |rig: &Rig| json!({"population": {"id": rig.id("guests")}});
    let to_guests =
        |rig: &Rig| json!({"population_id": {"resource_type_id": "population", "resource_id": rig.id("guests")}});
    let none = |_: &Rig| json!({});
    let cases: [(&str, &str, Part, Part); 5] = [
        ("disable_user", "mara", |_| json!({"enabled": false}), none),
        ("enable_user", "off", |_| json!({"enabled": true}), none),
        ("lock_user", "mara", |_| json!({"account": {"status": "LOCKED"}}), none),
        ("unlock_user", "locked", |_| json!({"account": {"status": "OK"}}), none),
        ("set_population", "mara", guests, to_guests),
    ];
    for (action, user, behind, args) in cases {
        // Or a page with the user's id that says nothing of it.
        for nothing in [false, true] {
            let rig = Rig::new().await;
            let mut body = json!({"id": rig.id(user)});
            if !nothing {
                let parts = behind(&rig);
                body.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
            }
            rig.fault(Fault::on("GET", path, FaultAction::Body(body.to_string())));
            let before = rig.snapshot();
            let message = rig.done(action, user, args(&rig)).await;
            assert!(!message.contains("already"), "{action}: {message}");
            assert_ne!(rig.snapshot(), before, "{action}: {message}");
            assert_eq!(rig.writes(), 1, "{action}");
        }
    }
}
