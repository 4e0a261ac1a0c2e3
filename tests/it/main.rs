//! The integration binary: one module per scenario.

mod proto_table;
