//! Where credentials come from and how new ones take the place of old ones.
//!
//! Three sources in this order: the watched Secret, a mounted directory, and the settings. A later source fills only keys
//! that the earlier ones lack. The [`CredentialStore`] merges them, proves what they add up to with a request, and swaps it
//! in, PingOne's and C1's side each on its own; what fails leaves the old ones in use. One `watch` of [`CredentialState`]
//! tells everybody: readiness, metrics, status page, and the token sources, which read the credentials in force.
//!
//! Invariants: no value of a credential appears in a [`Problem`], a notice or a `Debug` output; with sources that can
//! change, receivers of [`CredentialState`] only ever see proved credentials; the same content again is no rotation.

mod directory;
mod key;
mod notice;
mod problem;
mod sides;
mod store;
mod values;

pub use directory::Directory;
pub use key::{Key, Side};
pub use notice::{CredentialNotice, NoticeFn};
pub use problem::{Problem, ProofError, REASONS};
pub use sides::{C1Values, PingOneValues, Prover};
pub use store::{C1Need, CredentialStore};
pub use values::Values;

use std::sync::Arc;
use std::time::SystemTime;

use baton::session::C1Credentials;
use process::runtime::current::Current;
use tokio::sync::watch;

/// A source of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The Secret that is watched (`credentials-secret`).
    Secret,
    /// The mounted directory (`credentials-dir`).
    Directory,
    /// Flags, environment, files: they do not change while the process runs.
    Settings,
}

impl Origin {
    /// The first one that has a key decides on it.
    pub const BY_RANK: [Self; 3] = [Self::Secret, Self::Directory, Self::Settings];

    /// For logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Directory => "directory",
            Self::Settings => "settings",
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
    /// In use; `None` until the first ones are proved. Where only settings exist they are used at once and proved
    /// alongside: there is nothing else to use.
    pub current: Option<Arc<T>>,
    /// When those in use were proved; `None` before that.
    pub proved_at: Option<SystemTime>,
    /// Tells credentials apart without revealing them; of those in use.
    pub fingerprint: String,
    /// Counts swaps: 1 for the first ones.
    pub generation: u64,
    /// What is wrong with what the sources hold now; the current ones stay in use.
    pub problem: Option<Problem>,
}

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        Self {
            current: self.current.as_ref().map(Arc::clone),
            proved_at: self.proved_at,
            fingerprint: self.fingerprint.clone(),
            generation: self.generation,
            problem: self.problem.clone(),
        }
    }
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self {
            current: None,
            proved_at: None,
            fingerprint: String::new(),
            generation: 0,
            problem: None,
        }
    }
}

impl<T> Held<T> {
    /// One line for people.
    pub fn describe(&self) -> String {
        match (&self.problem, self.proved_at) {
            (Some(Problem::Refused { text, .. }), Some(_)) => format!("in use; the new ones were refused: {text}"),
            (Some(problem), Some(_)) => format!("in use; the new ones are not: {problem}"),
            (Some(problem), None) => problem.to_string(),
            (None, Some(_)) => "in use".to_owned(),
            (None, None) => "none yet".to_owned(),
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
    /// Whether C1's are needed for this run; `None` until the sources have said what they hold.
    pub wants_c1: Option<bool>,
    /// A source can bring other ones while the process runs.
    pub can_change: bool,
}

impl CredentialState {
    /// Whether all that is needed has been proved once: a part of readiness. A bad rotation does not take it back.
    pub const fn is_loaded(&self) -> bool {
        let c1 = match self.wants_c1 {
            Some(wanted) => !wanted || self.c1.proved_at.is_some(),
            None => false,
        };
        self.pingone.proved_at.is_some() && c1
    }

    /// Why credentials are not loaded, in one sentence; `None` if they are.
    pub fn unmet(&self) -> Option<String> {
        if self.is_loaded() {
            return None;
        }
        let why =
            |problem: Option<&Problem>| problem.map_or_else(|| "no credentials yet".to_owned(), ToString::to_string);
        if self.pingone.proved_at.is_none() {
            return Some(format!("PingOne: {}", why(self.pingone.problem.as_ref())));
        }
        Some(format!("C1: {}", why(self.c1.problem.as_ref())))
    }
}

/// PingOne's credentials in force, for its client; `first` are those that it begins with.
pub fn pingone_in_force(
    state: watch::Receiver<CredentialState>,
    first: Arc<PingOneValues>,
) -> Current<pingone::Credentials> {
    Current::new(move || Arc::clone(&state.borrow().pingone.current.as_ref().unwrap_or(&first).credentials))
}

/// C1's credentials in force, for its session; `first` are those that it begins with.
pub fn c1_in_force(state: watch::Receiver<CredentialState>, first: Arc<C1Values>) -> Current<C1Credentials> {
    Current::new(move || Arc::clone(&state.borrow().c1.current.as_ref().unwrap_or(&first).credentials))
}
