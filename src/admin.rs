//! The HTTP server for operators: liveness, readiness, metrics, status.
