//! What can be wrong with credentials. Texts name keys and sources, never a value.

use super::Origin;
use super::key::Key;
use process::error::ErrorClass;

/// Every [`Problem::reason`], for metrics.
pub const REASONS: [&str; 7] = [
    "missing",
    "empty",
    "malformed",
    "other_tenant",
    "gone",
    "refused",
    "unproved",
];

/// Why credentials were not proved. The texts are shown; they must hold no value of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProofError {
    /// The endpoint refused them.
    Refused {
        /// What it said, for people.
        text: String,
        /// The same refusal again has the same code: `text` may hold the id of one request.
        code: String,
        /// [`ErrorClass::Auth`] for the credentials themselves, others for what they may do.
        class: ErrorClass,
    },
    /// No verdict: the endpoint was not reached, had a fault of its own, or something else answered.
    Unreachable(String),
}

/// What is wrong with credentials; never their values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// No source has this key.
    #[error("{0} is missing")]
    Missing(Key),
    /// The key is there and empty.
    #[error("{key} is empty in the {} source", .origin.as_str())]
    Empty {
        /// Which.
        key: Key,
        /// Where.
        origin: Origin,
    },
    /// The value cannot be one.
    #[error("{key} is malformed: {why}")]
    Malformed {
        /// Which.
        key: Key,
        /// In what way.
        why: &'static str,
    },
    /// The running process serves one environment and one C1 tenant; another needs a new start.
    #[error("{0} belongs to another tenant or environment than the one in use; restart to serve that one")]
    OtherTenant(Key),
    /// The Secret or the directory is gone.
    #[error("the {} source is gone", .0.as_str())]
    Gone(Origin),
    /// The endpoint refused them.
    #[error("they were refused: {text}")]
    Refused {
        /// What it said.
        text: String,
        /// See [`ProofError::Refused`].
        code: String,
        /// See [`ProofError::Refused`].
        class: ErrorClass,
    },
    /// There is no verdict yet; the proof is tried again.
    #[error("not proved yet, tried again: {0}")]
    Unproved(String),
}

impl From<ProofError> for Problem {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Refused { text, code, class } => Self::Refused { text, code, class },
            ProofError::Unreachable(text) => Self::Unproved(text),
        }
    }
}

impl Problem {
    /// What kind of failure it is.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Refused { class, .. } => *class,
            Self::Unproved(_) => ErrorClass::Transient { retry_after: None },
            Self::Missing(_) | Self::Empty { .. } | Self::Malformed { .. } | Self::OtherTenant(_) | Self::Gone(_) => {
                ErrorClass::Rejected
            }
        }
    }

    /// A bounded label, one of [`REASONS`].
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing",
            Self::Empty { .. } => "empty",
            Self::Malformed { .. } => "malformed",
            Self::OtherTenant(_) => "other_tenant",
            Self::Gone(_) => "gone",
            Self::Refused { .. } => "refused",
            Self::Unproved(_) => "unproved",
        }
    }

    /// Whether waiting cannot heal it where nothing but settings exists.
    pub(super) const fn is_final(&self) -> bool {
        match self {
            Self::Refused { class, .. } => matches!(class, ErrorClass::Auth),
            Self::Missing(_) | Self::Empty { .. } | Self::Malformed { .. } => true,
            Self::OtherTenant(_) | Self::Gone(_) | Self::Unproved(_) => false,
        }
    }

    /// Whether it is no more than this one, met once more: request ids and the words of a failed connection do not count.
    pub(super) fn is_again(&self, before: &Self) -> bool {
        match (self, before) {
            (Self::Refused { code, .. }, Self::Refused { code: known, .. }) => code == known,
            (Self::Unproved(_), Self::Unproved(_)) => true,
            _ => self == before,
        }
    }
}
