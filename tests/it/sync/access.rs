//! What of applications, machines and roles costs nothing, is left out, or fails a sync (access-model.md §1.7, §3.3, §5, §11
//! points 111 and 112).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use baton::c1z::{Limits, Reader, StorageEngine};
use baton::model::ResourceId;
use baton_ping_one::model::{APPLICATION, GATEWAY, GROUP, ROLE, SECRET, USER};
use baton_ping_one::sync::{Applications, RoleScan, SyncOptions};
use sandbox::pingone::{Directory, Fault, FaultAction, Intersections, Options, Server, start};
use serde_json::{Value, json};
use tracing::instrument::WithSubscriber as _;
use uuid::Uuid;

use super::{fault, refuse, run_with};
use crate::captured::Captured;

const USERS: &str = "/environments/{id}/users";

fn plan(dir: &Path) -> SyncOptions {
    SyncOptions::full(dir.to_owned(), dir.join("sync.c1z")).with_applications(Applications::All)
}

/// Grants of `access`: application, type and id of who has it, in the order of the file.
fn access(options: &SyncOptions) -> Vec<(String, String, String)> {
    let reader = Reader::open(&options.file, &options.temp_dir, Limits::default()).unwrap();
    let mut found = Vec::new();
    reader
        .grants(|row| {
            if row.resource_type == "application" {
                let of = row.entitlement_id.split(':').nth(1).unwrap().to_owned();
                found.push((of, row.principal_type, row.principal_id));
            }
            Ok(())
        })
        .unwrap();
    found
}

fn resources(options: &SyncOptions) -> BTreeMap<String, BTreeSet<String>> {
    let reader = Reader::open(&options.file, &options.temp_dir, Limits::default()).unwrap();
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    reader
        .resources(|row| {
            found.entry(row.resource_type).or_default().insert(row.id);
            Ok(())
        })
        .unwrap();
    found
}

/// What is logged while this runs, and what it comes to.
async fn logged<T>(work: impl Future<Output = T>) -> (String, T) {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(captured.clone())
        .finish();
    let dispatch = tracing::Dispatch::new(subscriber);
    let guard = tracing::dispatcher::set_default(&dispatch);
    let done = work.with_subscriber(dispatch.clone()).await;
    drop(guard);
    (captured.text(), done)
}

/// The application that we sign in as, without which no list is whole.
fn own(server: &Server) -> Value {
    json!({"id": server.client_id(), "name": "Connector", "type": "WORKER", "protocol": "OPENID_CONNECT", "_links": {},
        "environment": {"id": server.environment_id()}})
}

/// Four groups with a member each and one that is empty, and applications that only those who are in several may open.
struct Conditions {
    server: Server,
    directory: Directory,
    dir: tempfile::TempDir,
    /// The list of the applications.
    list: Fault,
}

