//! Whole v1 files: what goes in comes back, damaged files are refused, no way out leaves anything behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use proptest::prelude::*;
use prost::Message as _;
use rusqlite::Connection;
use svix_ksuid::KsuidLike as _;
use tokio_util::sync::CancellationToken;

use super::v1::{container, schema};
use super::*;
use crate::proto::c1::connector::v2 as pb;
use process::error::ErrorClass;

/// What a small sync holds: names of groups and users, and who is in what.
#[derive(Debug, Clone, Default)]
struct Directory {
    groups: BTreeSet<String>,
    users: BTreeSet<String>,
    members: BTreeSet<(usize, usize)>,
}

fn small() -> Directory {
    Directory {
        groups: ["a", "b"].map(str::to_owned).into(),
        users: ["u1", "u2", "u3"].map(str::to_owned).into(),
        members: [(0, 0), (0, 1), (1, 2)].into(),
    }
}

fn start() -> SyncStart {
    SyncStart::new(SyncType::Full, "2026-01-02T03:04:05.678Z".parse().unwrap())
}

fn end() -> SyncEnd {
    SyncEnd {
        ended_at: "2026-01-02T03:14:05Z".parse().unwrap(),
        expanded: true,
        grants_dropped: 0,
    }
}

/// A v1 file with this cancellation.
fn options(cancel: &CancellationToken) -> WriterOptions {
    WriterOptions {
        engine: StorageEngine::Sqlite,
        cancel: cancel.clone(),
    }
}

fn open(dir: &Path) -> Writer {
    Writer::create(dir, start(), options(&CancellationToken::new())).unwrap()
}

fn resource(kind: &str, id: &str) -> pb::Resource {
    pb::Resource {
        id: Some(pb::ResourceId {
            resource_type: kind.to_owned(),
            resource: id.to_owned(),
            ..Default::default()
        }),
        display_name: format!("{kind} {id}"),
        ..Default::default()
    }
}

fn put_type(writer: &mut Writer, id: &str) {
    let message = pb::ResourceType {
        id: id.to_owned(),
        display_name: id.to_owned(),
        ..Default::default()
    };
    let data = message.encode_to_vec();
    writer.put_resource_type(&ResourceTypeRow { id, data: &data }).unwrap();
}

fn put_resource(writer: &mut Writer, kind: &str, id: &str) {
    let data = resource(kind, id).encode_to_vec();
    let row = ResourceRow {
        resource_type_id: kind,
        resource_id: id,
        parent: None,
        data: &data,
    };
    writer.put_resource(&row).unwrap();
}

fn put_grant(writer: &mut Writer, group: &str, user: &str) -> Result<(), C1zError> {
    let entitlement = format!("group:{group}:member");
    let id = format!("{entitlement}:user:{user}");
    let message = pb::Grant {
        entitlement: Some(pb::Entitlement {
            id: entitlement.clone(),
            resource: Some(resource("group", group)),
            ..Default::default()
        }),
        principal: Some(resource("user", user)),
        id: id.clone(),
        ..Default::default()
    };
    writer.put_grant(&GrantRow {
        resource_type_id: "group",
        resource_id: group,
        entitlement_id: &entitlement,
        principal_type_id: "user",
        principal_id: user,
        id: &id,
        expansion: None,
        data: &message.encode_to_vec(),
    })
}

fn fill(writer: &mut Writer, directory: &Directory) {
    for kind in ["group", "user"] {
        put_type(writer, kind);
    }
    for group in &directory.groups {
        put_resource(writer, "group", group);
    }
    for user in &directory.users {
        put_resource(writer, "user", user);
    }
    for group in &directory.groups {
        let id = format!("group:{group}:member");
        let message = pb::Entitlement {
            id: id.clone(),
            resource: Some(resource("group", group)),
            slug: "member".to_owned(),
            ..Default::default()
        };
        let row = EntitlementRow {
            resource_type_id: "group",
            resource_id: group,
            id: &id,
            data: &message.encode_to_vec(),
        };
        writer.put_entitlement(&row).unwrap();
    }
    for (group, user) in &directory.members {
        let group = directory.groups.iter().nth(*group).unwrap();
        put_grant(writer, group, directory.users.iter().nth(*user).unwrap()).unwrap();
    }
}

