//! Where a process keeps its temporary files: a directory of its own under the configured one. A process that was killed
//! leaves its directory behind; whoever comes next removes it. The lock beside it, which the system releases whatever
//! happens to its holder, tells a dead one's from a living one's.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use baton::c1z::{C1zError, Lock};

const PREFIX: &str = "baton-ping-one-work-";
/// Names that are tried until one is nobody's.
const ATTEMPTS: u32 = 16;

/// The directory, removed with all that is in it when this is dropped.
#[derive(Debug)]
pub(super) struct Workspace {
    path: PathBuf,
    /// Released after the directory is gone.
    lock: Option<Lock>,
}

impl Workspace {
    /// Removes what dead processes left under `dir` and makes a directory there.
    pub(super) fn enter(dir: &Path) -> anyhow::Result<Self> {
        sweep(dir);
        for _ in 0..ATTEMPTS {
            let path = dir.join(format!("{PREFIX}{}", uuid::Uuid::new_v4().simple()));
            // The lock comes first: a directory without a locked lock is a dead one's.
            let lock = match Lock::take(&path) {
                Ok(lock) => lock,
                Err(C1zError::InUse { .. }) => continue,
                Err(error) => return Err(error).context("no temporary files can be made (--c1z-temp-dir)"),
            };
            std::fs::create_dir(&path).with_context(|| format!("make {} (--c1z-temp-dir)", path.display()))?;
            return Ok(Self { path, lock: Some(lock) });
        }
        anyhow::bail!("no directory of our own could be made in {}", dir.display())
    }

    /// The directory.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if std::fs::remove_dir_all(&self.path).is_err() && self.path.exists() {
            // Without its lock nobody would look there again.
            std::mem::forget(self.lock.take());
        }
    }
}

fn sweep(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let Some(name) = owner(&entry.file_name()) else {
            continue;
        };
        let path = dir.join(name);
        let Ok(lock) = Lock::take(&path) else { continue };
        match std::fs::remove_dir_all(&path) {
            Ok(()) => {
                tracing::info!(path = %path.display(), "temporary files of a process that was killed were removed");
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %path.display(), error = %error, "temporary files of a process that was killed stay");
                // The lock would be removed with its holder, and nobody would look here again.
                std::mem::forget(lock);
            }
        }
    }
}

/// The directory that a lock belongs to.
fn owner(lock: &OsStr) -> Option<String> {
    let name = lock.to_str()?.strip_prefix('.')?.strip_suffix(".lock")?;
    name.starts_with(PREFIX).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(dir: &Path) -> usize {
        std::fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn what_a_dead_process_left_is_removed_and_a_living_ones_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let dead = dir.path().join(format!("{PREFIX}dead"));
        std::fs::create_dir(&dead).unwrap();
        std::fs::write(dead.join("baton-sdk-sync-upload1.c1z"), "x").unwrap();
        std::fs::write(dir.path().join(format!(".{PREFIX}dead.lock")), "").unwrap();
        let foreign = dir.path().join("baton-ping-one-work-of-somebody");
        std::fs::create_dir(&foreign).unwrap();
        let first = Workspace::enter(dir.path()).unwrap();
        std::fs::write(first.path().join("live"), "x").unwrap();
        assert!(!dead.exists() && foreign.exists());
        let second = Workspace::enter(dir.path()).unwrap();
        assert!(first.path().join("live").exists());
        assert_ne!(first.path(), second.path());
        drop((first, second));
        assert_eq!(entries(dir.path()), 1, "only the foreign one stays");
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let error = Workspace::enter(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(format!("{error:#}").contains("/nowhere/at/all"), "{error:#}");
    }
}
