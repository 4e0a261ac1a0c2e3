//! The model `scope-binding` in a file (access-model.md §6, §11 points 124, 135 and 136).
#![allow(clippy::indexing_slicing, reason = "test code")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use baton::c1z::{Limits, Reader, StorageEngine};
use baton::model::ResourceType;
use baton::wire::stored::StoredResource;
use baton_ping_one::model::{
    ALL_TYPES, APPLICATION, BINDING_TYPES, ENVIRONMENT, GROUP, ORGANIZATION, POPULATION, RESOURCE_TYPES, ROLE,
    ROLE_ASSIGNMENT, USER,
};
use baton_ping_one::sync::{Applications, RoleModel, SyncOptions};
use sandbox::pingone::{Directory, DirectoryBuilder, Holder, Options, ScopeOf, Server, start};
use serde_json::json;
use tracing::instrument::WithSubscriber as _;
use uuid::Uuid;

use super::{refuse, rows, run_with, sandbox, targets_give_the_same};
use crate::captured::Captured;

const GONE: Uuid = Uuid::from_u128(0x1111);
const GALAXY: Uuid = Uuid::from_u128(0x2222);
const ADMIN: &str = "Environment Admin";
const DATA: &str = "Identity Data Read Only";

fn over(kind: &str, id: Uuid) -> ScopeOf {
    ScopeOf::Other(kind.to_owned(), id)
}

/// Roles over a scope of each type, held by users and by a group with a member.
fn directory(other: Uuid) -> DirectoryBuilder {
    let user = |label: &str| Holder::User(label.to_owned());
    Directory::builder()
        .population("staff", json!({}))
        .user("ann", "staff", json!({}))
        .user("bob", "staff", json!({}))
        .user("ada", "staff", json!({}))
        .group("admins", json!({}))
        .member("admins", "ada")
        .assignment(Holder::Group("admins".into()), ADMIN, ScopeOf::Environment)
        .assignment(user("bob"), ADMIN, ScopeOf::Environment)
        .assignment(user("bob"), "Organization Admin", ScopeOf::Organization)
        .assignment(user("ann"), DATA, ScopeOf::Population("staff".to_owned()))
        .assignment(user("ann"), DATA, over("POPULATION", GONE))
        .assignment(user("ann"), ADMIN, over("ENVIRONMENT", other))
        .assignment(user("bob"), ADMIN, over("ENVIRONMENT", Uuid::from_u128(0x3333)))
        .assignment(user("ann"), DATA, over("APPLICATION", Uuid::from_u128(0x4444)))
        .assignment(user("ann"), DATA, over("GROUP", Uuid::from_u128(0x5555)))
        .assignment(user("ann"), DATA, over("Galaxy", GALAXY))
        .read_only_assignment(user("bob"), DATA, over("Galaxy", GALAXY))
}

async fn estate(add: impl FnOnce(DirectoryBuilder) -> DirectoryBuilder) -> Server {
    let other = sandbox().await.other_environment_id();
    let mut options = Options {
        custom: Some(add(directory(other)).build()),
        ..Options::default()
    };
    let worker = &mut options.access.worker_role;
    worker.push("Environment Admin@ORGANIZATION".to_owned());
    start(options).await.unwrap()
}

fn plan(dir: &Path, name: &str) -> SyncOptions {
    SyncOptions::full(dir.to_owned(), dir.join(name)).with_role_model(RoleModel::ScopeBinding)
}

fn resources(options: &SyncOptions) -> BTreeMap<(String, String), StoredResource> {
    let reader = Reader::open(&options.file, &options.temp_dir, Limits::default()).unwrap();
    let mut found = BTreeMap::new();
    reader
        .resources(|row| {
            found.insert((row.resource_type.clone(), row.id.clone()), row);
            Ok(())
        })
        .unwrap();
    found
}

/// Types with the names of their annotations.
fn types(options: &SyncOptions) -> BTreeMap<String, Vec<String>> {
    let reader = Reader::open(&options.file, &options.temp_dir, Limits::default()).unwrap();
    let mut found = BTreeMap::new();
    reader
        .resource_types(|row| {
            found.insert(row.id, row.annotations);
            Ok(())
        })
        .unwrap();
    found
}

