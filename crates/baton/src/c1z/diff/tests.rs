//! Two stores of version 3 are walked side by side; any other two files go through the sort. Both must find the same.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::super::engines::{config, directories, write};
use super::super::{Limits, StorageEngine};
use super::*;

fn found(old: &Path, new: &Path, dir: &Path) -> Vec<Change> {
    let open = |path| Reader::open(path, dir, Limits::default()).unwrap();
    let mut changes = Vec::new();
    diff(&open(old), &open(new), dir, |change| {
        changes.push(change);
        Ok(())
    })
    .unwrap();
    changes
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn files_differ_in_the_same_rows_whatever_their_versions(
        old in directories(), other in directories(), is_near in any::<bool>(),
    ) {
        let new = if is_near { old.with_grants_of(&other) } else { other };
        let dir = tempfile::tempdir().unwrap();
        let files = |engine: StorageEngine| -> [PathBuf; 2] {
            [("old", &old), ("new", &new)].map(|(name, directory)| {
                let place = dir.path().join(format!("{name}-{}", engine.as_str()));
                std::fs::create_dir(&place).unwrap();
                write(directory, engine, &place).0
            })
        };
        let [old_1, new_1] = files(StorageEngine::Sqlite);
        let [old_3, new_3] = files(StorageEngine::Pebble);
        let expected = found(&old_1, &new_1, dir.path());
        prop_assert_eq!(&found(&old_3, &new_3, dir.path()), &expected);
        prop_assert_eq!(&found(&old_1, &new_3, dir.path()), &expected);
        prop_assert_eq!(found(&new_3, &new_1, dir.path()), Vec::new());
    }
}
