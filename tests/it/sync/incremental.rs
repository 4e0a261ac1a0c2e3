//! Syncs that use again what earlier ones observed: rows as a full sync gives them, at the cost of what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use baton_ping_one::sync::observations::{ObservationReport, summary, was_dropped};
use baton_ping_one::sync::{ObservationSettings, Reuse, SyncOptions, run};
use pingone::Principal;
use pingone::write::roles;
use sandbox::pingone::{ChangeKind, Changes, Options, Server, start};
use tokio_util::sync::CancellationToken;

use super::rows;
use crate::stand_in::{UNLIMITED, client};

mod cost;
mod gaps;
mod resume;

/// What a sync came to.
struct Done {
    rows: Vec<String>,
    requests: BTreeMap<&'static str, u64>,
    observations: Option<ObservationReport>,
}

impl Done {
    fn all(&self) -> u64 {
        self.requests.values().sum()
    }

    fn of(&self, operation: &str) -> u64 {
        self.requests.get(operation).copied().unwrap_or_default()
    }

    fn report(&self) -> &ObservationReport {
        self.observations.as_ref().unwrap()
    }
}

fn settings(dir: &Path, reuse: Reuse) -> ObservationSettings {
    ObservationSettings {
        dir: dir.join("observations"),
        reuse,
        max_age: Duration::from_hours(7 * 24),
        resume_max_age: Duration::from_hours(2),
    }
}

fn options(dir: &Path, observations: Option<ObservationSettings>) -> SyncOptions {
    let mut options = SyncOptions::full(dir.to_owned(), dir.join("a.c1z"));
    options.concurrency = 8;
    options.observations = observations;
    options
}

async fn sync_with(server: &Server, dir: &Path, observations: Option<ObservationSettings>) -> Done {
    let client = client(server, UNLIMITED);
    let options = options(dir, observations);
    let file = options.file.clone();
    let report = run(client.clone(), options, Arc::default(), CancellationToken::new())
        .await
        .unwrap();
    Done {
        rows: rows(&file, dir),
        requests: client.stats().by_operation(),
        observations: report.observations,
    }
}

async fn full(server: &Server, dir: &Path) -> Done {
    sync_with(server, dir, None).await
}

/// What only one of the two holds, a little of it.
#[track_caller]
fn same(found: &Done, wanted: &Done) {
    let only = |of: &Done, other: &Done| -> Vec<String> {
        let other: BTreeSet<&String> = other.rows.iter().collect();
        let rows = of.rows.iter().filter(|row| !other.contains(row));
        rows.take(3).cloned().collect()
    };
    assert!(
        found.rows == wanted.rows,
        "only found: {:#?}\nonly wanted: {:#?}",
        only(found, wanted),
        only(wanted, found)
    );
}

