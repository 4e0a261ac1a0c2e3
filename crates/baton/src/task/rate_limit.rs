//! What a rate limit is, for answers and for errors.

use std::time::Duration;

/// What the target system says of our rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests per window.
    pub limit: i64,
    /// Left in the window.
    pub remaining: i64,
    /// Until the window ends.
    pub reset_after: Duration,
    /// We are over it.
    pub over: bool,
}
