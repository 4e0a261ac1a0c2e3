//! Reads a database back: magic, limits, one frame, the rows of its latest finished sync.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};
use tempfile::TempDir;

use super::container;
use crate::c1z::sync::SyncRun;
use crate::c1z::{C1zError, Limits, Stats};
use crate::wire::stored::{self, StoredGrant};

/// An open file.
#[derive(Debug)]
pub(crate) struct Reader {
    db: Connection,
    path: PathBuf,
    run: SyncRun,
    _dir: TempDir,
}

impl Reader {
    /// Opens a file: unpacks it under `temp_dir` and finds its latest finished sync.
    pub(crate) fn open(path: &Path, temp_dir: &Path, limits: Limits) -> Result<Self, C1zError> {
        let dir = tempfile::Builder::new()
            .prefix("c1z-read-")
            .tempdir_in(temp_dir)
            .map_err(C1zError::write(temp_dir))?;
        let db_path = dir.path().join("db");
        let mut file = std::fs::File::create(&db_path).map_err(C1zError::write(&db_path))?;
        container::unpack(path, &mut file, limits)?;
        drop(file);
        let damaged = |what: String| C1zError::Damaged {
            path: path.to_owned(),
            what,
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&db_path, flags).map_err(|error| damaged(error.to_string()))?;
        db.pragma_update(None, "cache_size", -8_000)
            .map_err(|error| damaged(error.to_string()))?;
        let run = latest(&db)
            .map_err(|error| damaged(format!("its database does not read ({error})")))?
            .ok_or_else(|| damaged("it holds no finished sync".to_owned()))?;
        Ok(Self {
            db,
            path: path.to_owned(),
            run,
            _dir: dir,
        })
    }

    /// The sync.
    pub(crate) fn run(&self) -> &SyncRun {
        &self.run
    }

    /// Hands out the message of every row of a table, in the order of rows.
    fn each(&self, table: &str, mut each: impl FnMut(&[u8]) -> Result<(), C1zError>) -> Result<(), C1zError> {
        let fault = |error: rusqlite::Error| self.damaged(error.to_string());
        let query = format!("SELECT data FROM {table} WHERE sync_id = ? ORDER BY id");
        let mut statement = self.db.prepare(&query).map_err(fault)?;
        let mut rows = statement.query([&self.run.sync_id]).map_err(fault)?;
        while let Some(row) = rows.next().map_err(fault)? {
            let data = row.get_ref(0).map_err(fault)?.as_blob().unwrap_or_default();
            each(data)?;
        }
        Ok(())
    }

    fn decoded<T, E: std::fmt::Display>(
        &self,
        table: &str,
        decode: impl Fn(&[u8]) -> Result<T, E>,
        mut each: impl FnMut(T) -> Result<(), C1zError>,
    ) -> Result<(), C1zError> {
        self.each(table, |data| {
            let item = decode(data).map_err(|error| C1zError::Damaged {
                path: self.path.clone(),
                what: format!("a row of {table} does not decode ({error})"),
            })?;
            each(item)
        })
    }

    /// Every resource type.
    pub(crate) fn resource_types(
        &self,
        each: impl FnMut(stored::StoredResourceType) -> Result<(), C1zError>,
    ) -> Result<(), C1zError> {
        self.decoded("v1_resource_types", stored::resource_type, each)
    }

    /// Every resource.
    pub(crate) fn resources(
        &self,
        each: impl FnMut(stored::StoredResource) -> Result<(), C1zError>,
    ) -> Result<(), C1zError> {
        self.decoded("v1_resources", stored::resource, each)
    }

    /// Every entitlement.
    pub(crate) fn entitlements(
        &self,
        each: impl FnMut(stored::StoredEntitlement) -> Result<(), C1zError>,
    ) -> Result<(), C1zError> {
        self.decoded("v1_entitlements", stored::entitlement, each)
    }

    /// Every grant.
    pub(crate) fn grants(&self, each: impl FnMut(StoredGrant) -> Result<(), C1zError>) -> Result<(), C1zError> {
        self.decoded("v1_grants", stored::grant, each)
    }

    /// One row by its id, where the file has it.
    fn one<T, E: std::fmt::Display>(
        &self,
        table: &str,
        id: &str,
        decode: impl Fn(&[u8]) -> Result<T, E>,
    ) -> Result<Option<T>, C1zError> {
        let query = format!("SELECT data FROM {table} WHERE external_id = ? AND sync_id = ?");
        let data: Option<Vec<u8>> = self
            .db
            .query_row(&query, [id, &self.run.sync_id], |row| row.get(0))
            .optional()
            .map_err(|error| self.damaged(error.to_string()))?;
        let decoded = data.map(|data| decode(&data)).transpose();
        decoded.map_err(|error| self.damaged(format!("a row of {table} does not decode ({error})")))
    }

