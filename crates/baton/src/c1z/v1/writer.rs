//! Fills a new database (c1z.md §5): only indexes whose keys ascend with the rows, one transaction, no journal. A crash leaves a
//! temporary directory that the system's cleaner removes; everything else removes it at once.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, params};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::schema;
use crate::c1z::expand::{ExpandableGrant, expandable};
use crate::c1z::row::{EntitlementRow, GrantRow, ResourceRow, ResourceTypeRow};
use crate::c1z::stats::{Stats, bump, drop_one};
use crate::c1z::sync::{SyncStart, WriterOptions};
use crate::c1z::{C1zError, time};

/// Bytes of a database page: 4 KiB pages make five percent more of file and a third more of system calls.
const PAGE_SIZE: u32 = 16_384;
/// Memory for pages, in KiB.
const CACHE_KIB: u32 = 4_000;
/// Rows between two looks at the cancellation.
const LOOK_EVERY: u32 = 512;

/// Rows of one entitlement's grants: first and last row id.
pub(crate) type RowRange = (i64, i64);

/// A growing file.
#[derive(Debug)]
pub(crate) struct Writer {
    // Before the directory, so that it is closed first.
    pub(crate) db: Connection,
    pub(crate) dir: TempDir,
    pub(crate) start: SyncStart,
    pub(crate) stats: Stats,
    pub(crate) cancel: CancellationToken,
    pub(crate) discovered_at: String,
    next_resource: i64,
    pub(crate) next_grant: i64,
    /// Expandable grants by their row ids.
    pub(crate) expandable: Vec<(i64, ExpandableGrant)>,
    /// Where each entitlement's grants are, by hash of its id.
    ranges: HashMap<u64, Vec<RowRange>>,
    hasher: RandomState,
    since_look: u32,
}

impl Writer {
    /// An empty file that grows in a new directory under `dir`.
    pub(crate) fn create(dir: &Path, start: SyncStart, options: WriterOptions) -> Result<Self, C1zError> {
        let temp = tempfile::Builder::new()
            .prefix("c1z-write-")
            .tempdir_in(dir)
            .map_err(C1zError::write(dir))?;
        let mut db = Connection::open(temp.path().join("db"))?;
        let sorter = temp.path().to_string_lossy().replace('\'', "''");
        db.execute_batch(&format!(
            "PRAGMA page_size = {PAGE_SIZE}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = \
             EXCLUSIVE; PRAGMA temp_store = FILE; PRAGMA cache_size = -{CACHE_KIB}; PRAGMA \
             temp_store_directory = '{sorter}';"
        ))?;
        let stop = options.cancel.clone();
        db.progress_handler(10_000, Some(move || stop.is_cancelled()))?;
        for statement in schema::TABLES.iter().chain(&schema::ORDERED_INDEXES) {
            db.execute(statement, [])?;
        }
        db.execute(
            "INSERT INTO v1_sync_runs (sync_id, started_at, sync_token, sync_type, grants_backfilled) VALUES (?, ?, '', ?, 1)",
            params![start.sync_id, time::text(start.started_at), start.sync_type.as_str()],
        )?;
        db.execute_batch("BEGIN")?;
        Ok(Self {
            discovered_at: time::text(start.started_at),
            db,
            dir: temp,
            start,
            stats: Stats::default(),
            cancel: options.cancel,
            next_resource: 1,
            next_grant: 1,
            expandable: Vec::new(),
            ranges: HashMap::new(),
            hasher: RandomState::new(),
            since_look: 0,
        })
    }

    /// From here on rows were fetched at this time or before.
    pub(crate) fn set_discovered_at(&mut self, at: Timestamp) {
        self.discovered_at = time::text(at);
    }

    fn look(&mut self) -> Result<(), C1zError> {
        self.since_look += 1;
        if self.since_look >= LOOK_EVERY {
            self.since_look = 0;
            if self.cancel.is_cancelled() {
                return Err(C1zError::Cancelled);
            }
        }
        Ok(())
    }

    /// Adds a resource type.
    pub(crate) fn put_resource_type(&mut self, row: &ResourceTypeRow<'_>) -> Result<(), C1zError> {
        self.db
            .prepare_cached(
                "INSERT INTO v1_resource_types (external_id, data, sync_id, discovered_at) VALUES (?, ?, ?, ?)",
            )?
            .execute(params![row.id, row.data, self.start.sync_id, self.discovered_at])?;
        self.stats.resource_types += 1;
        self.stats
            .resources_by_resource_type
            .entry(row.id.to_owned())
            .or_default();
        Ok(())
    }

