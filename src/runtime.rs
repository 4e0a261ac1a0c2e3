//! Supervisor, shutdown phases, clock, back-off, jitter.

pub(crate) mod anchors;
pub mod backoff;
pub mod liveness;
pub mod permit;
pub mod readiness;
pub mod shutdown;
pub mod spawn;
pub mod supervisor;
