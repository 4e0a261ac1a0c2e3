//! The integration binary: one module per scenario.

mod bad_input;
mod docs;
mod k8s;
mod proto_table;
mod service;
mod sync;
