//! Activities that prove nothing: everything is read again, and the reason is said.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use baton_ping_one::sync::{Reuse, run};
use sandbox::pingone::{ChangeKind, Changes, FaultAction, FaultBody, Options, Server};
use tokio_util::sync::CancellationToken;

use super::super::{fault, refuse, sandbox};
use super::{Done, full, lively, options, same, settings, sync_with};
use crate::stand_in::{UNLIMITED, client};

async fn after(change: impl FnOnce(&Server)) -> (Done, Done) {
    let (server, dir) = (lively(Options::default()).await, tempfile::tempdir().unwrap());
    let keep = || Some(settings(dir.path(), Reuse::All));
    sync_with(&server, dir.path(), keep()).await;
    server.change(&Changes {
        count: 120,
        kinds: vec![ChangeKind::UpdateUser, ChangeKind::AssignRole, ChangeKind::AddMember],
        ..Changes::default()
    });
    change(&server);
    let found = sync_with(&server, dir.path(), keep()).await;
    server.set_faults(Vec::new());
    (found, full(&server, dir.path()).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_odd_about_the_activities_is_a_gap() {
    let path = "*/activities";
    let always = |action| fault(path, 1, action).times(0);
    let on_second = |action| fault(path, 2, action).times(0);
    let forbidden = || refuse(path, None, 403, "ACCESS_FAILED", "INSUFFICIENT_PERMISSIONS");
    let cases = [
        (forbidden(), "forbidden"),
        (always(FaultAction::foreign(200, FaultBody::GatewayOk)), "foreign"),
        (always(FaultAction::Bare), "foreign"),
        (always(FaultAction::OtherEnvironment), "foreign"),
        (
            always(FaultAction::Body(r#"{"message":"Back at noon"}"#.to_owned())),
            "foreign",
        ),
        (on_second(FaultAction::Truncated(50)), "foreign"),
        (fault(path, 1, FaultAction::SkipRow), "incomplete"),
        (fault(path, 2, FaultAction::RepeatPage), "incomplete"),
        (always(FaultAction::FilterMatchesNobody), "unproved"),
        // Ten a second for the whole licence, and somebody else takes them all.
        (always(FaultAction::too_many(Some(3_600))), "unavailable"),
    ];
    for (fault, gap) in cases {
        let text = format!("{fault:?}");
        let (found, plain) = after(|server| server.set_faults(vec![fault])).await;
        same(&found, &plain);
        assert_eq!(found.report().gap, Some(gap), "{text}");
        assert!(found.report().reused.is_empty(), "{text}");
    }
}

/// A page of so many activities, each recorded so many seconds ago.
fn activities(many: u32, ago: i64, count: bool) -> FaultAction {
    let at = jiff::Timestamp::now()
        .checked_sub(jiff::SignedDuration::from_secs(ago))
        .unwrap();
    let row = |number: u32| serde_json::json!({"id": format!("a-{number}"), "recordedAt": at.to_string()});
    let rows: Vec<_> = (0..many).map(row).collect();
    let page = serde_json::json!({
        "_links": {"self": {"href": ""}},
        "_embedded": {"activities": rows},
        "count": count.then_some(many),
        "size": many,
    });
    FaultAction::Body(page.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn activities_that_were_not_asked_for_and_a_full_last_page_prove_nothing() {
    let cases = [
        (activities(50, 10 * 86_400, true), "foreign"),
        (activities(50, 10 * 86_400, false), "foreign"),
        (activities(100, 0, false), "incomplete"),
    ];
    for (action, gap) in cases {
        let (server, dir) = (lively(Options::default()).await, tempfile::tempdir().unwrap());
        // The sync before saw no activity that could be missed.
        server.set_faults(vec![refuse(
            "*/activities",
            None,
            403,
            "ACCESS_FAILED",
            "INSUFFICIENT_PERMISSIONS",
        )]);
        let keep = || Some(settings(dir.path(), Reuse::All));
        sync_with(&server, dir.path(), keep()).await;
        server.change(&Changes::of(ChangeKind::AssignRole, 3));
        server.set_faults(vec![fault("*/activities", 1, action).times(0)]);
        let found = sync_with(&server, dir.path(), keep()).await;
        server.set_faults(Vec::new());
        same(&found, &full(&server, dir.path()).await);
        assert_eq!(found.report().gap, Some(gap));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_was_ever_recorded_nothing_is_believed() {
    let (server, dir) = (sandbox().await, tempfile::tempdir().unwrap());
    let keep = || Some(settings(dir.path(), Reuse::All));
    sync_with(&server, dir.path(), keep()).await;
    let second = sync_with(&server, dir.path(), keep()).await;
    assert_eq!(second.report().gap, Some("unproved"));
    same(&second, &full(&server, dir.path()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_settings_and_a_damaged_store_mean_a_full_sync() {
    let (server, dir) = (lively(Options::default()).await, tempfile::tempdir().unwrap());
    let keep = || Some(settings(dir.path(), Reuse::All));
    sync_with(&server, dir.path(), keep()).await;
    let client = client(&server, UNLIMITED);
    let mut native = options(dir.path(), keep());
    native.skip_external_groups = true;
    let report = run(client, native, Arc::default(), CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(report.observations.unwrap().reused, BTreeMap::new());
    for damage in [0, 40, 500] {
        let plain = full(&server, dir.path()).await;
        sync_with(&server, dir.path(), keep()).await;
        let folder = dir.path().join("observations");
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            if bytes.len() > damage {
                bytes[damage] ^= 0x55;
                std::fs::write(&path, bytes).unwrap();
            }
        }
        let found = sync_with(&server, dir.path(), keep()).await;
        same(&found, &plain);
    }
}

/// Moves the time at which the kept sync began, and by how much PingOne's clock was ahead of ours, as the head of each file
/// has them.
fn shift(folder: &Path, began_by: i64, ahead_by: i64) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        // Magic, version and identity; the time; how far ahead; the newest activity; the checksum. Other files are shorter.
        let Some(head) = bytes.get(..70) else { continue };
        let began = u32::from_le_bytes(head.get(42..46).unwrap().try_into().unwrap());
        let ahead = i64::from_le_bytes(head.get(46..54).unwrap().try_into().unwrap());
        let began = u32::try_from(i64::from(began) + began_by).unwrap();
        bytes.splice(42..46, began.to_le_bytes());
        bytes.splice(46..54, (ahead + ahead_by).to_le_bytes());
        let sum = crc32c::crc32c(bytes.get(..66).unwrap());
        bytes.splice(66..70, sum.to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_long_ago_and_a_clock_that_was_set_mean_a_full_sync() {
    for (began, ahead, gap) in [
        (-15 * 86_400, 0, "retention"),
        (3_600, 0, "clock"),
        (0, 60, "clock"),
        (0, -60, "clock"),
    ] {
        let (server, dir) = (lively(Options::default()).await, tempfile::tempdir().unwrap());
        let keep = || settings(dir.path(), Reuse::All);
        sync_with(&server, dir.path(), Some(keep())).await;
        shift(&keep().dir, began, ahead);
        let found = sync_with(&server, dir.path(), Some(keep())).await;
        assert_eq!(found.report().gap, Some(gap));
        assert!(found.report().reused.is_empty(), "{gap}");
        same(&found, &full(&server, dir.path()).await);
        // What that one kept is believed again.
        let next = sync_with(&server, dir.path(), Some(keep())).await;
        assert_eq!(next.report().gap, None, "after {gap}");
        assert!(!next.report().reused.is_empty(), "after {gap}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_difference_counts_only_where_the_activities_of_the_meantime_are_whole() {
    let (server, dir) = (lively(Options::default()).await, tempfile::tempdir().unwrap());
    let verify = || Some(settings(dir.path(), Reuse::Verify));
    sync_with(&server, dir.path(), verify()).await;
    server.change(&Changes {
        silent: true,
        ..Changes::of(ChangeKind::AssignRole, 3)
    });
    // The first request is what the sync begins with, the second what it ends with.
    let foreign = FaultAction::foreign(200, FaultBody::GatewayOk);
    server.set_faults(vec![fault("*/activities", 2, foreign).times(0)]);
    let found = sync_with(&server, dir.path(), verify()).await;
    server.set_faults(Vec::new());
    let report = found.report();
    assert!(report.compared > 300, "{report:?}");
    assert_eq!((report.gap, report.differences), (None, 0), "{report:?}");
    same(&found, &full(&server, dir.path()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_activity_that_comes_twice_stands_for_no_other() {
    for (skipped, gap) in [(false, None), (true, Some("incomplete"))] {
        let mut options = Options::default();
        options.audit.newest_activity_first = true;
        let (server, dir) = (lively(options).await, tempfile::tempdir().unwrap());
        let keep = || Some(settings(dir.path(), Reuse::All));
        sync_with(&server, dir.path(), keep()).await;
        server.change(&Changes::of(ChangeKind::UpdateUser, 120));
        // One more comes meanwhile and moves the last one of the first page onto the second.
        let more = FaultAction::Changes(Changes::of(ChangeKind::UpdateUser, 1));
        let mut faults = vec![fault("*/activities", 2, more)];
        if skipped {
            faults.push(fault("*/activities", 1, FaultAction::SkipRow));
        }
        server.set_faults(faults);
        let found = sync_with(&server, dir.path(), keep()).await;
        server.set_faults(Vec::new());
        assert_eq!(found.report().gap, gap);
        same(&found, &full(&server, dir.path()).await);
    }
}
