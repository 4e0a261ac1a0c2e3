//! MANIFEST of the store (c1z-v3.md §2.2): which tables there are. One version edit in a log of chunks.

use prost::encoding::{decode_varint, encode_varint};

use super::table::{COMPARER, TRAILER, Table, masked_crc};

/// Bytes of a log block.
const BLOCK: usize = 32 << 10;
/// Bytes before a chunk's content.
const HEADER: usize = 7;
/// Everything is at the last level: tables do not overlap.
const LEVEL: u64 = 6;
/// At least every sequence in use; all are 0.
const LAST_SEQUENCE: u64 = 10;
/// Number of the first table.
pub(super) const FIRST_TABLE: u64 = 3;

/// A table as the MANIFEST lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableMeta {
    pub(super) number: u64,
    pub(super) bytes: u64,
    /// First and last user key.
    pub(super) smallest: Vec<u8>,
    pub(super) largest: Vec<u8>,
}

impl TableMeta {
    pub(super) fn of(number: u64, table: &Table) -> Self {
        Self {
            number,
            bytes: u64::try_from(table.bytes.len()).unwrap_or(u64::MAX),
            smallest: table.smallest.clone(),
            largest: table.largest.clone(),
        }
    }

    pub(super) fn file_name(&self) -> String {
        format!("{:06}.sst", self.number)
    }
}

mod tag {
    pub(super) const COMPARER: u64 = 1;
    pub(super) const LOG_NUMBER: u64 = 2;
    pub(super) const NEXT_FILE: u64 = 3;
    pub(super) const LAST_SEQUENCE: u64 = 4;
    pub(super) const DELETED_TABLE: u64 = 6;
    pub(super) const OLD_TABLE: u64 = 7;
    pub(super) const PREVIOUS_LOG: u64 = 9;
    pub(super) const TABLE: u64 = 100;
}

/// The MANIFEST that lists these tables.
pub(super) fn encode(tables: &[TableMeta]) -> Vec<u8> {
    let put_bytes = |out: &mut Vec<u8>, parts: &[&[u8]]| {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        encode_varint(u64::try_from(length).unwrap_or(u64::MAX), out);
        for part in parts {
            out.extend_from_slice(part);
        }
    };
    let next = tables.last().map_or(FIRST_TABLE, |table| table.number) + 9;
    let mut edit = Vec::new();
    encode_varint(tag::COMPARER, &mut edit);
    put_bytes(&mut edit, &[COMPARER.as_bytes()]);
    for (tag, number) in [
        (tag::LOG_NUMBER, next - 1),
        (tag::NEXT_FILE, next),
        (tag::LAST_SEQUENCE, LAST_SEQUENCE),
    ] {
        encode_varint(tag, &mut edit);
        encode_varint(number, &mut edit);
    }
    for table in tables {
        for number in [tag::TABLE, LEVEL, table.number, table.bytes] {
            encode_varint(number, &mut edit);
        }
        put_bytes(&mut edit, &[&table.smallest, &TRAILER]);
        put_bytes(&mut edit, &[&table.largest, &TRAILER]);
        // Smallest and largest sequence.
        edit.extend_from_slice(&[0, 0]);
    }
    framed(&edit)
}

