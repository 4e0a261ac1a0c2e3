//! Gateways as holders of roles, and credentials of which no value is known (access-model.md §3.3, §3.4, §11 points 116 and 120
//! to 123).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use baton::c1z::{Limits, Reader};
use baton::model::ResourceType;
use baton_ping_one::model::{APPLICATION, GATEWAY, ROLE, SECRET, USER};
use baton_ping_one::sync::{Applications, RoleScan, SyncError, SyncOptions};
use pingone::types::{Gateway, Key};
use process::error::ErrorClass;
use sandbox::pingone::{CANARY, FaultAction, Hidden, Options, Server, start};
use serde_json::Value;
use tracing::instrument::WithSubscriber as _;
use uuid::Uuid;

use super::{fault, refuse, rows, run_with, targets_give_the_same};
use crate::captured::Captured;
use crate::stand_in::{UNLIMITED, client};

/// A small directory with two gateways of each type, and some applications.
async fn estate(change: impl FnOnce(&mut Options)) -> Server {
    let mut options = Options::default();
    options.directory.users = Some(60);
    options.directory.groups = Some(12);
    options.directory.applications = Some(30);
    options.directory.workers = Some(6);
    options.directory.gateways = Some(14);
    change(&mut options);
    start(options).await.unwrap()
}

fn plan(dir: &Path, kinds: &[ResourceType]) -> SyncOptions {
    let options = SyncOptions::full(dir.to_owned(), dir.join("a.c1z"));
    with(options, kinds)
}

fn with(options: SyncOptions, kinds: &[ResourceType]) -> SyncOptions {
    let applications = if kinds.contains(&APPLICATION) {
        Applications::All
    } else {
        Applications::None
    };
    let options = options.with_applications(applications);
    options
        .with_type(GATEWAY, kinds.contains(&GATEWAY))
        .with_type(SECRET, kinds.contains(&SECRET))
}

const EVERYTHING: [ResourceType; 3] = [APPLICATION, GATEWAY, SECRET];

/// Profiles of resources of one type, by id.
fn profiles(options: &SyncOptions, kind: &str) -> BTreeMap<String, (String, Value)> {
    let reader = Reader::open(&options.file, &options.temp_dir, Limits::default()).unwrap();
    let mut found = BTreeMap::new();
    reader
        .resources(|row| {
            if row.resource_type == kind {
                found.insert(row.id, (row.status, row.profile));
            }
            Ok(())
        })
        .unwrap();
    found
}

/// Grants of holders of one type: holder, entitlement, why it cannot be taken back.
fn held(options: &SyncOptions, kind: &str) -> BTreeSet<(String, String, String)> {
    let reader = Reader::open(&options.file, &options.temp_dir, Limits::default()).unwrap();
    let mut found = BTreeSet::new();
    reader
        .grants(|row| {
            if row.principal_type == kind {
                found.insert((row.principal_id, row.entitlement_id, row.immutable));
            }
            Ok(())
        })
        .unwrap();
    found
}

async fn gateways(server: &Server) -> Vec<Gateway> {
    client(server, UNLIMITED).gateways().all().await.unwrap()
}

