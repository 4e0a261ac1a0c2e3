//! The integration binary: one module per scenario.

mod daemon;
mod docs;
mod k8s;
mod proto_table;
mod provision;
mod service;
mod sync;
