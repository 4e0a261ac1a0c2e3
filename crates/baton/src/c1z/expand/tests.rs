#![expect(
    clippy::too_many_lines,
    reason = "the straight reading of the contract stays in one piece"
)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::c1z::engines::{end, options, start};
use crate::c1z::{EntitlementRow, GrantRow, StorageEngine, Writer};
use crate::model::grant_id;
use crate::proto::c1::connector::v2 as pb;
use prost::Message;

/// A directory of groups with two entitlements each.
#[derive(Debug, Clone)]
struct Case {
    groups: u8,
    /// (group, entitlement slot, user)
    members: Vec<(u8, bool, u8)>,
    /// (destination group, slot, source group, source slots, shallow, users only)
    edges: Vec<(u8, bool, u8, Vec<bool>, bool, bool)>,
}

fn id(group: u8, slot: bool) -> String {
    format!("group:g{group}:{}", if slot { "admin" } else { "member" })
}

/// What the contract says, straight: nodes are entitlements, rings are found by reachability, contributions are sets.
fn expected(case: &Case) -> BTreeMap<(String, String), BTreeMap<String, bool>> {
    type Filter = (bool, BTreeSet<&'static str>);
    let mut edges: BTreeMap<(String, String), Filter> = BTreeMap::new();
    let widen = |edges: &mut BTreeMap<(String, String), Filter>, key, filter: Filter| {
        edges
            .entry(key)
            .and_modify(|known: &mut Filter| {
                known.0 &= filter.0;
                if known.1.is_empty() || filter.1.is_empty() {
                    known.1.clear();
                } else {
                    known.1.extend(&filter.1);
                }
            })
            .or_insert(filter);
    };
    for (to, slot, from, sources, shallow, users) in &case.edges {
        let types = if *users {
            BTreeSet::from(["user"])
        } else {
            BTreeSet::new()
        };
        for source in sources {
            widen(
                &mut edges,
                (id(*from, *source), id(*to, *slot)),
                (*shallow, types.clone()),
            );
        }
    }
    let nodes: BTreeSet<String> = edges.keys().flat_map(|(from, to)| [from.clone(), to.clone()]).collect();
    let reach = |start: &String| {
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let mut open = vec![start.clone()];
        while let Some(node) = open.pop() {
            for (from, to) in edges.keys() {
                if *from == node && seen.insert(to.clone()) {
                    open.push(to.clone());
                }
            }
        }
        seen
    };
    let reachable: BTreeMap<&String, BTreeSet<String>> = nodes.iter().map(|node| (node, reach(node))).collect();
    let ring = |node: &String| -> BTreeSet<String> {
        let both = nodes
            .iter()
            .filter(|other| reachable[node].contains(*other) && reachable[other].contains(node));
        both.cloned().chain([node.clone()]).collect()
    };
    let mut collapsed: BTreeMap<(BTreeSet<String>, BTreeSet<String>), Filter> = BTreeMap::new();
    for ((from, to), filter) in &edges {
        let (from, to) = (ring(from), ring(to));
        if from != to {
            collapsed
                .entry((from, to))
                .and_modify(|known| {
                    known.0 &= filter.0;
                    if known.1.is_empty() || filter.1.is_empty() {
                        known.1.clear();
                    } else {
                        known.1.extend(&filter.1);
                    }
                })
                .or_insert(filter.clone());
        }
    }
    // Grants by (entitlement, principal) with their sources; empty sources are plain direct grants.
    let mut grants: BTreeMap<(String, String), BTreeMap<String, bool>> = BTreeMap::new();
    for (group, slot, user) in &case.members {
        grants.insert((id(*group, *slot), format!("user:u{user}")), BTreeMap::new());
    }
    for (to, slot, from, ..) in &case.edges {
        grants.insert((id(*to, *slot), format!("group:g{from}")), BTreeMap::new());
    }
    let mut done: BTreeSet<BTreeSet<String>> = BTreeSet::new();
    let all: BTreeSet<BTreeSet<String>> = nodes.iter().map(ring).collect();
    while done.len() < all.len() {
        let ready = all.iter().find(|node| {
            !done.contains(*node) && collapsed.keys().all(|(from, to)| to != *node || done.contains(from))
        });
        let node = ready.unwrap().clone();
        for destination in &node {
            let mut contributions: BTreeMap<String, BTreeMap<String, bool>> = BTreeMap::new();
            for ((from, to), (shallow, types)) in &collapsed {
                if *to != node {
                    continue;
                }
                for source in from {
                    for ((entitlement, principal), sources) in &grants {
                        let direct = sources.is_empty() || sources.contains_key(source);
                        let kind = principal.split(':').next().unwrap();
                        let passes = types.is_empty() || types.contains(kind);
                        if entitlement == source && passes && (!shallow || direct) {
                            *contributions
                                .entry(principal.clone())
                                .or_default()
                                .entry(source.clone())
                                .or_default() |= direct;
                        }
                    }
                }
            }
            for (principal, sources) in contributions {
                let key = (destination.clone(), principal);
                match grants.get_mut(&key) {
                    Some(known) => {
                        if known.is_empty() {
                            known.insert(destination.clone(), true);
                        }
                        for (source, direct) in sources {
                            *known.entry(source).or_default() |= direct;
                        }
                    }
                    None => {
                        grants.insert(key, sources);
                    }
                }
            }
        }
        done.insert(node);
    }
    grants
}

fn write(case: &Case, engine: StorageEngine, dir: &std::path::Path) -> Writer {
    let mut writer = Writer::create(dir, start(), options(engine)).unwrap();
    let mut grants: BTreeMap<(String, String), Option<pb::GrantExpandable>> = BTreeMap::new();
    for group in 0..case.groups {
        for slot in [false, true] {
            let resource = format!("g{group}");
            let entitlement = EntitlementRow {
                resource_type_id: "group",
                resource_id: &resource,
                id: &id(group, slot),
                data: b"",
            };
            writer.put_entitlement(&entitlement).unwrap();
        }
    }
    for (group, slot, user) in &case.members {
        grants.insert((id(*group, *slot), format!("user:u{user}")), None);
    }
    // One row per (destination, group): what would be two rows of the same id in a file are two edges of one row.
    let mut rows = Vec::new();
    for (to, slot, from, sources, shallow, users) in &case.edges {
        let sources: BTreeSet<String> = sources.iter().map(|source| id(*from, *source)).collect();
        let expandable = pb::GrantExpandable {
            entitlement_ids: sources.into_iter().collect(),
            shallow: *shallow,
            resource_type_ids: if *users { vec!["user".to_owned()] } else { Vec::new() },
        };
        rows.push(((id(*to, *slot), format!("group:g{from}")), Some(expandable)));
    }
    for ((entitlement, principal), expandable) in grants.into_iter().chain(rows) {
        let (kind, principal) = principal.split_once(':').unwrap();
        let resource = entitlement.split(':').nth(1).unwrap().to_owned();
        let grant = grant_id(&entitlement, kind, principal);
        let message = pb::Grant {
            entitlement: Some(pb::Entitlement {
                id: entitlement.clone(),
                ..Default::default()
            }),
            id: grant.clone(),
            ..Default::default()
        };
        let expansion = expandable.map(|expandable| expandable.encode_to_vec());
        writer
            .put_grant(&GrantRow {
                resource_type_id: "group",
                resource_id: &resource,
                entitlement_id: &entitlement,
                principal_type_id: kind,
                principal_id: principal,
                id: &grant,
                expansion: expansion.as_deref().filter(|bytes| !bytes.is_empty()),
                data: &message.encode_to_vec(),
            })
            .unwrap();
    }
    writer
}

/// Grants by entitlement and principal, with their sources.
fn read(writer: Writer, dir: &std::path::Path) -> BTreeMap<(String, String), BTreeMap<String, bool>> {
    let file = dir.join("sync.c1z");
    writer.finish(end(true), &file).unwrap();
    let grants = crate::c1z::engines::grant_messages(&file, dir);
    let rows = grants.into_iter().map(|([entitlement, kind, principal], grant)| {
        let sources = grant.sources.unwrap_or_default().sources;
        let sources = sources.into_iter().map(|(id, source)| (id, source.is_direct));
        ((entitlement, format!("{kind}:{principal}")), sources.collect())
    });
    rows.collect()
}

fn cases() -> impl Strategy<Value = Case> {
    (2_u8..7).prop_flat_map(|groups| {
        let members = prop::collection::vec((0..groups, any::<bool>(), 0_u8..6), 0..14);
        let sources = prop::collection::vec(any::<bool>(), 1..3);
        let edge = (
            0..groups,
            any::<bool>(),
            0..groups,
            sources,
            any::<bool>(),
            any::<bool>(),
        );
        (members, prop::collection::vec(edge, 1..12)).prop_map(move |(members, mut edges)| {
            // A principal holds an entitlement once: one row per destination and source group.
            let mut seen = BTreeSet::new();
            edges.retain(|(to, slot, from, ..)| seen.insert((*to, *slot, *from)));
            Case { groups, members, edges }
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_straight_reading_of_the_contract(case in cases()) {
        for engine in StorageEngine::ALL {
            let dir = tempfile::tempdir().unwrap();
            let mut writer = write(&case, engine, dir.path());
            writer.expand().unwrap();
            prop_assert_eq!(read(writer, dir.path()), expected(&case), "{}", engine);
        }
    }
}

/// Three groups in a ring: six grants before, six after (c1z.md §11.3).
#[test]
fn members_do_not_flow_inside_a_ring() {
    let edge = |to, from| (to, false, from, vec![false], false, true);
    let case = Case {
        groups: 3,
        members: vec![(0, false, 0), (1, false, 1), (2, false, 2)],
        edges: vec![edge(0, 1), edge(1, 2), edge(2, 0)],
    };
    for engine in StorageEngine::ALL {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = write(&case, engine, dir.path());
        assert_eq!(writer.expand().unwrap(), Expanded::default());
        assert_eq!(read(writer, dir.path()).len(), 6);
    }
}

/// A three-level chain records the middle entitlement, not the root.
#[test]
fn sources_are_immediate_parents() {
    let edge = |to, from| (to, false, from, vec![false], false, true);
    let case = Case {
        groups: 3,
        members: vec![(0, false, 0)],
        edges: vec![edge(1, 0), edge(2, 1)],
    };
    for engine in StorageEngine::ALL {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = write(&case, engine, dir.path());
        let expanded = Expanded {
            created: 2,
            updated: 0,
            edges_dropped: 0,
        };
        assert_eq!(writer.expand().unwrap(), expanded);
        let grants = read(writer, dir.path());
        let sources = &grants[&(id(2, false), "user:u0".to_owned())];
        assert_eq!(sources, &BTreeMap::from([(id(1, false), false)]));
    }
}
