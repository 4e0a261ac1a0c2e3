//! Both engines: the same rows in, the same rows out, whatever the file is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use prost::Message as _;
use tokio_util::sync::CancellationToken;

use super::v1::container;
use super::*;
use crate::model::grant_id;
use crate::proto::c1::connector::v2 as pb;
use crate::wire::record;
use process::error::ErrorClass;

const TYPES: [&str; 3] = ["group", "role", "user"];

/// Type and id by their places in a directory.
type Place = (usize, usize);
/// Source entitlements, whether only direct holders hand on, whether only users are handed on.
type HandsOn = (Vec<usize>, bool, bool);

/// A directory: resources by type, entitlements by resource, grants by entitlement.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    ids: Vec<String>,
    /// Type, id, parent.
    resources: Vec<(usize, usize, Option<Place>)>,
    /// Resource, form of the id, name.
    entitlements: Vec<(usize, u8, String)>,
    /// Entitlement, principal's type and id, annotations, what it hands on.
    grants: Vec<(usize, usize, usize, u8, Option<HandsOn>)>,
    /// Resources that vanish before the last grants come.
    gone: Vec<usize>,
    expand: bool,
}

pub(super) fn directories() -> impl Strategy<Value = Directory> {
    let id = prop_oneof![
        4 => "[a-z]{1,3}",
        1 => "[a:]{1,4}",
        1 => "[\\x00\\x01a]{1,3}",
        1 => "[äß漢😀]{1,2}",
        1 => "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}",
    ];
    let resource = (0..3_usize, 0..12_usize, prop::option::of((0..3_usize, 0..12_usize)));
    let hands_on = prop::option::weighted(
        0.3,
        (prop::collection::vec(0..8_usize, 1..3), any::<bool>(), any::<bool>()),
    );
    (
        prop::collection::vec(id, 12),
        prop::collection::vec(resource, 1..24),
        prop::collection::vec((0..24_usize, 0..4_u8, "[a-z]{0,3}"), 0..8),
        prop::collection::vec((0..8_usize, 0..3_usize, 0..12_usize, 0..6_u8, hands_on), 0..60),
        prop::collection::vec(0..24_usize, 0..2),
        any::<bool>(),
    )
        .prop_map(|(ids, resources, entitlements, grants, gone, expand)| Directory {
            ids,
            resources,
            entitlements,
            grants,
            gone,
            expand,
        })
}

pub(super) fn start() -> SyncStart {
    SyncStart {
        sync_id: "34TIXfCzDWqsH5z9FBcvV7pLdnb".to_owned(),
        sync_type: SyncType::Full,
        started_at: "2026-01-02T03:04:05.678Z".parse().unwrap(),
    }
}

pub(super) fn end(expanded: bool) -> SyncEnd {
    SyncEnd {
        ended_at: "2026-01-02T03:14:05Z".parse().unwrap(),
        expanded,
        grants_dropped: 0,
    }
}

pub(super) fn options(engine: StorageEngine) -> WriterOptions {
    WriterOptions {
        engine,
        cancel: CancellationToken::new(),
    }
}

fn annotation(kind: &str, value: &[u8]) -> prost_types::Any {
    prost_types::Any {
        type_url: format!("type.googleapis.com/c1.connector.v2.{kind}"),
        value: value.to_vec(),
    }
}

fn reference(kind: &str, id: &str) -> pb::ResourceId {
    pb::ResourceId {
        resource_type: kind.to_owned(),
        resource: id.to_owned(),
        ..Default::default()
    }
}

impl Directory {
    /// With the grants of another one.
    pub(super) fn with_grants_of(&self, other: &Self) -> Self {
        Self {
            grants: other.grants.clone(),
            ..self.clone()
        }
    }

