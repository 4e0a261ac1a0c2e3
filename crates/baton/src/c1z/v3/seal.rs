//! The end of a file: checks, the sync's row, every row in order, one rename.

use std::collections::HashSet;
use std::path::Path;

use super::emit::{GrantRows, Out};
use super::envelope;
use super::key;
use super::pack::Packer;
use super::summary::Summary;
use super::writer::{HOLDS, STORED, Writer, twice};
use crate::c1z::limits::DECODED_MAX_BYTES;
use crate::c1z::principal::IdBuffer;
use crate::c1z::sync::{EXAMPLES, FileReport, InvariantWarning, Quality, SyncEnd, SyncType, token, warn};
use crate::c1z::{C1zError, StorageEngine, staging};

/// Readers accept more than their limit where the file is not packed more tightly than this.
const RATIO_MAX: u64 = 100;

impl Writer {
    /// Finishes the sync and publishes the file as `target`.
    pub(crate) fn finish(mut self, end: SyncEnd, target: &Path) -> Result<FileReport, C1zError> {
        self.check_cancel()?;
        self.drop_gone()?;
        let warnings = if self.start.sync_type == SyncType::Full {
            self.dangling()
        } else {
            Vec::new()
        };
        warn(&warnings);
        let quality = Quality::of(end.grants_dropped, &warnings);
        let token = token(end.expanded && !self.expandable.is_empty(), quality);
        let start = self.start.clone();
        let summary = Summary::new(&start, &end, &token);
        let stats = summary.stats(&self.stats, quality);
        let manifest = envelope::manifest(&summary.in_manifest(&stats));

        let temp = staging::create(target)?;
        let file = temp.as_file().try_clone().map_err(C1zError::write(target))?;
        let packer = Packer::start(file, manifest).map_err(C1zError::write(target))?;
        let mut out = Out::new(packer, target, &self.cancel);
        self.emit(&mut out, &summary.run(), &stats)?;
        let done = out.finish()?;
        if done.raw_bytes > DECODED_MAX_BYTES.max(done.size_bytes.saturating_mul(RATIO_MAX)) {
            return Err(C1zError::TooLarge {
                size_bytes: done.raw_bytes,
                limit_bytes: DECODED_MAX_BYTES,
            });
        }
        staging::publish(temp, target, &self.cancel)?;
        Ok(FileReport {
            engine: StorageEngine::Pebble,
            size_bytes: done.size_bytes,
            decoded_size_bytes: done.raw_bytes,
            sha256: done.sha256,
            stats: self.stats,
            warnings,
        })
    }

    /// Every row. What was counted and what is written must agree: readers believe the counts.
    fn emit(&mut self, out: &mut Out, run: &[u8], stats: &[u8]) -> Result<(), C1zError> {
        for (id, value) in &self.types {
            let mut key = key::RESOURCE_TYPES.to_vec();
            key::push(&mut key, id);
            out.put(&key, value)?;
        }
        let mut resources = 0;
        if let Some(number) = self
            .copies
            .iter()
            .find_map(|(number, copies)| (copies.unsettled > 0).then_some(*number))
        {
            let mut buffer: IdBuffer = [0; 36];
            return Err(twice("resource", self.principals.get(number, &mut buffer).1));
        }
        let (lives, copies) = (&self.lives, &self.copies);
        self.resources.drain(|key, value| {
            let Some(record) = Self::living(|number| Self::version(lives, copies, number), value) else {
                return Ok(());
            };
            resources += 1;
            out.put(&key::of(&key::RESOURCES, key), record)
        })?;
        let mut entitlements = 0;
        self.entitlements.drain(|key, value| {
            let Some(record) = Self::living(|number| Self::life(lives, number), value) else {
                return Ok(());
            };
            entitlements += 1;
            out.put(&key::of(&key::ENTITLEMENTS, key), record)
        })?;
        let Some(by_principal) = self.by_principal.take() else {
            return Err(C1zError::Cancelled);
        };
        let mut rows = GrantRows::new(self, by_principal);
        rows.put_grants(out)?;
        let counted = (self.stats.resources, self.stats.entitlements, self.stats.grants);
        let written = (resources, entitlements, rows.written);
        if counted != written {
            return Err(C1zError::Invariant {
                invariant: "counts",
                what: format!("resources, entitlements and grants: {counted:?} counted, {written:?} written"),
            });
        }
        out.put(&key::SYNC_RUN, run)?;
        self.put_children(out)?;
        rows.put_indexes(out)?;
        out.put(key::ID_FORMAT, &key::FORMAT)?;
        out.put(key::KEYSPACE_VERSION, &key::FORMAT)?;
        out.put(key::STATS, stats)
    }

