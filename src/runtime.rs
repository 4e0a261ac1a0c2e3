//! Supervisor, shutdown phases, clock, back-off, jitter.

pub mod liveness;
pub mod readiness;
pub mod shutdown;
pub mod supervisor;
