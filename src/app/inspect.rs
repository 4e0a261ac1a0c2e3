//! `inspect`: what a `.c1z` file holds, as a table, JSON or CSV. Reads only.

use std::io::Write;

use super::report::columns;
use crate::c1z::{C1zError, Reader};
use crate::wire::stored;

/// What to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Counts.
    Stats,
    /// Resource types.
    ResourceTypes,
    /// Resources.
    Resources,
    /// Entitlements.
    Entitlements,
    /// Grants.
    Grants,
}

/// How to show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns.
    Table,
    /// One JSON array.
    Json,
    /// RFC 4180.
    Csv,
}
