//! Fills a new database (c1z.md §5): only indexes whose keys ascend with the rows, one transaction, no journal. A crash leaves a
//! temporary directory that the system's cleaner removes; everything else removes it at once.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, params};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::row::{EntitlementRow, GrantRow, ResourceRow, ResourceTypeRow};
use super::stats::{Stats, bump};
use super::{C1zError, schema, time};

/// Bytes of a database page: 4 KiB pages make five percent more of file and a third more of system calls.
const PAGE_SIZE: u32 = 16_384;
/// Memory for pages, in KiB.
const CACHE_KIB: u32 = 4_000;
/// Rows between two looks at the cancellation.
const LOOK_EVERY: u32 = 512;

/// What a sync covers (c1z.md §4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncType {
    /// Everything.
    Full,
    /// Resource types and resources.
    ResourcesOnly,
    /// Named resources.
    Partial,
}

impl SyncType {
    /// The value of the `sync_type` column.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::ResourcesOnly => "resources_only",
            Self::Partial => "partial",
        }
    }
}

/// How a sync begins.
#[derive(Debug, Clone)]
pub struct SyncStart {
    /// KSUID, 27 characters.
    pub sync_id: String,
    /// What it covers.
    pub sync_type: SyncType,
    /// When.
    pub started_at: Timestamp,
}

impl SyncStart {
    /// A new sync that begins at `now`.
    pub fn new(sync_type: SyncType, now: Timestamp) -> Self {
        use svix_ksuid::KsuidLike;
        let seconds = u32::try_from(now.as_second().saturating_sub(1_400_000_000)).unwrap_or(0);
        let mut payload = [0_u8; 16];
        payload.copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        // Two version-4 ids, so that every bit is random.
        for (byte, other) in payload.iter_mut().zip(uuid::Uuid::new_v4().as_bytes().iter().rev()) {
            *byte ^= other;
        }
        let mut bytes = [0_u8; 20];
        for (to, from) in bytes.iter_mut().zip(seconds.to_be_bytes().iter().chain(&payload)) {
            *to = *from;
        }
        Self {
            sync_id: svix_ksuid::Ksuid::from_bytes(bytes).to_string(),
            sync_type,
            started_at: now,
        }
    }
}

/// How a writer works.
#[derive(Debug, Clone, Default)]
pub struct WriterOptions {
    /// Ends every long step.
    pub cancel: CancellationToken,
}

/// Rows of one entitlement's grants: first and last row id.
pub(crate) type RowRange = (i64, i64);

/// A growing file.
#[derive(Debug)]
pub struct Writer {
    // Before the directory, so that it is closed first.
    pub(crate) db: Connection,
    pub(crate) dir: TempDir,
    pub(crate) start: SyncStart,
    pub(crate) stats: Stats,
    pub(crate) cancel: CancellationToken,
    pub(crate) discovered_at: String,
    next_resource: i64,
    after_gap: Option<i64>,
    pub(crate) next_grant: i64,
    /// Row ids of expandable grants.
    pub(crate) expandable: Vec<i64>,
    /// Where each entitlement's grants are, by hash of its id.
    ranges: HashMap<u64, Vec<RowRange>>,
    hasher: RandomState,
    since_look: u32,
}

impl Writer {
    /// An empty file that grows in a new directory under `dir`.
    pub fn create(dir: &Path, start: SyncStart, options: WriterOptions) -> Result<Self, C1zError> {
        let temp = tempfile::Builder::new()
            .prefix("baton-ping-one-")
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
            after_gap: None,
            next_grant: 1,
            expandable: Vec::new(),
            ranges: HashMap::new(),
            hasher: RandomState::new(),
            since_look: 0,
        })
    }

    /// From here on rows were fetched at this time or before.
    pub fn set_discovered_at(&mut self, at: Timestamp) {
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
    pub fn put_resource_type(&mut self, row: &ResourceTypeRow<'_>) -> Result<(), C1zError> {
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
    pub fn put_resource(&mut self, row: &ResourceRow<'_>) -> Result<(), C1zError> {
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
        if let Some(count) = self.stats.resources_by_resource_type.get_mut(row.resource_type_id) {
            *count += 1;
        }
        Ok(())
    }

    /// Makes room for `count` late resources behind those of `resource_type_id`: rows of later types move up, so that
    /// row ids stay dense and in the order of types. Rare, and as dear as the rows that move.
    pub fn open_gap_in_resources(&mut self, resource_type_id: &str, count: u64) -> Result<(), C1zError> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let first: Option<i64> = self.db.query_row(
            "SELECT min(id) FROM v1_resources WHERE resource_type_id > ?",
            [resource_type_id],
            |row| row.get(0),
        )?;
        let Some(first) = first else { return Ok(()) };
        self.db.execute(
            "UPDATE v1_resources SET id = -(id + ?) WHERE id >= ?",
            params![count, first],
        )?;
        self.db.execute("UPDATE v1_resources SET id = -id WHERE id < 0", [])?;
        self.after_gap = Some(self.next_resource + count);
        self.next_resource = first;
        Ok(())
    }

    /// Goes on behind the last resource.
    pub fn close_gap_in_resources(&mut self) -> Result<(), C1zError> {
        if let Some(next) = self.after_gap.take() {
            self.next_resource = next;
        }
        Ok(())
    }

    /// Takes a resource out again, with the entitlements it offers and the grants it holds. Rare: scans the tables.
    pub fn delete_resource(&mut self, resource_type_id: &str, resource_id: &str) -> Result<(), C1zError> {
        let external_id = format!("{resource_type_id}:{resource_id}");
        let gone = self
            .db
            .execute("DELETE FROM v1_resources WHERE external_id = ?", [external_id])?;
        let entitlements = self.db.execute(
            "DELETE FROM v1_entitlements WHERE resource_type_id = ? AND resource_id = ?",
            [resource_type_id, resource_id],
        )?;
        let (gone, entitlements) = (
            u64::try_from(gone).unwrap_or(0),
            u64::try_from(entitlements).unwrap_or(0),
        );
        let stats = &mut self.stats;
        stats.resources = stats.resources.saturating_sub(gone);
        stats.entitlements = stats.entitlements.saturating_sub(entitlements);
        for (counts, lost) in [
            (&mut stats.resources_by_resource_type, gone),
            (&mut stats.entitlements_by_resource_type, entitlements),
        ] {
            if let Some(count) = counts.get_mut(resource_type_id) {
                *count = count.saturating_sub(lost);
            }
        }
        self.delete_grants_of(resource_type_id, resource_id)
    }

    fn delete_grants_of(&mut self, principal_type_id: &str, principal_id: &str) -> Result<(), C1zError> {
        let lost: Vec<(i64, String)> = self
            .db
            .prepare_cached(
                "DELETE FROM v1_grants WHERE principal_resource_type_id = ? AND principal_resource_id = ? RETURNING id, \
                 resource_type_id",
            )?
            .query_map([principal_type_id, principal_id], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        for (id, resource_type_id) in lost {
            self.expandable.retain(|expandable| *expandable != id);
            self.stats.grants = self.stats.grants.saturating_sub(1);
            if let Some(count) = self.stats.grants_by_resource_type.get_mut(&resource_type_id) {
                *count = count.saturating_sub(1);
            }
        }
        Ok(())
    }

    /// Adds an entitlement.
    pub fn put_entitlement(&mut self, row: &EntitlementRow<'_>) -> Result<(), C1zError> {
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
    pub fn put_grant(&mut self, row: &GrantRow<'_>) -> Result<(), C1zError> {
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
        if row.expansion.is_some() {
            self.expandable.push(id);
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
