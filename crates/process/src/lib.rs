//! What a daemon needs of its process, whatever it does: supervision, shutdown, probes and back-off ([`runtime`]), logs and
//! metrics ([`telemetry`]), the classes that every border's errors answer ([`error`]), and secrets taken out of texts
//! ([`redact`]). Knows neither C1 nor a directory.

pub mod error;
pub mod redact;
pub mod runtime;
pub mod telemetry;