/// A sandbox in which something was recorded once, as everywhere.
async fn lively(options: Options) -> Server {
    let server = start(options).await.unwrap();
    server.change(&Changes::of(ChangeKind::UpdateUser, 1));
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_sync_costs_what_changed_and_gives_the_rows_of_a_full_one() {
    let (server, dir) = (lively(Options::default()).await, tempfile::tempdir().unwrap());
    let keep = || Some(settings(dir.path(), Reuse::All));
    let first = sync_with(&server, dir.path(), keep()).await;
    let plain = full(&server, dir.path()).await;
    same(&first, &plain);
    assert_eq!(first.all(), plain.all(), "a first sync asks nothing more");
    for seed in 1..=6 {
        server.change(&Changes {
            count: 20,
            seed: Some(seed),
            ..Changes::default()
        });
        let next = sync_with(&server, dir.path(), keep()).await;
        let plain = full(&server, dir.path()).await;
        same(&next, &plain);
        let report = next.report();
        assert_eq!((report.gap, report.differences), (None, 0));
        assert!(report.activities >= 20, "{report:?}");
        let (found, all) = (next.of("list_role_assignments"), plain.of("list_role_assignments"));
        assert!(found * 2 < all, "{found} of {all}: {report:?}");
    }
    let quiet = sync_with(&server, dir.path(), keep()).await;
    let reused: u64 = quiet.report().reused.values().sum();
    assert!(reused > 150, "{:?}", quiet.report());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_state_no_request_is_made_more_and_nothing_is_left() {
    let (server, dir) = (lively(Options::default()).await, tempfile::tempdir().unwrap());
    let plain = full(&server, dir.path()).await;
    for _ in 0..2 {
        let resuming = sync_with(&server, dir.path(), Some(settings(dir.path(), Reuse::Resume))).await;
        same(&resuming, &plain);
        assert_eq!(resuming.requests, plain.requests);
        assert_eq!(summary(&dir.path().join("observations")).unwrap().files, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verifying_reads_everything_and_finds_what_nobody_told() {
    let (server, dir) = (lively(Options::default()).await, tempfile::tempdir().unwrap());
    let verify = || Some(settings(dir.path(), Reuse::Verify));
    let first = sync_with(&server, dir.path(), verify()).await;
    let second = sync_with(&server, dir.path(), verify()).await;
    same(&second, &first);
    let report = second.report();
    assert!(report.compared > 300 && report.differences == 0, "{report:?}");
    assert!(report.reused.is_empty());
    let told = Changes::of(ChangeKind::AssignRole, 3);
    server.change(&told);
    server.change(&Changes { silent: true, ..told });
    let third = sync_with(&server, dir.path(), verify()).await;
    same(&third, &full(&server, dir.path()).await);
    assert_eq!(third.report().differences, 3, "{:?}", third.report());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_change_is_found_by_counts_or_by_age() {
    let (server, dir) = (lively(Options::default()).await, tempfile::tempdir().unwrap());
    let keep = || Some(settings(dir.path(), Reuse::All));
    sync_with(&server, dir.path(), keep()).await;
    for kind in [ChangeKind::AddMember, ChangeKind::RemoveMember, ChangeKind::MoveUser] {
        server.change(&Changes {
            silent: true,
            ..Changes::of(kind, 3)
        });
        let next = sync_with(&server, dir.path(), keep()).await;
        same(&next, &full(&server, dir.path()).await);
    }
    server.change(&Changes {
        silent: true,
        ..Changes::of(ChangeKind::AssignRole, 1)
    });
    let stale = sync_with(&server, dir.path(), keep()).await;
    assert_ne!(stale.rows, full(&server, dir.path()).await.rows, "nothing tells of it");
    let old = ObservationSettings {
        max_age: Duration::ZERO,
        ..settings(dir.path(), Reuse::All)
    };
    let found = sync_with(&server, dir.path(), Some(old)).await;
    same(&found, &full(&server, dir.path()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_may_be_doubled_late_and_in_any_order() {
    let mut options = Options::default();
    options.audit.activity_duplicates = 0.5;
    options.audit.newest_activity_first = true;
    let (server, dir) = (lively(options).await, tempfile::tempdir().unwrap());
    tokio::time::sleep(Duration::from_millis(20)).await;
    let keep = || Some(settings(dir.path(), Reuse::All));
    sync_with(&server, dir.path(), keep()).await;
    server.change(&Changes {
        count: 30,
        ..Changes::default()
    });
    let next = sync_with(&server, dir.path(), keep()).await;
    same(&next, &full(&server, dir.path()).await);
    assert!(!next.report().reused.is_empty(), "{:?}", next.report());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_too_much_differs_everything_is_dropped_and_that_is_noted() {
    let (server, dir) = (lively(Options::default()).await, tempfile::tempdir().unwrap());
    let verify = || settings(dir.path(), Reuse::Verify);
    sync_with(&server, dir.path(), Some(verify())).await;
    server.change(&Changes {
        silent: true,
        ..Changes::of(ChangeKind::AssignRole, 20)
    });
    let found = sync_with(&server, dir.path(), Some(verify())).await;
    assert!(found.report().differences > 8, "{:?}", found.report());
    assert_eq!(summary(&verify().dir).unwrap().files, 0);
    assert!(was_dropped(&verify().dir));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_we_wrote_ourselves_is_read_again_before_its_activity_can_be_read() {
    let mut late = Options::default();
    late.audit.activity_delay_ms = 3_000;
    let (server, dir) = (lively(late).await, tempfile::tempdir().unwrap());
    // The activities of the sandbox's own start can be read by then.
    tokio::time::sleep(Duration::from_millis(3_200)).await;
    let client = client(&server, UNLIMITED);
    let sync = async || {
        let options = options(dir.path(), Some(settings(dir.path(), Reuse::All)));
        let file = options.file.clone();
        let report = run(client.clone(), options, Arc::default(), CancellationToken::new())
            .await
            .unwrap();
        (rows(&file, dir.path()), report.observations.unwrap())
    };
    sync().await;
    let user = *server.directory().users().last().unwrap();
    let mut written = false;
    for (role, ..) in server.directory().roles() {
        let call = roles::assign(Principal::User(user), role, "ENVIRONMENT", server.environment_id());
        written = written || client.write(&call).await.is_ok();
    }
    assert!(written);
    let (found, report) = sync().await;
    assert!(report.gap.is_none() && !report.reused.is_empty(), "{report:?}");
    assert!(found == full(&server, dir.path()).await.rows, "{report:?}");
}