/// What C1 would break at in silence: each reference and each parent is in the file, ids and slugs are the ones that it
/// composes, and every grant is of a declared type.
fn whole(options: &SyncOptions) -> usize {
    let found = resources(options);
    let declared = types(options);
    let mut bindings = 0;
    for ((kind, id), resource) in &found {
        assert!(declared.contains_key(kind), "{kind} is not declared");
        assert!(!id.contains("::"), "{id}");
        if let Some(parent) = &resource.parent {
            assert!(found.contains_key(parent), "{kind} {id} is part of {parent:?}");
        }
        assert_eq!(resource.binding.is_some(), kind == "role_assignment", "{kind}");
        let Some(binding) = &resource.binding else { continue };
        bindings += 1;
        assert_eq!(binding.role.0, "role");
        assert!(found.contains_key(&binding.role), "{id} names {:?}", binding.role);
        assert!(found.contains_key(&binding.scope), "{id} names {:?}", binding.scope);
        assert_eq!(*id, format!("{}-{}", binding.role.1, binding.scope.1));
        assert_eq!(resource.parent.as_ref(), Some(&binding.scope));
        let name = |of: &(String, String)| found[of].display_name.clone();
        assert_eq!(
            resource.display_name,
            format!("{} on {}", name(&binding.role), name(&binding.scope))
        );
        assert_eq!(resource.profile["role_id"], binding.role.1);
        assert_eq!(resource.profile["scope_id"], binding.scope.1);
    }
    let reader = Reader::open(&options.file, &options.temp_dir, Limits::default()).unwrap();
    let mut offered = BTreeSet::new();
    reader
        .entitlements(|row| {
            assert_ne!(row.resource_type, "role", "access would count twice");
            if row.resource_type == "role_assignment" {
                assert_eq!((row.slug.as_str(), row.display_name.as_str()), ("assigned", "Assigned"));
                assert_eq!(row.id, format!("role_assignment:{}:assigned", row.resource_id));
                assert_eq!(row.grantable_to, ["user", "group"]);
            }
            assert!(found.contains_key(&(row.resource_type, row.resource_id)));
            offered.insert(row.id);
            Ok(())
        })
        .unwrap();
    assert_eq!(
        offered.iter().filter(|id| id.starts_with("role_assignment:")).count(),
        bindings
    );
    reader
        .grants(|row| {
            assert!(offered.contains(&row.entitlement_id), "{}", row.id);
            assert!(found.contains_key(&(row.principal_type, row.principal_id)));
            Ok(())
        })
        .unwrap();
    bindings
}

