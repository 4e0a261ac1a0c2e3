//! The border that both engines stand behind: the same rows go in, whatever file they become.

use std::path::Path;

use jiff::Timestamp;
use uuid::Uuid;

use super::engine::StorageEngine;
use super::expand::Expanded;
use super::row::{EntitlementRow, GrantRow, ResourceRow, ResourceTypeRow};
use super::sync::{FileReport, SyncEnd, SyncStart, WriterOptions};
use super::{C1zError, v1, v3};
use crate::model::{EntitlementId, GrantImmutable, ResourceType};
use crate::wire::GrantEncoder;

/// Longest id that C1 takes (c1z.md §10.1, V13).
const ID_MAX: usize = 1024;

/// A file that is being written.
#[derive(Debug)]
pub struct Writer(Engine);

#[derive(Debug)]
enum Engine {
    Sqlite(Box<v1::Writer>),
    Pebble(Box<v3::Writer>),
}

impl Writer {
    /// An empty file of the engine that `options` name; what it needs meanwhile goes under `dir`.
    pub fn create(dir: &Path, start: SyncStart, options: WriterOptions) -> Result<Self, C1zError> {
        Ok(Self(match options.engine {
            StorageEngine::Sqlite => Engine::Sqlite(Box::new(v1::Writer::create(dir, start, options)?)),
            StorageEngine::Pebble => Engine::Pebble(Box::new(v3::Writer::create(dir, start, options)?)),
        }))
    }

    /// Rows from here on were fetched at this time or earlier.
    pub fn set_discovered_at(&mut self, at: Timestamp) {
        match &mut self.0 {
            Engine::Sqlite(writer) => writer.set_discovered_at(at),
            Engine::Pebble(writer) => writer.set_discovered_at(at),
        }
    }

    /// Adds a resource type.
    pub fn put_resource_type(&mut self, row: &ResourceTypeRow<'_>) -> Result<(), C1zError> {
        check_id("resource type", row.id)?;
        match &mut self.0 {
            Engine::Sqlite(writer) => writer.put_resource_type(row),
            Engine::Pebble(writer) => writer.put_resource_type(row),
        }
    }

    /// Adds a resource.
    pub fn put_resource(&mut self, row: &ResourceRow<'_>) -> Result<(), C1zError> {
        check_id("resource type", row.resource_type_id)?;
        check_id("resource", row.resource_id)?;
        match &mut self.0 {
            Engine::Sqlite(writer) => writer.put_resource(row),
            Engine::Pebble(writer) => writer.put_resource(row),
        }
    }

    /// Takes resources out again, with the entitlements that they offer and the grants that they hold: one pass over the
    /// rows, however many they are.
    pub fn delete_resources<'a>(&mut self, gone: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), C1zError> {
        match &mut self.0 {
            Engine::Sqlite(writer) => writer.delete_resources(gone)?,
            Engine::Pebble(writer) => writer.delete_resources(gone),
        }
        Ok(())
    }

    /// Of resources that were added more than once the last row stays. Without this call they fail the sync.
    pub fn keep_last<'a>(
        &mut self,
        resource_type_id: &str,
        ids: impl Iterator<Item = &'a str>,
    ) -> Result<(), C1zError> {
        match &mut self.0 {
            Engine::Sqlite(writer) => writer.keep_last(resource_type_id, ids)?,
            Engine::Pebble(writer) => writer.keep_last(resource_type_id, ids),
        }
        Ok(())
    }

    /// Adds an entitlement.
    pub fn put_entitlement(&mut self, row: &EntitlementRow<'_>) -> Result<(), C1zError> {
        check_id("resource type", row.resource_type_id)?;
        check_id("resource", row.resource_id)?;
        check_id("entitlement", row.id)?;
        match &mut self.0 {
            Engine::Sqlite(writer) => writer.put_entitlement(row),
            Engine::Pebble(writer) => writer.put_entitlement(row),
        }
    }

    /// Adds a grant. Grants of one entitlement come together.
    pub fn put_grant(&mut self, row: &GrantRow<'_>) -> Result<(), C1zError> {
        check_grant(row)?;
        match &mut self.0 {
            Engine::Sqlite(writer) => writer.put_grant(row),
            Engine::Pebble(writer) => writer.put_grant(row),
        }
    }

    /// Adds grants of one entitlement to principals whose ids are UUIDs, all immutable for the same reason, if for any.
    /// The same rows as [`Writer::put_grant`] for each, at a fraction of its cost.
    pub fn put_grants_to(
        &mut self,
        entitlement: &EntitlementId,
        principal_type: ResourceType,
        mut principals: impl Iterator<Item = Uuid>,
        immutable: Option<&GrantImmutable>,
    ) -> Result<(), C1zError> {
        let mut encoder = GrantEncoder::new(entitlement, principal_type, immutable);
        let entitlement_id = entitlement.to_string();
        let mut text = Uuid::encode_buffer();
        while let Some(principal) = principals.next() {
            let principal_id: &str = principal.as_hyphenated().encode_lower(&mut text);
            let (id, data) = encoder.encode(principal_id);
            let row = GrantRow {
                resource_type_id: entitlement.resource.resource_type.id(),
                resource_id: &entitlement.resource.id,
                entitlement_id: &entitlement_id,
                principal_type_id: principal_type.id(),
                principal_id,
                id,
                expansion: None,
                data,
            };
            check_grant(&row)?;
            match &mut self.0 {
                Engine::Sqlite(writer) => writer.put_grant(&row)?,
                // Every id of the others is as long as this one's.
                Engine::Pebble(writer) => writer.put_grants(&row, &mut principals)?,
            }
        }
        Ok(())
    }

    /// Expands the grants of the file. Once, after every raw grant is in it and before it is finished.
    pub fn expand(&mut self) -> Result<Expanded, C1zError> {
        match &mut self.0 {
            Engine::Sqlite(writer) => writer.expand(),
            Engine::Pebble(writer) => writer.expand(),
        }
    }

    /// Finishes the sync and publishes the file as `target`.
    pub fn finish(self, end: SyncEnd, target: &Path) -> Result<FileReport, C1zError> {
        match self.0 {
            Engine::Sqlite(writer) => writer.finish(end, target),
            Engine::Pebble(writer) => writer.finish(end, target),
        }
    }

    #[cfg(test)]
    pub(super) fn stats(&self) -> &super::stats::Stats {
        match &self.0 {
            Engine::Sqlite(writer) => &writer.stats,
            Engine::Pebble(writer) => &writer.stats,
        }
    }

    /// The database of a v1 file.
    #[cfg(test)]
    pub(super) fn db(&self) -> &rusqlite::Connection {
        match &self.0 {
            Engine::Sqlite(writer) => &writer.db,
            Engine::Pebble(_) => panic!("not a v1 file"),
        }
    }
}

fn check_grant(row: &GrantRow<'_>) -> Result<(), C1zError> {
    for (what, id) in [
        ("resource type", row.resource_type_id),
        ("resource", row.resource_id),
        ("entitlement", row.entitlement_id),
        ("resource type", row.principal_type_id),
        ("principal", row.principal_id),
        ("grant", row.id),
    ] {
        check_id(what, id)?;
    }
    Ok(())
}

/// C1 refuses empty ids and long ones, and could not be told of the object later.
fn check_id(what: &'static str, id: &str) -> Result<(), C1zError> {
    if (1..=ID_MAX).contains(&id.len()) {
        return Ok(());
    }
    Err(C1zError::Id {
        what,
        bytes: id.len(),
        limit: ID_MAX,
        beginning: id.chars().take(60).collect(),
    })
}
