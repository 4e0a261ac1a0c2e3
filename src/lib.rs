//! PingOne connector for C1.
//!
//! The data's path is the order of the modules:
//!
//! ```text
//! config → credentials → session → task → sync (pingone → model → wire → c1z) → upload
//!                                  task → provision → pingone
//!                                  task → feed → pingone
//! ```

pub mod admin;
pub mod app;
pub mod c1z;
pub mod config;
pub mod credentials;
pub mod error;
pub mod feed;
pub mod k8s;
pub mod manifest;
pub mod model;
pub mod pingone;
pub mod proto;
pub mod provision;
pub mod runtime;
pub mod schedule;
pub mod session;
pub mod sync;
pub mod task;
pub mod telemetry;
pub mod wire;
