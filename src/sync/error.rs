//! Why a sync did not finish.

use crate::c1z::C1zError;
use crate::error::ErrorClass;
use crate::pingone::PingOneError;

use super::gate::Shrunk;

/// A sync that ended without a file. The previous file stands.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// A read failed. A failed read is never an empty list (connector-model.md §1 point 3).
    #[error(transparent)]
    PingOne(Box<PingOneError>),
    /// The file could not be written.
    #[error(transparent)]
    File(Box<C1zError>),
    /// The environment is on its way out.
    #[error(
        "environment {environment} is being deleted (status DELETE_PENDING): nothing was synced. Check \
         pingone-environment-id"
    )]
    EnvironmentDeleting {
        /// Its id.
        environment: String,
    },
    /// The result is much smaller than the last.
    #[error(transparent)]
    Shrunk(#[from] Shrunk),
    /// Too many objects vanished while they were read.
    #[error(
        "{warnings} of {steps} objects vanished while they were read: the directory changes too fast, or the \
         worker application loses sight of it. Run the sync again"
    )]
    TooManyWarnings {
        /// How many vanished.
        warnings: u64,
        /// Of how many steps.
        steps: u64,
    },
    /// A setting names something that the environment does not have.
    #[error("{setting} names \"{value}\", which is neither the id nor the name of a population of this environment")]
    UnknownPopulation {
        /// The flag.
        setting: &'static str,
        /// What it says.
        value: String,
    },
    /// Somebody ended the sync.
    #[error("the sync was cancelled; nothing was published")]
    Cancelled,
    /// A read that several groups needed failed.
    #[error(transparent)]
    Shared(std::sync::Arc<SyncError>),
    /// The machine gave no thread.
    #[error("no thread could be started for the file")]
    Thread(#[source] std::io::Error),
}

impl From<PingOneError> for SyncError {
    fn from(error: PingOneError) -> Self {
        Self::PingOne(Box::new(error))
    }
}

impl From<C1zError> for SyncError {
    fn from(error: C1zError) -> Self {
        Self::File(Box::new(error))
    }
}

impl SyncError {
    /// The rows do not hold together: the same sync would fail again.
    pub fn is_data_verdict(&self) -> bool {
        match self {
            Self::File(error) => matches!(**error, C1zError::Invariant { .. }),
            Self::Shared(error) => error.is_data_verdict(),
            _ => false,
        }
    }

    /// What kind of failure it is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::PingOne(error) => error.class(),
            Self::Shared(error) => error.class(),
            Self::File(error) => error.class(),
            Self::EnvironmentDeleting { .. } | Self::Shrunk(_) => ErrorClass::Precondition,
            Self::TooManyWarnings { .. } => ErrorClass::Transient { retry_after: None },
            Self::UnknownPopulation { .. } => ErrorClass::Rejected,
            Self::Cancelled => ErrorClass::Cancelled,
            Self::Thread(_) => ErrorClass::Local,
        }
    }
}
