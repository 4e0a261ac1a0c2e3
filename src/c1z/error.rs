//! Why a file could not be written or read; every text says what to do.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::ErrorClass;

/// A failure around a `.c1z` file.
#[derive(Debug, thiserror::Error)]
pub enum C1zError {
    /// The machine refused to write.
    #[error(
        "could not write {}: {}. Free some space or choose another place with --file and --c1z-temp-dir (about \
         twice the size of the data is needed); the file that was there before is untouched",
        path.display(), kind_text(source)
    )]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The machine refused to read.
    #[error("could not read {}: {}. Check that the file exists and may be read", path.display(), kind_text(source))]
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
    #[error("{} is in use by another baton-ping-one: wait for it to end or choose another --file", path.display())]
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
    /// Not a file of this kind.
    #[error(
        "{} is not a .c1z file: it does not begin with C1ZF. Choose a file that a sync has written",
        path.display()
    )]
    Magic {
        /// The file.
        path: PathBuf,
    },
    /// The newer kind of file.
    #[error("{} is a .c1z file of version 3 (C1Z3), which baton-ping-one does not read", path.display())]
    Version3 {
        /// The file.
        path: PathBuf,
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
            Self::TooLarge { .. } => ErrorClass::Precondition,
            Self::Invariant { .. } => ErrorClass::Bug,
            Self::Magic { .. } | Self::Version3 { .. } | Self::Oversize { .. } | Self::Damaged { .. } => {
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
fn kind_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}
