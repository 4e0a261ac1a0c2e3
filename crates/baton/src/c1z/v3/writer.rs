//! Takes rows in any order and keeps them until the end of the sync.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::grants::Grants;
use super::key;
use super::sorter::{Pairs, Sorter};
use super::spool::Spool;
use crate::c1z::C1zError;
use crate::c1z::exclusion::Exclusions;
use crate::c1z::expand::expandable;
use crate::c1z::principal::{IdBuffer, Key, Principals};
use crate::c1z::row::{EntitlementRow, GrantRow, ResourceRow, ResourceTypeRow};
use crate::c1z::stats::{Stats, bump, bump_by};
use crate::c1z::sync::{SyncStart, WriterOptions};
use crate::model::grant_id;
use crate::wire::fields::Malformed;
use crate::wire::record::{self, GrantExtra};
use crate::wire::stored::StoredExpandable;

/// Rows between two looks at the cancellation.
const LOOK_EVERY: u32 = 512;

/// A resource's row is there.
pub(super) const STORED: u8 = 1;
/// A resource holds a grant.
pub(super) const HOLDS: u8 = 2;

/// An expandable grant.
#[derive(Debug)]
pub(super) struct Expandable {
    pub(super) entitlement: u32,
    pub(super) principal: u32,
    pub(super) edge: StoredExpandable,
}

/// Rows of one resource beyond the first.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Copies {
    all: u8,
    /// Those that nobody has asked to leave out yet.
    pub(super) unsettled: u8,
}

/// The rows of a sync.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(super) start: SyncStart,
    pub(crate) stats: Stats,
    pub(super) cancel: CancellationToken,
    /// `Timestamp` messages: when rows were fetched. The last one holds for the next row.
    pub(super) times: Vec<Vec<u8>>,
    /// Records by id.
    pub(super) types: BTreeMap<String, Vec<u8>>,
    /// Resources, principals and parents.
    pub(super) principals: Principals,
    /// [`STORED`] and [`HOLDS`] of each principal.
    pub(super) flags: Vec<u8>,
    /// How often a resource was taken out again: rows of an earlier life are left out.
    pub(super) lives: HashMap<u32, u8>,
    /// How often the row of a resource came again: the last row stays, once [`Writer::keep_last`] has asked for it.
    pub(super) copies: HashMap<u32, Copies>,
    /// By key; a row's value begins with its resource and which life of it the row belongs to.
    pub(super) resources: Sorter,
    pub(super) entitlements: Sorter,
    /// Parent and child.
    pub(super) children: Vec<(u32, u32)>,
    pub(super) grants: Grants,
    pub(super) expandable: Vec<Expandable>,
    /// What expansion adds, by entitlement.
    pub(super) products: Spool,
    /// The index by principal, until it is written.
    pub(super) by_principal: Option<Pairs>,
    exclusions: Exclusions,
    since_look: u32,
    /// The resource of the last grant or entitlement.
    last_offering: (String, String, u32),
}

/// A row of ours that does not decode.
impl From<Malformed> for C1zError {
    fn from(malformed: Malformed) -> Self {
        Self::Invariant {
            invariant: "encoding",
            what: format!("a row does not decode: {malformed}"),
        }
    }
}

impl Writer {
    /// No rows yet; what does not fit into memory goes to files under `dir` that have no names.
    pub(crate) fn create(dir: &Path, start: SyncStart, options: WriterOptions) -> Result<Self, C1zError> {
        Ok(Self {
            times: vec![record::timestamp(start.started_at)],
            start,
            stats: Stats::default(),
            cancel: options.cancel,
            types: BTreeMap::new(),
            principals: Principals::default(),
            flags: Vec::new(),
            lives: HashMap::new(),
            copies: HashMap::new(),
            resources: Sorter::create(dir)?,
            entitlements: Sorter::create(dir)?,
            children: Vec::new(),
            grants: Grants::create(dir)?,
            expandable: Vec::new(),
            products: Spool::create(dir)?,
            by_principal: Some(Pairs::create(dir)?),
            exclusions: Exclusions::default(),
            since_look: 0,
            last_offering: <(String, String, u32)>::default(),
        })
    }

    pub(crate) fn set_discovered_at(&mut self, at: Timestamp) {
        let time = record::timestamp(at);
        if self.times.last() != Some(&time) {
            self.times.push(time);
        }
    }

    fn time(&self) -> &[u8] {
        self.times.last().map(Vec::as_slice).unwrap_or_default()
    }

    fn look(&mut self) -> Result<(), C1zError> {
        self.since_look += 1;
        if self.since_look >= LOOK_EVERY {
            self.since_look = 0;
            return self.check_cancel();
        }
        Ok(())
    }

    pub(super) fn check_cancel(&self) -> Result<(), C1zError> {
        if self.cancel.is_cancelled() {
            Err(C1zError::Cancelled)
        } else {
            Ok(())
        }
    }