/// A finished file of the small directory.
fn good(dir: &Path) -> std::path::PathBuf {
    let target = dir.join("sync.c1z");
    let mut writer = open(dir);
    fill(&mut writer, &small());
    writer.finish(end(), &target).unwrap();
    target
}

/// The database inside a file.
fn database(file: &Path, dir: &Path) -> Connection {
    let path = dir.join("unpacked");
    let mut db = fs::File::create(&path).unwrap();
    container::unpack(file, &mut db, Limits::default()).unwrap();
    Connection::open(path).unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn number(db: &Connection, query: &str) -> i64 {
    db.query_row(query, [], |row| row.get(0)).unwrap()
}

fn directories() -> impl Strategy<Value = Directory> {
    // Anything printable but the separator that ids of other tables are joined with: quotes, letters of all scripts.
    let name = "[^:\\pC]{1,24}";
    let names = prop::collection::btree_set(name, 1..8);
    (names, prop::collection::btree_set(name, 1..20)).prop_flat_map(|(groups, users)| {
        let pairs = prop::collection::btree_set((0..groups.len(), 0..users.len()), 0..40);
        pairs.prop_map(move |members| Directory {
            groups: groups.clone(),
            users: users.clone(),
            members,
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_in_comes_back(directory in directories()) {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("sync.c1z");
        let mut writer = open(dir.path());
        fill(&mut writer, &directory);
        let report = writer.finish(end(), &target).unwrap();
        prop_assert_eq!(&report.warnings, &vec![]);
        prop_assert_eq!(report.size_bytes, fs::metadata(&target).unwrap().len());

        let reader = Reader::open(&target, dir.path(), Limits::default()).unwrap();
        prop_assert_eq!(&reader.run().stats, &report.stats);
        let mut resources = Vec::new();
        reader.resources(|one| { resources.push((one.resource_type, one.id)); Ok(()) }).unwrap();
        let expected = directory.groups.iter().map(|id| ("group", id)).chain(directory.users.iter().map(|id| ("user", id)));
        let expected: Vec<_> = expected.map(|(kind, id)| (kind.to_owned(), id.clone())).collect();
        prop_assert_eq!(resources, expected);
        let mut grants = Vec::new();
        reader.grants(|one| { grants.push((one.entitlement_id, one.principal_id)); Ok(()) }).unwrap();
        let (groups, users): (Vec<_>, Vec<_>) = (directory.groups.iter().collect(), directory.users.iter().collect());
        let expected = directory.members.iter().map(|(g, u)| (format!("group:{}:member", groups[*g]), users[*u].clone()));
        prop_assert_eq!(grants, expected.collect::<Vec<_>>());
    }
}

#[test]
fn a_reader_that_replays_the_schema_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let db = database(&good(dir.path()), dir.path());
    let before = number(&db, "PRAGMA schema_version");
    for statement in schema::TABLES
        .iter()
        .chain(&schema::ORDERED_INDEXES)
        .chain(&schema::LATE_INDEXES)
    {
        db.execute(statement, []).unwrap();
    }
    assert_eq!(number(&db, "PRAGMA schema_version"), before);
    let objects = |kind: &str| {
        let query = format!("SELECT count(*) FROM sqlite_master WHERE type = '{kind}' AND sql IS NOT NULL");
        number(&db, &query)
    };
    assert_eq!((objects("table"), objects("index"), objects("trigger")), (7, 16, 0));
    let check: String = db.query_row("PRAGMA quick_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    assert_eq!(
        number(
            &db,
            "SELECT count(*) FROM v1_sync_runs WHERE supports_diff = 1 AND grants_backfilled = 1"
        ),
        1
    );
}

#[test]
fn the_report_carries_the_digest_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("sync.c1z");
    let mut writer = open(dir.path());
    fill(&mut writer, &small());
    let report = writer.finish(end(), &target).unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &fs::read(&target).unwrap());
    assert_eq!(report.sha256.as_slice(), digest.as_ref());
    assert_eq!(names(dir.path()), ["sync.c1z"]);
}

#[test]
fn the_frame_states_its_size_and_a_checksum_and_a_small_window() {
    let dir = tempfile::tempdir().unwrap();
    let raw = fs::read(good(dir.path())).unwrap();
    assert_eq!(&raw[..5], b"C1ZF\0");
    let frame = &raw[5..];
    assert_eq!(&frame[..4], &[0x28, 0xb5, 0x2f, 0xfd]);
    let descriptor = frame[4];
    assert_eq!(descriptor & 0b100, 0b100, "checksum");
    let size = zstd::zstd_safe::get_frame_content_size(frame).unwrap();
    assert!(size.is_some_and(|size| size > 0 && size % 16_384 == 0), "{size:?}");
    // More than a window: a frame that would be too large for readers if it were a single segment.
    let mut packed = Vec::new();
    let content = vec![7_u8; 20 << 20];
    {
        let source = dir.path().join("large");
        fs::write(&source, &content).unwrap();
        let target = dir.path().join("large.c1z");
        container::pack(&source, &target, &CancellationToken::new()).unwrap();
        packed.extend(fs::read(&target).unwrap());
    }
    let descriptor = packed[9];
    assert_eq!(descriptor & 0b10_0000, 0, "a single segment");
    assert!(packed[10] >> 3 <= 23 - 10, "window {}", packed[10]);
}

#[test]
fn sync_ids_are_ksuids() {
    let cases = [
        (
            "0000000000000000000000000000000000000000",
            "000000000000000000000000000",
        ),
        (
            "ffffffffffffffffffffffffffffffffffffffff",
            "aWgEPTl1tmebfsQzFP4bxwgy80V",
        ),
        (
            "0669f7efb5a1cd34b5f99d1154fb6853345c9735",
            "0ujtsYcgvSTl8PAuAdqWYSMnLOv",
        ),
    ];
    for (hex, text) in cases {
        let bytes: Vec<u8> = (0..20)
            .map(|at| u8::from_str_radix(hex.get(at * 2..at * 2 + 2).unwrap(), 16).unwrap())
            .collect();
        assert_eq!(
            svix_ksuid::Ksuid::from_bytes(bytes.try_into().unwrap()).to_string(),
            text
        );
    }
    let now: Timestamp = "2017-10-10T04:00:47Z".parse().unwrap();
    let (one, other) = (SyncStart::new(SyncType::Full, now), SyncStart::new(SyncType::Full, now));
    assert_ne!(one.sync_id, other.sync_id);
    for start in [one, other] {
        assert_eq!(start.sync_id.len(), 27);
        assert!(start.sync_id.starts_with("0ujt"), "the same second begins the same way");
    }
}

/// A zstd frame around `content`.
fn frame(content: &[u8]) -> Vec<u8> {
    let mut frame = b"C1ZF\0".to_vec();
    frame.extend(zstd::stream::encode_all(content, 1).unwrap());
    frame
}

fn without_a_finished_sync(good: &Path, dir: &Path) -> Vec<u8> {
    let db = database(good, dir);
    db.execute("UPDATE v1_sync_runs SET ended_at = NULL", []).unwrap();
    let path = db.path().unwrap().to_owned();
    db.close().unwrap();
    frame(&fs::read(path).unwrap())
}

#[test]
fn damaged_files_are_refused_for_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let good_file = good(dir.path());
    let good_bytes = fs::read(&good_file).unwrap();
    let edited = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good_bytes.clone();
        edit(&mut bytes);
        bytes
    };
    let terabyte = {
        let mut bytes = b"C1ZF\0\x28\xb5\x2f\xfd\xc4\x68".to_vec();
        bytes.extend((1_u64 << 40).to_le_bytes());
        bytes.extend(&good_bytes[19..]);
        bytes
    };
    // Descriptor 0 with a 2^28 window, then one empty last block.
    let wide_window = b"C1ZF\0\x28\xb5\x2f\xfd\x00\x90\x01\x00\x00".to_vec();
    let cases: [(&str, Vec<u8>, &str); 11] = [
        ("empty", Vec::new(), "begins with neither C1ZF nor C1Z3"),
        (
            "magic",
            edited(&|bytes| bytes[0] = b'X'),
            "begins with neither C1ZF nor C1Z3",
        ),
        ("v3", edited(&|bytes| bytes[3] = b'3'), "its manifest claims"),
        ("magic-only", b"C1ZF\0".to_vec(), "no zstd frame"),
        (
            "truncated",
            edited(&|bytes| bytes.truncate(bytes.len() / 2)),
            "ends too early",
        ),
        (
            "bit",
            edited(&|bytes| {
                let at = bytes.len() - 20;
                bytes[at] ^= 0x55;
            }),
            "does not decode",
        ),
        ("terabyte", terabyte, "unpacks to 1099511627776 bytes"),
        ("window", wide_window, "does not decode"),
        (
            "twice",
            edited(&|bytes| bytes.extend(&good_bytes[5..])),
            "more than one zstd frame",
        ),
        ("text", frame(b"no database at all"), "not a database"),
        (
            "unfinished",
            without_a_finished_sync(&good_file, dir.path()),
            "no finished sync",
        ),
    ];
    let temp = tempfile::tempdir().unwrap();
    for (name, bytes, expected) in cases {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        let error = Reader::open(&path, temp.path(), Limits::default()).unwrap_err();
        assert!(error.to_string().contains(expected), "{name}: {error}");
        assert_eq!(error.class(), ErrorClass::Corrupt, "{name}: {error}");
        assert_eq!(names(temp.path()), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_frame_that_hides_its_size_is_stopped_at_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bomb.c1z");
    // The streaming encoder does not know the size.
    let mut bytes = b"C1ZF\0".to_vec();
    let mut encoder = zstd::stream::write::Encoder::new(&mut bytes, 1).unwrap();
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), 4 << 20), &mut encoder).unwrap();
    encoder.finish().unwrap();
    fs::write(&path, bytes).unwrap();
    let limits = Limits {
        decoded_bytes: 1 << 20,
        ..Limits::default()
    };
    let error = Reader::open(&path, dir.path(), limits).unwrap_err();
    assert!(
        matches!(
            error,
            C1zError::Oversize {
                limit_bytes: 0x10_0000,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(names(dir.path()), ["bomb.c1z"]);
}

#[test]
fn cancelling_leaves_nothing_and_the_old_file_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("sync.c1z");
    fs::write(&target, b"the last good file").unwrap();
    let cancel = CancellationToken::new();
    let open = || Writer::create(dir.path(), start(), options(&cancel)).unwrap();
    let (mut filling, mut full) = (open(), open());
    fill(&mut full, &small());
    cancel.cancel();
    put_type(&mut filling, "user");
    let stopped = (0..2_000)
        .find_map(|at| put_grant(&mut filling, "a", &format!("u{at}")).err())
        .unwrap();
    assert_eq!(stopped.class(), ErrorClass::Cancelled);
    drop(filling);
    assert_eq!(full.finish(end(), &target).unwrap_err().class(), ErrorClass::Cancelled);
    assert_eq!(names(dir.path()), ["sync.c1z"]);
    assert_eq!(fs::read(&target).unwrap(), b"the last good file");
}

#[test]
fn a_panic_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    let thread = std::thread::spawn(move || {
        let mut writer = open(&path);
        fill(&mut writer, &small());
        panic!("planted");
    });
    assert!(thread.join().is_err());
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

#[test]
fn places_that_cannot_be_written_are_named_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    for place in [dir.path().join("missing"), file.clone()] {
        let error = Writer::create(&place, start(), options(&CancellationToken::new())).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Local);
        assert!(error.to_string().contains("Choose another place"), "{error}");
    }
    for (target, expected) in [
        (dir.path().to_owned(), "it is a directory"),
        (dir.path().join("missing/sync.c1z"), "no such file or directory"),
        (file.join("sync.c1z"), "Choose another place"),
    ] {
        let mut writer = open(dir.path());
        fill(&mut writer, &small());
        let error = writer.finish(end(), &target).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Local);
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert_eq!(names(dir.path()), ["file"]);
}

