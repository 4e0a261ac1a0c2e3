//! The container (c1z-v3.md §1): a manifest, the files of the store as zstd frames, an index of them, a footer.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

use crate::wire::fields::{Malformed, Value, fields, put_bytes, put_fixed64, put_number, put_text};

/// First bytes of a file.
pub(in crate::c1z) const MAGIC: [u8; 5] = *b"C1Z3\0";
/// Last bytes of a file.
pub(super) const INDEX_MAGIC: [u8; 8] = *b"C1ZIDX1\0";
/// Bytes before the manifest.
pub(super) const HEAD_BYTES: u64 = 9;
/// Bytes of the footer.
pub(super) const FOOTER_BYTES: u64 = 28;
/// Largest manifest and largest index that readers accept.
pub(super) const MANIFEST_MAX: u64 = 16 << 20;
pub(super) const INDEX_MAX: u64 = 64 << 20;
/// The payload is one zstd frame for each file, with an index.
const INDEXED: u64 = 5;
/// Names of the engine that readers know; ours comes first.
const ENGINES: [&str; 3] = ["pebble3", "pebble2", "pebble"];
/// Format of the store that the SDK pins.
pub(super) const FORMAT_VERSION: u64 = 24;
const ID_FORMAT: u64 = 2;

/// The manifest around the summary of the sync.
pub(super) fn manifest(sync_run: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_text(&mut out, 1, "pebble3");
    put_number(&mut out, 2, FORMAT_VERSION);
    put_number(&mut out, 4, INDEXED);
    put_bytes(&mut out, 40, sync_run);
    put_number(&mut out, 42, ID_FORMAT);
    out
}

/// What a manifest says of how to read the rest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest<'a> {
    pub(super) engine: &'a str,
    pub(super) encoding: u64,
}

impl<'a> Manifest<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut manifest = Self::default();
        for field in fields(bytes) {
            match field? {
                (1, value) => manifest.engine = value.text()?,
                (4, value) => manifest.encoding = value.number()?,
                _ => {}
            }
        }
        Ok(manifest)
    }

    pub(super) fn engine_known(&self) -> bool {
        ENGINES.contains(&self.engine)
    }

    pub(super) fn indexed(&self) -> bool {
        self.encoding == INDEXED
    }
}

/// A file of the store inside the container.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) name: String,
    pub(super) offset: u64,
    pub(super) packed: u64,
    pub(super) raw: u64,
    pub(super) xxh64: u64,
    pub(super) sha256: Vec<u8>,
}

impl Frame {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_text(&mut out, 1, &self.name);
        put_number(&mut out, 2, self.offset);
        put_number(&mut out, 3, self.packed);
        put_number(&mut out, 4, self.raw);
        put_fixed64(&mut out, 5, self.xxh64);
        put_bytes(&mut out, 6, &self.sha256);
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut frame = Self::default();
        for field in fields(bytes) {
            match field? {
                (1, value) => value.text()?.clone_into(&mut frame.name),
                (2, value) => frame.offset = value.number()?,
                (3, value) => frame.packed = value.number()?,
                (4, value) => frame.raw = value.number()?,
                (5, value) => frame.xxh64 = value.fixed64()?,
                (6, value) => value.bytes()?.clone_into(&mut frame.sha256),
                _ => {}
            }
        }
        Ok(frame)
    }
}

/// Index and footer of a file whose frames end at `offset`.
pub(super) fn tail(mut frames: Vec<Frame>, manifest: &[u8], offset: u64) -> Vec<u8> {
    let (raw, packed) = frames
        .iter()
        .fold((0, 0), |(raw, packed), frame| (raw + frame.raw, packed + frame.packed));
    frames.sort_by(|one, other| one.name.cmp(&other.name));
    let mut out = Vec::new();
    for frame in &frames {
        put_bytes(&mut out, 1, &frame.encode());
    }
    put_number(&mut out, 2, raw);
    put_number(&mut out, 3, packed);
    put_fixed64(&mut out, 4, xxhash_rust::xxh64::xxh64(manifest, 0));
    let length = u32::try_from(out.len()).unwrap_or(u32::MAX);
    let hash = xxhash_rust::xxh64::xxh64(&out, 0);
    out.extend_from_slice(&offset.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&hash.to_be_bytes());
    out.extend_from_slice(&INDEX_MAGIC);
    out
}

/// An index: its frames and the hash of the manifest, 0 where it does not say.
pub(super) fn index(bytes: &[u8]) -> Result<(Vec<Frame>, u64), Malformed> {
    let (mut frames, mut manifest) = (Vec::new(), 0);
    for field in fields(bytes) {
        match field? {
            (1, Value::Bytes(frame)) => frames.push(Frame::decode(frame)?),
            (4, value) => manifest = value.fixed64()?,
            _ => {}
        }
    }
    Ok((frames, manifest))
}

/// A frame's bytes in the file.
pub(super) struct Packed<'a> {
    pub(super) file: &'a File,
    pub(super) at: u64,
    pub(super) end: u64,
}

impl Read for Packed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let count = buffer.len().min(left);
        let read = self
            .file
            .read_at(buffer.get_mut(..count).unwrap_or_default(), self.at)?;
        self.at += u64::try_from(read).unwrap_or(0);
        Ok(read)
    }
}
