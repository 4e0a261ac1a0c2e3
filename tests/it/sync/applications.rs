//! Applications: who may open which, which of them hold roles, what it costs, and what is believed (access-model.md §1, §3.2).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use baton::c1z::{Limits, Reader};
use baton_ping_one::model::APPLICATION;
use baton_ping_one::sync::{Applications, SyncOptions, run};
use process::error::ErrorClass;
use sandbox::pingone::{Fault, FaultAction, Hidden, Intersections, Options, Preset, Server, start};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{fault, refuse, rows, run_with, targets_give_the_same};
use crate::stand_in::{UNLIMITED, client, client_of};

const PATH: &str = "/environments/{id}/applications";
const USERS: &str = "/environments/{id}/users";

/// A small directory with an application of each kind.
async fn estate(change: impl FnOnce(&mut Options)) -> Server {
    let mut options = Options::default();
    options.directory.users = Some(300);
    options.directory.groups = Some(24);
    options.directory.applications = Some(90);
    options.directory.group_conditions = Some(48);
    options.directory.workers = Some(10);
    change(&mut options);
    start(options).await.unwrap()
}

fn plan(dir: &Path, which: Applications) -> SyncOptions {
    SyncOptions::full(dir.to_owned(), dir.join(format!("{which:?}.c1z"))).with_applications(which)
}

/// What a file says of applications.
#[derive(Debug, Default)]
struct Seen {
    profiles: BTreeMap<Uuid, Value>,
    /// Words of each `access` entitlement.
    offered: BTreeMap<Uuid, String>,
    /// Who has it.
    users: BTreeMap<Uuid, BTreeSet<Uuid>>,
    groups: BTreeMap<Uuid, BTreeSet<Uuid>>,
    /// Nobody else does.
    others: BTreeMap<Uuid, BTreeSet<Uuid>>,
    /// Role grants of applications, and why they cannot be taken back.
    roles: BTreeMap<Uuid, Vec<String>>,
}

fn seen(options: &SyncOptions) -> Seen {
    let reader = Reader::open(&options.file, &options.temp_dir, Limits::default()).unwrap();
    let mut seen = Seen::default();
    reader
        .resources(|row| {
            if row.resource_type == "application" {
                seen.profiles.insert(row.id.parse().unwrap(), row.profile);
            }
            Ok(())
        })
        .unwrap();
    reader
        .entitlements(|row| {
            if row.resource_type == "application" {
                assert!(!row.immutable.is_empty(), "{row:?}");
                seen.offered.insert(row.resource_id.parse().unwrap(), row.description);
            }
            Ok(())
        })
        .unwrap();
    reader
        .grants(|row| {
            if row.principal_type == "application" {
                let held = seen.roles.entry(row.principal_id.parse().unwrap()).or_default();
                held.push(row.immutable.clone());
            }
            if let Some(rest) = row.entitlement_id.strip_prefix("application:") {
                let id = rest.strip_suffix(":access").unwrap().parse().unwrap();
                let side = match row.principal_type.as_str() {
                    "user" => &mut seen.users,
                    "group" => &mut seen.groups,
                    _ => &mut seen.others,
                };
                side.entry(id).or_default().insert(row.principal_id.parse().unwrap());
            }
            Ok(())
        })
        .unwrap();
    seen
}

/// The list as PingOne has it.
async fn truth(server: &Server) -> BTreeMap<Uuid, pingone::types::Application> {
    let all = client(server, UNLIMITED).applications().all().await.unwrap();
    all.into_iter().filter_map(|row| Some((row.id?, row))).collect()
}

fn mode(profile: &Value) -> &str {
    profile["access_mode"].as_str().unwrap()
}

