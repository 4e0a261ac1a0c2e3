//! Logs and metrics. Metric names, kinds and labels are one table ([`metrics::SPECS`]); the registry is built from it
//! and `docs/metrics.md` is checked against it. Label values come from enums or static names only, never from data.
//! Nothing here may hold a secret, an e-mail address or a body.

pub mod logging;
pub mod metrics;
mod process;

pub use logging::{BesideLayer, LogConfig, LogControl, LogError, LogFormat, LogLevel};
pub use metrics::{BuildInfo, Metrics};
