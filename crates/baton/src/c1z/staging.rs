//! The staging file: written next to its target, then renamed over it. Its name contains the target's, so whoever holds
//! the target's lock can tell that it is left over from a killed process and remove it.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use tempfile::NamedTempFile;
use tokio_util::sync::CancellationToken;

use super::C1zError;

const SUFFIX: &str = ".tmp";
/// Length of the random part. It is fixed, so that a name belongs to exactly one target.
const RANDOM_CHARS: usize = 6;

/// The directory that the target is in.
pub(super) fn dir_of(target: &Path) -> &Path {
    target
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// A new file next to the target, removed when it is dropped.
pub(super) fn create(target: &Path) -> Result<NamedTempFile, C1zError> {
    if target.is_dir() {
        return Err(C1zError::write(target)(io::ErrorKind::IsADirectory.into()));
    }
    let dir = dir_of(target);
    tempfile::Builder::new()
        .prefix(&prefix(target))
        .suffix(SUFFIX)
        .rand_bytes(RANDOM_CHARS)
        .make_in(dir, |path| {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true).mode(0o600).open(path)
        })
        .map_err(C1zError::write(dir))
}

/// Puts a finished file on disk under the target's name.
pub(super) fn publish(temp: NamedTempFile, target: &Path, cancel: &CancellationToken) -> Result<(), C1zError> {
    temp.as_file().sync_all().map_err(C1zError::write(target))?;
    // From here on it is there, whatever is cancelled.
    if cancel.is_cancelled() {
        return Err(C1zError::Cancelled);
    }
    temp.persist(target)
        .map_err(|error| C1zError::write(target)(error.error))?;
    // The rename itself must be on disk, too.
    let dir = dir_of(target);
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(C1zError::write(dir))
}

/// Removes what killed processes left next to the target. Only for the holder of the target's lock.
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
            tracing::warn!(path = %path.display(), error = %error, "could not remove an unfinished file of a killed process");
        } else {
            tracing::info!(path = %path.display(), "removed an unfinished file of a killed process");
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
        .is_some_and(|random| random.len() == RANDOM_CHARS && random.iter().all(u8::is_ascii_alphanumeric))
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
