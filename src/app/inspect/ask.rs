//! Questions to a file: what somebody has, who has something, where a text occurs, and whether each row names what is there.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hasher as _};
use std::io::Write;

use anyhow::Context as _;
use serde_json::json;

use crate::app::rows::{Cells, Printer};
use crate::config::{InspectView, Output};
use baton::c1z::{C1zError, Reader, Stats};

/// A resource's place in sets and maps that hold all of them: 8 bytes instead of its ids.
fn key(resource_type: &str, id: &str) -> u64 {
    hash(&(resource_type, id))
}

fn hash(what: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// Every grant, with the names of its entitlement and its holder where they are asked for.
pub(super) fn grants(
    reader: &Reader,
    with_names: bool,
    mut print: impl FnMut(Cells) -> Result<(), C1zError>,
) -> Result<(), C1zError> {
    let (names, entitlements) = if with_names {
        (names(reader)?, entitlement_names(reader)?)
    } else {
        (HashMap::new(), HashMap::new())
    };
    reader.grants(|item| {
        let mut cells = vec![("entitlement", json!(item.entitlement_id))];
        if with_names {
            let name = entitlements.get(&item.entitlement_id);
            cells.push(("entitlement_name", json!(name)));
        }
        cells.push(("principal_type", json!(item.principal_type)));
        cells.push(("principal", json!(item.principal_id)));
        if with_names {
            let name = names.get(&key(&item.principal_type, &item.principal_id));
            cells.push(("principal_name", json!(name)));
        }
        cells.push(("immutable", json!(item.immutable)));
        cells.push(("sources", json!(item.sources)));
        print(cells)
    })
}

/// The name of every resource.
fn names(reader: &Reader) -> Result<HashMap<u64, String>, C1zError> {
    let mut names = HashMap::new();
    reader.resources(|item| {
        names.insert(key(&item.resource_type, &item.id), item.display_name);
        Ok(())
    })?;
    Ok(names)
}

/// The name of every entitlement; there are few beside users and grants.
fn entitlement_names(reader: &Reader) -> Result<HashMap<String, String>, C1zError> {
    let mut names = HashMap::new();
    reader.entitlements(|item| {
        names.insert(item.id, item.display_name);
        Ok(())
    })?;
    Ok(names)
}

/// What a principal holds; `principal` is its id or `<type>:<id>`.
pub(super) fn access(
    reader: &Reader,
    principal: &str,
    mut print: impl FnMut(Cells) -> Result<(), C1zError>,
) -> Result<(), C1zError> {
    let names = entitlement_names(reader)?;
    let (kind, id) = parts(principal);
    reader.grants(|item| {
        if item.principal_id != id || kind.is_some_and(|kind| kind != item.principal_type) {
            return Ok(());
        }
        print(vec![
            ("type", json!(item.resource_type)),
            ("entitlement", json!(item.entitlement_id)),
            ("entitlement_name", json!(names.get(&item.entitlement_id))),
            ("immutable", json!(item.immutable)),
            ("sources", json!(item.sources)),
        ])
    })
}

/// A principal's type, where it is given, and id.
fn parts(principal: &str) -> (Option<&str>, &str) {
    let parts = principal.split_once(':');
    parts.map_or((None, principal), |(kind, id)| (Some(kind), id))
}

/// What was asked about and is not in the file; `None` where it is there and nothing is to be told of it.
pub(super) fn unknown(reader: &Reader, view: &InspectView) -> Result<Option<String>, C1zError> {
    Ok(match view {
        InspectView::Access(principal) => {
            let (kind, id) = parts(principal);
            let mut is_there = false;
            reader.resources(|item| {
                is_there |= item.id == id && kind.is_none_or(|kind| kind == item.resource_type);
                Ok(())
            })?;
            (!is_there).then(|| format!("principal {principal}"))
        }
        InspectView::Holders(entitlement) => {
            let is_there = reader.entitlement(entitlement)?.is_some();
            (!is_there).then(|| format!("entitlement {entitlement}"))
        }
        _ => None,
    })
}

/// Who holds an entitlement.
pub(super) fn holders(
    reader: &Reader,
    entitlement: &str,
    mut print: impl FnMut(Cells) -> Result<(), C1zError>,
) -> Result<(), C1zError> {
    let mut found = Vec::new();
    reader.grants(|item| {
        if item.entitlement_id == entitlement {
            found.push(item);
        }
        Ok(())
    })?;
    let wanted: HashSet<u64> = found
        .iter()
        .map(|item| key(&item.principal_type, &item.principal_id))
        .collect();
    let mut names = HashMap::new();
    reader.resources(|item| {
        let key = key(&item.resource_type, &item.id);
        if wanted.contains(&key) {
            names.insert(key, item.display_name);
        }
        Ok(())
    })?;
    for item in found {
        let name = names.get(&key(&item.principal_type, &item.principal_id));
        print(vec![
            ("principal_type", json!(item.principal_type)),
            ("principal", json!(item.principal_id)),
            ("principal_name", json!(name)),
            ("immutable", json!(item.immutable)),
            ("sources", json!(item.sources)),
        ])?;
    }
    Ok(())
}

/// Resources and entitlements with the text in id, name, description or profile, whatever its case.
pub(super) fn search(
    reader: &Reader,
    text: &str,
    mut print: impl FnMut(Cells) -> Result<(), C1zError>,
) -> Result<(), C1zError> {
    let text = text.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| part.to_lowercase().contains(&text));
    let row = |kind: &str, resource_type: &str, id: &str, name: &str| {
        vec![
            ("kind", json!(kind)),
            ("type", json!(resource_type)),
            ("id", json!(id)),
            ("display_name", json!(name)),
        ]
    };
    reader.resources(|item| {
        let profile = item.profile.to_string();
        if has(&[&item.id, &item.display_name, &item.description, &profile]) {
            print(row("resource", &item.resource_type, &item.id, &item.display_name))?;
        }
        Ok(())
    })?;
    reader.entitlements(|item| {
        if has(&[&item.id, &item.display_name]) {
            print(row("entitlement", &item.resource_type, &item.id, &item.display_name))?;
        }
        Ok(())
    })
}

