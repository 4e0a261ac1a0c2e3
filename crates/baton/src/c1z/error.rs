//! Why a file could not be written or read; every text says what to do.

use std::io;
use std::path::{Path, PathBuf};

use process::error::{ErrorClass, io_words};

/// A failure around a `.c1z` file.
#[derive(Debug, thiserror::Error)]
pub enum C1zError {
    /// The machine refused to write.
    #[error(
        "could not write {}: {}. {}; the file that was there before is untouched",
        path.display(), io_words(source), write_remedy(source)
    )]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The machine refused to read.
    #[error("could not read {}: {}. Check the path and who may read it", path.display(), io_words(source))]
    Read {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The database inside could not be written.
    #[error(
        "the growing file could not be written: {}; the file that was there before is untouched",
        database_remedy(.0)
    )]
    Database(#[from] rusqlite::Error),
    /// Another of our processes writes the same file.
    #[error("{} is in use by another process: wait for it to end or choose another --file", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file would be too large for readers.
    #[error(
        "the database inside the file has {size_bytes} bytes, above the {limit_bytes} that readers accept: narrow the \
         sync with --sync-resource-types or --population-filter"
    )]
    TooLarge {
        /// Its size.
        size_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// The rows do not fit together.
    #[error("the sync does not hold together ({invariant}): {what}. Nothing was published; please report this")]
    Invariant {
        /// Which one, such as `I5`.
        invariant: &'static str,
        /// What is wrong.
        what: String,
    },
    /// An id that C1 does not take.
    #[error(
        "the id of a {what} has {bytes} bytes, and C1 takes 1 to {limit} (it begins with {beginning:?}). Nothing was \
         published; change the object or narrow the sync with --sync-resource-types or --population-filter"
    )]
    Id {
        /// What it belongs to.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The longest that C1 takes.
        limit: usize,
        /// Its first characters.
        beginning: String,
    },
    /// Not a file of this kind.
    #[error(
        "{} is not a .c1z file: it begins with neither C1ZF nor C1Z3. Choose a file that a sync has written",
        path.display()
    )]
    Magic {
        /// The file.
        path: PathBuf,
    },
    /// A v3 file that only the SDK's engine can read.
    #[error(
        "{} is a .c1z file of version 3 that another program wrote, which is not read here: {what}. Read it \
         with the SDK's baton tool, or have it written with storage engine sqlite",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is not read.
        what: String,
    },
    /// The file claims or has more than the limits allow.
    #[error(
        "{} unpacks to {claimed_bytes} bytes or more, above the limit of {limit_bytes}: raise \
         BATON_DECODER_MAX_DECODED_SIZE_MB if you trust it",
        path.display()
    )]
    Oversize {
        /// The file.
        path: PathBuf,
        /// What it claims.
        claimed_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// The file is damaged.
    #[error("{} is damaged: {what}. Sync again to make a new one", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Somebody ended the work.
    #[error("the work on the file was cancelled")]
    Cancelled,
}

impl C1zError {
    /// What kind of failure it is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Write { .. } | Self::Read { .. } | Self::InUse { .. } => ErrorClass::Local,
            Self::Database(error) => match error.sqlite_error_code() {
                Some(rusqlite::ErrorCode::OperationInterrupted) => ErrorClass::Cancelled,
                Some(rusqlite::ErrorCode::ConstraintViolation) => ErrorClass::Bug,
                _ => ErrorClass::Local,
            },
            Self::TooLarge { .. } | Self::Id { .. } => ErrorClass::Precondition,
            Self::Invariant { .. } => ErrorClass::Bug,
            Self::Magic { .. } | Self::Foreign { .. } | Self::Oversize { .. } | Self::Damaged { .. } => {
                ErrorClass::Corrupt
            }
            Self::Cancelled => ErrorClass::Cancelled,
        }
    }

    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Write { path, source }
    }

    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }
}

/// What is wrong with the database that grows, and what to do. SQLite calls only `ENOSPC` a full disk: a used-up quota and a
/// limit on the size of files are among its I/O errors.
fn database_remedy(error: &rusqlite::Error) -> String {
    use rusqlite::ErrorCode;
    let Some(code) = error.sqlite_error_code() else {
        return "the database refused a step. Please report this".to_owned();
    };
    let remedy = match code {
        ErrorCode::DiskFull => "the disk is full. Free some space or choose another place with --c1z-temp-dir",
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
            "it may not be written there. Choose another place with --c1z-temp-dir"
        }
        ErrorCode::CannotOpen => {
            "it or a temporary file beside it could not be opened. Check that the folder is still there, may be written, and \
             that not too many files are open (ulimit -n), or choose another place with --c1z-temp-dir"
        }
        ErrorCode::SystemIoFailure => {
            "reading or writing failed (disk I/O error). Check the disk, its quota and the limit on the size of files, or \
             choose another place with --c1z-temp-dir"
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
            "it was damaged while it grew. Check the disk and that nothing else works in the folder, then sync again"
        }
        ErrorCode::OutOfMemory => "memory ran out. Give the process more memory",
        ErrorCode::OperationInterrupted => "the work was cancelled",
        _ => {
            let number = error.sqlite_extended_error_code().unwrap_or_default();
            return format!("the database refused a step (SQLite error {number}). Please report this");
        }
    };
    remedy.to_owned()
}

