//! How long a term of leadership is good. What the work asks is a [`LeaderGuard`] made from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::candidate::Moment;
use process::runtime::leader_guard::LeaderGuard;

#[derive(Debug)]
struct State {
    base: Instant,
    /// Nanoseconds after `base`.
    until: AtomicU64,
    revoked: AtomicBool,
    /// How much longer than `until` nobody else can lead: the lease duration less the renew deadline.
    spare: Duration,
    taken: AtomicBool,
}

/// One belongs to one term; once it has said no it never says yes again, so a process that slept past its lease cannot
/// go on where it stopped. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct TermLimit(Arc<State>);

impl TermLimit {
    /// Good until `until`, counted from `base`. Nobody else can lead before `spare` more has passed.
    pub(super) fn new(base: Instant, until: Moment, spare: Duration) -> Self {
        Self(Arc::new(State {
            base,
            until: AtomicU64::new(nanos(until)),
            revoked: AtomicBool::new(false),
            spare,
            taken: AtomicBool::new(false),
        }))
    }

    /// The question for the term's work.
    pub(super) fn guard(&self) -> LeaderGuard {
        let (begin, report) = (self.clone(), self.clone());
        LeaderGuard::new(move || begin.may_begin()).with_reports(move || report.may_report())
    }

    /// Whether nobody else can lead yet.
    fn may_report(&self) -> bool {
        let until = self.0.until.load(Ordering::Acquire);
        !self.0.taken.load(Ordering::Acquire)
            && nanos(self.0.base.elapsed()) < until.saturating_add(nanos(self.0.spare))
    }

    /// Ends the term, and its reports with it: somebody else leads.
    pub(super) fn taken(&self) {
        self.0.taken.store(true, Ordering::Release);
        self.revoke();
    }

    /// Whether a call may begin at this moment. Reads the monotonic clock; ask immediately before the call, and again
    /// before each repetition.
    fn may_begin(&self) -> bool {
        let state = &self.0;
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
    pub(super) fn extend(&self, until: Moment) -> bool {
        if !self.may_begin() {
            return false;
        }
        self.0.until.fetch_max(nanos(until), Ordering::AcqRel);
        // It may have expired between the two: whoever asked then was told no, and that stands.
        !self.is_revoked()
    }

    /// Ends the term.
    pub(super) fn revoke(&self) {
        self.0.revoked.store(true, Ordering::Release);
    }

    /// Whether the answer has become no for good. Does not read the clock.
    pub(super) fn is_revoked(&self) -> bool {
        self.0.revoked.load(Ordering::Acquire)
    }
}

fn nanos(moment: Duration) -> u64 {
    u64::try_from(moment.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_has_said_no_never_says_yes_again() {
        let limit = TermLimit::new(Instant::now(), Duration::from_secs(10), Duration::from_secs(5));
        assert!(limit.may_begin());
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(limit.may_begin() && limit.extend(Duration::from_secs(19)));
        tokio::time::advance(Duration::from_secs(10)).await;
        let asked = limit.guard();
        assert!(!asked.may_begin());
        assert!(!limit.extend(Duration::from_secs(100)));
        assert!(!limit.may_begin());
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_that_arrives_after_the_end_does_not_bring_the_term_back() {
        let limit = TermLimit::new(Instant::now(), Duration::from_secs(10), Duration::from_secs(5));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!limit.extend(Duration::from_secs(20)));
        assert!(!limit.may_begin());
    }

    #[tokio::test(start_paused = true)]
    async fn a_revoked_limit_is_over_before_its_time() {
        let limit = TermLimit::new(Instant::now(), Duration::from_secs(10), Duration::from_secs(5));
        let asked = limit.guard();
        assert!(asked.may_begin());
        limit.revoke();
        assert!(!asked.may_begin());
    }

    #[tokio::test(start_paused = true)]
    async fn reports_last_until_somebody_else_can_lead_and_end_when_somebody_does() {
        let limit = TermLimit::new(Instant::now(), Duration::from_secs(10), Duration::from_secs(5));
        let asked = limit.guard();
        tokio::time::advance(Duration::from_secs(14)).await;
        assert!(!asked.may_begin() && asked.may_report());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!asked.may_report());
        let limit = TermLimit::new(Instant::now(), Duration::from_secs(10), Duration::from_secs(5));
        limit.taken();
        assert!(!limit.guard().may_begin() && !limit.guard().may_report());
    }
}
