//! Populations whose memberships are provisioned, in a file (access-model.md §7, point 127).

use std::sync::Arc;

use baton::c1z::{Limits, Reader, StorageEngine};
use baton_ping_one::sync::{SyncOptions, run};
use sandbox::pingone::{Options, start};
use tokio_util::sync::CancellationToken;

use crate::stand_in::{UNLIMITED, client};

/// How populations, their entitlements and grants stand in the file: counts, and those that are locked.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    entitlements: usize,
    with_note: usize,
    locked: usize,
    grants: usize,
    locked_grants: usize,
}

async fn seen(populations: u32, defaults: u32, provisioning: bool, engine: StorageEngine) -> Seen {
    let mut options = Options::default();
    options.directory.users = Some(120);
    options.directory.populations = Some(populations);
    options.access_model.default_populations = defaults;
    let server = start(options).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut options = SyncOptions::full(dir.path().to_owned(), dir.path().join("sync.c1z"));
    options.population_provisioning = provisioning;
    options.storage_engine = engine;
    let client = client(&server, UNLIMITED);
    run(client, options.clone(), Arc::default(), CancellationToken::new())
        .await
        .unwrap();
    let reader = Reader::open(&options.file, &options.temp_dir, Limits::default()).unwrap();
    let mut seen = Seen::default();
    reader
        .entitlements(|row| {
            if row.resource_type == "population" {
                seen.entitlements += 1;
                seen.with_note += usize::from(row.description.ends_with("groups of its former population)"));
                seen.locked += usize::from(!row.immutable.is_empty());
            }
            Ok(())
        })
        .unwrap();
    reader
        .grants(|row| {
            if row.entitlement_id.starts_with("population:") {
                seen.grants += 1;
                seen.locked_grants += usize::from(!row.immutable.is_empty());
            }
            Ok(())
        })
        .unwrap();
    seen
}

#[tokio::test]
async fn a_file_is_sealed_with_any_number_of_populations_and_defaults() {
    for engine in [StorageEngine::Pebble, StorageEngine::Sqlite] {
        for (populations, defaults) in [(1, 1), (49, 0), (50, 1), (50, 2), (51, 1)] {
            let seen = seen(populations, defaults, true, engine).await;
            let expected = Seen {
                entitlements: populations as usize,
                with_note: populations as usize,
                grants: 120,
                ..Seen::default()
            };
            assert_eq!(seen, expected, "{populations} {defaults} {engine:?}");
        }
    }
}

#[tokio::test]
async fn without_the_setting_memberships_are_locked() {
    let seen = seen(3, 1, false, StorageEngine::Pebble).await;
    let expected = Seen {
        entitlements: 3,
        locked: 3,
        grants: 120,
        locked_grants: 120,
        ..Seen::default()
    };
    assert_eq!(seen, expected);
}
