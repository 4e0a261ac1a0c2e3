//! The integration binary: one module per scenario.

mod docs;
mod feed;
mod k8s;
mod proto_table;
mod service;
mod sync;