#[test]
fn a_full_disk_is_said_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("sync.c1z");
    // While rows go in: SQLite answers SQLITE_FULL at its page limit as it does on ENOSPC.
    let mut writer = open(dir.path());
    writer.db().execute_batch("PRAGMA max_page_count = 24").unwrap();
    put_type(&mut writer, "user");
    let full = (0..20_000)
        .find_map(|at| put_grant(&mut writer, "a", &format!("u{at}")).err())
        .unwrap();
    assert_eq!(full.class(), ErrorClass::Local);
    assert!(full.to_string().contains("Free some space"), "{full}");
    drop(writer);
    // While indexes are built.
    let mut writer = open(dir.path());
    fill(&mut writer, &small());
    let pages = number(writer.db(), "PRAGMA page_count");
    writer
        .db()
        .execute_batch(&format!("PRAGMA max_page_count = {pages}"))
        .unwrap();
    assert_eq!(writer.finish(end(), &target).unwrap_err().class(), ErrorClass::Local);
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_while_packing_is_said() {
    let mut full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let content: Vec<u8> = (0_u32..1 << 20)
        .flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    let size = u64::try_from(content.len()).unwrap();
    let error = container::compress(&mut content.as_slice(), size, &mut full, &CancellationToken::new())
        .err()
        .unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    let error = C1zError::write(Path::new("/data/sync.c1z"))(error);
    assert!(error.to_string().contains("the disk is full"), "{error}");
    assert_eq!(error.class(), ErrorClass::Local);
}