fn members(server: &Server, group: &Uuid) -> BTreeSet<Uuid> {
    let members = server.directory().members(*group).into_iter();
    members.map(|(user, _)| user).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_application_shows_who_may_open_it_and_nobody_else() {
    let (server, dir) = (estate(|_| {}).await, tempfile::tempdir().unwrap());
    let options = plan(dir.path(), Applications::All);
    let report = run_with(&server, options.clone()).await.unwrap();
    let (seen, truth) = (seen(&options), truth(&server).await);
    assert_eq!(
        seen.profiles.keys().collect::<Vec<_>>(),
        truth.keys().collect::<Vec<_>>()
    );
    assert_eq!(report.counts.applications, u64::try_from(truth.len()).unwrap());
    let living: BTreeSet<Uuid> = server.directory().groups().into_iter().collect();
    let mut modes = BTreeMap::<&str, (usize, usize)>::new();
    for (id, row) in &truth {
        let mode = mode(&seen.profiles[id]);
        let named: BTreeSet<Uuid> = row
            .access_control
            .group
            .iter()
            .flat_map(|group| group.groups.clone())
            .collect();
        let synced: BTreeSet<Uuid> = named.intersection(&living).copied().collect();
        let sets = synced.iter().map(|group| members(&server, group));
        let (users, groups) = match mode {
            "any_group" => (sets.flatten().collect(), synced.clone()),
            "all_groups" => {
                let all = sets.reduce(|all, one| all.intersection(&one).copied().collect());
                (all.unwrap_or_default(), BTreeSet::new())
            }
            "admin_and_groups" | "unknown" => (BTreeSet::new(), synced.clone()),
            _ => Default::default(),
        };
        let found = |side: &BTreeMap<Uuid, BTreeSet<Uuid>>| side.get(id).cloned().unwrap_or_default();
        assert_eq!(found(&seen.users), users, "{mode} {id}");
        // Groups nested in those that are named come through expansion.
        assert!(found(&seen.groups).is_superset(&groups), "{mode} {id}");
        if !matches!(mode, "any_group") {
            assert_eq!(found(&seen.groups), groups, "{mode} {id}");
        }
        let told = modes.entry(mode).or_default();
        *told = (told.0 + 1, told.1 + users.len());
    }
    for mode in [
        "any_group",
        "all_groups",
        "admin_and_groups",
        "unknown",
        "groups_empty",
        "admin_only",
        "everyone",
    ] {
        assert!(modes[mode].0 > 0, "{mode}: {modes:?}");
    }
    assert!(modes["any_group"].1 > 0 && modes["all_groups"].1 > 0, "{modes:?}");
    assert!(
        report.warnings["condition_group_not_synced"] > 0,
        "{:?}",
        report.warnings
    );
    assert!(seen.others.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_hold_roles_that_can_be_taken_back_unless_they_are_ours_and_no_secret_is_read() {
    let (server, dir) = (estate(|_| {}).await, tempfile::tempdir().unwrap());
    let options = plan(dir.path(), Applications::All);
    run_with(&server, options.clone()).await.unwrap();
    let seen = seen(&options);
    let own = server.client_id();
    assert_eq!(seen.profiles[&own]["is_connector"], true);
    assert!(
        seen.roles[&own].iter().all(|why| why == "own-application"),
        "{:?}",
        seen.roles[&own]
    );
    let others = seen.roles.iter().filter(|(id, _)| **id != own).flat_map(|(_, why)| why);
    let others: BTreeSet<&str> = others.map(String::as_str).collect();
    assert_eq!(others, BTreeSet::from(["", "read-only-assignment"]));
    let requests = server.requests();
    assert_eq!((requests.secret_reads, requests.writes()), (0, 0));
}

/// access-model.md §8: 1,000 applications, 300 with group conditions, 40 workers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_applications_cost_one_request_per_holder_and_per_distinct_intersection() {
    let mut options = Options::default();
    options.directory.preset = Preset::Apps1k;
    let (server, dir) = (start(options).await.unwrap(), tempfile::tempdir().unwrap());
    let (mut asked, mut all) = (Vec::new(), Vec::new());
    for which in [Applications::None, Applications::All] {
        let client = client(&server, UNLIMITED);
        // One after another: side by side, what members of groups cost depends on who answers first.
        let options = SyncOptions {
            concurrency: 1,
            ..plan(dir.path(), which)
        };
        run(client.clone(), options, Arc::default(), CancellationToken::new())
            .await
            .unwrap();
        let by_operation = client.stats().by_operation();
        asked.push(by_operation.values().sum::<u64>());
        all.push(by_operation);
    }
    let truth = truth(&server).await;
    assert!(truth.len() > 1_000);
    let holders = truth
        .values()
        .filter(|row| row.holds_roles() != pingone::types::HoldsRoles::No)
        .count();
    let state = server.snapshot();
    let counts_nobody = |group: &Uuid| {
        let row = &state.groups[group];
        let is_none = |path: &str| row.pointer(path).and_then(Value::as_u64) == Some(0);
        let by_hand = row.get("userFilter").is_none() && row.get("sourceType").is_none();
        by_hand && is_none("/directMemberCounts/users") && is_none("/directMemberCounts/groups")
    };
    let sets: BTreeSet<BTreeSet<Uuid>> = truth
        .values()
        .filter(|row| row.access_control.role.is_none())
        .filter_map(|row| row.access_control.group.as_ref())
        .filter(|group| group.kind.as_deref() == Some("ALL_GROUPS"))
        .map(|group| group.groups.iter().copied().collect())
        .filter(|groups: &BTreeSet<Uuid>| groups.len() > 1 && !groups.iter().any(counts_nobody))
        .collect();
    // The list, two reads of environments, over which only workers hold roles, and two of a deleted group that a condition names.
    let more = asked[1] - asked[0];
    let wanted = u64::try_from(5 + holders + sets.len()).unwrap();
    assert_eq!(more, wanted, "{all:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_setting_off_nothing_is_asked_and_nothing_differs() {
    let server = estate(|options| options.directory.gateways = Some(14)).await;
    let dir = tempfile::tempdir().unwrap();
    // Side by side, two lanes may ask for the same group outside the sync.
    let options = SyncOptions {
        concurrency: 1,
        ..plan(dir.path(), Applications::None)
    };
    run_with(&server, options.clone()).await.unwrap();
    let (undisturbed, requests) = (rows(&options.file, dir.path()), server.requests());
    let asked: Vec<_> = requests.counts.iter().map(|count| count.path.as_str()).collect();
    for list in ["/applications", "/gateways", "/keys", "/credentials"] {
        // Names of scopes are read one by one, as ever.
        assert!(!asked.iter().any(|path| path.ends_with(list)), "{asked:?}");
    }
    for holder in ["/applications/", "/gateways/"] {
        let of_holder = |path: &&str| path.contains(holder) && path.ends_with("/roleAssignments");
        assert!(!asked.iter().any(of_holder), "{asked:?}");
    }
    server.set_faults(
        ["*/applications", "*/gateways", "*/keys"]
            .map(|path| fault(path, 1, FaultAction::Html).times(0))
            .to_vec(),
    );
    server.reset_requests();
    run_with(&server, options.clone()).await.unwrap();
    assert_eq!(rows(&options.file, dir.path()), undisturbed);
    assert_eq!(server.requests().counts, requests.counts);
    for kind in ["application", "gateway", "secret"] {
        assert!(
            !undisturbed.iter().any(|row| row.contains(&format!("\"{kind}\""))),
            "{kind}"
        );
    }
    // An environment that has none of all that looks the same.
    let server = estate(|options| options.directory.gateways = Some(0)).await;
    run_with(&server, options.clone()).await.unwrap();
    assert_eq!(rows(&options.file, dir.path()), undisturbed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_workers_and_other_holders_of_roles_are_synced_where_that_is_asked() {
    let (server, dir) = (estate(|_| {}).await, tempfile::tempdir().unwrap());
    let options = plan(dir.path(), Applications::Workers);
    let truth = truth(&server).await;
    let workers: BTreeSet<Uuid> = truth
        .iter()
        .filter(|(_, row)| row.is_worker())
        .map(|(id, _)| *id)
        .collect();
    let held = server.snapshot().assignments.into_iter().map(|item| item.holder);
    let holders: BTreeSet<Uuid> = held.filter(|id| truth.contains_key(id)).collect();
    let others: Vec<_> = holders.difference(&workers).map(|id| &truth[id]).collect();
    let kinds: BTreeSet<_> = others
        .iter()
        .filter_map(|row| row.application_type.as_deref())
        .collect();
    assert_eq!(kinds, BTreeSet::from(["AI_AGENT", "WEB_APP"]));
    let wanted = &workers | &holders;
    let mut found = Vec::new();
    for resources_only in [false, true] {
        let mut options = options.clone();
        options.skip_entitlements_and_grants = resources_only;
        run_with(&server, options.clone()).await.unwrap();
        let seen = seen(&options);
        assert_eq!(resources_only, seen.roles.is_empty());
        found.push(seen.profiles.keys().copied().collect::<BTreeSet<Uuid>>());
    }
    assert_eq!((&found[0], &found[1]), (&wanted, &wanted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_cannot_be_believed_fails_the_sync() {
    let right = "Configuration Read Only for this environment, or a custom role with applications:read:application";
    let roles = "permissions:read:applicationRoleAssignments";
    let denied = |path: &str| refuse(path, None, 403, "ACCESS_FAILED", "INSUFFICIENT_PERMISSIONS");
    let list = |action| fault("*/applications", 1, action).times(0);
    let cases = [
        (denied("*/applications"), Some(ErrorClass::Forbidden), right),
        (
            denied("*/applications/*/roleAssignments"),
            Some(ErrorClass::Forbidden),
            roles,
        ),
        (list(FaultAction::Html), None, "is not JSON"),
        (list(FaultAction::Truncated(50)), None, ""),
        (list(FaultAction::NullList), None, ""),
        (list(FaultAction::Bare), None, ""),
        (list(FaultAction::OtherObject), None, ""),
        (list(FaultAction::EndlessPage), None, ""),
        (list(FaultAction::SkipRow), None, "of 9"),
        (
            fault(USERS, 1, FaultAction::FilterIgnored)
                .times(0)
                .query(" and memberOfGroups"),
            None,
            "ignore the filter",
        ),
        (
            fault(USERS, 1, FaultAction::Html).times(0).query(" and memberOfGroups"),
            None,
            "is not JSON",
        ),
    ];
    for (at, (fault, class, text)) in cases.into_iter().enumerate() {
        // A page that counts shows that one of its rows is missing.
        let server = estate(|options| options.access_model.application_pages = true).await;
        let dir = tempfile::tempdir().unwrap();
        server.set_faults(vec![fault]);
        let error = run_with(&server, plan(dir.path(), Applications::All))
            .await
            .expect_err(&at.to_string());
        assert!(class.is_none_or(|class| error.class() == class), "{at}: {error}");
        assert!(error.to_string().contains(text), "{at}: {error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{at}");
    }
    for hidden in [Hidden::Applications] {
        let server = estate(|options| options.access_model.hidden = vec![hidden]).await;
        let dir = tempfile::tempdir().unwrap();
        let error = run_with(&server, plan(dir.path(), Applications::All))
            .await
            .unwrap_err();
        assert!(error.to_string().contains(right), "{error}");
    }
}

/// Nothing counts the list, but every environment has applications, and the one that we sign in as is one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_without_the_application_that_we_sign_in_as_is_not_whole() {
    let dir = tempfile::tempdir().unwrap();
    let options = plan(dir.path(), Applications::All);
    let empty = || FaultAction::Body(r#"{"_embedded": {"applications": []}, "size": 0}"#.to_owned());
    let server = estate(|_| {}).await;
    run_with(&server, options.clone()).await.unwrap();
    let undisturbed = rows(&options.file, dir.path());
    for action in [empty(), FaultAction::SkipRow] {
        server.set_faults(vec![fault(PATH, 1, action.clone())]);
        run_with(&server, options.clone()).await.unwrap();
        assert_eq!(rows(&options.file, dir.path()), undisturbed, "{action:?} once");
        server.set_faults(vec![fault(PATH, 1, action.clone()).times(0)]);
        let error = run_with(&server, options.clone()).await.unwrap_err().to_string();
        let own = format!("application {} exists", server.client_id());
        assert!(error.contains(&own), "{action:?}: {error}");
    }
    // One that lives in another environment is in no list of this one.
    let roles = ["Identity Data Admin", "Environment Admin"].map(str::to_owned);
    let server = estate(|options| options.access.foreign_worker_role = roles.into()).await;
    let elsewhere = |options: SyncOptions| {
        let (id, secret) = server.foreign_client();
        let client = client_of(&server, server.other_environment_id(), id, &secret, UNLIMITED);
        run(client, options, Arc::default(), CancellationToken::new())
    };
    elsewhere(options.clone()).await.unwrap();
    server.set_faults(vec![fault(PATH, 1, empty()).times(0)]);
    let error = elsewhere(options).await.unwrap_err().to_string();
    assert!(error.contains("applications: 0 of 1"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_rows_and_pages_change_nothing_else() {
    let (server, dir) = (estate(|_| {}).await, tempfile::tempdir().unwrap());
    let options = plan(dir.path(), Applications::All);
    run_with(&server, options.clone()).await.unwrap();
    let undisturbed = rows(&options.file, dir.path());
    for status in [200, 404] {
        let server = estate(|options| {
            options.access_model.application_pages = true;
            options.access_model.no_roles_status = status;
        })
        .await;
        run_with(&server, options.clone()).await.unwrap();
        assert_eq!(rows(&options.file, dir.path()), undisturbed, "{status}");
    }
    let server = estate(|options| {
        options.access_model.applications_without_id = true;
        options.directory.group_conditions = Some(0);
        options.access_model.application_pages = true;
    })
    .await;
    let report = run_with(&server, options.clone()).await.unwrap();
    let left_out = report.warnings["without_id"];
    assert!(left_out > 0);
    let listed = client(&server, UNLIMITED).applications().all().await.unwrap().len();
    assert_eq!(report.counts.applications + left_out, u64::try_from(listed).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_applications_are_the_same_on_one_page_and_on_ten() {
    let mut found = Vec::new();
    for paged in [false, true] {
        let mut options = Options::default();
        options.directory.preset = Preset::Apps1k;
        options.access_model.application_pages = paged;
        let (server, dir) = (start(options).await.unwrap(), tempfile::tempdir().unwrap());
        let mut options = plan(dir.path(), Applications::All);
        options.resource_types = [APPLICATION].into();
        run_with(&server, options.clone()).await.unwrap();
        let pages = server.requests().of("GET", PATH);
        assert_eq!(pages > 9, paged, "{pages}");
        found.push(rows(&options.file, dir.path()));
    }
    assert!(found[0].len() > 1_000);
    assert!(found[0] == found[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_intersection_that_pingone_does_not_work_out_shows_groups_and_no_users() {
    let dir = tempfile::tempdir().unwrap();
    let options = plan(dir.path(), Applications::All);
    let server = estate(|options| options.access_model.intersections = Intersections::Refuse).await;
    run_with(&server, options.clone()).await.unwrap();
    let seen = seen(&options);
    let truth = truth(&server).await;
    let mut unresolved = 0;
    for (id, profile) in seen
        .profiles
        .iter()
        .filter(|(_, profile)| mode(profile) == "all_groups")
    {
        assert!(!seen.users.contains_key(id), "{id}");
        if profile.get("access_unresolved").is_some() {
            assert!(seen.groups.contains_key(id), "{id}");
            unresolved += 1;
        } else {
            // Nobody needs to be asked about a group without members.
            let mut named = truth[id].access_control.group.iter().flat_map(|group| &group.groups);
            assert!(named.any(|group| members(&server, group).is_empty()), "{id}");
        }
    }
    assert!(unresolved > 0);
}

/// A worker that is not our own, and refusals as if it were gone: of its roles, and of itself.
async fn one_to_lose(server: &Server) -> (Uuid, Fault, Fault) {
    let own = server.client_id();
    let all = truth(server).await.into_iter();
    let (gone, _) = all
        .filter(|(_, row)| row.is_worker())
        .find(|(id, _)| *id != own)
        .unwrap();
    let refuse = |path: &str| refuse(path, None, 404, "NOT_FOUND", "gone");
    let roles = refuse(&format!("*/applications/{gone}/roleAssignments"));
    (gone, roles, refuse(&format!("*/applications/{gone}")))
}

/// A row that is gone when its roles are read is not in the file, and nothing names it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_vanishes_leaves_nothing_behind() {
    let (server, dir) = (estate(|_| {}).await, tempfile::tempdir().unwrap());
    let options = plan(dir.path(), Applications::All);
    let (gone, roles, object) = one_to_lose(&server).await;
    let without = json!({"_embedded": {"applications": [{"id": server.client_id()}]}, "size": 1});
    server.set_faults(vec![
        roles,
        object,
        fault(PATH, 2, FaultAction::Body(without.to_string())),
    ]);
    let report = run_with(&server, options.clone()).await.unwrap();
    assert_eq!(report.warnings["vanished"], 1);
    let seen = seen(&options);
    assert!(!seen.profiles.contains_key(&gone) && !seen.roles.contains_key(&gone));
    assert!(report.file.warnings.is_empty(), "{:?}", report.file.warnings);
}

#[tokio::test(start_paused = true)]
async fn an_application_that_its_own_read_or_the_list_shows_is_not_gone() {
    let (server, dir) = (estate(|_| {}).await, tempfile::tempdir().unwrap());
    let (_, roles, object) = one_to_lose(&server).await;
    for faults in [vec![roles.clone()], vec![roles, object]] {
        server.set_faults(faults);
        let options = plan(dir.path(), Applications::All);
        let error = run_with(&server, options).await.unwrap_err().to_string();
        assert!(error.contains("is still listed"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn named_applications_come_out_as_in_a_full_sync() {
    let (server, dir) = (estate(|_| {}).await, tempfile::tempdir().unwrap());
    for which in [Applications::All, Applications::Workers] {
        let on = |options: &mut SyncOptions| *options = options.clone().with_applications(which);
        let all = targets_give_the_same(&server, dir.path(), on).await;
        assert!(
            all.iter()
                .any(|row| row.contains("application:") && row.contains(":access"))
                || which != Applications::All
        );
        targets_give_the_same(&server, dir.path(), |options| {
            on(options);
            options.skip_external_groups = true;
            options.user_filter = Some("enabled eq true".to_owned());
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_lost_its_applications_is_refused() {
    let (server, dir) = (estate(|_| {}).await, tempfile::tempdir().unwrap());
    let mut options = plan(dir.path(), Applications::All);
    let counts = run_with(&server, options.clone()).await.unwrap().counts;
    options.shrink.max_percent = 50;
    options.shrink.previous = Some(counts);
    run_with(&server, options.clone()).await.unwrap();
    let error = {
        let mut options = options.clone();
        options.applications = Applications::Workers;
        run_with(&server, options).await.unwrap_err()
    };
    assert!(error.to_string().contains("applications, the last good one"), "{error}");
    // Where C1 did not select them, they are no loss.
    run_with(&server, options.with_applications(Applications::None))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_do_not_depend_on_the_concurrency_or_the_kind_of_file() {
    let (server, dir) = (estate(|_| {}).await, tempfile::tempdir().unwrap());
    let mut found = Vec::new();
    for (concurrency, engine) in [
        (1, baton::c1z::StorageEngine::Pebble),
        (64, baton::c1z::StorageEngine::Pebble),
        (8, baton::c1z::StorageEngine::Sqlite),
    ] {
        let mut options = plan(dir.path(), Applications::All);
        options.concurrency = concurrency;
        options.storage_engine = engine;
        run_with(&server, options.clone()).await.unwrap();
        let mut rows = rows(&options.file, dir.path());
        rows.sort_unstable();
        found.push(rows);
    }
    assert!(found[0] == found[1] && found[1] == found[2]);
    assert!(server.requests().of("GET", PATH) == 3);
}
