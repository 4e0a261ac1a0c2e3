//! A strict stand-in for C1 (c1-protocol.md §20): one TLS listener with the token endpoint and the service of
//! connectors, tasks and faults by script, and a log of everything received. What breaks a rule of the protocol is
//! refused and kept as a violation, so that a test sees it even when the client goes on.

mod admin;
mod capabilities;
mod ids;
mod json;
mod link;
mod listener;
mod log;
mod options;
mod outcome;
mod program;
#[allow(missing_docs, clippy::all, clippy::pedantic, clippy::clone_on_ref_ptr, rustdoc::all)]
pub mod proto;
mod script;
mod server;
mod service;
mod state;
mod tls;
mod token;
mod upload;
mod validate;

#[cfg(test)]
mod tests;

pub use ids::ksuid;
pub use json::{task_from_json, to_json};
pub use log::{Entry, Received, TokenRequest, Upload};
pub use options::{Identity, Options};
pub use program::Program;
pub use script::{Rpc, Step, TokenStep};
pub use server::{Server, start};
