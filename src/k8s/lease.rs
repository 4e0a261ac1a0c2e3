//! Leader election with one Lease.
//!
//! [`Candidate`] is pure: what was observed and the local monotonic time go in, an [`Action`] comes out. [`Election`] is
//! the shell around it that talks to the API server and runs the leader's work.
//!
//! Why no two processes begin work at a time:
//! - A leader may begin until the *start* of its last successful write plus the renew deadline, by its own monotonic clock
//!   ([`LeaderGuard::may_begin`](process::runtime::leader_guard::LeaderGuard::may_begin)); wall clocks are written for people and never read.
//! - Another one takes over only after it has seen the same record, unchanged, for the whole lease duration by its own
//!   monotonic clock. It saw the record after the write that made it, and the duration is longer than the renew deadline.
//! - A Lease that is gone, new, or without a holder is not a free one: whoever held it, or its predecessor, may not know
//!   yet, so the whole duration is waited out. Free at once is only one that its leader gave back.
//! - The first Lease of an installation is one that we made within a minute of its Deployment, by the API server's clock, and
//!   that nobody has held. Only somebody who deletes it in that minute could make it hide a leader, so it is enough to wait
//!   until a leader of an earlier installation has noticed that its own is gone (docs/adr/0012).
//! - Each write carries the `resourceVersion` it builds on. A leader that is in doubt is done with this term: it takes up
//!   work again only with a new one, after the old work has stopped.

mod candidate;
mod election;
mod notes;
mod store;
mod term_limit;

#[cfg(test)]
mod simulation;

use std::time::Duration;

use process::error::ErrorClass;

pub use candidate::{Action, Candidate, Claim, Doubt, Moment, Observed, Record};
pub use election::{Election, ElectionNotice, Leadership, NoticeFn};
pub use notes::Notes;
pub use store::{KubeLeases, LeaseStore};

/// Longest lease duration: what a holder may make everybody wait.
pub const LONGEST: Duration = Duration::from_hours(1);

/// The three times of an election, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    duration: Duration,
    renew_deadline: Duration,
    retry_period: Duration,
}

/// Why the three times cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimingError {
    /// A Lease counts whole seconds.
    #[error("leader-election-lease-duration must be whole seconds from 1s to 1h")]
    Duration,
    /// The order matters: a leader must have given up before another one takes over.
    #[error("leader-election-renew-deadline must be shorter than leader-election-lease-duration")]
    RenewDeadline,
    /// A leader must get more than one try.
    #[error(
        "leader-election-retry-period must be more than nothing and less than half of leader-election-renew-deadline"
    )]
    RetryPeriod,
}

impl TimingError {
    /// A matter of configuration.
    pub const fn class(&self) -> ErrorClass {
        ErrorClass::Rejected
    }
}

impl Timing {
    /// Checks the times: whole seconds, `2 × retry < renew deadline < duration ≤ 1 h`.
    pub fn new(duration: Duration, renew_deadline: Duration, retry_period: Duration) -> Result<Self, TimingError> {
        if duration.subsec_nanos() != 0 || duration.is_zero() || duration > LONGEST {
            return Err(TimingError::Duration);
        }
        if renew_deadline >= duration {
            return Err(TimingError::RenewDeadline);
        }
        if retry_period.is_zero() || retry_period.saturating_mul(2) >= renew_deadline {
            return Err(TimingError::RetryPeriod);
        }
        Ok(Self {
            duration,
            renew_deadline,
            retry_period,
        })
    }

    /// How long a record keeps others away after it last changed.
    pub const fn duration(&self) -> Duration {
        self.duration
    }

    /// How long a leader may go on without a successful renewal.
    pub const fn renew_deadline(&self) -> Duration {
        self.renew_deadline
    }

    /// Time between renewals, and between looks of those who wait.
    pub const fn retry_period(&self) -> Duration {
        self.retry_period
    }

    /// Deadline of one request: two of them and the pause between fit into the renew deadline.
    pub fn request(&self) -> Duration {
        (self.renew_deadline.saturating_sub(self.retry_period) / 2).min(Duration::from_secs(5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_must_be_in_order_and_whole() {
        let new = |a, b, c| {
            Timing::new(
                Duration::from_millis(a),
                Duration::from_millis(b),
                Duration::from_millis(c),
            )
        };
        let timing = new(15_000, 10_000, 2_000).unwrap();
        assert!(timing.request() * 2 + timing.retry_period() <= timing.renew_deadline());
        let cases = [
            ((0, 0, 0), TimingError::Duration),
            ((1_500, 1_000, 100), TimingError::Duration),
            ((3_601_000, 10_000, 2_000), TimingError::Duration),
            ((10_000, 10_000, 2_000), TimingError::RenewDeadline),
            ((10_000, 11_000, 2_000), TimingError::RenewDeadline),
            ((15_000, 10_000, 0), TimingError::RetryPeriod),
            ((15_000, 10_000, 5_000), TimingError::RetryPeriod),
        ];
        for ((a, b, c), error) in cases {
            assert_eq!(new(a, b, c), Err(error));
        }
    }
}
