//! Whole syncs against the stand-in for PingOne: the order of rows, the price in requests, and reads that fail.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: a failure here is a failed test"
)]

use std::path::Path;
use std::sync::Arc;

use baton::c1z::{Limits, Reader};
use baton::model::ResourceId;
use baton_ping_one::model;
use baton_ping_one::sync::{SyncError, SyncOptions, SyncReport, run};
use process::error::ErrorClass;
use sandbox::pingone::{ChangeKind, Changes, DirectoryBuilder, Fault, FaultAction, FaultBody, Options, Server, start};
use tokio_util::sync::CancellationToken;

use crate::knobs::reads::{Ended, judge};
use crate::stand_in::{UNLIMITED, client};

mod access;
mod applications;
mod believed;
mod clauses;
mod complete;
mod contradictions;
mod evidence;
mod gaps;
mod hidden;
mod incremental;
mod machines;
mod optional;
mod populations;
mod role_scopes;
mod scope_binding;

async fn sandbox() -> Server {
    start(Options::default()).await.unwrap()
}

async fn sync(server: &Server, dir: &Path, concurrency: usize) -> Result<SyncReport, SyncError> {
    let mut options = SyncOptions::full(dir.to_owned(), dir.join(format!("{concurrency}.c1z")));
    options.concurrency = concurrency;
    run_with(server, options).await
}

async fn run_with(server: &Server, options: SyncOptions) -> Result<SyncReport, SyncError> {
    let client = client(server, UNLIMITED);
    run(client, options, Arc::default(), CancellationToken::new()).await
}

/// Every row in order, without what differs between two runs by its nature.
fn rows(file: &Path, dir: &Path) -> Vec<String> {
    let reader = Reader::open(file, dir, Limits::default()).unwrap();
    let mut rows = Vec::new();
    reader
        .resource_types(|row| {
            rows.push(format!("{row:?}"));
            Ok(())
        })
        .unwrap();
    reader
        .resources(|row| {
            rows.push(format!("{row:?}"));
            Ok(())
        })
        .unwrap();
    reader
        .entitlements(|row| {
            rows.push(format!("{row:?}"));
            Ok(())
        })
        .unwrap();
    reader
        .grants(|row| {
            rows.push(format!("{row:?}"));
            Ok(())
        })
        .unwrap();
    rows
}

async fn serve(directory: &DirectoryBuilder, change: impl FnOnce(&mut Options)) -> Server {
    let mut options = Options {
        custom: Some(directory.clone().build()),
        ..Options::default()
    };
    change(&mut options);
    start(options).await.unwrap()
}

/// How a sync fails that must give no file.
async fn failure(server: &Server, change: impl FnOnce(&mut SyncOptions)) -> String {
    match judge(server, None, change).await {
        Ended::Failed(error) => error,
        Ended::Equal => panic!("it gave the truth"),
        Ended::Wrong(what) => panic!("{what}"),
    }
}

async fn gives_the_truth(server: &Server, change: impl FnOnce(&mut SyncOptions)) {
    match judge(server, None, change).await {
        Ended::Equal => {}
        Ended::Failed(what) | Ended::Wrong(what) => panic!("{what}"),
    }
}

fn refuse(path: &str, query: Option<&str>, status: u16, code: &str, detail: &str) -> Fault {
    Fault {
        method: Some("GET".to_owned()),
        path: path.to_owned(),
        query: query.map(str::to_owned),
        nth: 1,
        times: 0,
        action: FaultAction::Refuse {
            status,
            code: code.to_owned(),
            detail: Some(detail.to_owned()),
            target: None,
            message: "no".to_owned(),
        },
    }
}

fn always(path: &str, action: FaultAction) -> Fault {
    fault(path, 1, action).times(0)
}

