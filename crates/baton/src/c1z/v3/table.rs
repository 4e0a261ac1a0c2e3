//! Tables of the store (c1z-v3.md §2.3): the row-block layout that every reader of the format accepts. One function
//! would change if a later reader wanted another.

use crate::wire::fields::put_varint;

/// Bytes of a data block.
const BLOCK_BYTES: usize = 32 << 10;
/// Entries between two restarts of a data block.
const RESTART_INTERVAL: usize = 16;
/// Sequence 0, kind SET: behind each key.
pub(super) const TRAILER: [u8; 8] = [1, 0, 0, 0, 0, 0, 0, 0];
/// Last bytes of a table.
pub(super) const MAGIC: [u8; 8] = [0xf0, 0x9f, 0xaa, 0xb3, 0xf0, 0x9f, 0xaa, 0xb3];
/// Bytes of the footer.
pub(super) const FOOTER_BYTES: usize = 53;
/// Bytes of two handles and the type of the checksums in it.
pub(super) const HANDLES_BYTES: usize = 41;
/// The layout's version; 3 reads but garbles.
pub(super) const VERSION: u32 = 1;
/// Type of checksums: crc32c.
pub(super) const CHECKSUM: u8 = 1;
pub(super) const COMPARER: &str = "leveldb.BytewiseComparator";
/// Bytes behind a block: its compression and its checksum.
pub(super) const BLOCK_TRAILER: usize = 5;
/// The only compression in use: none, since whole tables are compressed.
pub(super) const NO_COMPRESSION: u8 = 0;
/// Where the metaindex says that the properties are.
const PROPERTIES: &str = "rocksdb.properties";

/// The checksum of log chunks and blocks: crc32c over two parts, masked.
pub(super) fn masked_crc(one: &[u8], other: &[u8]) -> u32 {
    let crc = crc32c::crc32c_append(crc32c::crc32c(one), other);
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

fn varint(out: &mut Vec<u8>, number: usize) {
    put_varint(out, u64::try_from(number).unwrap_or(u64::MAX));
}

/// Entries with shared beginnings left out.
#[derive(Debug, Default)]
struct Block {
    bytes: Vec<u8>,
    restarts: Vec<u32>,
    entries: usize,
}

impl Block {
    /// `shared` is how much of the key the last one has in common with it.
    fn add(&mut self, interval: usize, key: &[u8], shared: usize, trailer: &[u8], value: &[u8]) {
        let mut shared = shared;
        if self.entries.is_multiple_of(interval) {
            self.restarts.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
            shared = 0;
        }
        let rest = key.get(shared..).unwrap_or_default();
        varint(&mut self.bytes, shared);
        varint(&mut self.bytes, rest.len() + trailer.len());
        varint(&mut self.bytes, value.len());
        self.bytes.extend_from_slice(rest);
        self.bytes.extend_from_slice(trailer);
        self.bytes.extend_from_slice(value);
        self.entries += 1;
    }

    /// The finished block; this one is empty again.
    fn finish(&mut self) -> &[u8] {
        if self.restarts.is_empty() {
            self.restarts.push(0);
        }
        for restart in &self.restarts {
            self.bytes.extend_from_slice(&restart.to_le_bytes());
        }
        let count = u32::try_from(self.restarts.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&count.to_le_bytes());
        &self.bytes
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.restarts.clear();
        self.entries = 0;
    }
}

/// How many bytes two keys begin with in common.
pub(super) fn shared(one: &[u8], other: &[u8]) -> usize {
    const STEP: usize = 8;
    let whole = (one.as_chunks::<STEP>().0.iter())
        .zip(other.as_chunks::<STEP>().0)
        .take_while(|(one, other)| one == other)
        .count();
    let from = whole * STEP;
    let rest = |key| <[u8]>::get(key, from..).unwrap_or_default();
    let equal = rest(one)
        .iter()
        .zip(rest(other))
        .take_while(|(one, other)| one == other);
    from + equal.count()
}

/// Where a block is: offset and length without its trailer.
type Handle = (usize, usize);

fn put_handle(out: &mut Vec<u8>, handle: Handle) {
    varint(out, handle.0);
    varint(out, handle.1);
}

/// A finished table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) bytes: Vec<u8>,
    /// First and last user key.
    pub(super) smallest: Vec<u8>,
    pub(super) largest: Vec<u8>,
}

/// A growing table. Keys must ascend; the caller sees to it.
#[derive(Debug, Default)]
pub(super) struct Builder {
    out: Vec<u8>,
    data: Block,
    index: Block,
    smallest: Vec<u8>,
    last: Vec<u8>,
    entries: usize,
    blocks: usize,
    key_bytes: usize,
    value_bytes: usize,
}

