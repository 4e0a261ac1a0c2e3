//! Version 1 of the file (c1z.md §2–5): one zstd frame around one SQLite database. Rows go in in bulk with the indexes
//! that ascend with them; the other indexes are made at the end.

mod check;
pub(super) mod container;
mod expand;
mod reader;
pub(super) mod schema;
mod seal;
mod writer;

pub(super) use reader::Reader;
pub(super) use writer::Writer;