fn fault(path: &str, nth: u64, action: FaultAction) -> Fault {
    Fault {
        method: Some("GET".to_owned()),
        path: path.to_owned(),
        query: None,
        nth,
        times: 1,
        action,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_and_their_order_do_not_depend_on_the_concurrency() {
    let (server, dir) = (sandbox().await, tempfile::tempdir().unwrap());
    let mut found = Vec::new();
    for concurrency in [1, 64] {
        sync(&server, dir.path(), concurrency).await.unwrap();
        found.push(rows(&dir.path().join(format!("{concurrency}.c1z")), dir.path()));
    }
    assert!(found[0].len() > 1_000);
    assert_eq!(found[0], found[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_costs_hardly_more_than_the_least_calls() {
    let (server, dir) = (sandbox().await, tempfile::tempdir().unwrap());
    let client = client(&server, UNLIMITED);
    let options = SyncOptions::full(dir.path().to_owned(), dir.path().join("a.c1z"));
    run(client.clone(), options, Arc::default(), CancellationToken::new())
        .await
        .unwrap();
    // One for the token, which the client does not count among its requests.
    let (requests, least) = (client.stats().requests() + 1, server.directory().sizes().least_calls);
    let least = u64::try_from(least).unwrap();
    assert!(
        requests * 100 <= least * 102,
        "{requests} requests, at least {least} are needed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_membership_type_is_refused_the_grants_are_the_same() {
    let (server, dir) = (sandbox().await, tempfile::tempdir().unwrap());
    sync(&server, dir.path(), 64).await.unwrap();
    let typed = rows(&dir.path().join("64.c1z"), dir.path());
    server.set_faults(vec![
        refuse("*/users", Some("DIRECT"), 400, "INVALID_REQUEST", "INVALID_FILTER"),
        refuse("*/groups", Some("DIRECT"), 400, "INVALID_REQUEST", "INVALID_FILTER"),
    ]);
    sync(&server, dir.path(), 8).await.unwrap();
    assert_eq!(rows(&dir.path().join("8.c1z"), dir.path()), typed);
}

/// pingone-api.md §11 Q4: whether the plain filter gives everybody is a guess; the grants of groups with a filter are the
/// same both ways.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_plain_list_holds_direct_members_only_the_grants_are_the_same() {
    let mut found = Vec::new();
    for plain_means_direct in [false, true] {
        let mut options = Options::default();
        options.filters.plain_means_direct = plain_means_direct;
        let (server, dir) = (start(options).await.unwrap(), tempfile::tempdir().unwrap());
        let mut options = SyncOptions::full(dir.path().to_owned(), dir.path().join("a.c1z"));
        // Nothing but its source knows the members of an external group.
        options.skip_external_groups = true;
        options.concurrency = 8;
        let file = options.file.clone();
        run(
            client(&server, UNLIMITED),
            options,
            Arc::default(),
            CancellationToken::new(),
        )
        .await
        .unwrap();
        found.push(rows(&file, dir.path()));
    }
    let [whole, direct] = found.try_into().unwrap();
    let missing: Vec<_> = whole.iter().filter(|row| !direct.contains(row)).take(3).collect();
    assert!(whole == direct, "missing: {missing:#?}");
}

/// A sync of every resource that `full` holds, each named by its id, gives what `full` holds.
async fn targets_give_the_same(server: &Server, dir: &Path, change: impl Fn(&mut SyncOptions)) -> Vec<String> {
    let mut full = SyncOptions::full(dir.to_owned(), dir.join("full.c1z"));
    full.expand_grants = false;
    change(&mut full);
    let mut targeted = full.clone();
    targeted.targeted = true;
    targeted.file = dir.join("targeted.c1z");
    run(
        client(server, UNLIMITED),
        full.clone(),
        Arc::default(),
        CancellationToken::new(),
    )
    .await
    .unwrap();
    let reader = Reader::open(&full.file, dir, Limits::default()).unwrap();
    reader
        .resources(|row| {
            targeted.targets.push(ResourceId {
                resource_type: model::resource_type(&row.resource_type).unwrap(),
                id: row.id,
            });
            Ok(())
        })
        .unwrap();
    run(
        client(server, UNLIMITED),
        targeted.clone(),
        Arc::default(),
        CancellationToken::new(),
    )
    .await
    .unwrap();
    let [mut full, mut targeted] = [rows(&full.file, dir), rows(&targeted.file, dir)];
    full.sort_unstable();
    targeted.sort_unstable();
    let differ: Vec<_> = targeted.iter().filter(|row| !full.contains(row)).take(3).collect();
    let missing: Vec<_> = full.iter().filter(|row| !targeted.contains(row)).take(3).collect();
    assert!(
        full == targeted,
        "only with targets: {differ:#?}\nonly without: {missing:#?}"
    );
    full
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn named_resources_come_out_as_in_a_full_sync() {
    let (server, dir) = (sandbox().await, tempfile::tempdir().unwrap());
    let all = targets_give_the_same(&server, dir.path(), |_| {}).await;
    let native = targets_give_the_same(&server, dir.path(), |options| options.skip_external_groups = true).await;
    let some = targets_give_the_same(&server, dir.path(), |options| {
        options.user_filter = Some("enabled eq true".to_owned());
    })
    .await;
    assert!(native.len() < all.len() && some.len() < all.len());
    server.set_faults(vec![
        refuse("*/users", Some("DIRECT"), 400, "INVALID_REQUEST", "INVALID_FILTER"),
        refuse("*/groups", Some("DIRECT"), 400, "INVALID_REQUEST", "INVALID_FILTER"),
    ]);
    assert_eq!(targets_give_the_same(&server, dir.path(), |_| {}).await, all);
}

/// A group that vanishes while its members are read leaves nothing behind that names it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_vanishes_takes_its_grants_along() {
    let (server, dir) = (sandbox().await, tempfile::tempdir().unwrap());
    let file = dir.path().join("1.c1z");
    let held = |principal: &str| {
        let reader = Reader::open(&file, dir.path(), Limits::default()).unwrap();
        let (mut groups, mut all) = (Vec::new(), 0);
        reader
            .grants(|grant| {
                all += 1;
                if grant.principal_type == "group" && grant.principal_id == principal {
                    groups.push(grant.principal_id);
                }
                Ok(())
            })
            .unwrap();
        assert_eq!(reader.run().stats.grants, all);
        groups
    };
    // Deleted while the first members are read: whoever has members is missed when it is its turn.
    let before = server.snapshot();
    let changes = Changes::of(ChangeKind::DeleteGroup, 8);
    server.set_faults(vec![fault("*/users", 1, FaultAction::Changes(changes)).query("DIRECT")]);
    let report = sync(&server, dir.path(), 1).await.unwrap();
    assert!(report.file.warnings.is_empty(), "{:?}", report.file.warnings);
    assert!(report.warnings.contains_key("vanished"), "{:?}", report.warnings);
    let after = server.snapshot();
    for group in before.groups.keys().filter(|group| !after.groups.contains_key(*group)) {
        let listed = before.groups[group].pointer("/directMemberCounts/users");
        if listed.and_then(serde_json::Value::as_u64) > Some(0) {
            assert_eq!(held(&group.to_string()), Vec::<String>::new());
        }
    }
    // The same answer of a proxy is a failed read.
    let page = FaultAction::Status {
        status: 404,
        retry_after: None,
        body: FaultBody::Html,
    };
    server.set_faults(vec![fault("*/roleAssignments", 3, page)]);
    let error = sync(&server, dir.path(), 8).await.unwrap_err();
    assert!(error.to_string().contains("not an answer of PingOne's"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_fails_fails_the_sync_and_publishes_nothing() {
    let forbidden = "Give the application Identity Data Read Only";
    let roles_refused = || {
        let (code, detail) = ("ACCESS_FAILED", "INSUFFICIENT_PERMISSIONS");
        refuse("*/roleAssignments", None, 403, code, detail)
    };
    let cases = [
        (
            roles_refused(),
            ErrorClass::Forbidden,
            "--sync-resource-types without role",
        ),
        (
            refuse("*/users", None, 403, "ACCESS_FAILED", "INSUFFICIENT_PERMISSIONS"),
            ErrorClass::Forbidden,
            forbidden,
        ),
        (
            fault("*/users", 2, FaultAction::Truncated(50)).times(0),
            ErrorClass::Corrupt,
            "Nothing was synced",
        ),
        (
            fault("*/groups", 1, FaultAction::Html).times(0),
            ErrorClass::Corrupt,
            "is not JSON",
        ),
        (roles_refused(), ErrorClass::Forbidden, forbidden),
    ];
    for (fault, class, text) in cases {
        let (server, dir) = (sandbox().await, tempfile::tempdir().unwrap());
        server.set_faults(vec![fault]);
        let error = sync(&server, dir.path(), 64).await.unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            0,
            "nothing is left behind"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passing_faults_change_nothing() {
    let (server, dir) = (sandbox().await, tempfile::tempdir().unwrap());
    sync(&server, dir.path(), 64).await.unwrap();
    let undisturbed = rows(&dir.path().join("64.c1z"), dir.path());
    let status = |status, retry_after: Option<&str>| FaultAction::Status {
        status,
        retry_after: retry_after.map(str::to_owned),
        body: sandbox::pingone::FaultBody::default(),
    };
    server.set_faults(vec![
        fault("*/users", 2, status(503, Some("0"))),
        fault("*/roleAssignments", 5, status(500, None)),
        fault("*/populations", 1, FaultAction::Reset),
        fault("*/groups", 1, FaultAction::ResetMidBody(50)),
        fault("*/users", 4, FaultAction::Truncated(50)),
        fault("*/roles", 1, FaultAction::Html),
    ]);
    sync(&server, dir.path(), 8).await.unwrap();
    assert_eq!(rows(&dir.path().join("8.c1z"), dir.path()), undisturbed);
}
