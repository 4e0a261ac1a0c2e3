//! Tables read back. Only the layout that [`super::table`] writes is read; what the SDK writes in a newer one is told
//! apart from damage.

use std::ops::Range;

use prost::encoding::decode_varint;

use super::table::{
    BLOCK_TRAILER, CHECKSUM, FOOTER_BYTES, HANDLES_BYTES, MAGIC, NO_COMPRESSION, TRAILER, VERSION, masked_crc,
};
use super::version::Refused;

/// Bytes of a restart offset, and of their count.
const RESTART: usize = 4;

/// A table in memory, its blocks in order.
#[derive(Debug)]
pub(super) struct TableReader {
    bytes: Vec<u8>,
    /// Last key of each block, and where it lies.
    blocks: Vec<(Vec<u8>, (usize, usize))>,
}

impl TableReader {
    pub(super) fn open(bytes: Vec<u8>) -> Result<Self, Refused> {
        const NO_TABLE: Refused = Refused::Damaged("a table has no footer");
        let magic = bytes.last_chunk().ok_or(NO_TABLE)?;
        if *magic != MAGIC {
            return Err(NO_TABLE);
        }
        let footer = bytes.last_chunk::<FOOTER_BYTES>().ok_or(NO_TABLE)?;
        let version = footer.get(HANDLES_BYTES..).and_then(|rest| rest.first_chunk());
        if version != Some(&VERSION.to_le_bytes()) {
            return Err(Refused::Foreign);
        }
        let [checksum, handles @ ..] = footer;
        if *checksum != CHECKSUM {
            return Err(Refused::Foreign);
        }
        let mut handles = handles.as_slice();
        handle(&mut handles)?;
        let index = handle(&mut handles)?;
        let mut blocks = Vec::new();
        entries(block(&bytes, index)?, |key, mut value| {
            blocks.push((key.to_vec(), handle(&mut value)?));
            Ok(true)
        })?;
        Ok(Self { bytes, blocks })
    }

    /// Whether every row lies within these bounds: readers look for none outside of them.
    pub(super) fn is_within(&self, smallest: &[u8], largest: &[u8]) -> Result<bool, Refused> {
        let mut within = self.blocks.last().is_none_or(|(last, _)| last.as_slice() <= largest);
        if let Some((_, handle)) = self.blocks.first() {
            entries(block(&self.bytes, *handle)?, |key, _| {
                within &= key >= smallest;
                Ok(false)
            })?;
        }
        Ok(within)
    }

    /// The rows of the blocks that reach `from`. The first must come behind the key `last`.
    pub(super) fn rows(self, from: &[u8], last: Vec<u8>) -> Rows {
        Rows {
            block: self.blocks.partition_point(|(last, _)| last.as_slice() < from),
            table: self,
            entries: 0..0,
            stored: Vec::new(),
            key: last,
            value: 0..0,
        }
    }
}

/// Rows of a table, one after the other.
#[derive(Debug)]
pub(super) struct Rows {
    table: TableReader,
    /// The block that is next.
    block: usize,
    /// What is left of the one before it.
    entries: Range<usize>,
    /// The key as it is stored, with its trailer.
    stored: Vec<u8>,
    key: Vec<u8>,
    value: Range<usize>,
}