async fn keys(server: &Server) -> Vec<Key> {
    let (mut pages, mut keys) = (client(server, UNLIMITED).keys(), Vec::new());
    while pages.next_with(|key| keys.push(key)).await.unwrap().is_some() {}
    keys
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_hold_roles_that_nobody_takes_back_here() {
    let (server, dir) = (estate(|_| {}).await, tempfile::tempdir().unwrap());
    let options = plan(dir.path(), &[GATEWAY]);
    server.reset_requests();
    let report = run_with(&server, options.clone()).await.unwrap();
    let requests = server.requests();
    let truth = gateways(&server).await;
    let seen = profiles(&options, "gateway");
    assert_eq!(seen.len(), truth.len());
    assert_eq!(report.counts.gateways, number(truth.len()));
    for gateway in &truth {
        let (status, profile) = &seen[&gateway.id.to_string()];
        assert_eq!(
            *status,
            if gateway.enabled == Some(true) {
                "enabled"
            } else {
                "disabled"
            }
        );
        assert_eq!(profile["type"], gateway.gateway_type.clone().unwrap());
        assert_eq!(profile["environment_id"], server.environment_id().to_string());
        let credentials = gateway.credentials.as_ref().map_or(0, Vec::len);
        assert_eq!(
            profile["credential_count"].as_f64(),
            u32::try_from(credentials).ok().map(f64::from)
        );
    }
    let grants = held(&options, "gateway");
    let wanted: BTreeSet<(String, Uuid)> = server
        .snapshot()
        .assignments
        .into_iter()
        .filter(|item| item.holder_type == "gateway")
        .map(|item| (item.holder.to_string(), item.role))
        .collect();
    assert!(wanted.len() > 4, "{wanted:?}");
    let found: BTreeSet<(String, Uuid)> = grants
        .iter()
        .map(|(holder, entitlement, _)| (holder.clone(), entitlement.split(':').nth(1).unwrap().parse().unwrap()))
        .collect();
    assert_eq!(found, wanted);
    assert!(grants.iter().all(|(.., why)| why == "gateway"), "{grants:?}");
    assert_eq!(report.counts.gateway_role_grants, number(grants.len()));
    // LDAP, RADIUS and PingIntelligence gateways hold none and are not asked.
    let holders = truth.iter().filter(|gateway| gateway.holds_roles()).count();
    assert!(holders > 0 && holders < truth.len());
    let asked = requests.of("GET", "/environments/{id}/gateways/{id}/roleAssignments");
    assert_eq!(
        (asked, requests.of("GET", "/environments/{id}/gateways")),
        (number(holders), 1)
    );
    assert_eq!((requests.secret_reads, requests.writes()), (0, 0));
}

/// access-model.md §8: the list, the roles of each gateway that may hold some, the keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_show_kind_age_and_end_and_no_value_is_read() {
    let mut found = Vec::new();
    for apart in [false, true] {
        let server = estate(|options| options.access_model.gateway_credentials_apart = apart).await;
        let dir = tempfile::tempdir().unwrap();
        let options = plan(dir.path(), &EVERYTHING);
        run_with(&server, options.clone()).await.unwrap();
        let requests = server.requests();
        let seen = profiles(&options, "secret");
        let rows = gateways(&server).await;
        let asked = requests.of("GET", "/environments/{id}/gateways/{id}/credentials");
        assert_eq!(asked, if apart { number(rows.len()) } else { 0 });
        let mut wanted = BTreeSet::new();
        for gateway in &rows {
            let all = client(&server, UNLIMITED)
                .gateway_credentials(gateway.id)
                .await
                .unwrap();
            for credential in all {
                let profile = &seen[&credential.id.to_string()].1;
                assert_eq!(profile["gateway_id"], gateway.id.to_string());
                let times = [
                    ("created_at", credential.created_at),
                    ("last_used_at", credential.last_used_at),
                ];
                for (name, at) in times {
                    assert_eq!(
                        profile.get(name).and_then(Value::as_str),
                        at.map(|at| at.to_string()).as_deref()
                    );
                }
                wanted.insert(credential.id.to_string());
            }
        }
        assert!(wanted.len() > 5, "{wanted:?}");
        for key in keys(&server).await {
            let (status, profile) = &seen[&key.id.to_string()];
            let ended = matches!(key.status.as_deref(), Some("EXPIRED" | "REVOKED"));
            assert_eq!(*status, if ended { "disabled" } else { "enabled" });
            assert_eq!(profile["expires_at"], key.expires_at.unwrap().to_string());
            wanted.insert(key.id.to_string());
        }
        for row in client(&server, UNLIMITED).applications().all().await.unwrap() {
            let method = row.token_endpoint_auth_method.unwrap_or_default();
            if let Some(id) = row.id.filter(|_| method.starts_with("CLIENT_SECRET_")) {
                let secret = format!("application-{id}-client-secret");
                assert_eq!(seen[&secret].1["application_id"], id.to_string());
                wanted.insert(secret);
            }
        }
        assert_eq!(seen.keys().cloned().collect::<BTreeSet<_>>(), wanted);
        assert_eq!(requests.of("GET", "/environments/{id}/keys"), 1);
        assert_eq!((requests.secret_reads, requests.writes()), (0, 0));
        found.push(seen);
    }
    assert!(found[0] == found[1], "wherever a gateway's credentials are told");
}

