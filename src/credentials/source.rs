//! Where credentials come from and how new ones take the place of old ones.
//!
//! Up to three sources in this order: a Kubernetes Secret, a mounted directory, then flags, environment and files. A
//! later source fills only keys that the earlier ones lack. What they add up to is parsed, proved with a token request, and only then
//! swapped in, PingOne's and C1's each on their own; what fails leaves the old ones in use.
//!
//! Invariants: no value of a credential appears in a [`Problem`], a notice or a `Debug` output; receivers of
//! [`CredentialState`] only ever see proved credentials; the same content again is no rotation.

mod directory;
mod keeper;
mod values;

pub use directory::Directory;
pub use keeper::{CredentialNotice, Keeper, NoticeFn, Prover, Unproved};
pub use values::{C1Values, Key, PingOneValues, Problem, Side, Values};

use std::sync::Arc;

/// A source of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The Secret that is watched (`credentials-secret`).
    Secret,
    /// The mounted directory (`credentials-dir`).
    Directory,
    /// Flags, environment, files: they do not change while the process runs.
    Fixed,
}

impl Origin {
    /// For logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Directory => "directory",
            Self::Fixed => "fixed",
        }
    }
}

/// What a source holds now.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Which source.
    pub origin: Origin,
    /// Its values; `None` if the Secret or directory is not there.
    pub values: Option<Values>,
}

/// One side's credentials in use.
#[derive(Debug)]
pub struct Held<T> {
    /// Proved, in use; `None` until the first ones are.
    pub current: Option<Arc<T>>,
    /// Counts swaps: 1 for the first ones.
    pub generation: u64,
    /// What is wrong with what the sources hold now; the current ones stay in use.
    pub problem: Option<Problem>,
}

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        Self {
            current: self.current.as_ref().map(Arc::clone),
            generation: self.generation,
            problem: self.problem.clone(),
        }
    }
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self {
            current: None,
            generation: 0,
            problem: None,
        }
    }
}

/// What the watch channel carries.
#[derive(Debug, Clone, Default)]
pub struct CredentialState {
    /// PingOne's.
    pub pingone: Held<PingOneValues>,
    /// C1's.
    pub c1: Held<C1Values>,
    /// C1's are needed for this run.
    pub wants_c1: bool,
}

impl CredentialState {
    /// Whether all that is needed has been loaded once: a part of readiness. A bad rotation does not take it back.
    pub const fn is_loaded(&self) -> bool {
        self.pingone.current.is_some() && (self.c1.current.is_some() || !self.wants_c1)
    }
}
