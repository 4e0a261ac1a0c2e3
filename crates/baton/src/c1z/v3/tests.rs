//! Damaged v3 files: each breaks one rule and is refused for it.

use std::fs;
use std::path::Path;

use super::envelope::{self, Frame};
use super::table::{Builder, shared};
use super::version::{self, TableMeta};
use super::{key, summary};
use crate::c1z::engines::{end, start};
use crate::c1z::{C1zError, Limits, Reader};
use crate::wire::fields::{put_bytes, put_number, put_text};
use process::error::ErrorClass;

/// A store that a test changes before it is packed.
struct Store {
    rows: Vec<(Vec<u8>, Vec<u8>)>,
    /// Changes the MANIFEST's idea of the one table.
    meta: fn(&mut TableMeta),
    /// Changes the bytes of the table.
    table: fn(&mut Vec<u8>),
    /// Changes names and contents of the files.
    files: fn(&mut Vec<(String, Vec<u8>)>),
    /// Changes what the index says of the files.
    frames: fn(&mut Vec<Frame>),
    manifest: Vec<u8>,
    /// Changes the finished file.
    bytes: fn(&mut Vec<u8>),
}

fn row(key: &[u8], value: &[u8]) -> (Vec<u8>, Vec<u8>) {
    (key.to_vec(), value.to_vec())
}

impl Store {
    /// One type, one resource, a finished sync.
    fn good() -> Self {
        let (start, end) = (start(), end(true));
        let summary = summary::Summary::new(&start, &end, "{}");
        let run = summary.run();
        let (mut kind, mut user) = (Vec::new(), Vec::new());
        put_text(&mut kind, 2, "user");
        put_text(&mut user, 2, "user");
        put_text(&mut user, 3, "u1");
        Self {
            rows: vec![
                row(b"\x03\x01\0user", &kind),
                row(b"\x03\x02\0user\0u1", &user),
                row(&key::SYNC_RUN, &run),
                row(key::ID_FORMAT, &key::FORMAT),
                row(key::KEYSPACE_VERSION, &key::FORMAT),
            ],
            meta: |_| {},
            table: |_| {},
            files: |_| {},
            frames: |_| {},
            manifest: envelope::manifest(&summary.in_manifest(b"")),
            bytes: |_| {},
        }
    }

    fn pack(&self) -> Vec<u8> {
        let mut builder = Builder::default();
        for (key, value) in &self.rows {
            let shared = shared(key, builder.last());
            builder.add(key, shared, value);
        }
        let mut table = builder.finish();
        (self.table)(&mut table.bytes);
        let mut meta = TableMeta::of(3, &table);
        (self.meta)(&mut meta);
        let mut files = vec![
            (meta.file_name(), table.bytes),
            (super::MANIFEST.to_owned(), version::encode(&[meta])),
            (format!("{}024", super::FORMAT_MARKER), Vec::new()),
            (super::MANIFEST_MARKER.to_owned(), Vec::new()),
        ];
        (self.files)(&mut files);
        let mut bytes = envelope::MAGIC.to_vec();
        bytes.extend(u32::try_from(self.manifest.len()).unwrap().to_be_bytes());
        bytes.extend(&self.manifest);
        let mut frames = Vec::new();
        for (name, content) in &files {
            let packed = zstd::bulk::compress(content, 1).unwrap();
            frames.push(Frame {
                name: name.clone(),
                offset: u64::try_from(bytes.len()).unwrap(),
                packed: u64::try_from(packed.len()).unwrap(),
                raw: u64::try_from(content.len()).unwrap(),
                xxh64: xxhash_rust::xxh64::xxh64(content, 0),
                sha256: vec![7; 32],
            });
            bytes.extend(packed);
        }
        let offset = u64::try_from(bytes.len()).unwrap();
        (self.frames)(&mut frames);
        bytes.extend(envelope::tail(frames, &self.manifest, offset));
        (self.bytes)(&mut bytes);
        bytes
    }
}