    /// One resource.
    pub(crate) fn resource(&self, resource_type: &str, id: &str) -> Result<Option<stored::StoredResource>, C1zError> {
        let id = format!("{resource_type}:{id}");
        self.one("v1_resources", &id, stored::resource)
    }

    /// One entitlement.
    pub(crate) fn entitlement(&self, id: &str) -> Result<Option<stored::StoredEntitlement>, C1zError> {
        self.one("v1_entitlements", id, stored::entitlement)
    }

    /// One grant.
    pub(crate) fn grant(&self, id: &str) -> Result<Option<StoredGrant>, C1zError> {
        self.one("v1_grants", id, stored::grant)
    }

    /// Every grant on resources of a type.
    pub(crate) fn grants_on(
        &self,
        resource_type_id: &str,
        mut each: impl FnMut(StoredGrant) -> Result<(), C1zError>,
    ) -> Result<(), C1zError> {
        let fault = |error: rusqlite::Error| self.damaged(error.to_string());
        let query = "SELECT data FROM v1_grants WHERE resource_type_id = ? AND sync_id = ?";
        let mut statement = self.db.prepare(query).map_err(fault)?;
        let mut rows = statement.query([resource_type_id, &self.run.sync_id]).map_err(fault)?;
        while let Some(row) = rows.next().map_err(fault)? {
            let data = row.get_ref(0).map_err(fault)?.as_blob().unwrap_or_default();
            each(stored::grant(data).map_err(|error| self.damaged(error.to_string()))?)?;
        }
        Ok(())
    }

    fn damaged(&self, what: String) -> C1zError {
        C1zError::Damaged {
            path: self.path.clone(),
            what,
        }
    }
}

fn latest(db: &Connection) -> rusqlite::Result<Option<SyncRun>> {
    // Files of older writers lack the later columns (c1z.md §3.4).
    let mut columns = db.prepare("SELECT name FROM pragma_table_info('v1_sync_runs')")?;
    let columns: BTreeSet<String> = columns.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let column = |name: &'static str, instead: &'static str| if columns.contains(name) { name } else { instead };
    let query = format!(
        "SELECT sync_id, started_at, ended_at, {}, sync_token, {}, {} FROM v1_sync_runs WHERE ended_at IS NOT NULL ORDER \
         BY ended_at DESC, sync_id DESC LIMIT 1",
        column("sync_type", "'full'"),
        column("supports_diff", "0"),
        column("stats", "NULL"),
    );
    let Some(mut run) = db.query_row(&query, [], sync_run).optional()? else {
        return Ok(None);
    };
    // Cached counts without a type were never filled in (c1z.md §4.6).
    if run.stats.resource_types == 0 {
        run.stats = counted(db, &run.sync_id)?;
    }
    Ok(Some(run))
}

/// The counts, from the rows.
fn counted(db: &Connection, sync_id: &str) -> rusqlite::Result<Stats> {
    let all = |table: &str| {
        let query = format!("SELECT count(*) FROM {table} WHERE sync_id = ?");
        db.query_row(&query, [sync_id], |row| row.get::<_, i64>(0))
            .map(i64::unsigned_abs)
    };
    let by_type = |table: &str| -> rusqlite::Result<BTreeMap<String, u64>> {
        let query = format!("SELECT resource_type_id, count(*) FROM {table} WHERE sync_id = ? GROUP BY 1");
        let mut statement = db.prepare(&query)?;
        let rows = statement.query_map([sync_id], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
        rows.collect()
    };
    Ok(Stats {
        resource_types: all("v1_resource_types")?,
        resources: all("v1_resources")?,
        entitlements: all("v1_entitlements")?,
        grants: all("v1_grants")?,
        assets: all("v1_assets")?,
        resources_by_resource_type: by_type("v1_resources")?,
        entitlements_by_resource_type: by_type("v1_entitlements")?,
        grants_by_resource_type: by_type("v1_grants")?,
    })
}

fn sync_run(row: &Row<'_>) -> rusqlite::Result<SyncRun> {
    let stats: Option<String> = row.get(6)?;
    Ok(SyncRun {
        sync_id: row.get(0)?,
        started_at: row.get(1)?,
        ended_at: row.get(2)?,
        sync_type: row.get(3)?,
        token: row.get(4)?,
        supports_diff: row.get(5)?,
        stats: stats
            .and_then(|stats| serde_json::from_str(&stats).ok())
            .unwrap_or_default(),
    })
}