fn grants(options: &SyncOptions) -> BTreeSet<(String, String, String)> {
    let reader = Reader::open(&options.file, &options.temp_dir, Limits::default()).unwrap();
    let mut found = BTreeSet::new();
    reader
        .grants(|row| {
            if row.resource_type == "role_assignment" || row.resource_type == "role" {
                found.insert((row.entitlement_id, row.principal_id, row.immutable));
            }
            Ok(())
        })
        .unwrap();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_binding_names_is_in_the_file_of_both_kinds() {
    let (server, dir) = (estate(|it| it).await, tempfile::tempdir().unwrap());
    let mut found = Vec::new();
    for engine in [StorageEngine::Sqlite, StorageEngine::Pebble] {
        let mut options = plan(dir.path(), engine.as_str());
        options.storage_engine = engine;
        let report = run_with(&server, options.clone()).await.unwrap();
        assert!(report.file.warnings.is_empty(), "{:?}", report.file.warnings);
        assert_eq!(whole(&options), 9);
        let mut rows = rows(&options.file, dir.path());
        rows.sort_unstable();
        found.push(rows);
        assert_eq!(report.scopes.len(), 9);
    }
    assert!(found[0] == found[1]);
    let options = plan(dir.path(), "sqlite");
    let found = resources(&options);
    let get = |kind: &str, id: Uuid| &found[&(kind.to_owned(), id.to_string())];
    let (home, own) = (server.environment_id(), server.organization_id());
    let environment = get("environment", home);
    assert_eq!(environment.parent, Some(("organization".to_owned(), own.to_string())));
    assert_eq!(environment.profile["organization_id"], own.to_string());
    assert_eq!(environment.profile["type"], "PRODUCTION");
    let other = get("environment", server.other_environment_id());
    assert_eq!(other.display_name, "Administrators");
    assert!(other.profile.get("placeholder").is_none());
    for (kind, id) in [
        ("population", GONE),
        ("environment", Uuid::from_u128(0x3333)),
        ("application", Uuid::from_u128(0x4444)),
        ("group", Uuid::from_u128(0x5555)),
    ] {
        let missing = get(kind, id);
        assert_eq!(
            (missing.display_name.as_str(), &missing.profile["placeholder"]),
            (&*id.to_string(), &json!(true))
        );
    }
    assert_eq!(get("other_scope", GALAXY).profile["scope_type"], "Galaxy");
    let galaxy = found
        .values()
        .find(|row| row.binding.is_some() && row.profile["scope_id"] == GALAXY.to_string());
    assert_eq!(galaxy.unwrap().profile["holder_count"], json!(2.0));
    assert_eq!(galaxy.unwrap().profile["scope_type"], "Galaxy");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn types_say_what_c1_has_to_select() {
    let (server, dir) = (estate(|it| it).await, tempfile::tempdir().unwrap());
    let options = plan(dir.path(), "a");
    run_with(&server, options.clone()).await.unwrap();
    let types = types(&options);
    let skip = "SkipEntitlementsAndGrants";
    let expected: [(&str, &[&str]); 6] = [
        (
            "organization",
            &[skip, "OptInRequired", "ChildResourceType environment"],
        ),
        (
            "environment",
            &[
                skip,
                "OptInRequired",
                "ChildResourceType population",
                "ChildResourceType application",
                "ChildResourceType role_assignment",
            ],
        ),
        ("other_scope", &[skip, "OptInRequired"]),
        ("role_assignment", &["OptInRequired", "CapabilityPermissions"]),
        ("role", &[skip, "CapabilityPermissions"]),
        ("application", &["OptInRequired", "CapabilityPermissions"]),
    ];
    for (kind, annotations) in expected {
        assert_eq!(types[kind], annotations, "{kind}");
    }
}

/// The grants are those of the other model on other ids, expansion and reasons included, and no role is read twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_what_is_the_same_in_both_models() {
    let (server, dir) = (estate(|it| it).await, tempfile::tempdir().unwrap());
    // Side by side, two lanes may ask for the same group outside the sync.
    let in_one_lane = |options| SyncOptions {
        concurrency: 1,
        ..options
    };
    let entitlements = in_one_lane(SyncOptions::full(
        dir.path().to_owned(),
        dir.path().join("entitlements"),
    ));
    server.reset_requests();
    let one = run_with(&server, entitlements.clone()).await.unwrap();
    let cost = server.requests().total;
    server.reset_requests();
    let bound = in_one_lane(plan(dir.path(), "bound"));
    let other = run_with(&server, bound.clone()).await.unwrap();
    assert_eq!(server.requests().total, cost);
    assert_eq!(one.counts.role_grants, other.counts.role_grants);
    assert_eq!(one.grants_expanded, other.grants_expanded);
    assert!(one.grants_expanded > 0);
    let places: BTreeMap<String, String> = resources(&bound)
        .into_values()
        .filter_map(|row| {
            let binding = row.binding?;
            let slug = if binding.scope.1 == server.environment_id().to_string() {
                "assigned".to_owned()
            } else {
                let kind = row.profile["scope_type"].as_str().unwrap().to_lowercase();
                format!("assigned-{kind}-{}", binding.scope.1)
            };
            Some((
                format!("role_assignment:{}:assigned", row.id),
                format!("role:{}:{slug}", binding.role.1),
            ))
        })
        .collect();
    let moved: BTreeSet<_> = grants(&bound)
        .into_iter()
        .map(|(entitlement, holder, immutable)| (places[&entitlement].clone(), holder, immutable))
        .collect();
    assert_eq!(moved, grants(&entitlements));
    assert!(moved.iter().any(|(.., immutable)| immutable == "read-only-assignment"));
}

/// Both models of one directory, row by row. Set `BATON_WRITE_MANIFESTS` to write them anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_both_models_are_as_committed() {
    let (server, dir) = (estate(|it| it).await, tempfile::tempdir().unwrap());
    for (name, model) in [
        ("entitlements", RoleModel::Entitlements),
        ("scope-binding", RoleModel::ScopeBinding),
    ] {
        let file = dir.path().join(name);
        let mut options = SyncOptions::full(dir.path().to_owned(), file.clone()).with_role_model(model);
        options.role_population_entitlements = baton_ping_one::sync::RolePopulationEntitlements::Assigned;
        run_with(&server, options).await.unwrap();
        let mut rows = rows(&file, dir.path());
        rows.sort_unstable();
        let rows = format!("{}\n", rows.join("\n"));
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/role-model-{name}.txt"));
        #[expect(clippy::disallowed_methods, reason = "a test's own switch")]
        let writes = std::env::var_os("BATON_WRITE_MANIFESTS").is_some();
        if writes {
            std::fs::write(&committed, &rows).unwrap();
        }
        assert!(
            std::fs::read_to_string(&committed).unwrap() == rows,
            "{}",
            committed.display()
        );
    }
}