#[test]
fn of_rows_that_come_again_the_last_stays_and_what_vanished_takes_its_grants_along() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    for kind in ["group", "user"] {
        put_type(&mut writer, kind);
    }
    for id in ["u1", "u2", "u3", "u2", "u1", "u2"] {
        put_resource(&mut writer, "user", id);
    }
    put_resource(&mut writer, "group", "g1");
    for user in ["u1", "u2", "u3"] {
        put_grant(&mut writer, "g1", user).unwrap();
    }
    let rows = |writer: &Writer, table: &str| -> Vec<(i64, String)> {
        let mut rows = writer
            .db()
            .prepare(&format!("SELECT id, external_id FROM {table} ORDER BY id"))
            .unwrap();
        rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    };
    writer.keep_last("user", ["u1", "u2"].into_iter()).unwrap();
    let expected = [(3, "user:u3"), (5, "user:u1"), (6, "user:u2"), (7, "group:g1")];
    assert_eq!(
        rows(&writer, "v1_resources"),
        expected.map(|(id, key)| (id, key.to_owned()))
    );
    assert_eq!(writer.stats().resources_by_resource_type["user"], 3);
    writer
        .delete_resources([("user", "u1"), ("user", "u2")].into_iter())
        .unwrap();
    let expected = [(3, "user:u3"), (7, "group:g1")];
    assert_eq!(
        rows(&writer, "v1_resources"),
        expected.map(|(id, key)| (id, key.to_owned()))
    );
    assert_eq!(rows(&writer, "v1_grants").len(), 1);
    assert_eq!((writer.stats().resources, writer.stats().grants), (2, 1));
}

