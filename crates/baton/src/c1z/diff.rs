//! What differs between two files: the rows of both go through one sort on disk, so that memory is bounded whatever their
//! size, and files of both versions can be compared with each other. Of two files of version 3, whose rows are in the same
//! order, only those go through it that are not the same byte for byte.

use std::path::Path;

use xxhash_rust::xxh64::xxh64;

use super::v3::rows::{ENTITLEMENTS, GRANTS, RESOURCE_TYPES, RESOURCES};
use super::v3::sorter::Sorter;
use super::v3::{Side, differing};
use super::{C1zError, Reader};
use crate::wire::stored::{StoredEntitlement, StoredGrant, StoredResource, StoredResourceType};

/// Which rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowKind {
    ResourceType,
    Resource,
    Entitlement,
    Grant,
}

impl RowKind {
    const ALL: [Self; 4] = [Self::ResourceType, Self::Resource, Self::Entitlement, Self::Grant];

    /// As reports call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ResourceType => "resource type",
            Self::Resource => "resource",
            Self::Entitlement => "entitlement",
            Self::Grant => "grant",
        }
    }

    /// What of a row is compared, in the order of its digests.
    const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::ResourceType => &["display_name", "traits"],
            Self::Resource => &["display_name", "status", "description", "profile", "foreign"],
            Self::Entitlement => &["display_name", "slug", "grantable_to", "immutable"],
            Self::Grant => &["sources", "immutable"],
        }
    }
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    Added,
    Removed,
    Changed,
}

impl How {
    /// As reports call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

/// A row that is not the same in both files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub kind: RowKind,
    /// Of a grant: the type of the resource that it is on.
    pub resource_type: String,
    pub id: String,
    /// In the newer file if it is there.
    pub display_name: String,
    pub how: How,
    /// What of it is another, where it changed.
    pub fields: Vec<&'static str>,
}

/// Bytes of one digest.
const DIGEST: usize = 8;

struct Row {
    key: Vec<u8>,
    value: Vec<u8>,
}

/// Hands out every difference: by kind of row, then by type and id.
pub fn diff(
    old: &Reader,
    new: &Reader,
    temp_dir: &Path,
    mut each: impl FnMut(Change) -> Result<(), C1zError>,
) -> Result<(), C1zError> {
    let mut sorter = Sorter::create(temp_dir)?;
    gather(old, new, &mut sorter)?;
    let mut waiting: Option<(bool, Row)> = None;
    sorter.drain(|key, value| {
        let Some((side, value)) = value.split_first() else {
            return Ok(());
        };
        let is_new = *side == Side::New as u8;
        let row = Row {
            key: key.to_vec(),
            value: value.to_vec(),
        };
        match waiting.take() {
            Some((was_new, other)) if was_new != is_new && other.key == row.key => {
                let (old, new) = if is_new { (other, row) } else { (row, other) };
                return told(&mut each, change(&old, Some(&new.value)));
            }
            Some((was_new, other)) => told(&mut each, alone(was_new, &other))?,
            None => {}
        }
        waiting = Some((is_new, row));
        Ok(())
    })?;
    waiting.map_or(Ok(()), |(is_new, row)| told(&mut each, alone(is_new, &row)))
}

/// A row that only one file has.
fn alone(is_new: bool, row: &Row) -> Option<Change> {
    if is_new { added(row) } else { change(row, None) }
}

fn told(each: &mut impl FnMut(Change) -> Result<(), C1zError>, change: Option<Change>) -> Result<(), C1zError> {
    change.map_or(Ok(()), each)
}

/// Sorts what may be different.
fn gather(old: &Reader, new: &Reader, sorter: &mut Sorter) -> Result<(), C1zError> {
    if let Some((old, new)) = old.store().zip(new.store()) {
        differing(old, new, &RESOURCE_TYPES, |side, item| {
            add(sorter, side, &type_row(&item))
        })?;
        differing(old, new, &RESOURCES, |side, item| {
            add(sorter, side, &resource_row(&item))
        })?;
        differing(old, new, &ENTITLEMENTS, |side, item| {
            add(sorter, side, &entitlement_row(&item))
        })?;
        return differing(old, new, &GRANTS, |side, item| add(sorter, side, &grant_row(item)));
    }
    for (reader, side) in [(old, Side::Old), (new, Side::New)] {
        reader.resource_types(|item| add(sorter, side, &type_row(&item)))?;
        reader.resources(|item| add(sorter, side, &resource_row(&item)))?;
        reader.entitlements(|item| add(sorter, side, &entitlement_row(&item)))?;
        reader.grants(|item| add(sorter, side, &grant_row(item)))?;
    }
    Ok(())
}