    /// The number of a resource, with its flags in place.
    fn number(&mut self, resource_type: &str, id: &str) -> u32 {
        let number = self.principals.number(resource_type, id);
        if self.flags.len() < self.principals.len() {
            self.flags.push(0);
        }
        number
    }

    /// The same for a resource that offers something: mostly the one of the row before.
    fn offering(&mut self, resource_type: &str, id: &str) -> u32 {
        let (known_type, known_id, _) = &self.last_offering;
        if (known_type.as_str(), known_id.as_str()) != (resource_type, id) {
            let number = self.number(resource_type, id);
            self.last_offering = (resource_type.to_owned(), id.to_owned(), number);
        }
        self.last_offering.2
    }

    fn flag(&mut self, number: u32, flag: u8) {
        if let Some(flags) = usize::try_from(number).ok().and_then(|at| self.flags.get_mut(at)) {
            *flags |= flag;
        }
    }

    pub(super) fn has(&self, number: u32, flag: u8) -> bool {
        let flags = usize::try_from(number).ok().and_then(|at| self.flags.get(at));
        flags.is_some_and(|flags| flags & flag != 0)
    }

    /// The record of a row, nothing where its resource was taken out after the row came. `version` answers which one
    /// holds, [`Writer::life`] or [`Writer::version`].
    pub(super) fn living(version: impl Fn(u32) -> u8, value: &[u8]) -> Option<&[u8]> {
        let ([a, b, c, d, written], record) = value.split_first_chunk()?;
        (version(u32::from_le_bytes([*a, *b, *c, *d])) == *written).then_some(record)
    }

    pub(super) fn life(lives: &HashMap<u32, u8>, number: u32) -> u8 {
        lives.get(&number).copied().unwrap_or(0)
    }

    /// The life of a resource's own row, which ends, too, when the row comes again.
    pub(super) fn version(lives: &HashMap<u32, u8>, copies: &HashMap<u32, Copies>, number: u32) -> u8 {
        let copies = copies.get(&number).map_or(0, |copies| copies.all);
        Self::life(lives, number).wrapping_add(copies)
    }

    pub(crate) fn put_resource_type(&mut self, row: &ResourceTypeRow<'_>) -> Result<(), C1zError> {
        let mut value = Vec::new();
        record::resource_type(row.id, row.data, self.time(), &mut value)?;
        if self.types.insert(row.id.to_owned(), value).is_some() {
            return Err(twice("resource type", row.id));
        }
        self.stats.resource_types += 1;
        self.stats
            .resources_by_resource_type
            .entry(row.id.to_owned())
            .or_default();
        Ok(())
    }

    pub(crate) fn put_resource(&mut self, row: &ResourceRow<'_>) -> Result<(), C1zError> {
        self.look()?;
        let number = self.number(row.resource_type_id, row.resource_id);
        if self.has(number, STORED) {
            let copies = self.copies.entry(number).or_default();
            copies.all = copies
                .all
                .checked_add(1)
                .ok_or_else(|| twice("resource", row.resource_id))?;
            copies.unsettled += 1;
            self.children.retain(|(_, child)| *child != number);
        }
        self.flag(number, STORED);
        let life = Self::version(&self.lives, &self.copies, number);
        let key = key::pair(row.resource_type_id, row.resource_id);
        let time = self.times.last().map(Vec::as_slice).unwrap_or_default();
        self.resources.add(&key, |out| {
            put_owner(out, number, life);
            let id = (row.resource_type_id, row.resource_id);
            record::resource(id, row.parent, row.data, time, out)
        })?;
        if let Some((resource_type, id)) = row.parent.filter(|(_, id)| !id.is_empty()) {
            let parent = self.number(resource_type, id);
            self.children.push((parent, number));
        }
        self.stats.resources += 1;
        // Its type may come later.
        bump(&mut self.stats.resources_by_resource_type, row.resource_type_id);
        Ok(())
    }

