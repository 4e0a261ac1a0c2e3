use super::*;

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
fn the_eight_reasons_are_the_documented_ones() {
    let events = [
        completed(),
        failed(ErrorClass::Bug),
        Event::CredentialsReloaded { side: Side::C1 },
        rejected(""),
        Event::CredentialsUnproved {
            side: Side::C1,
            has_older: false,
        },
        Event::CredentialsRestored { side: Side::C1 },
        Event::LeaderElected { term: 1 },
        Event::ProvisioningFailed {
            action: "grant",
            class: ErrorClass::Bug,
            task_id: String::new(),
        },
    ];
    let warnings: Vec<_> = events
        .iter()
        .filter(|event| event.is_warning())
        .map(Event::reason)
        .collect();
    assert_eq!(
        warnings,
        [
            "SyncFailed",
            "CredentialsRejected",
            "CredentialsUnproved",
            "ProvisioningFailed"
        ]
    );
    let reasons: std::collections::HashSet<_> = events.iter().map(Event::reason).collect();
    assert_eq!(reasons.len(), 8);
}
