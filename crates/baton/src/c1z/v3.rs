//! Version 3 of the file (c1z-v3.md): a store of sorted tables as the SDK's default engine reads it, written once.
//!
//! Rows are kept as small as they are told apart: resources and entitlements as records in a sorter, grants as 8 bytes
//! that name a principal. At the end everything goes out once, in the order of keys, through a bounded pipeline.

mod block;
mod emit;
mod envelope;
mod expand;
mod grants;
mod key;
mod pack;
mod reader;
pub(super) mod rows;
mod seal;
pub(in crate::c1z) mod sorter;
mod spool;
mod summary;
mod table;
#[cfg(test)]
mod tests;
mod version;
mod writer;

pub(super) use envelope::MAGIC;
pub(super) use reader::Reader;
pub(super) use reader::{Side, differing};
pub(super) use writer::Writer;

/// Files of the store beside its tables. Markers are empty; their names carry what they say.
const MANIFEST: &str = "MANIFEST-000001";
const MANIFEST_MARKER: &str = "marker.manifest.000001.MANIFEST-000001";
const FORMAT_MARKER: &str = "marker.format-version.000001.";

/// A part of a key as it is stored.
#[cfg(test)]
pub(super) fn key_part(text: &str) -> Vec<u8> {
    let mut key = Vec::new();
    key::push_first(&mut key, text);
    key
}
