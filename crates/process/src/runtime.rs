//! Supervisor, shutdown phases, clock, back-off, jitter.

pub mod anchors;
pub mod backoff;
pub mod current;
pub mod leader_guard;
pub mod liveness;
pub mod readiness;
pub mod shutdown;
pub mod spawn;
pub mod supervisor;