    /// Takes resources out again, with the entitlements that they offer and the grants that they hold.
    pub(crate) fn delete_resources<'a>(&mut self, gone: impl Iterator<Item = (&'a str, &'a str)>) {
        let mut numbers = HashSet::new();
        for (resource_type_id, resource_id) in gone {
            let Some(number) = self.principals.find(resource_type_id, resource_id) else {
                continue;
            };
            let mut rows = u64::from(self.has(number, STORED));
            if let Some(flags) = usize::try_from(number).ok().and_then(|at| self.flags.get_mut(at)) {
                *flags = 0;
            }
            if let Some(copies) = self.copies.get_mut(&number) {
                rows += u64::from(std::mem::take(&mut copies.unsettled));
            }
            let life = self.lives.entry(number).or_default();
            *life = life.saturating_add(1);
            self.uncount(resource_type_id, rows);
            self.grants.forget_principal(number);
            numbers.insert(number);
        }
        self.children.retain(|(_, child)| !numbers.contains(child));
        self.expandable.retain(|one| !numbers.contains(&one.principal));
        let mut buffer: IdBuffer = [0; 36];
        for one in &mut self.grants.entitlements {
            if numbers.contains(&one.resource) && std::mem::take(&mut one.stored) {
                self.stats.entitlements = self.stats.entitlements.saturating_sub(1);
                let (kind, _) = self.principals.get(one.resource, &mut buffer);
                if let Some(count) = self.stats.entitlements_by_resource_type.get_mut(kind) {
                    *count = count.saturating_sub(1);
                }
            }
        }
    }

    fn uncount(&mut self, resource_type_id: &str, rows: u64) {
        self.stats.resources = self.stats.resources.saturating_sub(rows);
        if let Some(count) = self.stats.resources_by_resource_type.get_mut(resource_type_id) {
            *count = count.saturating_sub(rows);
        }
    }

    /// Of resources that were added more than once the last row stays.
    pub(crate) fn keep_last<'a>(&mut self, resource_type_id: &str, ids: impl Iterator<Item = &'a str>) {
        for id in ids {
            let number = self.principals.find(resource_type_id, id);
            let Some(copies) = number.and_then(|number| self.copies.get_mut(&number)) else {
                continue;
            };
            let rows = u64::from(std::mem::take(&mut copies.unsettled));
            self.uncount(resource_type_id, rows);
        }
    }

    pub(crate) fn put_entitlement(&mut self, row: &EntitlementRow<'_>) -> Result<(), C1zError> {
        self.look()?;
        let resource = self.offering(row.resource_type_id, row.resource_id);
        let number = self.grants.number(resource, row.id);
        if let Some(one) = self.grants.entitlement_mut(number) {
            one.stored = true;
        }
        self.exclusions.add(row.resource_type_id, row.data)?;
        let life = Self::life(&self.lives, resource);
        let key = key::entitlement(row.resource_type_id, row.resource_id, row.id);
        let time = self.times.last().map(Vec::as_slice).unwrap_or_default();
        self.entitlements.add(&key, |out| {
            put_owner(out, resource, life);
            let id = (row.resource_type_id, row.resource_id, row.id);
            record::entitlement(id, row.data, time, out)
        })?;
        self.stats.entitlements += 1;
        bump(&mut self.stats.entitlements_by_resource_type, row.resource_type_id);
        Ok(())
    }

    pub(crate) fn put_grant(&mut self, row: &GrantRow<'_>) -> Result<(), C1zError> {
        self.put_grants(row, std::iter::empty())
    }

    /// Adds a grant and the same grant to others of the principal's type.
    pub(crate) fn put_grants(
        &mut self,
        row: &GrantRow<'_>,
        others: impl Iterator<Item = Uuid>,
    ) -> Result<(), C1zError> {
        self.look()?;
        let resource = self.offering(row.resource_type_id, row.resource_id);
        let entitlement = self.grants.number(resource, row.entitlement_id);
        let principal = self.number(row.principal_type_id, row.principal_id);
        self.flag(principal, HOLDS);
        let id = Some(row.id).filter(|id| !is_join(id, row));
        let extra = GrantExtra::of(row.data, id, row.expansion)?;
        let extra = self.grants.extra_number(&extra)?;
        let time = u32::try_from(self.times.len() - 1).unwrap_or(u32::MAX);
        self.grants.put(entitlement, principal, extra, time)?;
        if let Some(expansion) = row.expansion {
            self.expandable.push(Expandable {
                entitlement,
                principal,
                edge: expandable(expansion)?,
            });
        }
        let kind = self.principals.kind_number(row.principal_type_id);
        let mut count = 1;
        for other in others {
            self.look()?;
            let principal = self.principals.number_of(kind, Key::Uuid(other.into_bytes()));
            if self.flags.len() < self.principals.len() {
                self.flags.push(0);
            }
            self.flag(principal, HOLDS);
            self.grants.put(entitlement, principal, extra, time)?;
            count += 1;
        }
        self.stats.grants += count;
        bump_by(&mut self.stats.grants_by_resource_type, row.resource_type_id, count);
        Ok(())
    }
}

/// The resource that a row belongs to, before its record.
fn put_owner(out: &mut Vec<u8>, number: u32, life: u8) {
    out.extend_from_slice(&number.to_le_bytes());
    out.push(life);
}

/// Whether a grant's id is made of its entitlement's and its principal's, as [`grant_id`] makes it.
fn is_join(id: &str, row: &GrantRow<'_>) -> bool {
    let rest = id
        .strip_prefix(row.entitlement_id)
        .and_then(|rest| rest.strip_prefix(':'))
        .and_then(|rest| rest.strip_prefix(row.principal_type_id))
        .and_then(|rest| rest.strip_prefix(':'));
    let is_join = rest == Some(row.principal_id);
    debug_assert_eq!(
        is_join,
        id == grant_id(row.entitlement_id, row.principal_type_id, row.principal_id)
    );
    is_join
}

/// Two rows with the same key.
pub(super) fn twice(what: &str, id: &str) -> C1zError {
    C1zError::Invariant {
        invariant: "unique",
        what: format!("the {what} {id} came twice"),
    }
}
