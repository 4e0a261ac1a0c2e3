//! Syncs that are ended early go on where they were.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use baton_ping_one::sync::observations::{summary, was_dropped};
use baton_ping_one::sync::{ObservationSettings, Progress, Reuse, SyncError, run};
use sandbox::pingone::{Changes, FaultAction, Options, Server};
use tokio_util::sync::CancellationToken;

use super::super::fault;
use super::{full, lively, options, same, settings, sync_with};
use crate::stand_in::{UNLIMITED, client};

/// Ends a sync once it has scanned so many principals; answers what was asked, or nothing where it was done before.
async fn end_after(
    server: &Server,
    dir: &Path,
    scanned: u64,
    keep: ObservationSettings,
) -> Option<BTreeMap<&'static str, u64>> {
    let (client, cancel) = (client(server, UNLIMITED), CancellationToken::new());
    let progress = Arc::<Progress>::default();
    let (seen, stop) = (Arc::clone(&progress), cancel.clone());
    let watch = async move {
        while seen.principals_scanned.load(Ordering::Relaxed) < scanned {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        stop.cancel();
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        ended = run(client.clone(), options(dir, Some(keep)), progress, cancel) => ended,
        () = watch => Err(SyncError::Cancelled),
    };
    assert!(matches!(ended, Err(SyncError::Cancelled)) || ended.is_ok());
    ended.is_err().then(|| client.stats().by_operation())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_is_ended_at_any_point_is_gone_on_with() {
    let (server, dir) = (lively(Options::default()).await, tempfile::tempdir().unwrap());
    let plain = full(&server, dir.path()).await;
    let least = plain.of("list_role_assignments");
    for reuse in [Reuse::Resume, Reuse::All] {
        for scanned in [5, 40, 100, 160, 220] {
            let keep = settings(dir.path(), reuse);
            std::fs::remove_dir_all(&keep.dir).ok();
            let Some(first) = end_after(&server, dir.path(), scanned, keep.clone()).await else {
                continue;
            };
            let second = sync_with(&server, dir.path(), Some(keep)).await;
            same(&second, &plain);
            let first = first.get("list_role_assignments").copied().unwrap_or_default();
            let both = first + second.of("list_role_assignments");
            // What was under way when the first one ended is asked for again, and the user that changed just before.
            assert!(
                both <= least + 8 + 8 + 2,
                "{reuse:?} {scanned}: {first} and then {both} of {least}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_between_the_two_is_read_again() {
    let (server, dir) = (lively(Options::default()).await, tempfile::tempdir().unwrap());
    for seed in 1..=4 {
        for _ in 0..3 {
            end_after(&server, dir.path(), 90 * seed, settings(dir.path(), Reuse::Resume)).await;
            server.change(&Changes {
                count: 15,
                ..Changes::default()
            });
        }
        let found = sync_with(&server, dir.path(), Some(settings(dir.path(), Reuse::Resume))).await;
        same(&found, &full(&server, dir.path()).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doubtful_data_leaves_nothing() {
    let (server, dir) = (lively(Options::default()).await, tempfile::tempdir().unwrap());
    let keep = || settings(dir.path(), Reuse::Resume);
    // It cannot come to its end before it is ended.
    server.set_faults(vec![fault("*/roleAssignments", 180, FaultAction::Hang).times(0)]);
    end_after(&server, dir.path(), 150, keep()).await;
    assert_eq!(summary(&keep().dir).unwrap().files, 1);
    server.set_faults(vec![fault("*/roleAssignments", 3, FaultAction::OtherObject).times(0)]);
    let options = options(dir.path(), Some(keep()));
    let failed = run(
        client(&server, UNLIMITED),
        options,
        Arc::default(),
        CancellationToken::new(),
    )
    .await;
    assert!(failed.is_err());
    assert_eq!(summary(&keep().dir).unwrap().files, 0);
    assert!(
        was_dropped(&keep().dir),
        "copies elsewhere are not to be believed either"
    );
}