    /// Resources in the order of their types, each once.
    fn resources(&self) -> Vec<ResourceCase<'_>> {
        let mut seen = BTreeSet::new();
        let name = |(kind, id): (usize, usize)| (TYPES[kind], self.ids[id].as_str());
        let mut all: Vec<_> = self
            .resources
            .iter()
            .map(|(kind, id, parent)| (TYPES[*kind], self.ids[*id].as_str(), parent.map(name)))
            .filter(|(kind, id, _)| seen.insert((*kind, *id)))
            .collect();
        all.sort_by_key(|one| one.0);
        all
    }

    /// Type and id of the resource, and the entitlement's id.
    fn entitlements(&self) -> Vec<(&'static str, &str, String)> {
        let resources = self.resources();
        let mut seen = BTreeSet::new();
        let named = self.entitlements.iter().map(|(at, form, slug)| {
            let (kind, id, _) = resources[at % resources.len()];
            let text = match form {
                0 => format!("opaque-{slug}{at}"),
                1 => format!("{}:{id}:{slug}", kind.to_uppercase()),
                _ => format!("{kind}:{id}:{slug}"),
            };
            (kind, id, text)
        });
        named.filter(|(_, _, id)| seen.insert(id.clone())).collect()
    }

    fn vanished(&self) -> Vec<(&'static str, &str)> {
        let resources = self.resources();
        let all = self.gone.iter().map(|at| resources[at % resources.len()]);
        all.map(|(kind, id, _)| (kind, id)).collect()
    }

    /// Puts every row; half of the grants come after resources vanished.
    #[expect(clippy::too_many_lines, reason = "every field of every kind of row")]
    fn put(&self, writer: &mut Writer) {
        for (at, kind) in TYPES.into_iter().enumerate() {
            let message = pb::ResourceType {
                id: kind.to_owned(),
                display_name: kind.to_uppercase(),
                traits: vec![i32::try_from(at).unwrap()],
                annotations: vec![annotation("SkipEntitlementsAndGrants", b"")],
                description: "d".to_owned(),
                sourced_externally: at == 1,
            };
            let data = message.encode_to_vec();
            writer
                .put_resource_type(&ResourceTypeRow { id: kind, data: &data })
                .unwrap();
        }
        let stale: Vec<_> = self.resources().into_iter().step_by(3).collect();
        for (kind, id, _) in &stale {
            let row = ResourceRow {
                resource_type_id: kind,
                resource_id: id,
                parent: None,
                data: &pb::Resource::default().encode_to_vec(),
            };
            writer.put_resource(&row).unwrap();
        }
        for (at, (kind, id, parent)) in self.resources().into_iter().enumerate() {
            writer.set_discovered_at(Timestamp::from_second(1_800_000_000 + i64::try_from(at / 3).unwrap()).unwrap());
            let message = pb::Resource {
                id: Some(reference(kind, id)),
                parent_resource_id: parent.map(|(kind, id)| reference(kind, id)),
                display_name: format!("{kind} {id}"),
                annotations: vec![
                    annotation("UserTrait", id.as_bytes()),
                    annotation("RawId", b"\x0a\x01x"),
                ],
                description: id.repeat(at),
                profile: Some(profile(id)),
                icon: (at % 4 == 0).then(|| pb::AssetRef {
                    id: format!("icon{at}"),
                }),
                status: Some(pb::Status {
                    status: i32::try_from(at % 4).unwrap(),
                    details: id.to_owned(),
                }),
                created_at: Some(prost_types::Timestamp { seconds: 9, nanos: 7 }),
                ..Default::default()
            };
            writer
                .put_resource(&ResourceRow {
                    resource_type_id: kind,
                    resource_id: id,
                    parent,
                    data: &message.encode_to_vec(),
                })
                .unwrap();
        }
        for kind in TYPES {
            let ids = stale.iter().filter(|(of, ..)| *of == kind).map(|(_, id, _)| *id);
            writer.keep_last(kind, ids).unwrap();
        }
        self.put_entitlements(writer);
        let grants = self.grants();
        let (first, rest) = grants.split_at(grants.len() / 2);
        for grant in first {
            grant.put(writer);
        }
        writer.delete_resources(self.vanished().into_iter()).unwrap();
        for grant in rest {
            grant.put(writer);
        }
    }

    fn put_entitlements(&self, writer: &mut Writer) {
        for (at, (kind, id, entitlement)) in self.entitlements().into_iter().enumerate() {
            let message = pb::Entitlement {
                resource: Some(pb::Resource {
                    id: Some(reference(kind, id)),
                    ..Default::default()
                }),
                id: entitlement.clone(),
                display_name: entitlement.clone(),
                description: "what it gives".to_owned(),
                grantable_to: vec![pb::ResourceType {
                    id: "user".to_owned(),
                    ..Default::default()
                }],
                annotations: vec![annotation("EntitlementImmutable", b"")],
                purpose: i32::try_from(at % 4).unwrap(),
                slug: "slug".to_owned(),
            };
            writer
                .put_entitlement(&EntitlementRow {
                    resource_type_id: kind,
                    resource_id: id,
                    id: &entitlement,
                    data: &message.encode_to_vec(),
                })
                .unwrap();
        }
    }

    fn grants(&self) -> Vec<GrantCase> {
        let entitlements = self.entitlements();
        let mut seen = BTreeSet::new();
        let mut all = Vec::new();
        for (at, kind, id, extra, hands_on) in &self.grants {
            if entitlements.is_empty() {
                break;
            }
            let (on_kind, on_id, entitlement) = entitlements[at % entitlements.len()].clone();
            let (principal_type, principal) = (TYPES[*kind], self.ids[*id].clone());
            if !seen.insert((entitlement.clone(), principal_type, principal.clone())) {
                continue;
            }
            // A source belongs to the principal's own resource.
            let expandable = hands_on.as_ref().map(|(sources, shallow, users)| {
                let own = entitlements
                    .iter()
                    .filter(|one| (one.0, one.1) == (principal_type, principal.as_str()));
                let own: Vec<&String> = own.map(|one| &one.2).collect();
                let picked = sources.iter().filter_map(|at| own.get(at % own.len().max(1)));
                let picked: BTreeSet<String> = picked.map(|id| (*id).clone()).collect();
                pb::GrantExpandable {
                    entitlement_ids: picked.into_iter().collect(),
                    shallow: *shallow,
                    resource_type_ids: if *users { vec!["user".to_owned()] } else { Vec::new() },
                }
            });
            all.push(GrantCase {
                on: (on_kind, on_id.to_owned()),
                entitlement,
                principal: (principal_type, principal),
                extra: *extra,
                expansion: expandable.filter(|one| !one.entitlement_ids.is_empty()),
            });
        }
        all.sort_by(|one, other| one.entitlement.cmp(&other.entitlement));
        all
    }
}

