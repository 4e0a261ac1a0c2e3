//! One writer per target: an advisory lock beside the file, released by the system whatever happens to the process.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{C1zError, staging};

/// Keeps two of our processes from the same file. Removed with the lock: whoever takes it next checks that the file it
/// locked is still the one under that name.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
    target: PathBuf,
}

impl Lock {
    /// Takes the lock for `target`, or says that somebody has it.
    pub fn take(target: &Path) -> Result<Self, C1zError> {
        let path = lock_path(target);
        loop {
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)
                .map_err(C1zError::write(&path))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(C1zError::InUse {
                        path: target.to_owned(),
                    });
                }
                Err(TryLockError::Error(error)) => return Err(C1zError::write(&path)(error)),
            }
            let ours = file.metadata().map_err(C1zError::write(&path))?;
            if std::fs::metadata(&path).is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())) {
                return Ok(Self {
                    file,
                    path,
                    target: target.to_owned(),
                });
            }
        }
    }

    /// Removes unfinished files that killed processes left next to the target.
    pub fn sweep(&self) {
        staging::sweep(&self.target);
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While the lock is still held, so that nobody's file is removed but ours.
        std::fs::remove_file(&self.path).ok();
        self.file.unlock().ok();
    }
}

fn lock_path(target: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".lock");
    target.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_writers_cannot_have_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("sync.c1z");
        let first = Lock::take(&target).unwrap();
        assert!(matches!(Lock::take(&target), Err(C1zError::InUse { .. })));
        assert!(Lock::take(&dir.path().join("other.c1z")).is_ok());
        drop(first);
        assert!(Lock::take(&target).is_ok());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = Lock::take(Path::new("/nowhere/at/all/sync.c1z")).unwrap_err();
        assert!(error.to_string().contains("no such file or directory"), "{error}");
    }
}