/// One record in chunks that do not cross blocks.
fn framed(mut record: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(record.len() + record.len() / BLOCK * HEADER + HEADER);
    let mut first = true;
    loop {
        let left = BLOCK - out.len() % BLOCK;
        if left < HEADER {
            out.resize(out.len() + left, 0);
            continue;
        }
        let (chunk, rest) = record.split_at(record.len().min(left - HEADER));
        let kind: u8 = match (first, rest.is_empty()) {
            (true, true) => 1,
            (true, false) => 2,
            (false, false) => 3,
            (false, true) => 4,
        };
        out.extend_from_slice(&masked_crc(&[kind], chunk).to_le_bytes());
        out.extend_from_slice(&u16::try_from(chunk.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.push(kind);
        out.extend_from_slice(chunk);
        first = false;
        record = rest;
        if record.is_empty() {
            return out;
        }
    }
}

/// Why a MANIFEST is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Something is wrong with it.
    Damaged(&'static str),
    /// It says what only the SDK's own engine can follow.
    Foreign,
}

/// The tables that a MANIFEST lists, in the order of their keys.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<TableMeta>, Refused> {
    let mut tables: Vec<TableMeta> = Vec::new();
    let mut last_sequence = 0;
    for record in records(bytes)? {
        apply(&record, &mut tables, &mut last_sequence)?;
    }
    tables.sort_by(|one, other| one.smallest.cmp(&other.smallest));
    // Tables that overlap would have to be merged; ours do not.
    if tables
        .iter()
        .zip(tables.iter().skip(1))
        .any(|(one, next)| one.largest >= next.smallest)
    {
        return Err(Refused::Foreign);
    }
    if tables.iter().any(|table| table.smallest > table.largest) {
        return Err(Refused::Damaged("its MANIFEST turns a table's bounds around"));
    }
    Ok(tables)
}

fn records(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Refused> {
    const TORN: Refused = Refused::Damaged("its MANIFEST is torn");
    let mut records = Vec::new();
    let mut open: Option<Vec<u8>> = None;
    for mut block in bytes.chunks(BLOCK) {
        while let Some((header, rest)) = block.split_first_chunk::<HEADER>() {
            let [c0, c1, c2, c3, l0, l1, kind] = *header;
            let length = usize::from(u16::from_le_bytes([l0, l1]));
            if kind == 0 && length == 0 {
                break;
            }
            let (chunk, rest) = rest.split_at_checked(length).ok_or(TORN)?;
            if u32::from_le_bytes([c0, c1, c2, c3]) != masked_crc(&[kind], chunk) {
                return Err(Refused::Damaged("a checksum of its MANIFEST is wrong"));
            }
            let mut record = match (kind, open.take()) {
                (1 | 2, None) => Vec::new(),
                (3 | 4, Some(record)) => record,
                _ => return Err(TORN),
            };
            record.extend_from_slice(chunk);
            if matches!(kind, 1 | 4) {
                records.push(record);
            } else {
                open = Some(record);
            }
            block = rest;
        }
    }
    if open.is_some() { Err(TORN) } else { Ok(records) }
}

fn apply(mut edit: &[u8], tables: &mut Vec<TableMeta>, last_sequence: &mut u64) -> Result<(), Refused> {
    const SHORT: Refused = Refused::Damaged("its MANIFEST ends within an edit");
    let number = |edit: &mut &[u8]| decode_varint(edit).map_err(|_| SHORT);
    let bytes = |edit: &mut &[u8]| -> Result<Vec<u8>, Refused> {
        let length = usize::try_from(decode_varint(edit).map_err(|_| SHORT)?).map_err(|_| SHORT)?;
        let (taken, rest) = edit.split_at_checked(length).ok_or(SHORT)?;
        *edit = rest;
        Ok(taken.to_vec())
    };
    while !edit.is_empty() {
        match number(&mut edit)? {
            tag::COMPARER => {
                if bytes(&mut edit)? != COMPARER.as_bytes() {
                    return Err(Refused::Damaged("its MANIFEST names another order of keys"));
                }
            }
            tag::LAST_SEQUENCE => *last_sequence = number(&mut edit)?,
            tag::LOG_NUMBER | tag::NEXT_FILE | tag::PREVIOUS_LOG => {
                number(&mut edit)?;
            }
            tag::DELETED_TABLE => {
                number(&mut edit)?;
                let gone = number(&mut edit)?;
                tables.retain(|table| table.number != gone);
            }
            tag @ (tag::TABLE | tag::OLD_TABLE) => {
                number(&mut edit)?;
                let mut table = TableMeta {
                    number: number(&mut edit)?,
                    bytes: number(&mut edit)?,
                    smallest: bytes(&mut edit)?,
                    largest: bytes(&mut edit)?,
                };
                if tag == tag::TABLE {
                    number(&mut edit)?;
                    if number(&mut edit)? > *last_sequence {
                        return Err(Refused::Damaged(
                            "its MANIFEST hides a table: the last sequence is below the table's",
                        ));
                    }
                }
                for key in [&mut table.smallest, &mut table.largest] {
                    let user = key.len().checked_sub(TRAILER.len()).ok_or(SHORT)?;
                    key.truncate(user);
                }
                tables.push(table);
            }
            _ => return Err(Refused::Foreign),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(count: u64) -> Vec<TableMeta> {
        (0..count)
            .map(|at| TableMeta {
                number: FIRST_TABLE + at,
                bytes: 1000 + at,
                smallest: format!("{at:080}a").into_bytes(),
                largest: format!("{at:080}z").into_bytes(),
            })
            .collect()
    }

    #[test]
    fn the_smallest_manifest_is_the_contracts() {
        let table = TableMeta {
            number: 3,
            bytes: 631,
            smallest: vec![3, 6],
            largest: b"\x03\xffkeyspace_version".to_vec(),
        };
        assert_eq!(
            super::super::tests::hex(&encode(&[table])),
            "f3b076ea4f0001011a6c6576656c64622e4279746577697365436f6d70617261746f72020b030c040a640603f7040a030601000000000000001a03ff6b657973706163655f76657273696f6e01000000000000000000"
        );
    }

    #[test]
    fn a_manifest_over_several_blocks_comes_back() {
        let listed = tables(1150);
        let bytes = encode(&listed);
        assert!(bytes.len() > 2 * BLOCK);
        assert_eq!(decode(&bytes).unwrap(), listed);
    }

    #[test]
    fn damaged_manifests_are_refused() {
        let good = encode(&tables(3));
        let mut bit = good.clone();
        bit[20] ^= 1;
        assert_eq!(
            decode(&bit),
            Err(Refused::Damaged("a checksum of its MANIFEST is wrong"))
        );
        assert_eq!(
            decode(&good[..good.len() - 3]),
            Err(Refused::Damaged("its MANIFEST is torn"))
        );
        let mut overlapping = tables(3);
        overlapping[1].largest = b"9".to_vec();
        assert_eq!(decode(&encode(&overlapping)), Err(Refused::Foreign));
        assert_eq!(decode(&framed(&[103])), Err(Refused::Foreign));
        let mut edit = Vec::new();
        encode_varint(tag::COMPARER, &mut edit);
        edit.extend_from_slice(b"\x01x");
        assert_eq!(
            decode(&framed(&edit)),
            Err(Refused::Damaged("its MANIFEST names another order of keys"))
        );
        // A last sequence of 0 and a table with sequence 1.
        let edit = [
            4, 0, 100, 6, 3, 9, 8, 1, 0, 0, 0, 0, 0, 0, 0, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1,
        ];
        assert!(matches!(decode(&framed(&edit)), Err(Refused::Damaged(what)) if what.contains("hides")));
    }
}
