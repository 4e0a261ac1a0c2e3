//! The integration binary: one module per scenario.

mod docs;
mod proto_table;