/// The side is no part of the key: behind an id it would come between that id and one that goes on with the same byte.
fn add(sorter: &mut Sorter, side: Side, row: &Row) -> Result<(), C1zError> {
    sorter.add(&row.key, |value| {
        value.push(side as u8);
        value.extend_from_slice(&row.value);
        Ok::<_, C1zError>(())
    })
}

/// A row by kind, type and id; of the rest a digest of each field, and the name as it is.
fn row(kind: RowKind, resource_type: &str, id: &str, fields: &[&[u8]], name: &str) -> Row {
    let mut key = vec![kind as u8];
    key.extend_from_slice(resource_type.as_bytes());
    key.push(0);
    key.extend_from_slice(id.as_bytes());
    let mut value = Vec::with_capacity(fields.len() * DIGEST + name.len());
    for field in fields {
        value.extend_from_slice(&xxh64(field, 0).to_le_bytes());
    }
    value.extend_from_slice(name.as_bytes());
    Row { key, value }
}

fn type_row(item: &StoredResourceType) -> Row {
    let traits = item.traits.join("\0");
    let fields = [item.display_name.as_bytes(), traits.as_bytes()];
    row(RowKind::ResourceType, &item.id, &item.id, &fields, &item.display_name)
}

fn resource_row(item: &StoredResource) -> Row {
    let profile = item.profile.to_string();
    let fields: [&[u8]; 5] = [
        item.display_name.as_bytes(),
        item.status.as_bytes(),
        item.description.as_bytes(),
        profile.as_bytes(),
        &[u8::from(item.foreign)],
    ];
    row(
        RowKind::Resource,
        &item.resource_type,
        &item.id,
        &fields,
        &item.display_name,
    )
}

fn entitlement_row(item: &StoredEntitlement) -> Row {
    let grantable_to = item.grantable_to.join("\0");
    let fields = [&item.display_name, &item.slug, &grantable_to, &item.immutable].map(String::as_bytes);
    row(
        RowKind::Entitlement,
        &item.resource_type,
        &item.id,
        &fields,
        &item.display_name,
    )
}

fn grant_row(mut item: StoredGrant) -> Row {
    item.sources.sort();
    let sources = item.sources.join("\0");
    let fields = [sources.as_bytes(), item.immutable.as_bytes()];
    row(RowKind::Grant, &item.resource_type, &item.id, &fields, "")
}

/// `None` where both are the same, or the key is none of ours.
fn change(row: &Row, newer: Option<&[u8]>) -> Option<Change> {
    let mut change = added(row)?;
    let Some(newer) = newer else {
        change.how = How::Removed;
        return Some(change);
    };
    if row.value == newer {
        return None;
    }
    let fields = change.kind.fields();
    let digests = row.value.chunks(DIGEST).zip(newer.chunks(DIGEST));
    change.fields = fields
        .iter()
        .zip(digests)
        .filter_map(|(field, (old, new))| (old != new).then_some(*field))
        .collect();
    change.display_name = name(change.kind, newer);
    change.how = How::Changed;
    Some(change)
}

fn added(row: &Row) -> Option<Change> {
    let (kind, rest) = row.key.split_first()?;
    let kind = RowKind::ALL.into_iter().find(|known| *known as u8 == *kind)?;
    let mut parts = rest.splitn(2, |byte| *byte == 0);
    let mut text = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    Some(Change {
        kind,
        resource_type: text(),
        id: text(),
        display_name: name(kind, &row.value),
        how: How::Added,
        fields: Vec::new(),
    })
}

fn name(kind: RowKind, value: &[u8]) -> String {
    let name = value.get(kind.fields().len() * DIGEST..).unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

#[cfg(test)]
mod tests;