#[test]
fn references_that_do_not_resolve_are_counted_and_the_token_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("sync.c1z");
    let mut writer = open(dir.path());
    fill(&mut writer, &small());
    let row = EntitlementRow {
        resource_type_id: "group",
        resource_id: "gone",
        id: "group:gone:admin",
        data: b"",
    };
    writer.put_entitlement(&row).unwrap();
    put_grant(&mut writer, "nowhere", "u1").unwrap();
    put_grant(&mut writer, "a", "nobody").unwrap();
    let report = writer.finish(end(), &target).unwrap();
    let found: Vec<_> = report
        .warnings
        .iter()
        .map(|one| (one.invariant, one.count, one.examples.join(" ")))
        .collect();
    let expected = [
        ("I7", 1, "group:gone:admin"),
        ("I3", 1, "group:nowhere"),
        ("I8", 1, "group:nowhere:member"),
        ("I9", 1, "user:nobody"),
    ];
    assert_eq!(
        found,
        expected.map(|(invariant, count, text)| (invariant, count, text.to_owned()))
    );
    let db = database(&target, dir.path());
    let token: String = db
        .query_row("SELECT sync_token FROM v1_sync_runs", [], |row| row.get(0))
        .unwrap();
    let token: serde_json::Value = serde_json::from_str(&token).unwrap();
    assert_eq!(token["ingest_quality"]["source_cache_replay_blocked"], true);
}

