//! The `.c1z` file (c1z.md, c1z-v3.md): rows in, one published file out, and back.
//!
//! One sync per file, written once, published by rename. Invariant: the file under its final name is either the old
//! complete one or the new complete one; no temporary file survives any way out.

mod add;
mod diff;
mod engine;
#[cfg(test)]
mod engines;
mod error;
mod exclusion;
mod expand;
mod limits;
mod lock;
mod principal;
mod reader;
mod row;
mod staging;
mod stats;
mod sync;
#[cfg(test)]
mod tests;
mod time;
mod v1;
mod v3;
mod writer;

pub use diff::{Change, How, RowKind, diff};
pub use engine::{StorageEngine, UnknownEngine};
pub use error::C1zError;
pub use expand::Expanded;
pub use limits::Limits;
pub use lock::Lock;
pub use reader::Reader;
pub use row::{EntitlementRow, GrantRow, ResourceRow, ResourceTypeRow};
pub use stats::Stats;
pub use sync::{FileReport, InvariantWarning, SyncEnd, SyncRun, SyncStart, SyncType, WriterOptions};
pub use writer::Writer;
