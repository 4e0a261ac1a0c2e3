//! What a second sync costs where most memberships come from filters, and that it is right whatever changed.

use sandbox::pingone::{ChangeKind, Changes, FaultAction, Options, Preset, Server};

use super::super::fault;
use super::{full, lively, same, settings, sync_with};
use baton_ping_one::sync::Reuse;

/// Most memberships come from a few filters, each of which finds more users than fit into an answer.
async fn filtered(users: u32) -> Server {
    let mut options = Options::default();
    options.directory.preset = Preset::Bench2k;
    options.directory.users = Some(users);
    options.directory.groups = Some(60);
    options.directory.memberships_per_user = Some(6.0);
    options.directory.dynamic_share = Some(0.8);
    options.directory.filtered_groups = Some(0.08);
    lively(options).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_sync_of_dynamic_groups_asks_who_changed_and_not_everybody() {
    let (server, dir) = (filtered(2_000).await, tempfile::tempdir().unwrap());
    let keep = || Some(settings(dir.path(), Reuse::All));
    let first = sync_with(&server, dir.path(), keep()).await;
    // As many as 200 of 50,000.
    let kinds = [
        ChangeKind::UpdateUser,
        ChangeKind::AssignRole,
        ChangeKind::AddMember,
        ChangeKind::CreateUser,
    ];
    server.change(&Changes {
        count: 8,
        seed: Some(1),
        kinds: kinds.to_vec(),
        ..Changes::default()
    });
    let next = sync_with(&server, dir.path(), keep()).await;
    same(&next, &full(&server, dir.path()).await);
    let report = next.report();
    assert!(report.reused.get("dynamic_members") >= Some(&3), "{report:?}");
    // Lists alone are a hundredth here, and what a filter or a source brings is no longer most of the rest.
    assert!(
        next.all() * 100 <= first.all() * 4,
        "{:?} after {:?}",
        next.requests,
        first.requests
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn corrected_members_are_those_of_a_full_sync_and_verifying_says_so() {
    for reuse in [Reuse::All, Reuse::Verify] {
        let (server, dir) = (filtered(1_000).await, tempfile::tempdir().unwrap());
        let keep = || Some(settings(dir.path(), reuse));
        sync_with(&server, dir.path(), keep()).await;
        for seed in 1..=2 {
            let kinds = [
                ChangeKind::UpdateUser,
                ChangeKind::CreateUser,
                ChangeKind::DeleteUser,
                ChangeKind::MoveUser,
                ChangeKind::AddMember,
                ChangeKind::RemoveMember,
            ];
            server.change(&Changes {
                count: 6,
                seed: Some(seed),
                kinds: kinds.to_vec(),
                ..Changes::default()
            });
            let next = sync_with(&server, dir.path(), keep()).await;
            same(&next, &full(&server, dir.path()).await);
            let report = next.report();
            assert_eq!((report.gap, report.differences), (None, 0), "{report:?}");
            assert_eq!(
                report.reused.contains_key("dynamic_members"),
                reuse == Reuse::All,
                "{report:?}"
            );
        }
    }
}

/// Users that change department without a word, or of whom PingOne leaves something out where it lists their groups.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_count_that_disagrees_means_reading_the_group() {
    let (server, dir) = (filtered(1_000).await, tempfile::tempdir().unwrap());
    let keep = || Some(settings(dir.path(), Reuse::All));
    sync_with(&server, dir.path(), keep()).await;
    server.change(&Changes {
        silent: true,
        ..Changes::of(ChangeKind::UpdateUser, 1)
    });
    let silent = sync_with(&server, dir.path(), keep()).await;
    same(&silent, &full(&server, dir.path()).await);
    server.change(&Changes::of(ChangeKind::UpdateUser, 10));
    // Every row, and the count does not know of it.
    let nothing = FaultAction::Hidden(1);
    server.set_faults(vec![fault("*/memberOfGroups", 1, nothing).times(0)]);
    let misled = sync_with(&server, dir.path(), keep()).await;
    server.set_faults(Vec::new());
    same(&misled, &full(&server, dir.path()).await);
    let doubted = misled.report().read.get(&("dynamic_members", "evidence"));
    assert!(doubted.is_some(), "{:?}", misled.report());
}
