//! Supervisor, shutdown phases, clock, back-off, jitter.
