//! Deleting a user in each mode.

use baton::task::{Annotation, Code};
use baton_ping_one::provision::{Deprovision, ProvisionOptions};
use sandbox::pingone::{Fault, FaultAction, FaultBody, Lost};
use serde_json::json;

use super::rig::{ENABLED, Rig, USER, refuse, refused};

async fn in_mode(mode: Deprovision) -> Rig {
    Rig::set(|options| options.deprovision = mode).await
}

const MODES: [Deprovision; 3] = [
    Deprovision::Delete,
    Deprovision::Disable,
    Deprovision::DisableThenDelete,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mode_does_what_it_says() {
    for (mode, there, writes) in [
        (Deprovision::Delete, false, 1),
        (Deprovision::Disable, true, 1),
        (Deprovision::DisableThenDelete, false, 2),
    ] {
        let rig = in_mode(mode).await;
        let id = rig.id("mara");
        assert_eq!(rig.delete("user", &id.to_string()).await.unwrap(), []);
        let state = rig.server.snapshot().users.get(&id).cloned();
        assert_eq!(state.is_some(), there, "{mode:?}");
        assert!(state.is_none_or(|state| state.body["enabled"] == false));
        assert_eq!(rig.writes(), writes, "{mode:?}");
        let lines = rig.audited();
        assert_eq!(lines.len() as u64, writes);
        if mode != Deprovision::Disable {
            let before = if mode == Deprovision::Delete {
                "enabled"
            } else {
                "disabled"
            };
            assert_eq!(
                *lines.last().unwrap(),
                format!("delete_user user {id}: {before} -> deleted (done)")
            );
        }
        // Again: gone, or left as it is.
        let again = rig.delete("user", &id.to_string()).await.unwrap();
        let gone = again.contains(&Annotation::ResourceDoesNotExist);
        assert_eq!(gone, !there, "{mode:?}");
        assert_eq!(rig.audited().len() as u64, writes);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_disabled_already_is_not_disabled_again() {
    for (mode, writes) in [(Deprovision::Disable, 0), (Deprovision::DisableThenDelete, 1)] {
        let rig = in_mode(mode).await;
        assert_eq!(rig.delete("user", &rig.id("off").to_string()).await.unwrap(), []);
        assert_eq!((rig.writes(), rig.calls("PUT", ENABLED)), (writes, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_there_is_success_with_an_annotation() {
    for mode in MODES {
        let rig = in_mode(mode).await;
        let before = rig.server.snapshot();
        // Also an id of another environment's.
        for id in [
            "7c2e1d94-55a0-4a34-9a1b-c0ffee001001".to_owned(),
            rig.server.other_environment_id().to_string(),
        ] {
            let annotations = rig.delete("user", &id).await.unwrap();
            assert_eq!(annotations, [Annotation::ResourceDoesNotExist], "{mode:?}");
        }
        assert_eq!(rig.server.snapshot(), before);
        assert!(rig.audited().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_user_and_who_is_protected_is_refused_before_anything_is_asked() {
    for mode in MODES {
        let id = Rig::new().await.id("mara").to_string();
        let rig = Rig::set(|options| {
            options.deprovision = mode;
            options.protected_users = vec![format!(" {} ", id.to_uppercase())];
        })
        .await;
        refused(
            rig.delete("user", &id).await,
            Code::FailedPrecondition,
            "protected-users",
        );
        refused(
            rig.delete("group", &id).await,
            Code::InvalidArgument,
            "only users are deleted",
        );
        refused(
            rig.delete("", &id).await,
            Code::InvalidArgument,
            "only users are deleted",
        );
        for bad in ["", "mara", "x/../groups", &id[1..]] {
            refused(
                rig.delete("user", bad).await,
                Code::InvalidArgument,
                "not an id of PingOne's",
            );
        }
        assert_eq!(rig.server.requests().total, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_are_read_back() {
    for lost in [Lost::Reset, Lost::Status(502)] {
        for mode in MODES {
            let rig = in_mode(mode).await;
            let id = rig.id("mara");
            rig.server.set_faults(vec![
                Fault::on("DELETE", USER, FaultAction::AnswerLost(lost)),
                Fault::on("PUT", ENABLED, FaultAction::AnswerLost(lost)),
            ]);
            assert_eq!(rig.delete("user", &id.to_string()).await.unwrap(), [], "{mode:?}");
            assert_eq!(
                rig.server.snapshot().users.contains_key(&id),
                mode == Deprovision::Disable
            );
            assert!(rig.calls("DELETE", USER) <= 1 && rig.calls("PUT", ENABLED) <= 1);
            let lines = rig.audited();
            assert!(
                !lines.is_empty() && lines.iter().all(|line| line.ends_with("(confirmed_by_read)")),
                "{lines:?}"
            );
        }
    }
}

/// The answer is lost and the deleted user is still shown: sent again, it is not found, which was our doing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_shows_late_is_our_own() {
    let rig = Rig::new().await;
    let id = rig.id("mara");
    let late = FaultAction::Answer {
        status: 200,
        content_type: "application/json".into(),
        body: rig.server.directory().user(id).unwrap().to_string(),
    };
    // The read before the deletion is the first; then the user is shown three times more.
    rig.server.set_faults(vec![
        Fault::on("DELETE", USER, FaultAction::AnswerLost(Lost::Reset)),
        Fault::on("GET", USER, late).nth(2).times(3),
    ]);
    let annotations = rig.delete("user", &id.to_string()).await.unwrap();
    assert!(
        !annotations.contains(&Annotation::ResourceDoesNotExist),
        "{annotations:?}"
    );
    assert_eq!(
        rig.audited(),
        [
            format!("delete_user user {id}: enabled -> deleted (unknown)"),
            format!("delete_user user {id}: enabled -> deleted (confirmed_by_read)")
        ]
    );
    assert_eq!(rig.calls("DELETE", USER), 2);
}

/// A 404 in somebody else's words says nothing of the user.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_404_that_is_not_pingones_is_no_deletion() {
    for body in [FaultBody::Html, FaultBody::Empty, FaultBody::Gateway] {
        let rig = Rig::new().await;
        let id = rig.id("mara").to_string();
        let action = FaultAction::Status {
            status: 404,
            retry_after: None,
            body,
        };
        let of = |method| Fault::on(method, USER, action.clone()).times(0);
        rig.server.set_faults(vec![of("GET"), of("DELETE")]);
        refused(
            rig.delete("user", &id).await,
            Code::Internal,
            "not an answer of PingOne's",
        );
        assert!(rig.server.snapshot().users.contains_key(&rig.id("mara")));
    }
}

/// Cancelling between the two writes would leave the account half gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_does_not_leave_a_deletion_half_done() {
    let rig = in_mode(Deprovision::DisableThenDelete).await;
    rig.cancel_after_the_first_write();
    let id = rig.id("mara");
    rig.delete("user", &id.to_string()).await.unwrap();
    assert!(rig.token.is_cancelled() && !rig.server.snapshot().users.contains_key(&id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_leaves_the_user() {
    let rig = Rig::new().await;
    rig.fault(
        refuse(
            "DELETE",
            USER,
            400,
            "INVALID_DATA",
            Some("CONSTRAINT_VIOLATION"),
            "the last administrator",
        )
        .times(0),
    );
    refused(
        rig.delete("user", &rig.id("mara").to_string()).await,
        Code::InvalidArgument,
        "the last administrator",
    );
    assert!(rig.server.snapshot().users.contains_key(&rig.id("mara")));
    assert!(rig.audited().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_stops_half_way_says_so() {
    let rig = in_mode(Deprovision::DisableThenDelete).await;
    rig.fault(
        refuse(
            "DELETE",
            USER,
            400,
            "INVALID_DATA",
            Some("CONSTRAINT_VIOLATION"),
            "not now",
        )
        .times(0),
    );
    let outcome = rig.delete("user", &rig.id("mara").to_string()).await;
    refused(outcome, Code::InvalidArgument, "The user is disabled and still there");
    assert_eq!(rig.user("mara").body["enabled"], false);
    assert_eq!(rig.audited().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_writes_nothing() {
    for (mode, calls) in [
        (Deprovision::Delete, 1),
        (Deprovision::Disable, 1),
        (Deprovision::DisableThenDelete, 2),
    ] {
        let options = ProvisionOptions {
            dry_run: true,
            deprovision: mode,
            ..ProvisionOptions::default()
        };
        let rig = Rig::with(|_| {}, options).await;
        for (id, calls) in [
            (rig.id("mara").to_string(), calls),
            ("7c2e1d94-55a0-4a34-9a1b-c0ffee001001".into(), 0),
        ] {
            refused(
                rig.delete("user", &id).await,
                Code::FailedPrecondition,
                "nothing was written",
            );
            assert_eq!(rig.provisioner.take_plan().unwrap().calls().len(), calls, "{mode:?}");
        }
        assert_eq!(rig.writes(), 0);
    }
}

/// A node that is behind shows once that the user is disabled or gone: the account would stay live.
#[tokio::test(start_paused = true)]
async fn what_one_read_shows_as_disabled_or_gone_is_not_believed() {
    for is_gone in [false, true] {
        let rig = in_mode(Deprovision::Disable).await;
        let disabled = json!({"id": rig.id("mara"), "enabled": false}).to_string();
        let behind = if is_gone {
            FaultAction::status(404)
        } else {
            FaultAction::Body(disabled)
        };
        rig.fault(Fault::on("GET", USER, behind));
        let annotations = rig.delete("user", &rig.id("mara").to_string()).await.unwrap();
        assert!(!annotations.contains(&Annotation::ResourceDoesNotExist));
        assert_eq!(rig.user("mara").body["enabled"], false, "{is_gone}");
    }
}
