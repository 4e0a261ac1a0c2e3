//! The integration binary: one module per scenario.

mod k8s;
mod proto_table;
