//! Stand-ins.

pub mod c1;
