//! A walk over the rows of a family, one table at a time in memory: two stores can be read side by side, and rows that
//! are the same in both need not be decoded.

use std::cmp::Ordering;

use super::Reader;
use crate::c1z::C1zError;
use crate::c1z::v3::block::Rows;
use crate::c1z::v3::rows::Family;
use crate::c1z::v3::version::TableMeta;

/// Where a walk stands.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    reader: &'a Reader,
    tables: std::slice::Iter<'a, TableMeta>,
    prefix: Vec<u8>,
    rows: Option<Rows>,
}

impl<'a> Walk<'a> {
    /// `tables` begins with the first that can hold the prefix.
    pub(super) fn new(reader: &'a Reader, tables: &'a [TableMeta], prefix: &[u8]) -> Self {
        Self {
            reader,
            tables: tables.iter(),
            prefix: prefix.to_vec(),
            rows: None,
        }
    }

    /// Goes on to the next row; false behind the last.
    pub(super) fn advance(&mut self) -> Result<bool, C1zError> {
        loop {
            let Some(rows) = &mut self.rows else {
                if self.open_next(Vec::new())? {
                    continue;
                }
                return Ok(false);
            };
            if !rows.advance().map_err(|refused| self.reader.refused(refused))? {
                let last = self.rows.take().map_or_else(Vec::new, Rows::into_key);
                if !self.open_next(last)? {
                    return Ok(false);
                }
            } else if rows.key() >= self.prefix.as_slice() {
                return Ok(rows.key().starts_with(&self.prefix));
            }
        }
    }

    /// Opens the next table, whose keys come behind `last`; false where none can hold the prefix.
    fn open_next(&mut self, last: Vec<u8>) -> Result<bool, C1zError> {
        let prefix = self.prefix.as_slice();
        let next = self.tables.next();
        let Some(table) =
            next.filter(|table| table.smallest.as_slice() <= prefix || table.smallest.starts_with(prefix))
        else {
            return Ok(false);
        };
        self.rows = self.reader.table(table)?.map(|table| table.rows(prefix, last));
        Ok(self.rows.is_some())
    }

    pub(super) fn key(&self) -> &[u8] {
        self.rows.as_ref().map_or(&[], Rows::key)
    }

    pub(super) fn value(&self) -> &[u8] {
        self.rows.as_ref().map_or(&[], Rows::value)
    }
}

/// Which of two stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::c1z) enum Side {
    Old,
    New,
}

/// Hands out the rows of a family that only one store has or that both have otherwise. When a row was read is no
/// difference.
pub(in crate::c1z) fn differing<T>(
    old: &Reader,
    new: &Reader,
    family: &Family<T>,
    mut each: impl FnMut(Side, T) -> Result<(), C1zError>,
) -> Result<(), C1zError> {
    let (mut older, mut newer) = (old.walk(&family.prefix), new.walk(&family.prefix));
    let (mut has_older, mut has_newer) = (older.advance()?, newer.advance()?);
    let mut tell = |side, walk: &Walk| {
        let item = (family.decode)(walk.key(), walk.value());
        each(side, item.map_err(|refused| walk.reader.refused(refused))?)
    };
    while has_older || has_newer {
        let ranks = match (has_older, has_newer) {
            (true, true) => older.key().cmp(newer.key()),
            (true, false) => Ordering::Less,
            _ => Ordering::Greater,
        };
        let same = ranks.is_eq() && family.is_same(older.value(), newer.value());
        if ranks.is_le() {
            if !same {
                tell(Side::Old, &older)?;
            }
            has_older = older.advance()?;
        }
        if ranks.is_ge() {
            if !same {
                tell(Side::New, &newer)?;
            }
            has_newer = newer.advance()?;
        }
    }
    Ok(())
}
