//! The integration binary: one module per scenario.

mod bad_input;
mod daemon;
mod docs;
mod k8s;
mod proto_table;
mod provision;
mod service;
mod sync;