/// Reads everything.
fn read(file: &Path) -> Result<(), C1zError> {
    let reader = Reader::open(file, Path::new("/nowhere"), Limits::default())?;
    reader.resource_types(|_| Ok(()))?;
    reader.resources(|_| Ok(()))?;
    reader.entitlements(|_| Ok(()))?;
    reader.grants(|_| Ok(()))
}

fn manifest(engine: &str, encoding: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_text(&mut out, 1, engine);
    put_number(&mut out, 4, encoding);
    out
}

/// The last 5 + 8 + 28 bytes are known: the footer is checked before anything else of the tail.
const FOOTER: usize = 28;

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

pub(super) fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().as_chunks::<2>().0.iter();
    let byte = |digits: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

#[expect(clippy::too_many_lines, reason = "one line or two for each kind of damage")]
#[test]
fn damaged_files_are_refused_for_what_they_are() {
    let store = |change: &dyn Fn(&mut Store)| {
        let mut store = Store::good();
        change(&mut store);
        store.pack()
    };
    let bytes = |change: fn(&mut Vec<u8>)| store(&|store| store.bytes = change);
    let frames = |change: fn(&mut Vec<Frame>)| store(&|store| store.frames = change);
    let files = |change: fn(&mut Vec<(String, Vec<u8>)>)| store(&|store| store.files = change);
    let table = |change: fn(&mut Vec<u8>)| store(&|store| store.table = change);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("magic only", b"C1Z3\0".to_vec(), "it ends too early"),
        (
            "truncated",
            bytes(|bytes| bytes.truncate(bytes.len() - 9)),
            "it is cut off",
        ),
        ("one byte more", bytes(|bytes| bytes.push(0)), "something follows it"),
        (
            "manifest too long",
            bytes(|bytes| bytes[5] = 0x7f),
            "its manifest claims",
        ),
        (
            "manifest garbled",
            store(&|store| store.manifest = vec![0xff; 20]),
            "its manifest does not decode",
        ),
        (
            "manifest exchanged",
            bytes(|bytes| {
                let at = bytes.len();
                bytes[9 + 20] ^= 1;
                assert!(at > 100);
            }),
            "its manifest",
        ),
        (
            "engine",
            store(&|store| store.manifest = manifest("rocks", 5)),
            "it names the engine",
        ),
        (
            "tar",
            store(&|store| store.manifest = manifest("pebble3", 1)),
            "has the encoding 1",
        ),
        (
            "footer lies",
            bytes(|bytes| {
                let at = bytes.len() - FOOTER;
                bytes[at + 7] ^= 1;
            }),
            "does not say where the index is",
        ),
        (
            "index damaged",
            bytes(|bytes| {
                let at = bytes.len() - FOOTER - 12;
                bytes[at] ^= 1;
            }),
            "the checksum of its index is wrong",
        ),
        (
            "frame outside",
            frames(|frames| frames[0].offset = u64::MAX - 1),
            "outside of the payload",
        ),
        (
            "frame in the head",
            frames(|frames| frames[0].offset = 3),
            "outside of the payload",
        ),
        (
            "frame of no bytes",
            frames(|frames| frames[2].packed = 0),
            "outside of the payload",
        ),
        (
            "name climbs",
            frames(|frames| frames[0].name = "../x.sst".to_owned()),
            "names a file",
        ),
        (
            "name is absolute",
            frames(|frames| frames[0].name = "/x".to_owned()),
            "names a file",
        ),
        (
            "name twice",
            frames(|frames| frames[2].name = frames[3].name.clone()),
            "twice",
        ),
        (
            "no digest",
            frames(|frames| frames[0].sha256 = Vec::new()),
            "holds no SHA-256",
        ),
        ("claims more", frames(|frames| frames[0].raw += 1), "not the size"),
        (
            "claims terabytes",
            frames(|frames| frames[0].raw = 1 << 40),
            "unpacks to 10995",
        ),
        (
            "bomb",
            frames(|frames| {
                frames[1].raw = 3;
            }),
            "is not as large as its index says",
        ),
        (
            "frame garbled",
            frames(|frames| frames[0].offset += 1),
            "does not unpack",
        ),
        (
            "frame exchanged",
            frames(|frames| frames[0].xxh64 ^= 1),
            "the checksum of 000003.sst is wrong",
        ),
        (
            "no format",
            files(|files| {
                files.remove(2);
            }),
            "no marker names the format",
        ),
        (
            "later format",
            files(|files| files[2].0 = format!("{}025", super::FORMAT_MARKER)),
            "its store has the format 025",
        ),
        (
            "no marker",
            files(|files| {
                files.remove(3);
            }),
            "no marker names its MANIFEST",
        ),
        (
            "no MANIFEST",
            files(|files| {
                files.remove(1);
            }),
            "its MANIFEST-000001 is missing",
        ),
        (
            "MANIFEST garbled",
            files(|files| files[1].1[12] ^= 1),
            "a checksum of its MANIFEST is wrong",
        ),
        (
            "no table",
            files(|files| {
                files.remove(0);
            }),
            "its table 000003.sst is missing",
        ),
        (
            "table of another size",
            store(&|store| store.meta = |meta| meta.bytes += 1),
            "has not the size that its MANIFEST says",
        ),
        (
            "bounds too narrow",
            store(&|store| store.meta = |meta| meta.smallest = b"\x03\x02".to_vec()),
            "that its MANIFEST does not tell of",
        ),
        (
            "no footer",
            table(|bytes| {
                let at = bytes.len() - 1;
                bytes[at] ^= 1;
            }),
            "a table has no footer",
        ),
        (
            "columns",
            table(|bytes| {
                let at = bytes.len() - 12;
                bytes[at] = 7;
            }),
            "newer layout",
        ),
        (
            "block damaged",
            table(|bytes| bytes[30] ^= 1),
            "a block's checksum is wrong",
        ),
        (
            "out of order",
            store(&|store| store.rows.swap(0, 1)),
            "its rows are out of order",
        ),
        (
            "row out of order",
            store(&|store| {
                let row = store.rows[1].clone();
                store.rows.insert(2, row);
            }),
            "its rows are out of order",
        ),
        (
            "keyspace",
            store(&|store| {
                store.rows.pop();
            }),
            "its keys are of another version",
        ),
        (
            "no sync",
            store(&|store| {
                store.rows.remove(2);
            }),
            "it holds no sync",
        ),
        (
            "unfinished",
            store(&|store| {
                let mut run = Vec::new();
                put_text(&mut run, 1, "id");
                put_bytes(&mut run, 4, &crate::wire::record::timestamp(start().started_at));
                store.rows[2].1 = run;
            }),
            "it holds no finished sync",
        ),
        (
            "row garbled",
            store(&|store| store.rows[1].1 = vec![0xff; 3]),
            "a row does not decode",
        ),
        (
            "row of another key",
            store(&|store| store.rows[1].0 = b"\x03\x02\0user\0u2".to_vec()),
            "a row names another object than its key",
        ),
    ];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("good");
    fs::write(&path, Store::good().pack()).unwrap();
    read(&path).unwrap();
    for (name, bytes, expected) in cases {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        let error = read(&path).expect_err(name);
        assert!(error.to_string().contains(expected), "{name}: {error}");
        assert_eq!(error.class(), ErrorClass::Corrupt, "{name}: {error}");
    }
}

#[test]
fn files_of_the_sdk_are_told_apart_from_damage() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sync.c1z");
    let mut store = Store::good();
    store.table = |bytes| {
        let at = bytes.len() - 12;
        bytes[at] = 7;
    };
    fs::write(&path, store.pack()).unwrap();
    let error = read(&path).unwrap_err();
    assert!(matches!(error, C1zError::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("storage engine sqlite"), "{error}");
}
