//! The question that is asked immediately before each call to C1 and each write to `PingOne`: may it begin now?

use std::fmt;
use std::sync::Arc;

type Ask = Arc<dyn Fn() -> bool + Send + Sync>;

/// Says whether work of the leader may begin at this moment. Clones share it.
///
/// ```
/// use process::runtime::leader_guard::LeaderGuard;
///
/// assert!(LeaderGuard::always().may_begin());
/// let lost = LeaderGuard::new(|| false);
/// assert!(!lost.may_begin() && !lost.may_report());
/// assert!(lost.with_reports(|| true).may_report());
/// ```
#[derive(Clone)]
pub struct LeaderGuard(Option<(Ask, Ask)>);

impl LeaderGuard {
    /// For processes that are alone: no election.
    pub const fn always() -> Self {
        Self(None)
    }

    /// Asks each time.
    pub fn new(may_begin: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        let ask: Ask = Arc::new(may_begin);
        Self(Some((Arc::clone(&ask), ask)))
    }

    /// The same guard with an answer of its own for reports.
    #[must_use]
    pub fn with_reports(self, may_report: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(self.0.map(|(begin, _)| (begin, Arc::new(may_report) as Ask)))
    }

    /// Ask immediately before the call, and again before each repetition.
    pub fn may_begin(&self) -> bool {
        self.0.as_ref().is_none_or(|(begin, _)| begin())
    }

    /// Whether C1 may still be told how a task ended. This lasts a little longer than [`Self::may_begin`]: a report begins
    /// nothing, and as long as nobody else can lead, a task that is given back is in nobody else's hands.
    pub fn may_report(&self) -> bool {
        self.0.as_ref().is_none_or(|(_, report)| report())
    }
}

impl fmt::Debug for LeaderGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LeaderGuard").field(&self.may_begin()).finish()
    }
}