    /// Adds a resource. Types come in the order of their ids.
    pub(crate) fn put_resource(&mut self, row: &ResourceRow<'_>) -> Result<(), C1zError> {
        self.look()?;
        let external_id = format!("{}:{}", row.resource_type_id, row.resource_id);
        let (parent_type, parent_id) = row.parent.unzip();
        self.db
            .prepare_cached(
                "INSERT INTO v1_resources (id, resource_type_id, external_id, parent_resource_type_id, \
                 parent_resource_id, data, sync_id, discovered_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                self.next_resource,
                row.resource_type_id,
                external_id,
                parent_type,
                parent_id,
                row.data,
                self.start.sync_id,
                self.discovered_at
            ])?;
        self.next_resource += 1;
        self.stats.resources += 1;
        // Its type may come later.
        bump(&mut self.stats.resources_by_resource_type, row.resource_type_id);
        Ok(())
    }

    /// Takes resources out again, with the entitlements that they offer and the grants that they hold: one pass over each
    /// table, however many they are.
    pub(crate) fn delete_resources<'a>(
        &mut self,
        gone: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), C1zError> {
        self.name_resources(gone)?;
        for (_, kind) in self.delete("v1_resources", "external_id")? {
            self.stats.resources = self.stats.resources.saturating_sub(1);
            drop_one(&mut self.stats.resources_by_resource_type, &kind);
        }
        for (_, kind) in self.delete("v1_entitlements", "resource_type_id || ':' || resource_id")? {
            self.stats.entitlements = self.stats.entitlements.saturating_sub(1);
            drop_one(&mut self.stats.entitlements_by_resource_type, &kind);
        }
        let mut lost = HashSet::new();
        for (id, kind) in self.delete(
            "v1_grants",
            "principal_resource_type_id || ':' || principal_resource_id",
        )? {
            lost.insert(id);
            self.stats.grants = self.stats.grants.saturating_sub(1);
            drop_one(&mut self.stats.grants_by_resource_type, &kind);
        }
        self.expandable.retain(|(id, _)| !lost.contains(id));
        Ok(())
    }

    /// Of resources that were added more than once the last row stays.
    pub(crate) fn keep_last<'a>(
        &mut self,
        resource_type_id: &str,
        ids: impl Iterator<Item = &'a str>,
    ) -> Result<(), C1zError> {
        self.name_resources(ids.map(|id| (resource_type_id, id)))?;
        let gone = self.db.execute(
            "DELETE FROM v1_resources WHERE external_id IN (SELECT key FROM temp.named) AND id NOT IN (SELECT max(id) FROM \
             v1_resources WHERE external_id IN (SELECT key FROM temp.named) GROUP BY external_id)",
            [],
        )?;
        let gone = u64::try_from(gone).unwrap_or(0);
        self.stats.resources = self.stats.resources.saturating_sub(gone);
        if let Some(count) = self.stats.resources_by_resource_type.get_mut(resource_type_id) {
            *count = count.saturating_sub(gone);
        }
        Ok(())
    }

    /// Names resources for one statement that hits them all.
    fn name_resources<'a>(&mut self, resources: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), C1zError> {
        self.db.execute_batch(
            "CREATE TEMP TABLE IF NOT EXISTS named (key TEXT PRIMARY KEY) WITHOUT ROWID; DELETE FROM temp.named;",
        )?;
        let mut insert = self
            .db
            .prepare_cached("INSERT OR IGNORE INTO temp.named (key) VALUES (?)")?;
        for (kind, id) in resources {
            insert.execute([format!("{kind}:{id}")])?;
        }
        Ok(())
    }

    /// Deletes the rows of named resources. Answers their row ids and the resource types that they are counted under.
    fn delete(&mut self, table: &'static str, key: &'static str) -> Result<Vec<(i64, String)>, C1zError> {
        let rows = self
            .db
            .prepare(&format!(
                "DELETE FROM {table} WHERE {key} IN (SELECT key FROM temp.named) RETURNING id, resource_type_id"
            ))?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        Ok(rows)
    }

    /// Adds an entitlement.
    pub(crate) fn put_entitlement(&mut self, row: &EntitlementRow<'_>) -> Result<(), C1zError> {
        self.look()?;
        self.db
            .prepare_cached(
                "INSERT INTO v1_entitlements (resource_type_id, resource_id, external_id, data, sync_id, \
                 discovered_at) VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                row.resource_type_id,
                row.resource_id,
                row.id,
                row.data,
                self.start.sync_id,
                self.discovered_at
            ])?;
        self.stats.entitlements += 1;
        bump(&mut self.stats.entitlements_by_resource_type, row.resource_type_id);
        Ok(())
    }

    /// Adds a grant. Grants of one entitlement come together.
    pub(crate) fn put_grant(&mut self, row: &GrantRow<'_>) -> Result<(), C1zError> {
        self.look()?;
        let id = self.next_grant;
        self.db
            .prepare_cached(
                "INSERT INTO v1_grants (id, resource_type_id, resource_id, entitlement_id, principal_resource_type_id, \
                 principal_resource_id, external_id, expansion, needs_expansion, data, sync_id, discovered_at) VALUES \
                 (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                id,
                row.resource_type_id,
                row.resource_id,
                row.entitlement_id,
                row.principal_type_id,
                row.principal_id,
                row.id,
                row.expansion,
                row.expansion.is_some(),
                row.data,
                self.start.sync_id,
                self.discovered_at
            ])?;
        self.next_grant += 1;
        self.stats.grants += 1;
        bump(&mut self.stats.grants_by_resource_type, row.resource_type_id);
        if let Some(expansion) = row.expansion {
            let grant = ExpandableGrant {
                destination: row.entitlement_id.to_owned(),
                principal_type: row.principal_type_id.to_owned(),
                principal_id: row.principal_id.to_owned(),
                expandable: expandable(expansion)?,
            };
            self.expandable.push((id, grant));
        }
        let ranges = self.ranges.entry(self.hasher.hash_one(row.entitlement_id)).or_default();
        match ranges.last_mut() {
            Some(last) if last.1 + 1 == id => last.1 = id,
            _ => ranges.push((id, id)),
        }
        Ok(())
    }

    /// Where the grants of an entitlement are. May hold rows of another one with the same hash.
    pub(crate) fn grant_rows(&self, entitlement_id: &str) -> &[RowRange] {
        self.ranges
            .get(&self.hasher.hash_one(entitlement_id))
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// Where the growing file lives.
    pub(crate) fn db_path(&self) -> PathBuf {
        self.dir.path().join("db")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::c1z::sync::SyncType;

    /// What it costs to delete some of 2,000 users with a grant each, in hundreds of steps of the database's machine.
    fn steps_to_delete(count: usize) -> u64 {
        let dir = tempfile::tempdir().unwrap();
        let start = SyncStart::new(SyncType::Full, Timestamp::UNIX_EPOCH);
        let mut writer = Writer::create(dir.path(), start, WriterOptions::default()).unwrap();
        let users: Vec<String> = (0..2_000).map(|number| format!("user-{number:04}")).collect();
        for user in &users {
            writer
                .put_resource(&ResourceRow {
                    resource_type_id: "user",
                    resource_id: user,
                    parent: None,
                    data: b"",
                })
                .unwrap();
        }
        for user in &users {
            writer
                .put_grant(&GrantRow {
                    resource_type_id: "group",
                    resource_id: "g",
                    entitlement_id: "group:g:member",
                    principal_type_id: "user",
                    principal_id: user,
                    id: &format!("group:g:member:user:{user}"),
                    expansion: None,
                    data: b"",
                })
                .unwrap();
        }
        let steps = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&steps);
        writer
            .db
            .progress_handler(
                100,
                Some(move || {
                    counted.fetch_add(1, Ordering::Relaxed);
                    false
                }),
            )
            .unwrap();
        let gone = users.iter().take(count).map(|user| ("user", user.as_str()));
        writer.delete_resources(gone).unwrap();
        let left = u64::try_from(users.len() - count).unwrap();
        assert_eq!((writer.stats.resources, writer.stats.grants), (left, left));
        steps.load(Ordering::Relaxed)
    }

    /// One pass each would cost a thousand times as much.
    #[test]
    fn a_thousand_vanished_users_cost_one_pass_and_not_one_each() {
        let (one, many) = (steps_to_delete(1), steps_to_delete(1_000));
        assert!(one > 100, "{one}: a pass is seen");
        assert!(many < one * 20, "{many} for a thousand, {one} for one");
    }
}
