//! The question that is asked immediately before each call to C1 and each write to `PingOne`: may it begin now?

use std::fmt;
use std::sync::Arc;

/// Says whether work of the leader may begin at this moment. Clones share it.
///
/// ```
/// use baton_ping_one::runtime::permit::Permit;
///
/// assert!(Permit::always().may_begin());
/// assert!(!Permit::new(|| false).may_begin());
/// ```
#[derive(Clone)]
pub struct Permit(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl Permit {
    /// For processes that are alone: no election.
    pub const fn always() -> Self {
        Self(None)
    }

    /// Asks each time.
    pub fn new(may_begin: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(may_begin)))
    }

    /// Ask immediately before the call, and again before each repetition.
    pub fn may_begin(&self) -> bool {
        self.0.as_ref().is_none_or(|ask| ask())
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permit").field(&self.may_begin()).finish()
    }
}