    fn put_children(&self, out: &mut Out) -> Result<(), C1zError> {
        let parts = |number| {
            let mut buffer: IdBuffer = [0; 36];
            let (kind, id) = self.principals.get(number, &mut buffer);
            key::pair(kind, id)
        };
        let mut keys: Vec<Vec<u8>> = self
            .children
            .iter()
            .map(|(parent, child)| {
                let mut key = key::of(&key::BY_PARENT, &parts(*parent));
                key.push(0);
                key.extend_from_slice(&parts(*child));
                key
            })
            .collect();
        keys.sort_unstable();
        keys.iter().try_for_each(|key| out.put(key, b""))
    }

    /// Takes the grants of vanished principals out of the counts. Rare: reads every grant.
    fn drop_gone(&mut self) -> Result<(), C1zError> {
        if !self.grants.any_gone() {
            return Ok(());
        }
        let mut emptied = Vec::new();
        for (number, entitlement) in (0_u32..).zip(&self.grants.entitlements) {
            let (mut lost, mut left) = (0, 0);
            self.grants.each(entitlement, true, |_| {
                lost += 1;
                Ok(())
            })?;
            self.grants.each(entitlement, false, |_| {
                left += 1;
                Ok(())
            })?;
            let mut buffer: IdBuffer = [0; 36];
            let (kind, _) = self.principals.get(entitlement.resource, &mut buffer);
            self.stats.grants = self.stats.grants.saturating_sub(lost);
            if let Some(count) = self.stats.grants_by_resource_type.get_mut(kind) {
                *count = count.saturating_sub(lost);
            }
            if left == 0 {
                emptied.push(number);
            }
        }
        for number in emptied {
            if let Some(entitlement) = self.grants.entitlement_mut(number) {
                entitlement.segments.clear();
            }
        }
        Ok(())
    }

    /// References that do not resolve (c1z.md §10.2).
    fn dangling(&self) -> Vec<InvariantWarning> {
        let all = &self.grants.entitlements;
        let name = |number| {
            let mut buffer: IdBuffer = [0; 36];
            let (kind, id) = self.principals.get(number, &mut buffer);
            format!("{kind}:{id}")
        };
        let missing = |number: &u32| !self.has(*number, STORED);
        let with_grants = || all.iter().filter(|one| one.has_grants());

        let offered = all.iter().filter(|one| one.stored && missing(&one.resource));
        let i7 = count("I7", offered.map(|one| one.id.to_string()));
        let mut resources: Vec<u32> = with_grants().map(|one| one.resource).filter(missing).collect();
        let in_order = |one: &u32, other: &u32| self.principals.compare(*one, *other);
        resources.sort_unstable_by(in_order);
        resources.dedup();
        let i3 = count("I3", resources.into_iter().map(name));
        let mut unknown: HashSet<&str> = with_grants().filter(|one| !one.stored).map(|one| &*one.id).collect();
        for one in all.iter().filter(|one| one.stored) {
            unknown.remove(&*one.id);
        }
        let mut unknown: Vec<&str> = unknown.into_iter().collect();
        unknown.sort_unstable();
        let i8 = count("I8", unknown.into_iter().map(str::to_owned));
        let mut holders: Vec<u32> = (0..u32::try_from(self.principals.len()).unwrap_or(u32::MAX))
            .filter(|number| self.has(*number, HOLDS) && missing(number))
            .collect();
        holders.sort_unstable_by(in_order);
        let i9 = count("I9", holders.into_iter().map(name));
        [i7, i3, i8, i9].into_iter().flatten().collect()
    }
}

fn count(invariant: &'static str, found: impl Iterator<Item = String>) -> Option<InvariantWarning> {
    let mut warning = InvariantWarning {
        invariant,
        count: 0,
        examples: Vec::new(),
    };
    for id in found {
        warning.count += 1;
        if warning.examples.len() < EXAMPLES {
            warning.examples.push(id);
        }
    }
    (warning.count > 0).then_some(warning)
}