fn profile(id: &str) -> prost_types::Struct {
    use prost_types::value::Kind;
    let value = |kind| prost_types::Value { kind: Some(kind) };
    let list = prost_types::ListValue {
        values: vec![value(Kind::BoolValue(true)), value(Kind::NumberValue(1.5))],
    };
    prost_types::Struct {
        fields: [
            ("id".to_owned(), value(Kind::StringValue(id.to_owned()))),
            ("list".to_owned(), value(Kind::ListValue(list))),
            ("none".to_owned(), value(Kind::NullValue(0))),
        ]
        .into(),
    }
}

/// Type, id, parent.
type ResourceCase<'a> = (&'static str, &'a str, Option<(&'static str, &'a str)>);

#[derive(Debug, Clone)]
struct GrantCase {
    on: (&'static str, String),
    entitlement: String,
    principal: (&'static str, String),
    extra: u8,
    expansion: Option<pb::GrantExpandable>,
}

impl GrantCase {
    fn put(&self, writer: &mut Writer) {
        let id = match self.extra {
            5 => format!("own-{:?}", (&self.entitlement, &self.principal)),
            _ => grant_id(&self.entitlement, self.principal.0, &self.principal.1),
        };
        let message = pb::Grant {
            entitlement: Some(pb::Entitlement {
                resource: Some(pb::Resource {
                    id: Some(reference(self.on.0, &self.on.1)),
                    ..Default::default()
                }),
                id: self.entitlement.clone(),
                ..Default::default()
            }),
            principal: Some(pb::Resource {
                id: Some(reference(self.principal.0, &self.principal.1)),
                parent_resource_id: (self.extra == 4).then(|| reference("group", "parent")),
                ..Default::default()
            }),
            id: id.clone(),
            annotations: match self.extra {
                1 => vec![annotation("GrantImmutable", b"")],
                2 => vec![
                    annotation("GrantImmutable", b"\x0a\x01x"),
                    annotation("GrantMetadata", id.as_bytes()),
                ],
                _ => Vec::new(),
            },
            sources: (self.extra == 3).then(|| pb::GrantSources {
                sources: [(true, "z"), (false, "a"), (false, self.entitlement.as_str())]
                    .into_iter()
                    .map(|(is_direct, id)| (id.to_owned(), pb::grant_sources::GrantSource { is_direct }))
                    .collect(),
            }),
        };
        let expansion = self.expansion.as_ref().map(prost::Message::encode_to_vec);
        writer
            .put_grant(&GrantRow {
                resource_type_id: self.on.0,
                resource_id: &self.on.1,
                entitlement_id: &self.entitlement,
                principal_type_id: self.principal.0,
                principal_id: &self.principal.1,
                id: &id,
                expansion: expansion.as_deref(),
                data: &message.encode_to_vec(),
            })
            .unwrap();
    }
}

/// Every row of a file by its key: message, time of its fetch, expansion.
type RowsOf<M> = BTreeMap<Vec<String>, (M, String, Option<Vec<u8>>)>;

#[derive(Debug, PartialEq)]
struct Contents {
    run: SyncRun,
    types: RowsOf<pb::ResourceType>,
    resources: RowsOf<pb::Resource>,
    entitlements: RowsOf<pb::Entitlement>,
    grants: RowsOf<pb::Grant>,
}

fn rows_v1<M: prost::Message + Default>(
    db: &rusqlite::Connection,
    table: &str,
    keys: &[&str],
    expansion: &str,
) -> RowsOf<M> {
    let query = format!(
        "SELECT data, discovered_at, {expansion}, {} FROM {table}",
        keys.join(", ")
    );
    let mut statement = db.prepare(&query).unwrap();
    let rows = statement.query_map([], |row| {
        let key = (0..keys.len()).map(|at| row.get(3 + at).unwrap()).collect();
        let data: Vec<u8> = row.get(0)?;
        Ok((key, (M::decode(data.as_slice()).unwrap(), row.get(1)?, row.get(2)?)))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn read_v1(file: &Path, dir: &Path) -> Contents {
    let path = dir.join("unpacked");
    let mut db = fs::File::create(&path).unwrap();
    container::unpack(file, &mut db, Limits::default()).unwrap();
    let db = rusqlite::Connection::open(path).unwrap();
    Contents {
        run: Reader::open(file, dir, Limits::default()).unwrap().run().clone(),
        types: rows_v1(&db, "v1_resource_types", &["external_id"], "NULL"),
        resources: rows_v1(&db, "v1_resources", &["external_id"], "NULL"),
        entitlements: rows_v1(&db, "v1_entitlements", &["external_id"], "NULL"),
        grants: rows_v1(
            &db,
            "v1_grants",
            &["entitlement_id", "principal_resource_type_id", "principal_resource_id"],
            "expansion",
        ),
    }
}

fn rows_v3<M: prost::Message + Default>(
    reader: &v3::Reader,
    family: u8,
    (time_tag, expansion_tag): (u32, u32),
    message: fn(&[u8]) -> Result<Vec<u8>, crate::wire::fields::Malformed>,
    key: fn(&M) -> Vec<String>,
) -> RowsOf<M> {
    let rows = reader.stored(&[3, family, 0]).into_iter().map(|(_, value)| {
        let decoded = M::decode(message(&value).unwrap().as_slice()).unwrap();
        let (mut at, mut expansion) = (String::new(), None);
        for field in crate::wire::fields::fields(&value) {
            let (tag, value) = field.unwrap();
            if tag == time_tag {
                at = time::text(record::time(value.bytes().unwrap()).unwrap());
            } else if tag == expansion_tag {
                expansion = Some(value.bytes().unwrap().to_vec());
            }
        }
        (key(&decoded), (decoded, at, expansion))
    });
    rows.collect()
}

fn read_v3(file: &Path) -> Contents {
    let reader = v3::Reader::open(file, Limits::default()).unwrap();
    Contents {
        run: reader.run().clone(),
        types: rows_v3(
            &reader,
            1,
            (6, 0),
            record::to_resource_type,
            |one: &pb::ResourceType| vec![one.id.clone()],
        ),
        resources: rows_v3(&reader, 2, (8, 0), record::to_resource, |one: &pb::Resource| {
            let id = one.id.clone().unwrap();
            vec![format!("{}:{}", id.resource_type, id.resource)]
        }),
        entitlements: rows_v3(&reader, 3, (8, 0), record::to_entitlement, |one: &pb::Entitlement| {
            vec![one.id.clone()]
        }),
        grants: rows_v3(&reader, 4, (5, 6), record::to_grant, |one: &pb::Grant| {
            let principal = one.principal.clone().unwrap().id.unwrap();
            let entitlement = one.entitlement.clone().unwrap().id;
            vec![entitlement, principal.resource_type, principal.resource]
        }),
    }
}

/// The grants of a file by entitlement, principal's type and id.
pub(super) fn grant_messages(file: &Path, dir: &Path) -> BTreeMap<[String; 3], pb::Grant> {
    let contents = if fs::read(file).unwrap().starts_with(b"C1ZF") {
        read_v1(file, dir)
    } else {
        read_v3(file)
    };
    let grants = contents.grants.into_iter();
    grants
        .map(|(key, (grant, ..))| (key.try_into().unwrap(), grant))
        .collect()
}

/// Writes a directory into a file of this engine.
pub(super) fn write(directory: &Directory, engine: StorageEngine, dir: &Path) -> (PathBuf, FileReport, Expanded) {
    let mut writer = Writer::create(dir, start(), options(engine)).unwrap();
    directory.put(&mut writer);
    let expanded = if directory.expand {
        writer.expand().unwrap()
    } else {
        Expanded::default()
    };
    let target = dir.join(format!("{engine}.c1z"));
    let report = writer.finish(end(directory.expand), &target).unwrap();
    (target, report, expanded)
}

fn told(report: &FileReport) -> Vec<(&'static str, u64, BTreeSet<String>)> {
    let warnings = report.warnings.iter();
    warnings
        .map(|one| (one.invariant, one.count, one.examples.iter().cloned().collect()))
        .collect()
}

/// Directories per run: 200, or as many as `PROPTEST_CASES` says.
pub(super) fn config() -> ProptestConfig {
    #[expect(clippy::disallowed_methods, reason = "how long to test is not a setting")]
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(200),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn both_engines_hold_the_same_rows(directory in directories()) {
        let dir = tempfile::tempdir().unwrap();
        let (v1, v1_report, v1_expanded) = write(&directory, StorageEngine::Sqlite, dir.path());
        let (v3, v3_report, v3_expanded) = write(&directory, StorageEngine::Pebble, dir.path());
        prop_assert_eq!(v1_expanded, v3_expanded);
        prop_assert_eq!(told(&v1_report), told(&v3_report));
        let (mut one, other) = (read_v1(&v1, dir.path()), read_v3(&v3));
        // Only a v1 file keeps a count that fell to 0.
        one.run.stats.entitlements_by_resource_type.retain(|_, count| *count > 0);
        one.run.stats.grants_by_resource_type.retain(|_, count| *count > 0);
        prop_assert_eq!(&one.run.stats.grants, &u64::try_from(one.grants.len()).unwrap());
        prop_assert_eq!(one, other);
    }

    #[test]
    fn indexes_of_a_v3_file_follow_from_its_rows(directory in directories()) {
        let dir = tempfile::tempdir().unwrap();
        let (file, ..) = write(&directory, StorageEngine::Pebble, dir.path());
        let reader = v3::Reader::open(&file, Limits::default()).unwrap();
        let contents = read_v3(&file);
        let part = |text: &str| v3::key_part(text);
        let join = |parts: &[Vec<u8>]| parts.join(&0);
        let keys = |family: &[u8]| reader.stored(family).into_iter().map(|(key, value)| {
            assert_eq!(value, b"");
            key
        }).collect::<BTreeSet<_>>();
        // By principal: the grant's key with its halves exchanged.
        let (mut by_principal, mut needs) = (BTreeSet::new(), BTreeSet::new());
        for (key, value) in reader.stored(&[3, 4, 0]) {
            let grant = pb::Grant::decode(record::to_grant(&value).unwrap().as_slice()).unwrap();
            let principal = grant.principal.unwrap().id.unwrap();
            let principal = join(&[part(&principal.resource_type), part(&principal.resource)]);
            let entitlement = &key[3..key.len() - principal.len() - 1];
            by_principal.insert([&[3, 7, 4, 0], principal.as_slice(), &[0], entitlement].concat());
            let expandable = crate::wire::fields::fields(&value).any(|field| field.unwrap().0 == 6);
            if expandable {
                needs.insert([&[3, 7, 5, 0], &key[3..]].concat());
            }
        }
        prop_assert_eq!(keys(&[3, 7, 4]), by_principal);
        prop_assert_eq!(keys(&[3, 7, 5]), needs);
        let by_parent: BTreeSet<Vec<u8>> = contents.resources.values().filter_map(|(resource, ..)| {
            let (id, parent) = (resource.id.as_ref().unwrap(), resource.parent_resource_id.as_ref()?);
            let parts = [&parent.resource_type, &parent.resource, &id.resource_type, &id.resource];
            Some([&[3, 7, 1, 0], join(&parts.map(|text| part(text))).as_slice()].concat())
        }).collect();
        prop_assert_eq!(keys(&[3, 7, 1]), by_parent);
    }

    #[test]
    fn single_rows_of_both_engines_are_found(directory in directories()) {
        let dir = tempfile::tempdir().unwrap();
        for engine in StorageEngine::ALL {
            let (file, ..) = write(&directory, engine, dir.path());
            let reader = Reader::open(&file, dir.path(), Limits::default()).unwrap();
            prop_assert_eq!(reader.engine(), engine);
            let mut grants = Vec::new();
            reader.grants(|grant| { grants.push(grant); Ok(()) }).unwrap();
            for grant in grants {
                prop_assert_eq!(reader.grant(&grant.id).unwrap(), Some(grant));
            }
            let mut resources = Vec::new();
            reader.resources(|one| { resources.push(one); Ok(()) }).unwrap();
            for one in resources {
                prop_assert_eq!(reader.resource(&one.resource_type, &one.id).unwrap(), Some(one));
            }
            let mut entitlements = Vec::new();
            reader.entitlements(|one| { entitlements.push(one); Ok(()) }).unwrap();
            for one in entitlements {
                prop_assert_eq!(reader.entitlement(&one.id).unwrap(), Some(one));
            }
            prop_assert_eq!(reader.grant("nothing:user:x").unwrap(), None);
            prop_assert_eq!(reader.entitlement("nothing").unwrap(), None);
            prop_assert_eq!(reader.resource("user", "nobody at all").unwrap(), None);
        }
    }
}

/// Files for `make compat`, which holds them against the SDK's readers: as many directories as
/// `BATON_COMPAT_DIRECTORIES` says in both engines, where `BATON_COMPAT_OUT` points.
#[test]
fn files_for_the_compat_check() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the place of the files is the machine's, not a setting"
    )]
    let text = |name| std::env::var(name).ok();
    let Some(out) = text("BATON_COMPAT_OUT").map(PathBuf::from) else {
        return;
    };
    let count = text("BATON_COMPAT_DIRECTORIES").map_or(200, |count| count.parse().unwrap());
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for number in 0..count {
        let directory = directories().new_tree(&mut runner).unwrap().current();
        for engine in StorageEngine::ALL {
            let (file, ..) = write(&directory, engine, &out);
            fs::rename(file, out.join(format!("{number:04}.{engine}.c1z"))).unwrap();
        }
    }
}

/// Puts resources of one type with these ids.
fn put_users(writer: &mut Writer, ids: &[&str]) -> Result<(), C1zError> {
    writer.put_resource_type(&ResourceTypeRow { id: "user", data: b"" })?;
    ids.iter().try_for_each(|id| {
        writer.put_resource(&ResourceRow {
            resource_type_id: "user",
            resource_id: id,
            parent: None,
            data: b"",
        })
    })
}

#[test]
fn an_id_that_c1_would_refuse_is_refused_by_name() {
    for engine in StorageEngine::ALL {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(dir.path(), start(), options(engine)).unwrap();
        let error = put_users(&mut writer, &[&"x".repeat(2_000)]).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Precondition);
        assert!(
            error.to_string().contains("the id of a resource has 2000 bytes"),
            "{error}"
        );
        let error = put_users(
            &mut Writer::create(dir.path(), start(), options(engine)).unwrap(),
            &[""],
        )
        .unwrap_err();
        assert!(error.to_string().contains("has 0 bytes"), "{error}");
    }
}

#[test]
fn the_same_row_twice_is_a_fault_of_ours() {
    for engine in StorageEngine::ALL {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(dir.path(), start(), options(engine)).unwrap();
        put_users(&mut writer, &["a", "b", "a"]).unwrap();
        let target = dir.path().join("sync.c1z");
        let error = writer.finish(end(true), &target).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Bug, "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{engine}");
    }
}

