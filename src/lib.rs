//! PingOne connector for C1.
//!
//! The data's path is the order of the modules:
//!
//! ```text
//! config → credentials → C1's session and tasks (`baton`) → sync (`pingone` → `baton`'s model and file) → upload
//!                                                         → provision → `pingone`
//!                                                         → feed → `pingone`
//! ```

pub mod admin;
pub mod app;
pub mod config;
pub mod credentials;
pub mod feed;
pub mod k8s;
pub mod manifest;
pub mod model;
pub mod provision;
pub mod sync;

/// This build.
pub const BUILD: process::telemetry::BuildInfo = process::telemetry::BuildInfo {
    package: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    revision: env!("BATON_REVISION"),
    rustc: env!("BATON_RUSTC_VERSION"),
};