#[test]
fn two_rows_of_the_same_id_are_a_fault_of_ours() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("sync.c1z");
    let mut writer = open(dir.path());
    fill(&mut writer, &small());
    let refused = put_grant(&mut writer, "a", "u1").unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Bug);
    drop(writer);
    assert!(!target.exists());
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

/// Expansion held against the before and after files that the SDK ships (c1z.md §14.3). They are read where
/// `BATON_COMPAT_FIXTURES` points (`make compat` sets it); without it there is nothing to compare.
mod fixtures {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    use prost::Message as _;
    use rusqlite::Connection;

    use super::end;
    use crate::c1z::v1::container;
    use crate::c1z::{EntitlementRow, GrantRow, Limits, Writer};
    use crate::proto::c1::connector::v2 as pb;

    /// Entitlement, principal, source entitlements, whether it is marked immutable.
    type Facts = (String, String, Vec<String>, bool);

    fn unpacked(file: &Path, dir: &Path) -> Connection {
        let path = dir.join(file.file_name().unwrap());
        container::unpack(file, &mut fs::File::create(&path).unwrap(), Limits::default()).unwrap();
        Connection::open(path).unwrap()
    }

    fn kind(any: &prost_types::Any) -> &str {
        any.type_url.rsplit('.').next().unwrap_or_default()
    }

    fn facts(db: &Connection) -> BTreeMap<String, Facts> {
        let mut statement = db.prepare("SELECT data FROM v1_grants").unwrap();
        let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        rows.map(|data| {
            let grant = pb::Grant::decode(data.unwrap().as_slice()).unwrap();
            let principal = grant.principal.unwrap_or_default().id.unwrap_or_default();
            let facts = (
                grant.entitlement.unwrap_or_default().id,
                format!("{}:{}", principal.resource_type, principal.resource),
                grant.sources.unwrap_or_default().sources.into_keys().collect(),
                grant.annotations.iter().any(|any| kind(any) == "GrantImmutable"),
            );
            (grant.id, facts)
        })
        .collect()
    }