impl Rows {
    /// Goes on to the next row; false behind the last.
    pub(super) fn advance(&mut self) -> Result<bool, Refused> {
        while self.entries.is_empty() {
            let Some((_, handle)) = self.table.blocks.get(self.block) else {
                return Ok(false);
            };
            self.block += 1;
            self.stored.clear();
            let length = content(block(&self.table.bytes, *handle)?)?.len();
            self.entries = handle.0..handle.0 + length;
        }
        let mut rest = self.table.bytes.get(self.entries.clone()).unwrap_or_default();
        let value = entry(&mut rest, &mut self.stored, &mut self.key)?;
        self.entries.start = self.entries.end - rest.len();
        self.value = self.entries.start - value.len()..self.entries.start;
        Ok(true)
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(super) fn value(&self) -> &[u8] {
        self.table.bytes.get(self.value.clone()).unwrap_or_default()
    }

    /// The last key.
    pub(super) fn into_key(self) -> Vec<u8> {
        self.key
    }
}

fn handle(bytes: &mut &[u8]) -> Result<(usize, usize), Refused> {
    const TORN: Refused = Refused::Damaged("a table does not say where its blocks are");
    let mut number = || -> Result<usize, Refused> {
        let number = decode_varint(bytes).map_err(|_| TORN)?;
        usize::try_from(number).map_err(|_| TORN)
    };
    Ok((number()?, number()?))
}

/// The content of a block.
fn block(table: &[u8], (at, length): (usize, usize)) -> Result<&[u8], Refused> {
    let end = at.checked_add(length);
    let content = end.and_then(|end| table.get(at..end));
    let trailer = end.and_then(|end| table.get(end..)?.first_chunk::<BLOCK_TRAILER>());
    let (Some(content), Some([compression, checksum @ ..])) = (content, trailer) else {
        return Err(Refused::Damaged("a table names a block outside of itself"));
    };
    if u32::from_le_bytes(*checksum) != masked_crc(content, &[*compression]) {
        return Err(Refused::Damaged("a block's checksum is wrong"));
    }
    if *compression != NO_COMPRESSION {
        return Err(Refused::Foreign);
    }
    Ok(content)
}

const TORN: Refused = Refused::Damaged("a block ends within an entry");

/// The entries of a block, without the restarts behind them.
fn content(block: &[u8]) -> Result<&[u8], Refused> {
    let (content, count) = block.split_last_chunk::<RESTART>().ok_or(TORN)?;
    let restarts = usize::try_from(u32::from_le_bytes(*count)).unwrap_or(usize::MAX);
    let restarts = restarts.checked_mul(RESTART).ok_or(TORN)?;
    let end = content.len().checked_sub(restarts).ok_or(TORN)?;
    content.get(..end).ok_or(TORN)
}

/// Takes the next entry and answers its value. `stored` is the key before it with its trailer, `key` without.
fn entry<'a>(rest: &mut &'a [u8], stored: &mut Vec<u8>, key: &mut Vec<u8>) -> Result<&'a [u8], Refused> {
    let mut number = || -> Result<usize, Refused> {
        let number = decode_varint(rest).map_err(|_| TORN)?;
        usize::try_from(number).map_err(|_| TORN)
    };
    let (shared, fresh, length) = (number()?, number()?, number()?);
    let (suffix, behind) = rest.split_at_checked(fresh).ok_or(TORN)?;
    let (value, behind) = behind.split_at_checked(length).ok_or(TORN)?;
    *rest = behind;
    if shared > stored.len() {
        return Err(TORN);
    }
    stored.truncate(shared);
    stored.extend_from_slice(suffix);
    let (user, trailer) = stored.split_last_chunk::<8>().ok_or(TORN)?;
    if trailer.first() != TRAILER.first() {
        // Deletions and merges need the engine.
        return Err(Refused::Foreign);
    }
    if user <= key.as_slice() {
        return Err(Refused::Damaged("its rows are out of order"));
    }
    key.clear();
    key.extend_from_slice(user);
    Ok(value)
}

/// Hands out the entries of a block; keys without their trailers.
fn entries(block: &[u8], mut each: impl FnMut(&[u8], &[u8]) -> Result<bool, Refused>) -> Result<(), Refused> {
    let mut rest = content(block)?;
    let (mut stored, mut key) = (Vec::new(), Vec::new());
    while !rest.is_empty() {
        let value = entry(&mut rest, &mut stored, &mut key)?;
        if !each(&key, value)? {
            break;
        }
    }
    Ok(())
}