/// In the model of bindings the types come at the end.
#[test]
fn resources_are_counted_by_type_before_their_type_is_there() {
    for engine in StorageEngine::ALL {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("sync.c1z");
        let mut writer = Writer::create(dir.path(), start(), options(engine)).unwrap();
        for resource_id in ["a", "b"] {
            let row = ResourceRow {
                resource_type_id: "user",
                resource_id,
                parent: None,
                data: b"",
            };
            writer.put_resource(&row).unwrap();
        }
        for id in ["group", "user"] {
            writer.put_resource_type(&ResourceTypeRow { id, data: b"" }).unwrap();
        }
        writer.finish(end(true), &target).unwrap();
        let reader = Reader::open(&target, dir.path(), Limits::default()).unwrap();
        let counts = &reader.run().stats.resources_by_resource_type;
        let expected = [("group", 0), ("user", 2)].map(|(id, count)| (id.to_owned(), count));
        assert_eq!(*counts, expected.into(), "{engine}");
    }
}

#[test]
fn an_empty_directory_makes_a_file() {
    for engine in StorageEngine::ALL {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("sync.c1z");
        let mut writer = Writer::create(dir.path(), start(), options(engine)).unwrap();
        assert_eq!(writer.expand().unwrap(), Expanded::default());
        let report = writer.finish(end(true), &target).unwrap();
        assert_eq!(report.engine, engine);
        let reader = Reader::open(&target, dir.path(), Limits::default()).unwrap();
        assert_eq!(reader.run().stats, Stats::default());
        assert_eq!(reader.run().sync_type, "full");
    }
}

#[test]
fn a_temporary_folder_that_vanishes_meanwhile_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let temp = dir.path().join("temp");
    fs::create_dir(&temp).unwrap();
    let target = dir.path().join("sync.c1z");
    let mut writer = Writer::create(&temp, start(), options(StorageEngine::Pebble)).unwrap();
    put_users(&mut writer, &["a"]).unwrap();
    fs::remove_dir(&temp).unwrap();
    writer.finish(end(true), &target).unwrap();
    let reader = Reader::open(&target, dir.path(), Limits::default()).unwrap();
    assert_eq!(reader.run().stats.resources, 1);
    let gone = Writer::create(&temp, start(), options(StorageEngine::Pebble)).unwrap_err();
    assert!(gone.to_string().contains("no such file or directory"), "{gone}");
}