/// A row that names what is not there, or a count that is not that of the rows.
struct Fault {
    kind: &'static str,
    id: String,
    names: String,
}

/// Prints each row that names what is not in the file, and each count that the rows do not bear out; whether there is none.
pub(super) fn check(reader: &Reader, format: Output, out: &mut impl Write) -> anyhow::Result<bool> {
    let faults = faults(reader)?;
    let is_sound = faults.is_empty();
    let mut rows = Printer::new(format, out);
    if is_sound && format == Output::Table {
        rows.text("every row names only what is in the file\n")
            .context("print the result")?;
        return Ok(true);
    }
    for Fault { kind, id, names } in faults {
        let cells = [
            ("kind", json!(kind)),
            ("id", json!(id)),
            ("names_what_is_missing", json!(names)),
        ];
        rows.row(&cells).context("print the rows")?;
    }
    rows.end().context("print the rows")?;
    Ok(is_sound)
}

fn faults(reader: &Reader) -> Result<Vec<Fault>, C1zError> {
    let mut faults = Vec::new();
    let mut fault = |kind, id, names| faults.push(Fault { kind, id, names });
    let mut counted = Counted::default();
    let mut types = HashSet::new();
    reader.resource_types(|item| {
        counted.add("resource types", "");
        types.insert(item.id);
        Ok(())
    })?;
    let mut resources = HashSet::new();
    reader.resources(|item| {
        counted.add("resources", &item.resource_type);
        resources.insert(key(&item.resource_type, &item.id));
        if !types.contains(&item.resource_type) {
            fault("resource", item.id, format!("resource type {}", item.resource_type));
        }
        Ok(())
    })?;
    let mut entitlements = HashSet::new();
    reader.entitlements(|item| {
        counted.add("entitlements", &item.resource_type);
        entitlements.insert(hash(&item.id));
        if !resources.contains(&key(&item.resource_type, &item.resource_id)) {
            let names = format!("{} {}", item.resource_type, item.resource_id);
            fault("entitlement", item.id, names);
        }
        Ok(())
    })?;
    reader.grants(|item| {
        counted.add("grants", &item.resource_type);
        if !entitlements.contains(&hash(&item.entitlement_id)) {
            let names = format!("entitlement {}", item.entitlement_id);
            fault("grant", item.id.clone(), names);
        }
        if !resources.contains(&key(&item.principal_type, &item.principal_id)) {
            let names = format!("{} {}", item.principal_type, item.principal_id);
            fault("grant", item.id, names);
        }
        Ok(())
    })?;
    faults.extend(counted.differing(&reader.run().stats));
    Ok(faults)
}

/// Rows by their kind and type; the count of all under no type.
#[derive(Default)]
struct Counted(BTreeMap<(&'static str, String), u64>);

impl Counted {
    fn add(&mut self, kind: &'static str, resource_type: &str) {
        let mut bump = |key| *self.0.entry((kind, key)).or_default() += 1;
        if !resource_type.is_empty() {
            bump(resource_type.to_owned());
        }
        bump(String::new());
    }

    /// The counts that the file states and its rows do not bear out.
    fn differing(self, stats: &Stats) -> Vec<Fault> {
        let mut stated: BTreeMap<(&'static str, String), u64> = BTreeMap::new();
        for (kind, all, by_type) in [
            ("resource types", stats.resource_types, None),
            ("resources", stats.resources, Some(&stats.resources_by_resource_type)),
            (
                "entitlements",
                stats.entitlements,
                Some(&stats.entitlements_by_resource_type),
            ),
            ("grants", stats.grants, Some(&stats.grants_by_resource_type)),
        ] {
            stated.insert((kind, String::new()), all);
            let by_type = by_type.into_iter().flatten();
            stated.extend(by_type.map(|(resource_type, count)| ((kind, resource_type.clone()), *count)));
        }
        let keys: BTreeSet<&(&'static str, String)> = stated.keys().chain(self.0.keys()).collect();
        let count = |of: &BTreeMap<_, u64>, key| of.get(key).copied().unwrap_or(0);
        let differing = keys
            .into_iter()
            .filter(|key| count(&stated, key) != count(&self.0, key));
        differing
            .map(|key| Fault {
                kind: "count",
                id: [key.0, &key.1].join(" ").trim_end().to_owned(),
                names: format!("{} where the file has {}", count(&stated, key), count(&self.0, key)),
            })
            .collect()
    }
}