impl Conditions {
    async fn new(sets: &[&[&str]]) -> Self {
        let mut builder = Directory::builder()
            .population("staff", json!({}))
            .user("ann", "staff", json!({}))
            .user("bob", "staff", json!({}))
            .group("nobody", json!({}));
        for group in ["a", "b", "c", "d"] {
            builder = builder.group(group, json!({})).member(group, "ann");
        }
        let directory = builder.member("a", "bob").build();
        let server = start(Options {
            custom: Some(directory.clone()),
            ..Options::default()
        })
        .await
        .unwrap();
        let mut rows: Vec<Value> = (1_u128..)
            .zip(sets)
            .map(|(number, set)| {
                let groups: Vec<Value> = set.iter().map(|group| json!({"id": directory.id(group)})).collect();
                let condition = json!({"group": {"type": "ALL_GROUPS", "groups": groups}});
                json!({"id": Uuid::from_u128(number), "name": "App", "type": "WEB_APP", "protocol": "SAML",
                    "environment": {"id": server.environment_id()}, "enabled": true, "accessControl": condition})
            })
            .collect();
        rows.push(own(&server));
        let list = json!({"_embedded": {"applications": rows}, "size": rows.len()});
        let list = fault("*/applications", 1, FaultAction::Body(list.to_string())).times(0);
        server.set_faults(vec![list.clone()]);
        Self {
            server,
            directory,
            list,
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn id(&self, label: &str) -> Uuid {
        self.directory.id(label).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_counts_nobody_needs_no_intersection() {
    for (sets, asked, users) in [
        (&[["nobody", "a"].as_slice()][..], 0, 0),
        (&[["a", "b"].as_slice(), &["a", "b"], &["nobody", "b"]][..], 1, 2),
        (&[["a", "b", "c"].as_slice(), &["c", "b", "a"], &["a", "d"]][..], 2, 3),
    ] {
        let estate = Conditions::new(sets).await;
        let options = SyncOptions {
            concurrency: 1,
            ..plan(estate.dir.path())
        };
        let off = options.clone().with_applications(Applications::None);
        run_with(&estate.server, off).await.unwrap();
        let without = estate.server.requests().of("GET", USERS);
        estate.server.reset_requests();
        run_with(&estate.server, options.clone()).await.unwrap();
        let more = estate.server.requests().of("GET", USERS) - without;
        assert_eq!(more, asked, "{sets:?}");
        let found = access(&options);
        assert_eq!(found.len(), users, "{sets:?}: {found:?}");
        let ann = estate.id("ann").to_string();
        assert!(
            found.iter().all(|(_, kind, id)| kind == "user" && *id == ann),
            "{found:?}"
        );
    }
}

/// A 404 is no empty list, while the groups of the condition are there.
#[tokio::test(start_paused = true)]
async fn an_intersection_that_is_not_found_is_not_empty() {
    let estate = Conditions::new(&[&["a", "b"]]).await;
    let not_found = refuse(USERS, Some("] and memberOfGroups"), 404, "NOT_FOUND", "NOT_FOUND");
    let options = plan(estate.dir.path());
    estate
        .server
        .set_faults(vec![estate.list.clone(), not_found.clone().times(1)]);
    run_with(&estate.server, options.clone()).await.unwrap();
    let ann = estate.id("ann").to_string();
    assert!(matches!(&access(&options)[..], [(_, _, id)] if *id == ann));
    estate.server.set_faults(vec![estate.list.clone(), not_found]);
    let error = run_with(&estate.server, options).await.unwrap_err().to_string();
    assert!(
        error.contains("answers as if it were gone and is still listed"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_group_that_only_a_condition_names_must_be_listed() {
    let estate = Conditions::new(&[&["nobody", "a"]]).await;
    let hidden = |times| {
        let groups = "/environments/{id}/groups";
        let hidden = fault(groups, 1, FaultAction::Hidden(9)).times(times);
        estate.server.set_faults(vec![estate.list.clone(), hidden]);
    };
    hidden(1);
    run_with(&estate.server, plan(estate.dir.path())).await.unwrap();
    hidden(0);
    let error = run_with(&estate.server, plan(estate.dir.path()))
        .await
        .unwrap_err()
        .to_string();
    let id = estate.id("nobody").to_string();
    assert!(error.contains("does not show it") && error.contains(&id), "{error}");
}

/// Four clauses, in the order of the ids, and nothing about how a user is a member.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_intersection_is_asked_in_one_order_and_by_groups_alone() {
    let estate = Conditions::new(&[&["d", "b", "a", "c"]]).await;
    let mut ids = ["a", "b", "c", "d"].map(|label| estate.id(label));
    ids.sort_unstable();
    let clauses = ids.map(|id| format!("memberOfGroups[id eq \"{id}\"]"));
    let list = json!({"_embedded": {"users": [{"id": estate.id("bob"), "environment": {"id": estate.server.environment_id()}}]},
        "count": 1, "size": 1});
    let rows = json!({"_embedded": {"applications": [own(&estate.server), {"id": Uuid::from_u128(1), "name": "App",
        "environment": {"id": estate.server.environment_id()}, "accessControl": {"group": {"type": "ALL_GROUPS",
        "groups": ids.iter().rev().map(|id| json!({"id": id})).collect::<Vec<_>>()}}}]}, "size": 2});
    // Whatever is asked otherwise is answered truly: that would be ann.
    let exact = fault(USERS, 1, FaultAction::Body(list.to_string()))
        .times(0)
        .query(&format!("filter={}", clauses.join(" and ")));
    estate.server.set_faults(vec![
        fault("*/applications", 1, FaultAction::Body(rows.to_string())).times(0),
        exact,
    ]);
    let options = plan(estate.dir.path());
    run_with(&estate.server, options.clone()).await.unwrap();
    let found: Vec<String> = access(&options).into_iter().map(|(_, _, user)| user).collect();
    assert_eq!(found, [estate.id("bob").to_string()]);
}

/// A small directory with an application of each kind.
async fn estate(change: impl FnOnce(&mut Options)) -> Server {
    let mut options = Options::default();
    options.directory.users = Some(60);
    options.directory.groups = Some(12);
    options.directory.populations = Some(3);
    options.directory.applications = Some(60);
    options.directory.group_conditions = Some(48);
    options.directory.workers = Some(6);
    options.directory.gateways = Some(7);
    change(&mut options);
    start(options).await.unwrap()
}

#[tokio::test(flavor = "current_thread")]
async fn that_pingone_does_not_work_out_an_intersection_is_told_once() {
    let server = estate(|options| options.access_model.intersections = Intersections::Refuse).await;
    let dir = tempfile::tempdir().unwrap();
    let (log, report) = logged(run_with(&server, plan(dir.path()))).await;
    report.unwrap();
    assert_eq!(log.matches("PingOne refused to tell who is in all").count(), 1, "{log}");
}

/// An answer of 500 is no word about who may open what.
#[tokio::test(start_paused = true)]
async fn a_list_or_an_intersection_that_pingone_cannot_make_fails_the_sync() {
    let fails: [fn(&mut Options); 2] = [
        |options| {
            options.timing.poisoned_user = vec![3];
            options.access_model.poisoned_applications = true;
        },
        |options| options.access_model.intersections = Intersections::Fail,
    ];
    for (fail, alone) in fails.into_iter().zip([true, false]) {
        let (server, dir) = (estate(fail).await, tempfile::tempdir().unwrap());
        let mut options = plan(dir.path());
        if alone {
            // The users cannot be listed either, and are not asked for.
            options.resource_types = [APPLICATION].into();
        }
        run_with(&server, options).await.unwrap_err();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_of_another_gateway_is_counted_and_grants_nothing() {
    let (server, dir) = (estate(|_| {}).await, tempfile::tempdir().unwrap());
    let options = plan(dir.path()).with_type(GATEWAY, true);
    let state = server.snapshot();
    let asked = *state.gateways.iter().find(|(_, kind)| **kind == "AUTHORIZE").unwrap().0;
    let (other, role) = (Uuid::from_u128(7), server.directory().roles()[0].0);
    let item = |of: Uuid, id: u128| {
        json!({"id": Uuid::from_u128(id), "role": {"id": role}, "gateway": {"id": of}, "readOnly": false,
            "environment": {"id": server.environment_id()},
            "scope": {"id": server.environment_id(), "type": "ENVIRONMENT"}})
    };
    let list = json!({"_embedded": {"roleAssignments": [item(asked, 1), item(other, 2)]}, "size": 2});
    let path = format!("*/gateways/{asked}/roleAssignments");
    server.set_faults(vec![fault(&path, 1, FaultAction::Body(list.to_string())).times(0)]);
    let report = run_with(&server, options.clone()).await.unwrap();
    assert_eq!(report.warnings["gateway_assignment"], 1, "{:?}", report.warnings);
    let reader = Reader::open(&options.file, &options.temp_dir, Limits::default()).unwrap();
    let mut held = 0;
    reader
        .grants(|row| {
            held += usize::from(row.principal_id == asked.to_string());
            assert_ne!(row.principal_id, other.to_string());
            Ok(())
        })
        .unwrap();
    assert_eq!(held, 1);
}

/// Whose type is not synced is no principal of `access`, either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants_of_types_that_are_not_synced_are_left_out() {
    let (server, dir) = (estate(|_| {}).await, tempfile::tempdir().unwrap());
    let kinds =
        |options: &SyncOptions| -> BTreeSet<String> { access(options).into_iter().map(|(_, kind, _)| kind).collect() };
    let all = plan(dir.path());
    run_with(&server, all.clone()).await.unwrap();
    assert_eq!(kinds(&all), BTreeSet::from(["group".to_owned(), "user".to_owned()]));
    for (left_out, stays) in [(GROUP, "user"), (USER, "group")] {
        let mut options = all.clone();
        options.resource_types.retain(|kind| *kind != left_out && *kind != ROLE);
        run_with(&server, options.clone()).await.unwrap();
        assert_eq!(kinds(&options), BTreeSet::from([stays.to_owned()]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_other_populations_are_no_principals_where_they_are_filtered_out() {
    let (server, dir) = (estate(|_| {}).await, tempfile::tempdir().unwrap());
    let users = |options: &SyncOptions| -> BTreeSet<String> {
        let users = access(options).into_iter().filter(|(_, kind, _)| kind == "user");
        users.map(|(_, _, id)| id).collect()
    };
    let mut options = plan(dir.path());
    run_with(&server, options.clone()).await.unwrap();
    let all = users(&options);
    let state = server.snapshot();
    let one = *state.populations.keys().next().unwrap();
    options.population_filter = vec![one.to_string()];
    run_with(&server, options.clone()).await.unwrap();
    let here = |id: &String| state.users[&id.parse().unwrap()].population == Some(one);
    let wanted: BTreeSet<String> = all.iter().filter(|id| here(id)).cloned().collect();
    assert!(!wanted.is_empty() && wanted.len() < all.len());
    assert_eq!(users(&options), wanted);
}

/// Credentials are no targets: they come with whoever holds them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_that_is_named_alone_gives_nothing() {
    let (server, dir) = (estate(|_| {}).await, tempfile::tempdir().unwrap());
    let mut options = plan(dir.path()).with_type(GATEWAY, true).with_type(SECRET, true);
    run_with(&server, options.clone()).await.unwrap();
    let id = resources(&options)["secret"].first().unwrap().clone();
    options.targeted = true;
    options.targets = vec![ResourceId::new(SECRET, id)];
    run_with(&server, options.clone()).await.unwrap();
    assert_eq!(resources(&options), BTreeMap::new());
}

/// Ids of everything, and each request: an environment that has applications, machines and keys is synced as if there were
/// none. Set `BATON_WRITE_MANIFESTS` to write them anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_every_setting_off_rows_and_requests_are_as_committed() {
    let server = estate(|options| {
        options.directory.users = Some(14);
        options.directory.groups = Some(6);
        options.directory.populations = Some(2);
        options.directory.roles = Some(2);
        options.directory.memberships_per_user = Some(2.0);
        options.directory.users_with_roles = Some(0.3);
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let options = SyncOptions {
        // Side by side, two lanes may ask for the same.
        concurrency: 1,
        ..SyncOptions::full(dir.path().to_owned(), dir.path().join("sync.c1z"))
    };
    server.record();
    run_with(&server, options.clone()).await.unwrap();
    let mut lines: Vec<String> = ids(&options);
    let requests = server.recorded().into_iter();
    lines.extend(requests.map(|of| {
        let status = of.answer.map_or(0, |answer| answer.status);
        // Who is asked for his groups is another in each sync.
        let path = if of.shape.ends_with("/memberOfGroups") {
            of.shape
        } else {
            of.path
        };
        format!("request {} {path}?{} {status}", of.method, of.query)
    }));
    lines.sort_unstable();
    let text = format!("{}\n", lines.join("\n"));
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/all-off.txt");
    #[expect(clippy::disallowed_methods, reason = "a test's own switch")]
    let writes = std::env::var_os("BATON_WRITE_MANIFESTS").is_some();
    if writes {
        std::fs::write(&committed, &text).unwrap();
    }
    let wanted = std::fs::read_to_string(&committed).unwrap();
    let differs = text.lines().zip(wanted.lines()).find(|(found, wanted)| found != wanted);
    assert!(text == wanted, "{}: {differs:?}", committed.display());
}

/// Every row of a file by its id, with why it cannot be changed.
fn ids(options: &SyncOptions) -> Vec<String> {
    let reader = Reader::open(&options.file, &options.temp_dir, Limits::default()).unwrap();
    let mut lines = Vec::new();
    reader
        .resource_types(|row| {
            lines.push(format!("type {}", row.id));
            Ok(())
        })
        .unwrap();
    reader
        .resources(|row| {
            lines.push(format!("resource {} {}", row.resource_type, row.id));
            Ok(())
        })
        .unwrap();
    reader
        .entitlements(|row| {
            lines.push(
                format!("entitlement {} {}", row.id, row.immutable)
                    .trim_end()
                    .to_owned(),
            );
            Ok(())
        })
        .unwrap();
    reader
        .grants(|row| {
            lines.push(format!("grant {} {}", row.id, row.immutable).trim_end().to_owned());
            Ok(())
        })
        .unwrap();
    lines
}

/// Application, type and id of who has it: as they are read, whatever the order of answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants_of_access_stand_in_one_order() {
    let (server, dir) = (estate(|_| {}).await, tempfile::tempdir().unwrap());
    let options = SyncOptions {
        expand_grants: false,
        storage_engine: StorageEngine::Sqlite,
        role_scan: RoleScan::GroupsAndWorkers,
        ..plan(dir.path())
    };
    run_with(&server, options.clone()).await.unwrap();
    let found = access(&options);
    assert!(found.len() > 40 && found.is_sorted(), "{found:?}");
}

#[tokio::test(flavor = "current_thread")]
async fn many_pairs_of_roles_and_scopes_are_told_with_the_settings_that_make_fewer() {
    let text = "the roles make many entitlements";
    for (populations, tells) in [(10, false), (300, true)] {
        let server = estate(|options| {
            options.directory.populations = Some(populations);
            options.directory.users = Some(10);
            options.directory.roles = Some(20);
        })
        .await;
        let dir = tempfile::tempdir().unwrap();
        let options = SyncOptions::full(dir.path().to_owned(), dir.path().join("sync.c1z"));
        let (log, report) = logged(run_with(&server, options)).await;
        report.unwrap();
        let told = log.lines().find(|line| line.contains(text));
        assert_eq!(told.is_some(), tells, "{log}");
        assert!(
            told.is_none_or(|line| line.contains("writable-role-scopes")),
            "{told:?}"
        );
    }
}