    fn copy_entitlements(from: &Connection, to: &mut Writer) {
        let mut statement = from
            .prepare("SELECT resource_type_id, resource_id, external_id, data FROM v1_entitlements ORDER BY id")
            .unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let text = |at: usize| row.get::<_, String>(at).unwrap();
            to.put_entitlement(&EntitlementRow {
                resource_type_id: &text(0),
                resource_id: &text(1),
                id: &text(2),
                data: &row.get::<_, Vec<u8>>(3).unwrap(),
            })
            .unwrap();
        }
    }

    /// Grants with `GrantExpandable` moved out of the message, as a reader's migration does.
    fn copy_grants(from: &Connection, to: &mut Writer) {
        let query = "SELECT resource_type_id, resource_id, entitlement_id, principal_resource_type_id, \
                     principal_resource_id, external_id, data FROM v1_grants ORDER BY id";
        let mut statement = from.prepare(query).unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let text = |at: usize| row.get::<_, String>(at).unwrap();
            let mut grant = pb::Grant::decode(row.get::<_, Vec<u8>>(6).unwrap().as_slice()).unwrap();
            let at = grant.annotations.iter().position(|any| kind(any) == "GrantExpandable");
            let expansion = at.map(|at| grant.annotations.remove(at).value).filter(|bytes| {
                let expandable = pb::GrantExpandable::decode(bytes.as_slice()).unwrap();
                expandable.entitlement_ids.iter().any(|id| !id.trim().is_empty())
            });
            to.put_grant(&GrantRow {
                resource_type_id: &text(0),
                resource_id: &text(1),
                entitlement_id: &text(2),
                principal_type_id: &text(3),
                principal_id: &text(4),
                id: &text(5),
                expansion: expansion.as_deref(),
                data: &grant.encode_to_vec(),
            })
            .unwrap();
        }
    }

    #[test]
    fn expansion_gives_what_the_shipped_files_hold() {
        #[expect(
            clippy::disallowed_methods,
            reason = "the place of the files is the machine's, not a setting"
        )]
        let Some(place) = std::env::var_os("BATON_COMPAT_FIXTURES") else {
            return;
        };
        let mut pairs = 0;
        for entry in fs::read_dir(place).unwrap() {
            let before = entry.unwrap().path();
            let after = before.with_extension("expanded");
            if before.extension().is_none_or(|extension| extension != "unexpanded") || !after.exists() {
                continue;
            }
            pairs += 1;
            let dir = tempfile::tempdir().unwrap();
            let source = unpacked(&before, dir.path());
            let mut writer = super::open(dir.path());
            copy_entitlements(&source, &mut writer);
            copy_grants(&source, &mut writer);
            let begun = std::time::Instant::now();
            let expanded = writer.expand().unwrap();
            let (ours, theirs) = (facts(writer.db()), facts(&unpacked(&after, dir.path())));
            println!(
                "{}: {} grants, {} added, {} changed, {:?}",
                before.display(),
                ours.len(),
                expanded.created,
                expanded.updated,
                begun.elapsed()
            );
            let missing: Vec<_> = theirs
                .iter()
                .filter(|(id, facts)| ours.get(*id) != Some(facts))
                .take(3)
                .collect();
            let surplus: Vec<_> = ours
                .iter()
                .filter(|(id, _)| !theirs.contains_key(*id))
                .take(3)
                .collect();
            assert!(
                missing.is_empty() && surplus.is_empty(),
                "{}: {missing:#?} {surplus:#?}",
                before.display()
            );
            drop(writer.finish(end(), &dir.path().join("sync.c1z")).unwrap());
        }
        assert!(pairs > 0, "no pair of files");
    }
}

/// A role that only an assignment names comes after the users.
#[test]
fn a_resource_that_comes_late_moves_no_other_row() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("sync.c1z");
    let mut writer = open(dir.path());
    for kind in ["role", "user"] {
        put_type(&mut writer, kind);
    }
    for id in ["u1", "u2", "u3"] {
        put_resource(&mut writer, "user", id);
    }
    put_resource(&mut writer, "role", "r1");
    writer.finish(end(), &target).unwrap();
    let db = database(&target, dir.path());
    let mut rows = db
        .prepare("SELECT id, external_id FROM v1_resources ORDER BY id")
        .unwrap();
    let rows: Vec<(i64, String)> = rows
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let expected = [(1, "user:u1"), (2, "user:u2"), (3, "user:u3"), (4, "role:r1")];
    assert_eq!(rows, expected.map(|(id, key)| (id, key.to_owned())));
}
