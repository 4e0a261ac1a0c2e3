//! The integration binary: one module per scenario.

mod docs;
mod k8s;
mod proto_table;
mod provision;
mod provision_accounts;
mod provision_actions;
mod service;
mod sync;