async fn selected(server: &Server, dir: &Path, kinds: &[ResourceType]) -> (SyncOptions, String) {
    let mut options = plan(dir, "selected");
    options.select(kinds.iter().copied().collect());
    let log = Captured::default();
    run_with(server, options.clone())
        .with_subscriber(log.dispatch(tracing::Level::INFO))
        .await
        .unwrap();
    (options, log.text())
}

/// Point 136: no access vanishes while an administrator is half-way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn until_every_type_is_selected_a_sync_has_the_other_model() {
    let (server, dir) = (estate(|it| it).await, tempfile::tempdir().unwrap());
    let with = |kinds: &[ResourceType]| {
        let mut all: Vec<_> = RESOURCE_TYPES.to_vec();
        all.extend(kinds);
        all
    };
    let cases: [(Vec<ResourceType>, &str); 4] = [
        (
            with(&[]),
            "application,environment,organization,other_scope,role_assignment",
        ),
        (with(&BINDING_TYPES), "application"),
        (
            with(&[ROLE_ASSIGNMENT, ENVIRONMENT, ORGANIZATION]),
            "application,other_scope",
        ),
        (
            ALL_TYPES.into_iter().filter(|kind| *kind != POPULATION).collect(),
            "population",
        ),
    ];
    for (kinds, missing) in cases {
        let (options, log) = selected(&server, dir.path(), &kinds).await;
        assert!(log.contains(&format!("resource_types=\"{missing}\"")), "{log}");
        assert_eq!(log.matches("are not selected in C1").count(), 1, "{log}");
        let types = types(&options);
        assert!(BINDING_TYPES.iter().all(|kind| !types.contains_key(kind.id())));
        assert!(!types["role"].contains(&"SkipEntitlementsAndGrants".to_owned()));
        assert!(
            resources(&options)
                .values()
                .all(|row| row.parent.is_none() && row.binding.is_none())
        );
        assert!(
            grants(&options)
                .iter()
                .all(|(entitlement, ..)| entitlement.starts_with("role:"))
        );
        assert_eq!(grants(&options).len(), 12);
    }
    let (options, log) = selected(&server, dir.path(), &ALL_TYPES).await;
    assert!(!log.contains("not selected"), "{log}");
    assert_eq!(whole(&options), 9);
}

