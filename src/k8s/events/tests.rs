use std::collections::BTreeSet;

use super::*;
use crate::credentials::Key;

fn failed(class: ErrorClass) -> Event {
    Event::SyncFailed { class, task_id: None }
}

fn completed() -> Event {
    Event::SyncCompleted {
        resources: 3,
        grants: 4,
        took: Duration::from_secs(5),
    }
}

fn rejected(text: &str) -> Event {
    Event::CredentialsRejected {
        side: Side::PingOne,
        problem: Problem::Refused {
            text: text.to_owned(),
            code: text.to_owned(),
            class: ErrorClass::Auth,
        },
        has_older: true,
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_is_told_when_it_changes() {
    let mut filter = EventFilter::new(Instant::now());
    let mut admits = |event: Event| filter.admits(&event, Instant::now());
    assert!(admits(completed()));
    assert!(!admits(completed()));
    assert!(admits(failed(ErrorClass::Auth)));
    assert!(!admits(failed(ErrorClass::Auth)));
    assert!(admits(failed(ErrorClass::Local)));
    assert!(admits(completed()));
}

#[tokio::test(start_paused = true)]
async fn what_is_told_of_credentials_is_a_change_each_time() {
    let mut filter = EventFilter::new(Instant::now());
    let mut admits = |event: Event| filter.admits(&event, Instant::now());
    let reloaded = || Event::CredentialsReloaded { side: Side::PingOne };
    // Other values in between.
    assert!(admits(rejected("a")) && admits(rejected("a")));
    assert!(admits(reloaded()) && admits(reloaded()));
    assert!(admits(rejected("a")));
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_cut_off_and_ends() {
    let mut filter = EventFilter::new(Instant::now());
    let event = Event::ProvisioningFailed {
        action: "grant",
        class: ErrorClass::Rejected,
        task_id: "t".into(),
    };
    let let_through = (0..100).filter(|_| filter.admits(&event, Instant::now())).count();
    assert_eq!(let_through, 25);
    tokio::time::advance(REFILL).await;
    assert!(filter.admits(&event, Instant::now()));
    assert!(!filter.admits(&event, Instant::now()));
}

#[test]
fn notes_hold_no_remote_text_and_are_short_enough() {
    let note = rejected("client hush was not found").note();
    assert!(!note.contains("hush") && note.contains("stay in use"), "{note}");
    let long = Event::ProvisioningFailed {
        action: "grant",
        class: ErrorClass::Rejected,
        task_id: "ü".repeat(2000),
    };
    assert!(long.note().len() <= NOTE);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn the_eleven_reasons_are_the_documented_ones_each_with_its_words() {
    let unproved = |has_older| Event::CredentialsUnproved {
        side: Side::C1,
        has_older,
    };
    let missing = Event::CredentialsRejected {
        side: Side::C1,
        problem: Problem::Missing(Key::C1ClientSecret),
        has_older: false,
    };
    let id = || "7".to_owned();
    let cases = [
        (
            completed(),
            "SyncCompleted",
            "Sync completed: 3 resources, 4 grants, 5 s.",
        ),
        (failed(ErrorClass::Bug), "SyncFailed", "Sync failed (bug). See the log."),
        (
            Event::SyncFailed {
                class: ErrorClass::Auth,
                task_id: Some(id()),
            },
            "SyncFailed",
            "Sync failed (auth), task 7. See the log.",
        ),
        (
            Event::CredentialsReloaded { side: Side::C1 },
            "CredentialsReloaded",
            "New credentials for C1 are in use.",
        ),
        (
            rejected("hush"),
            "CredentialsRejected",
            "New credentials for PingOne cannot be used: they were refused. The old ones stay in use.",
        ),
        (
            missing,
            "CredentialsRejected",
            "Credentials for C1 cannot be used: BATON_CLIENT_SECRET is missing. Waiting for others.",
        ),
        (
            unproved(true),
            "CredentialsUnproved",
            "New credentials for C1 are not proved yet; the old ones stay in use. Trying again.",
        ),
        (
            unproved(false),
            "CredentialsUnproved",
            "Credentials for C1 are not proved yet. Trying again.",
        ),
        (
            Event::CredentialsRestored { side: Side::PingOne },
            "CredentialsRestored",
            "Credentials for PingOne are in order again: the sources hold what is in use.",
        ),
        (
            Event::LeaderElected { term: 3 },
            "LeaderElected",
            "This pod leads (term 3).",
        ),
        (
            Event::ProvisioningFailed {
                action: "grant",
                class: ErrorClass::Rejected,
                task_id: id(),
            },
            "ProvisioningFailed",
            "Task grant failed (rejected), task 7. See the log.",
        ),
        (
            Event::C1Unreached {
                reason: "it refused".to_owned(),
            },
            "C1Unreached",
            "C1 cannot be reached: it refused.",
        ),
        (Event::C1Reached, "C1Reached", "C1 answers again."),
        (
            Event::TaskUnreported {
                action: "grant",
                task_id: id(),
            },
            "TaskUnreported",
            "C1 did not accept the result of grant, task 7. The verdict is kept and given when C1 asks again.",
        ),
    ];
    let runbook = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/runbook-kubernetes.md")).unwrap();
    for (event, reason, note) in &cases {
        assert_eq!((event.reason(), event.note().as_str()), (*reason, *note));
        assert!(runbook.contains(&format!("\n### {reason}\n")), "{reason}");
    }
    let of = |wanted: bool| -> BTreeSet<&str> {
        let found = cases.iter().filter(|(event, ..)| event.is_warning() == wanted);
        found.map(|(_, reason, _)| *reason).collect()
    };
    let (warnings, normal) = (of(true), of(false));
    assert_eq!(
        warnings.into_iter().collect::<Vec<_>>(),
        [
            "C1Unreached",
            "CredentialsRejected",
            "CredentialsUnproved",
            "ProvisioningFailed",
            "SyncFailed",
            "TaskUnreported"
        ]
    );
    assert_eq!(normal.len(), 5, "{normal:?}");
}

#[test]
fn a_notice_about_credentials_is_the_event_of_its_problem() {
    let unproved = Problem::Unproved("503 hush".to_owned());
    for (problem, reason) in [
        (&unproved, "CredentialsUnproved"),
        (&Problem::Missing(Key::C1ClientId), "CredentialsRejected"),
    ] {
        for has_older in [true, false] {
            let side = Side::C1;
            let notice = CredentialNotice::Refused {
                side,
                problem,
                has_older,
            };
            let event = Event::from_credentials(&notice).unwrap();
            assert_eq!(event.reason(), reason);
            let note = event.note();
            assert_eq!(note.contains("old ones stay in use"), has_older, "{note}");
            assert!(!note.contains("hush"), "{note}");
        }
    }
    let restored = Event::from_credentials(&CredentialNotice::Restored(Side::C1)).unwrap();
    assert_eq!(restored.reason(), "CredentialsRestored");
    let keys = ["BATON_X".to_owned()];
    let ignored = CredentialNotice::Ignored {
        keys: &keys,
        origin: crate::credentials::Origin::Directory,
    };
    assert_eq!(Event::from_credentials(&ignored), None);
}
