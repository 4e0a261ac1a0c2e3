//! Supervisor, shutdown phases, clock, back-off, jitter.

pub mod backoff;
pub mod spawn;
