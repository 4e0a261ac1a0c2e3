//! How a sync asks: under which name, in which order, and what it tells of itself meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use baton::task::{GrantRequest, Provisioner as _, TaskId, WriteContext};
use baton_ping_one::model::{GATEWAY, SECRET};
use baton_ping_one::sync::{Applications, ObservationSettings, Phase, Progress, Reuse, SyncOptions, run};
use sandbox::pingone::{Fault, FaultAction, Lost, Options, Server, start};
use tokio_util::sync::CancellationToken;

use super::run_with;
use crate::knobs::small::small;
use crate::provision::rig::{Rig, member_of, resource};
use crate::stand_in::{UNLIMITED, client};

const USERS: &str = "/environments/{id}/users";
const ROLES_OF_USERS: &str = "/environments/{id}/users/{id}/roleAssignments";
/// A sync that stands still is given up after this.
const GIVE_UP: Duration = Duration::from_mins(5);

/// The names under which the API was called since the recording began, and the shapes of the calls.
fn transactions(server: &Server) -> (BTreeSet<Option<String>>, BTreeSet<String>) {
    let calls = server.recorded().into_iter().filter(|call| !call.is_token);
    calls.map(|call| (call.transaction, call.shape)).unzip()
}

/// pingone-api.md §3.1: PingOne's audit shows the name, so that what one sync or one task did is found together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sync_and_every_task_calls_under_one_name_of_its_own() {
    let (rig, dir) = (Rig::new().await, tempfile::tempdir().unwrap());
    let mut options = SyncOptions::full(dir.path().to_owned(), dir.path().join("a.c1z"))
        .with_applications(Applications::All)
        .with_type(GATEWAY, true)
        .with_type(SECRET, true);
    options.observations = Some(ObservationSettings {
        dir: dir.path().join("observations"),
        reuse: Reuse::All,
        max_age: Duration::from_hours(24),
        resume_max_age: Duration::from_hours(2),
    });
    let (mut names, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..2 {
        rig.server.record();
        let report = run(
            rig.client.clone(),
            options.clone(),
            Arc::default(),
            CancellationToken::new(),
        );
        let sync_id = report.await.unwrap().sync_id;
        let (called, shapes) = transactions(&rig.server);
        assert_eq!(called, BTreeSet::from([Some(sync_id.clone())]), "{shapes:?}");
        kinds.extend(shapes);
        names.insert(sync_id);
    }
    assert!(kinds.contains("/environments/{id}/activities"), "{kinds:?}");
    // The answer is lost: reads that decide what became of it belong to the task, too.
    let lost = Fault::on("POST", "*/memberOfGroups", FaultAction::AnswerLost(Lost::Reset)).times(0);
    rig.server.set_faults(vec![lost]);
    for (task, user) in [("first-task", "ann"), ("second-task", "ivy")] {
        rig.server.record();
        let request = GrantRequest {
            entitlement: member_of(rig.id("team")),
            principal: resource("user", rig.id(user)),
        };
        let context = WriteContext {
            task_id: TaskId::new(task),
            token: CancellationToken::new(),
        };
        rig.provisioner.grant(request, context).await.unwrap();
        let (called, shapes) = transactions(&rig.server);
        assert_eq!(called, BTreeSet::from([Some(task.to_owned())]), "{shapes:?}");
        names.insert(task.to_owned());
    }
    assert_eq!(names.len(), 4, "{names:?}");
}

/// A cursor of the list need not outlive the scan: nobody is scanned before the last page is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_of_users_is_over_before_the_first_of_them_is_scanned() {
    let mut options = Options::default();
    let shape = &mut options.directory;
    shape.users = Some(1_000);
    shape.populations = Some(1);
    shape.groups = Some(4);
    shape.memberships_per_user = Some(0.01);
    options.paging.max_page_users = 100;
    let (server, dir) = (start(options).await.unwrap(), tempfile::tempdir().unwrap());
    server.record();
    let mut options = SyncOptions::full(dir.path().to_owned(), dir.path().join("a.c1z"));
    options.concurrency = 8;
    let report = run_with(&server, options).await.unwrap();
    assert_eq!(report.counts.users, 1_000);
    assert_eq!(report.warnings.get("listing_restarted"), None);
    let calls = server.recorded();
    let positions = |wanted: &dyn Fn(&str, &str) -> bool| -> Vec<usize> {
        let found = calls.iter().enumerate();
        let found = found.filter(|(_, call)| wanted(&call.shape, &call.query));
        found.map(|(position, _)| position).collect()
    };
    let pages = positions(&|shape, query| shape == USERS && !query.contains("filter"));
    let scanned = positions(&|shape, _| shape == ROLES_OF_USERS);
    let asked: BTreeSet<&str> = pages.iter().map(|page| calls[*page].query.as_str()).collect();
    assert!(
        pages.last() < scanned.first(),
        "a user was scanned at {:?}, the last page of the list came at {:?}",
        scanned.first(),
        pages.last()
    );
    assert_eq!((pages.len(), asked.len()), (10, 10), "each page once: {asked:?}");
    assert_eq!(scanned.len(), 1_000);
}

/// What is left to do while users are scanned: all of them are told before the scan ends, and one that is not answered is
/// seen to be missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_progress_tells_how_many_are_scanned_of_how_many() {
    let (server, dir) = (start(small()).await.unwrap(), tempfile::tempdir().unwrap());
    let last = server.directory().users()[13];
    let path = format!("*/users/{last}/roleAssignments");
    server.set_faults(vec![Fault::on("GET", &path, FaultAction::Hang).times(0)]);
    let progress = Arc::new(Progress::default());
    let mut options = SyncOptions::full(dir.path().to_owned(), dir.path().join("a.c1z"));
    options.concurrency = 4;
    let sync = run(
        client(&server, UNLIMITED),
        options,
        Arc::clone(&progress),
        CancellationToken::new(),
    );
    let numbers = || {
        [&progress.users, &progress.principals_scanned, &progress.scan_expected]
            .map(|number| number.load(Ordering::Relaxed))
    };
    let all_but_one = async {
        loop {
            let [users, scanned, expected] = numbers();
            if users == 26 && expected > users && scanned + 1 >= expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        ended = sync => panic!("one user is never answered: {ended:?}"),
        reached = tokio::time::timeout(GIVE_UP, all_but_one) => assert!(reached.is_ok(), "{:?}", numbers()),
    }
    let [_, scanned, expected] = numbers();
    let groups = server
        .requests()
        .of("GET", "/environments/{id}/groups/{id}/roleAssignments");
    assert_eq!((scanned, expected), (groups + 25, groups + 26));
    assert_eq!(progress.phase(), Phase::Users);
}