/// What to do about a place that could not be written.
fn write_remedy(error: &io::Error) -> &'static str {
    match (error.raw_os_error(), error.kind()) {
        (Some(23 | 24), _) => "Run it again with a higher limit",
        (_, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge) => {
            "Free some space or choose another place with --file and --c1z-temp-dir (about twice the size of the data is \
             needed)"
        }
        _ => "Choose another place with --file and --c1z-temp-dir",
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, OpenFlags, ffi};

    use super::*;

    /// What a step on a database of 50 rows in a file comes to.
    fn failing(spoil: impl FnOnce(&Path) -> rusqlite::Result<Connection>, step: &str) -> C1zError {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        Connection::open(&path)
            .unwrap()
            .execute_batch(
                "PRAGMA page_size = 512; CREATE TABLE t (a TEXT UNIQUE); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i \
                 + 1 FROM n WHERE i < 50) INSERT INTO t SELECT printf('%0100d', i) FROM n",
            )
            .unwrap();
        let failed = spoil(&path).and_then(|db| db.execute_batch(step));
        failed.unwrap_err().into()
    }

    /// Puts other bytes where a database was, from this one on.
    fn overwrite(path: &Path, from: usize) {
        let mut bytes = std::fs::read(path).unwrap();
        bytes.iter_mut().skip(from).for_each(|byte| *byte = 0x5a);
        std::fs::write(path, bytes).unwrap();
    }

    const INSERT: &str = "INSERT INTO t VALUES (printf('%1000d', 7))";
    const SPACE: &str = "Free some space";

    #[test]
    fn each_failure_of_the_database_has_a_remedy_of_its_own() {
        let full = failing(
            |path| {
                let db = Connection::open(path)?;
                let pages: u32 = db.query_row("PRAGMA page_count", [], |row| row.get(0))?;
                db.pragma_update(None, "max_page_count", pages)?;
                Ok(db)
            },
            INSERT,
        );
        let read_only = failing(
            |path| Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY),
            INSERT,
        );
        let folder = failing(|path| Connection::open(path.parent().unwrap()), INSERT);
        let other_file = failing(
            |path| {
                overwrite(path, 0);
                Connection::open(path)
            },
            INSERT,
        );
        let damaged = failing(
            |path| {
                overwrite(path, 512);
                Connection::open(path)
            },
            INSERT,
        );
        let twice = failing(|path| Connection::open(path), "INSERT INTO t SELECT a FROM t");
        let code = |code| C1zError::from(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        for (error, remedy) in [
            (full, "the disk is full. Free some space or choose another place"),
            (read_only, "may not be written there. Choose another place"),
            (folder, "could not be opened. Check that the folder is still there"),
            (other_file, "it was damaged while it grew. Check the disk"),
            (damaged, "it was damaged while it grew. Check the disk"),
            (twice, "(SQLite error 2067). Please report this"),
            (
                code(ffi::SQLITE_IOERR_WRITE),
                "Check the disk, its quota and the limit on the size of files",
            ),
            (code(ffi::SQLITE_NOMEM), "Give the process more memory"),
            (code(ffi::SQLITE_INTERRUPT), "the work was cancelled"),
            (rusqlite::Error::InvalidQuery.into(), "Please report this"),
        ] {
            let text = error.to_string();
            assert!(text.contains(remedy), "\"{remedy}\" is not in: {text}");
            assert_eq!(text.contains(SPACE), remedy.contains(SPACE), "{text}");
            assert!(text.ends_with("the file that was there before is untouched"), "{text}");
        }
    }

    #[test]
    fn a_limit_on_open_files_is_told_apart_from_a_full_disk() {
        for (error, expected) in [
            (io::Error::from_raw_os_error(24), "ulimit -n"),
            (io::ErrorKind::StorageFull.into(), "the disk is full. Free some space"),
            (
                io::ErrorKind::PermissionDenied.into(),
                "permission denied. Choose another place",
            ),
        ] {
            let error = C1zError::write(Path::new("/data/sync.c1z"))(error);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
