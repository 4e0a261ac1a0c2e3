//! What the store tells of itself, on change only.

use std::sync::Arc;

use super::Origin;
use super::key::{Key, Side};
use super::problem::Problem;

/// A change, for logs, metrics and Events.
#[derive(Debug)]
#[non_exhaustive]
pub enum CredentialNotice<'a> {
    /// The first credentials of this side are in use.
    Loaded {
        /// Which side.
        side: Side,
        /// Of the credentials.
        fingerprint: &'a str,
    },
    /// New credentials took the place of old ones.
    Reloaded {
        /// Which side.
        side: Side,
        /// Of the new ones.
        fingerprint: &'a str,
    },
    /// The sources hold again what is in use: the problem is over.
    Restored(Side),
    /// What the sources hold now cannot be used, or is not proved yet.
    Refused {
        /// Which side.
        side: Side,
        /// Why.
        problem: &'a Problem,
        /// Older ones are in use; else the process waits.
        has_older: bool,
    },
    /// A value ended in a line end, which was cut off.
    Trimmed {
        /// Which.
        key: Key,
        /// Where.
        origin: Origin,
    },
    /// A source holds settings that are not read from there.
    Ignored {
        /// Which.
        keys: &'a [String],
        /// Where.
        origin: Origin,
    },
}

/// Where notices go; must not block.
pub type NoticeFn = Arc<dyn Fn(&CredentialNotice<'_>) + Send + Sync>;

impl CredentialNotice<'_> {
    /// Writes the log line.
    pub fn log(&self) {
        match self {
            Self::Loaded { side, fingerprint } => {
                tracing::info!(side = side.as_str(), fingerprint, "credentials were loaded");
            }
            Self::Reloaded { side, fingerprint } => {
                tracing::info!(side = side.as_str(), fingerprint, "credentials were replaced");
            }
            Self::Restored(side) => tracing::info!(
                side = side.as_str(),
                "credentials are valid again: the sources hold what is in use"
            ),
            Self::Refused {
                side,
                problem: problem @ Problem::Unproved(_),
                has_older,
            } => tracing::warn!(
                side = side.as_str(),
                error = %problem,
                error_class = problem.class().as_str(),
                "{}",
                refusal(problem, *has_older)
            ),
            Self::Refused {
                side,
                problem,
                has_older,
            } => tracing::error!(
                side = side.as_str(),
                error = %problem,
                error_class = problem.class().as_str(),
                "{}",
                refusal(problem, *has_older)
            ),
            Self::Trimmed { key, origin } => tracing::warn!(
                key = key.name(),
                source = origin.as_str(),
                "line end was cut off a credential"
            ),
            Self::Ignored { keys, origin } => tracing::warn!(
                keys = keys.join(" "),
                source = origin.as_str(),
                "settings beside the credentials were ignored: only credentials are read from there; set these in the environment \
                 or the configuration file"
            ),
        }
    }

    /// The outcome that `credentials_reloads_total` counts; `None` for what is no reload.
    pub const fn outcome(&self) -> Option<&'static str> {
        match self {
            Self::Reloaded { .. } => Some("accepted"),
            Self::Restored(_) => Some("restored"),
            Self::Refused {
                problem: Problem::Unproved(_),
                ..
            } => Some("unproved"),
            Self::Refused { .. } => Some("refused"),
            Self::Loaded { .. } | Self::Trimmed { .. } | Self::Ignored { .. } => None,
        }
    }
}

/// The words of the line for credentials that are not taken into use.
const fn refusal(problem: &Problem, has_older: bool) -> &'static str {
    match (problem, has_older) {
        (Problem::Unproved(_), true) => "new credentials are not proved yet; the old ones stay in use",
        (Problem::Unproved(_), false) => "credentials are not proved yet",
        (_, true) => "new credentials were rejected; the old ones stay in use",
        (_, false) => "credentials were rejected; there are no others",
    }
}

#[cfg(test)]
mod tests {
    use process::error::ErrorClass;

    use super::*;

    #[test]
    fn what_is_not_proved_is_not_called_rejected_and_only_what_is_there_stays_in_use() {
        let refused = Problem::Refused {
            text: String::new(),
            code: String::new(),
            class: ErrorClass::Auth,
        };
        let unproved = Problem::Unproved(String::new());
        for (problem, outcome, word, other) in [
            (&unproved, "unproved", "not proved yet", "rejected"),
            (&refused, "refused", "rejected", "not proved"),
            (&Problem::Gone(Origin::Secret), "refused", "rejected", "not proved"),
        ] {
            for has_older in [true, false] {
                let side = Side::C1;
                let notice = CredentialNotice::Refused {
                    side,
                    problem,
                    has_older,
                };
                assert_eq!(notice.outcome(), Some(outcome), "{problem:?}");
                let line = refusal(problem, has_older);
                assert!(line.contains(word) && !line.contains(other), "{problem:?}: {line}");
                assert_eq!(line.contains("the old ones stay in use"), has_older, "{line}");
            }
        }
        assert_eq!(CredentialNotice::Restored(Side::C1).outcome(), Some("restored"));
    }
}
