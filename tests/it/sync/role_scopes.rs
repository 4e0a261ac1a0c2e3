//! What `writable-role-scopes` changes in a file (access-model.md §5).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use baton::c1z::{Limits, Reader};
use baton_ping_one::model::WritableScopes;
use baton_ping_one::sync::{Applications, SyncError, SyncOptions, run};
use process::error::ErrorClass;
use sandbox::pingone::{Options, Server, start};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::stand_in::{UNLIMITED, client};

/// Workers hold roles over another environment, and ours may read it.
async fn estate() -> Server {
    let mut options = Options::default();
    options.directory.applications = Some(12);
    options.directory.workers = Some(10);
    let worker = &mut options.access.worker_role;
    worker.push("Environment Admin@ORGANIZATION".to_owned());
    start(options).await.unwrap()
}

async fn sync(server: &Server, dir: &Path, scopes: &[(&str, Option<Uuid>)]) -> Result<SyncOptions, SyncError> {
    let options = SyncOptions::full(dir.to_owned(), dir.join(format!("{}.c1z", scopes.len())));
    let mut options = options.with_applications(Applications::Workers);
    options.writable_scopes = WritableScopes::new(scopes.iter().map(|(kind, id)| ((*kind).to_owned(), *id)));
    let client = client(server, UNLIMITED);
    run(client, options.clone(), Arc::default(), CancellationToken::new()).await?;
    Ok(options)
}

/// Ids of entitlements on roles with why they cannot be changed, and their words.
fn offered(options: &SyncOptions) -> BTreeMap<String, (String, String)> {
    let reader = Reader::open(&options.file, &options.temp_dir, Limits::default()).unwrap();
    let mut offered = BTreeMap::new();
    reader
        .entitlements(|row| {
            if row.resource_type == "role" {
                offered.insert(row.id, (row.immutable, row.description));
            }
            Ok(())
        })
        .unwrap();
    offered
}

#[tokio::test]
async fn a_listed_scope_is_offered_without_a_holder_and_by_its_name() {
    let server = estate().await;
    let dir = tempfile::tempdir().unwrap();
    let before = offered(&sync(&server, dir.path(), &[]).await.unwrap());
    let (other, nobody) = (server.other_environment_id(), Uuid::from_u128(7));
    let first = server.requests();
    server.reset_requests();
    let listed = [("environment", Some(other)), ("application", Some(nobody))];
    let options = sync(&server, dir.path(), &listed).await.unwrap();
    let requests = server.requests();
    let after = offered(&options);
    let end = format!("assigned-environment-{other}");
    let elsewhere: Vec<_> = after.iter().filter(|(id, _)| id.ends_with(&end)).collect();
    let home = after.keys().filter(|id| id.ends_with(":assigned")).count();
    assert!(
        elsewhere.len() >= home,
        "each role over an environment is offered there, too"
    );
    for (id, (immutable, words)) in elsewhere {
        assert_eq!(immutable, "", "{id}");
        assert!(!words.contains(&other.to_string()), "{id}: {words}");
    }
    let end = format!("assigned-application-{nobody}");
    let unnamed: Vec<_> = after.iter().filter(|(id, _)| id.ends_with(&end)).collect();
    assert!(
        !unnamed.is_empty()
            && unnamed
                .iter()
                .all(|(_, (_, words))| words.contains(&nobody.to_string()))
    );
    // Nothing else changes, and each distinct scope costs one read.
    for (id, row) in &before {
        let end = format!("assigned-environment-{other}");
        assert!(id.ends_with(&end) || after[id] == *row, "{id}");
    }
    for path in ["/environments/{id}", "/environments/{id}/applications/{id}"] {
        let asked = requests.of("GET", path) - first.of("GET", path);
        assert!(asked <= 1, "{path}: {asked}");
    }
}

#[tokio::test]
async fn every_scope_of_a_type_stays_as_it_is_but_can_be_changed() {
    let server = estate().await;
    let dir = tempfile::tempdir().unwrap();
    let before = offered(&sync(&server, dir.path(), &[]).await.unwrap());
    let after = offered(&sync(&server, dir.path(), &[("environment", None)]).await.unwrap());
    assert!(before.keys().eq(after.keys()));
    let locked = |rows: &BTreeMap<String, (String, String)>| {
        let elsewhere = rows.iter().filter(|(id, _)| id.contains(":assigned-environment-"));
        elsewhere.filter(|(_, (immutable, _))| !immutable.is_empty()).count()
    };
    assert!(locked(&before) > 0);
    assert_eq!(locked(&after), 0);
}

#[tokio::test]
async fn an_entry_of_another_organization_ends_the_sync() {
    let server = estate().await;
    let dir = tempfile::tempdir().unwrap();
    let error = sync(&server, dir.path(), &[("organization", Some(Uuid::from_u128(7)))])
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Rejected);
    assert!(error.to_string().contains("Take the entry out"), "{error}");
    let own = [("organization", Some(server.organization_id()))];
    sync(&server, dir.path(), &own).await.unwrap();
}
