//! The question that is asked immediately before each call to C1 and each write to PingOne.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::candidate::Moment;

#[derive(Debug)]
struct State {
    base: Instant,
    /// Nanoseconds after `base`.
    until: AtomicU64,
    revoked: AtomicBool,
}

/// Says whether work may begin now. One guard belongs to one term of leadership; once it has said no it never says yes
/// again, so a process that slept past its lease cannot go on where it stopped.
///
/// ```
/// let guard = baton_ping_one::k8s::lease::LeaseGuard::always();
/// assert!(guard.may_begin());
/// ```
#[derive(Debug, Clone)]
pub struct LeaseGuard(Option<Arc<State>>);

impl LeaseGuard {
    /// For processes without an election: they are alone.
    pub const fn always() -> Self {
        Self(None)
    }

    /// Good until `until`, counted from `base`.
    pub(crate) fn new(base: Instant, until: Moment) -> Self {
        Self(Some(Arc::new(State {
            base,
            until: AtomicU64::new(nanos(until)),
            revoked: AtomicBool::new(false),
        })))
    }

    /// Whether a call may begin at this moment. Reads the monotonic clock; ask immediately before the call, and again
    /// before each repetition.
    pub fn may_begin(&self) -> bool {
        let Some(state) = &self.0 else {
            return true;
        };
        if state.revoked.load(Ordering::Acquire) {
            return false;
        }
        let until = state.until.load(Ordering::Acquire);
        if nanos(state.base.elapsed()) < until {
            return true;
        }
        state.revoked.store(true, Ordering::Release);
        false
    }

    /// The lease was renewed. False if the guard has expired or was revoked: then this term is over.
    pub(crate) fn extend(&self, until: Moment) -> bool {
        if !self.may_begin() {
            return false;
        }
        if let Some(state) = &self.0 {
            state.until.fetch_max(nanos(until), Ordering::AcqRel);
        }
        // It may have expired between the two: whoever asked then was told no, and that stands.
        !self.is_revoked()
    }

    /// Ends the term.
    pub(crate) fn revoke(&self) {
        if let Some(state) = &self.0 {
            state.revoked.store(true, Ordering::Release);
        }
    }

    /// Whether the answer has become no for good. Does not read the clock.
    pub(crate) fn is_revoked(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|state| state.revoked.load(Ordering::Acquire))
    }
}

fn nanos(moment: Duration) -> u64 {
    u64::try_from(moment.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_guard_that_has_said_no_never_says_yes_again() {
        let guard = LeaseGuard::new(Instant::now(), Duration::from_secs(10));
        assert!(guard.may_begin());
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(guard.may_begin() && guard.extend(Duration::from_secs(19)));
        tokio::time::advance(Duration::from_secs(10)).await;
        let asked = guard.clone();
        assert!(!asked.may_begin());
        assert!(!guard.extend(Duration::from_secs(100)));
        assert!(!guard.may_begin());
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_that_arrives_after_the_end_does_not_bring_the_term_back() {
        let guard = LeaseGuard::new(Instant::now(), Duration::from_secs(10));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!guard.extend(Duration::from_secs(20)));
        assert!(!guard.may_begin());
    }

    #[tokio::test(start_paused = true)]
    async fn a_revoked_guard_is_over_before_its_time() {
        let guard = LeaseGuard::new(Instant::now(), Duration::from_secs(10));
        guard.revoke();
        assert!(!guard.may_begin());
        LeaseGuard::always().revoke();
        assert!(LeaseGuard::always().may_begin());
    }
}
