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
        "the growing file could not be written. Free some space or choose another place with --c1z-temp-dir; the \
         file that was there before is untouched"
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

/// The usual failures in plain words.
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
    use super::*;

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