/// Credentials of what is not synced are left out; the keys belong to nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_of_what_is_not_synced_are_left_out() {
    let (server, dir) = (estate(|_| {}).await, tempfile::tempdir().unwrap());
    let owners = |options: &SyncOptions| -> BTreeSet<&'static str> {
        let seen = profiles(options, "secret");
        let owner = |profile: &Value| {
            ["application_id", "gateway_id"]
                .into_iter()
                .find(|name| profile.get(name).is_some())
        };
        seen.values()
            .map(|(_, profile)| owner(profile).unwrap_or("nobody"))
            .collect()
    };
    for (kinds, wanted) in [
        (vec![APPLICATION, SECRET], BTreeSet::from(["application_id", "nobody"])),
        (vec![GATEWAY, SECRET], BTreeSet::from(["gateway_id", "nobody"])),
    ] {
        let mut options = plan(dir.path(), &kinds);
        options.resource_types.retain(|kind| ![ROLE, USER].contains(kind));
        run_with(&server, options.clone()).await.unwrap();
        assert_eq!(owners(&options), wanted);
        assert!(held(&options, "gateway").is_empty() && held(&options, "application").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_machines_that_cannot_be_believed_fails_the_sync() {
    let denied = |path: &str| refuse(path, None, 403, "ACCESS_FAILED", "INSUFFICIENT_PERMISSIONS");
    let gateway_right = "Configuration Read Only for this environment, or set sync-gateways=false";
    let secret_right = "Configuration Read Only for this environment, or set sync-secrets=false";
    let mut cases = vec![
        (denied("*/gateways"), Some(ErrorClass::Forbidden), gateway_right),
        (
            denied("*/gateways/*/roleAssignments"),
            Some(ErrorClass::Forbidden),
            gateway_right,
        ),
        (
            denied("*/gateways/*/credentials"),
            Some(ErrorClass::Forbidden),
            secret_right,
        ),
        (denied("*/keys"), Some(ErrorClass::Forbidden), secret_right),
    ];
    for path in [
        "*/gateways",
        "*/keys",
        "*/gateways/*/roleAssignments",
        "*/gateways/*/credentials",
    ] {
        let every = |action| (fault(path, 1, action).times(0), None, "");
        cases.extend([
            (fault(path, 1, FaultAction::Html).times(0), None, "is not JSON"),
            every(FaultAction::Truncated(50)),
            every(FaultAction::NullList),
            every(FaultAction::Bare),
            every(FaultAction::EndlessPage),
            every(FaultAction::SkipRow),
        ]);
    }
    for path in ["*/gateways", "*/keys"] {
        cases.push((fault(path, 1, FaultAction::OtherObject).times(0), None, ""));
    }
    for (fault, class, text) in cases {
        let at = format!("{} {:?}", fault.path, fault.action);
        let server = estate(|options| options.access_model.gateway_credentials_apart = true).await;
        let dir = tempfile::tempdir().unwrap();
        server.set_faults(vec![fault]);
        let mut options = plan(dir.path(), &[GATEWAY, SECRET]);
        options
            .resource_types
            .retain(|kind| [GATEWAY, SECRET, ROLE].contains(kind));
        options.role_scan = RoleScan::GroupsAndWorkers;
        let error = run_with(&server, options).await.expect_err(&at);
        assert!(class.is_none_or(|class| error.class() == class), "{at}: {error}");
        assert!(error.to_string().contains(text), "{at}: {error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{at}");
    }
    for (hidden, right) in [(Hidden::Gateways, gateway_right), (Hidden::Keys, secret_right)] {
        let server = estate(|options| options.access_model.hidden = vec![hidden]).await;
        let dir = tempfile::tempdir().unwrap();
        let error = run_with(&server, plan(dir.path(), &EVERYTHING)).await.unwrap_err();
        assert!(error.to_string().contains(right), "{error}");
    }
}

/// One that is gone when its roles are read is not in the file, and nothing names it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_vanishes_leaves_nothing_behind() {
    let (server, dir) = (estate(|_| {}).await, tempfile::tempdir().unwrap());
    let options = plan(dir.path(), &EVERYTHING);
    let holder = gateways(&server)
        .await
        .into_iter()
        .find(Gateway::holds_roles)
        .unwrap()
        .id;
    let gone = |path: String| refuse(&path, None, 404, "NOT_FOUND", "gone");
    server.set_faults(vec![
        gone(format!("*/gateways/{holder}")),
        gone(format!("*/gateways/{holder}/roleAssignments")),
    ]);
    let report = run_with(&server, options.clone()).await.unwrap();
    assert_eq!(report.warnings["vanished"], 1);
    let everything = rows(&options.file, dir.path());
    assert!(!everything.iter().any(|row| row.contains(&holder.to_string())));
    assert!(report.file.warnings.is_empty(), "{:?}", report.file.warnings);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn named_gateways_and_roles_come_out_as_in_a_full_sync() {
    let server = estate(|options| options.access_model.gateway_credentials_apart = true).await;
    let dir = tempfile::tempdir().unwrap();
    for kinds in [vec![GATEWAY], vec![APPLICATION, GATEWAY]] {
        let on = |options: &mut SyncOptions| *options = with(options.clone(), &kinds);
        let all = targets_give_the_same(&server, dir.path(), on).await;
        assert!(all.iter().any(|row| row.contains("immutable: \"gateway\"")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_lost_its_gateways_is_refused_unless_they_are_off() {
    let (server, dir) = (estate(|_| {}).await, tempfile::tempdir().unwrap());
    let mut options = plan(dir.path(), &[GATEWAY]);
    let counts = run_with(&server, options.clone()).await.unwrap().counts;
    options.shrink.max_percent = 50;
    options.shrink.previous = Some(counts);
    run_with(&server, options.clone()).await.unwrap();
    let fewer = estate(|options| options.directory.gateways = Some(3)).await;
    let error = run_with(&fewer, options.clone()).await.unwrap_err();
    assert!(matches!(&error, SyncError::Shrunk(_)), "{error}");
    assert!(error.to_string().contains("gateways, the last good one"), "{error}");
    run_with(&server, options.with_type(GATEWAY, false)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_machines_do_not_depend_on_the_concurrency_or_the_kind_of_file() {
    let (server, dir) = (estate(|_| {}).await, tempfile::tempdir().unwrap());
    let mut found = Vec::new();
    for (concurrency, engine) in [
        (1, baton::c1z::StorageEngine::Pebble),
        (64, baton::c1z::StorageEngine::Pebble),
        (8, baton::c1z::StorageEngine::Sqlite),
    ] {
        let mut options = plan(dir.path(), &EVERYTHING);
        options.concurrency = concurrency;
        options.storage_engine = engine;
        run_with(&server, options.clone()).await.unwrap();
        let mut rows = rows(&options.file, dir.path());
        rows.sort_unstable();
        found.push(rows);
    }
    assert!(found[0] == found[1] && found[1] == found[2]);
}

/// A RADIUS gateway's row carries its shared secrets in the clear.
#[tokio::test(flavor = "current_thread")]
async fn the_shared_secret_of_a_radius_gateway_is_nowhere() {
    let (server, dir) = (estate(|_| {}).await, tempfile::tempdir().unwrap());
    let captured = Captured::default();
    let dispatch = captured.dispatch(tracing::Level::TRACE);
    let guard = tracing::dispatcher::set_default(&dispatch);
    let mut said = Vec::new();
    let list = "*/gateways";
    async {
        for engine in [baton::c1z::StorageEngine::Pebble, baton::c1z::StorageEngine::Sqlite] {
            let mut options = plan(dir.path(), &EVERYTHING);
            options.storage_engine = engine;
            let report = run_with(&server, options.clone()).await.unwrap();
            said.push(format!("{report:?}"));
            said.extend(rows(&options.file, dir.path()));
        }
        // What is wrong with a row would like to be quoted.
        for action in [
            FaultAction::Truncated(60),
            FaultAction::Truncated(90),
            FaultAction::Body(format!("[{{\"id\": 7, \"defaultSharedSecret\": \"{CANARY}\"}}]")),
            FaultAction::Body(format!(
                "{{\"_embedded\": {{\"gateways\": [{{\"id\": \"{CANARY}\", \"name\": {{\"{CANARY}\": 1}}}}]}}}}"
            )),
        ] {
            server.set_faults(vec![fault(list, 1, action).times(0)]);
            let error = run_with(&server, plan(dir.path(), &EVERYTHING)).await.unwrap_err();
            said.push(format!("{error} {error:?}"));
        }
    }
    .with_subscriber(dispatch.clone())
    .await;
    drop(guard);
    server.set_faults(Vec::new());
    said.push(format!("{:?}", gateways(&server).await));
    let log = captured.text();
    // The capture works, and the row is sent.
    assert!(log.contains("TRACE") && said.iter().any(|text| text.contains("RADIUS")));
    assert!(!log.contains(CANARY), "in the log");
    let found: Vec<_> = said.iter().filter(|text| text.contains(CANARY)).collect();
    assert!(found.is_empty(), "{found:#?}");
}