impl Builder {
    pub(super) fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.out.len() + self.data.bytes.len()
    }

    /// An empty table behind one that ends with the key `last`, which grows in `out`.
    pub(super) fn behind(last: Vec<u8>, out: Vec<u8>) -> Self {
        Self {
            out,
            last,
            ..Self::default()
        }
    }

    /// The key that was added last, maybe to the table before.
    pub(super) fn last(&self) -> &[u8] {
        &self.last
    }

    /// Adds a row whose key has its first `shared` bytes in common with [`Builder::last`].
    pub(super) fn add(&mut self, key: &[u8], shared: usize, value: &[u8]) {
        if self.entries == 0 {
            self.smallest.extend_from_slice(key);
        }
        self.data.add(RESTART_INTERVAL, key, shared, &TRAILER, value);
        self.last.truncate(shared);
        self.last.extend_from_slice(key.get(shared..).unwrap_or_default());
        self.entries += 1;
        self.key_bytes += key.len() + TRAILER.len();
        self.value_bytes += value.len();
        if self.data.bytes.len() >= BLOCK_BYTES {
            self.end_block();
        }
    }

    fn end_block(&mut self) {
        if self.data.entries == 0 {
            return;
        }
        let mut handle = Vec::new();
        put_handle(&mut handle, put_block(&mut self.out, self.data.finish()));
        self.index.add(1, &self.last, 0, &TRAILER, &handle);
        self.data.clear();
        self.blocks += 1;
    }

    /// The table as it is stored.
    pub(super) fn finish(mut self) -> Table {
        self.end_block();
        let data_bytes = self.out.len();
        let index = put_block(&mut self.out, self.index.finish());
        let mut properties = self.properties(data_bytes, index.1 + BLOCK_TRAILER);
        let properties = put_block(&mut self.out, properties.finish());
        let mut meta = Block::default();
        let mut handle = Vec::new();
        put_handle(&mut handle, properties);
        meta.add(1, PROPERTIES.as_bytes(), 0, &[], &handle);
        let meta = put_block(&mut self.out, meta.finish());
        let mut footer = vec![CHECKSUM];
        put_handle(&mut footer, meta);
        put_handle(&mut footer, index);
        footer.resize(HANDLES_BYTES, 0);
        self.out.extend_from_slice(&footer);
        self.out.extend_from_slice(&VERSION.to_le_bytes());
        self.out.extend_from_slice(&MAGIC);
        Table {
            bytes: self.out,
            smallest: self.smallest,
            largest: self.last,
        }
    }

    fn properties(&self, data_bytes: usize, index_bytes: usize) -> Block {
        let number = |number: usize| {
            let mut bytes = Vec::new();
            varint(&mut bytes, number);
            bytes
        };
        let properties: [(&str, Vec<u8>); 15] = [
            ("block.based.table.index.type", vec![0; 4]),
            ("comparator", COMPARER.into()),
            ("compression", b"NoCompression".into()),
            ("data.size", number(data_bytes)),
            ("deleted.keys", number(0)),
            ("filter.size", number(0)),
            ("index.size", number(index_bytes)),
            ("merge.operands", number(0)),
            ("merge.operator", b"pebble.concatenate".into()),
            ("num.data.blocks", number(self.blocks)),
            ("num.entries", number(self.entries)),
            ("num.range-deletions", number(0)),
            ("property.collectors", b"[]".into()),
            ("raw.key.size", number(self.key_bytes)),
            ("raw.value.size", number(self.value_bytes)),
        ];
        let mut block = Block::default();
        let mut last = String::new();
        for (name, value) in &properties {
            let name = format!("rocksdb.{name}");
            let shared = shared(name.as_bytes(), last.as_bytes());
            block.add(usize::MAX, name.as_bytes(), shared, &[], value);
            last = name;
        }
        block
    }
}

/// Appends a block with its trailer and says where it is.
fn put_block(out: &mut Vec<u8>, block: &[u8]) -> Handle {
    let at = out.len();
    out.extend_from_slice(block);
    out.push(NO_COMPRESSION);
    out.extend_from_slice(&masked_crc(block, &[NO_COMPRESSION]).to_le_bytes());
    (at, block.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_two_keys_share_is_found(start in "[ab]{0,40}", one in "[ab]{0,20}", other in "[ab]{0,20}") {
            let (one, other) = (format!("{start}{one}"), format!("{start}{other}"));
            let expected = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
            prop_assert_eq!(shared(one.as_bytes(), other.as_bytes()), expected);
        }
    }

    /// The table of the smallest store (c1z-v3.md §7), byte for byte.
    #[test]
    fn the_smallest_table_is_the_contracts() {
        let golden = include_str!("golden/000003.sst.hex");
        let mut builder = Builder::default();
        let run = "0a1b334d5a78644773424a416c426a6a545555425467356a63534b41341001220c08888299d80610f1b2b0ea022a0c08888299d80610f1decbec02320d7b2276657273696f6e223a317d";
        for (key, value) in [
            (&super::super::key::SYNC_RUN[..], super::super::tests::unhex(run)),
            (super::super::key::ID_FORMAT, super::super::key::FORMAT.to_vec()),
            (super::super::key::KEYSPACE_VERSION, super::super::key::FORMAT.to_vec()),
        ] {
            let shared = shared(key, builder.last());
            builder.add(key, shared, &value);
        }
        let table = builder.finish();
        assert_eq!(super::super::tests::hex(&table.bytes), golden.trim());
        assert_eq!(
            xxhash_rust::xxh64::xxh64(&table.bytes, 0).to_le_bytes(),
            *b"\x0b\x92\xe8\xe0\x11\xa5\xa9\xaf"
        );
    }
}