/// A parent that is not synced shows as missing in C1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_type_that_no_role_needs_may_stay_unselected_and_is_no_parent() {
    let staff = ScopeOf::Population("staff".to_owned());
    let directory = Directory::builder()
        .population("staff", json!({}))
        .user("ann", "staff", json!({}))
        .assignment(Holder::User("ann".into()), DATA, staff)
        .build();
    let options = Options {
        custom: Some(directory),
        ..Options::default()
    };
    let (server, dir) = (start(options).await.unwrap(), tempfile::tempdir().unwrap());
    let kinds = [GROUP, POPULATION, ROLE, ROLE_ASSIGNMENT, USER];
    let (options, _) = selected(&server, dir.path(), &kinds).await;
    assert_eq!(whole(&options), 1);
    let found = resources(&options);
    assert!(found.values().all(|row| row.parent.is_none() || row.binding.is_some()));
    assert!(
        found
            .keys()
            .all(|(kind, _)| kind != "environment" && kind != "organization")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bindings_and_scopes_that_are_named_come_out_as_in_a_full_sync() {
    let (server, dir) = (estate(|it| it).await, tempfile::tempdir().unwrap());
    let bound = |options: &mut SyncOptions| *options = options.clone().with_role_model(RoleModel::ScopeBinding);
    let all = targets_give_the_same(&server, dir.path(), bound).await;
    let chosen = targets_give_the_same(&server, dir.path(), |options| {
        bound(options);
        options.select(ALL_TYPES.into_iter().collect());
    })
    .await;
    assert_eq!(all, chosen);
    let half = targets_give_the_same(&server, dir.path(), |options| {
        bound(options);
        options.select(ALL_TYPES.into_iter().filter(|kind| *kind != APPLICATION).collect());
    })
    .await;
    assert_ne!(all, half);
}

/// What roles are held over may be out of sight: the file is whole all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scopes_that_may_not_be_read_go_by_their_ids() {
    let dir = tempfile::tempdir().unwrap();
    for status in [403, 404] {
        let server = estate(|it| it).await;
        let other = server.other_environment_id();
        let code = if status == 403 { "ACCESS_FAILED" } else { "NOT_FOUND" };
        server.set_faults(vec![
            refuse(
                &format!("*/environments/{other}"),
                None,
                status,
                code,
                "INSUFFICIENT_PERMISSIONS",
            ),
            refuse("*/organizations/*", None, status, code, "INSUFFICIENT_PERMISSIONS"),
            refuse("*/populations/*", None, status, code, "INSUFFICIENT_PERMISSIONS"),
        ]);
        let options = plan(dir.path(), "a");
        run_with(&server, options.clone()).await.unwrap();
        assert_eq!(whole(&options), 9);
        let found = resources(&options);
        let hidden = &found[&("environment".to_owned(), other.to_string())];
        assert_eq!(
            (hidden.display_name.as_str(), &hidden.profile["placeholder"]),
            (&*other.to_string(), &json!(true))
        );
        let organization = server.organization_id().to_string();
        assert_eq!(
            found[&("organization".to_owned(), organization.clone())].display_name,
            organization
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scopes_of_two_types_with_one_id_are_one_binding() {
    let server = estate(|it| {
        it.assignment(Holder::User("ann".into()), DATA, over("Andromeda", GALAXY))
            .assignment(Holder::User("ada".into()), DATA, over("POPULATION", GALAXY))
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let options = plan(dir.path(), "a");
    let report = run_with(&server, options.clone()).await.unwrap();
    assert_eq!(report.warnings.get("scopes_met"), Some(&1));
    assert_eq!(whole(&options), 9);
    let found = resources(&options);
    assert_eq!(
        found[&("other_scope".to_owned(), GALAXY.to_string())].profile["scope_type"],
        "Andromeda"
    );
}

/// A role that no list has, an application that is only a scope, and a resources-only sync.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_bindings_name_stands_in_the_file() {
    let mut options = Options::default();
    options.directory.users = Some(60);
    options.directory.applications = Some(12);
    options.directory.workers = Some(10);
    options
        .access
        .worker_role
        .push("Environment Admin@ORGANIZATION".to_owned());
    let (server, dir) = (start(options).await.unwrap(), tempfile::tempdir().unwrap());
    for applications in [Applications::None, Applications::Workers, Applications::All] {
        let options = plan(dir.path(), "a").with_applications(applications);
        server.reset_requests();
        let report = run_with(&server, options.clone()).await.unwrap();
        assert!(whole(&options) > 0);
        let found = resources(&options);
        let rows = found.keys().filter(|(kind, _)| kind == "application").count();
        assert_eq!(report.counts.applications, u64::try_from(rows).unwrap());
        let home = ("environment".to_owned(), server.environment_id().to_string());
        assert!(
            found
                .values()
                .filter(|row| row.resource_type == "application")
                .all(|row| row.parent.as_ref() == Some(&home))
        );
        let mut bare = options.clone();
        bare.skip_entitlements_and_grants = true;
        bare.file = dir.path().join("bare");
        run_with(&server, bare.clone()).await.unwrap();
        assert_eq!(resources(&bare), found);
    }
}
