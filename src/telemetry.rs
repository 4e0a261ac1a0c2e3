//! Logging, metrics, optional traces.
