//! The `.c1z` file (c1z.md §2–5): schema, rows, writer, container, reader, limits.
//!
//! One sync per file, written once: rows in bulk without indexes, the indexes at the end, one zstd frame behind the
//! magic, published by rename. Invariant: the file under its final name is either the old complete one or the new
//! complete one; no temporary file survives any way out.

mod beside;
mod check;
mod container;
mod error;
mod grow;
mod lock;
mod reader;
mod row;
mod schema;
mod seal;
mod stats;
#[cfg(test)]
mod tests;
mod time;
mod writer;

pub use check::InvariantWarning;
pub use container::Limits;
pub use error::C1zError;
pub use grow::Grown;
pub use lock::Lock;
pub use reader::{Reader, SyncRun};
pub use row::{EntitlementRow, GrantRow, ResourceRow, ResourceTypeRow};
pub use seal::{FileReport, SyncEnd};
pub use stats::Stats;
pub use writer::{SyncStart, SyncType, Writer, WriterOptions};
