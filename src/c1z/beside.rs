//! The file that grows beside its target until it is renamed over it. It bears the target's name: whoever holds the
//! target's lock knows that it is nobody's, and removes what a killed process left.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tempfile::NamedTempFile;

use super::C1zError;

const SUFFIX: &str = ".tmp";
/// Characters that are made up: always so many, so that a name belongs to one target.
const MADE_UP: usize = 6;

/// The directory that the target is in.
pub(super) fn dir_of(target: &Path) -> &Path {
    target
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// A new file beside the target, removed when it is dropped.
pub(super) fn create(target: &Path) -> Result<NamedTempFile, C1zError> {
    let dir = dir_of(target);
    tempfile::Builder::new()
        .prefix(&prefix(target))
        .suffix(SUFFIX)
        .rand_bytes(MADE_UP)
        .tempfile_in(dir)
        .map_err(C1zError::write(dir))
}

/// Removes what killed processes left beside the target. Only for the holder of the target's lock.
pub(super) fn sweep(target: &Path) {
    let prefix = prefix(target);
    let Ok(entries) = std::fs::read_dir(dir_of(target)) else {
        return;
    };
    for entry in entries.flatten() {
        if !is_of(&entry.file_name(), &prefix) || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.path();
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), error = %error, "an unfinished file of a process that was killed stays");
        } else {
            tracing::info!(path = %path.display(), "an unfinished file of a process that was killed was removed");
        }
    }
}

fn prefix(target: &Path) -> OsString {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".");
    name
}

fn is_of(name: &OsStr, prefix: &OsStr) -> bool {
    name.as_bytes()
        .strip_prefix(prefix.as_bytes())
        .and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()))
        .is_some_and(|made_up| made_up.len() == MADE_UP && made_up.iter().all(u8::is_ascii_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::super::Lock;
    use super::*;

    #[test]
    fn the_holder_of_the_lock_removes_what_a_killed_process_left() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("sync.c1z");
        // A file of ours as it is named in use, left as if its process had been killed.
        let left = create(&target).unwrap().into_temp_path().keep().unwrap();
        let stay = [
            // Another target's, whose name begins with ours, and one whose name ends with ours.
            create(&dir.path().join("sync.c1z.old"))
                .unwrap()
                .into_temp_path()
                .keep()
                .unwrap(),
            create(&dir.path().join("a.sync.c1z"))
                .unwrap()
                .into_temp_path()
                .keep()
                .unwrap(),
            dir.path().join(".sync.c1z.backups.tmp"),
            dir.path().join(".sync.c1z.a-b_cd.tmp"),
            dir.path().join("sync.c1z.abcdef.tmp"),
            target.clone(),
        ];
        for path in &stay {
            std::fs::write(path, "x").unwrap();
        }
        let lock = Lock::take(&target).unwrap();
        assert!(left.exists(), "taking the lock alone removes nothing");
        lock.sweep();
        assert!(!left.exists());
        for path in &stay {
            assert!(path.exists(), "{} is gone", path.display());
        }
    }

    #[test]
    fn a_target_in_the_working_directory_has_a_directory() {
        assert_eq!(dir_of(Path::new("sync.c1z")), Path::new("."));
        assert_eq!(dir_of(Path::new("a/sync.c1z")), Path::new("a"));
    }
}
