//! Supervisor, shutdown phases, clock, back-off, jitter.

pub mod spawn;
