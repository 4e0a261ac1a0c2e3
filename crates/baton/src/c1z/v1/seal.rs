//! The end of a file (c1z.md §5 steps 6 to 12): indexes, checks, the sync's row, one frame, one rename.

use std::path::Path;

use rusqlite::params;

use super::writer::Writer;
use super::{check, container, schema};
use crate::c1z::sync::{FileReport, InvariantWarning, Quality, SyncEnd, SyncType, token, warn};
use crate::c1z::{C1zError, StorageEngine, time};

impl Writer {
    /// Finishes the sync and publishes the file as `target`.
    pub(crate) fn finish(self, end: SyncEnd, target: &Path) -> Result<FileReport, C1zError> {
        self.db.execute_batch("COMMIT")?;
        for index in schema::LATE_INDEXES {
            self.db.execute(index, [])?;
        }
        let full = self.start.sync_type == SyncType::Full;
        let warnings = check::run(&self.db, full)?;
        warn(&warnings);
        self.end_sync(end, full, &warnings)?;
        let db_path = self.db_path();
        let Self {
            mut db,
            dir,
            stats,
            cancel,
            ..
        } = self;
        db.progress_handler(0, None::<fn() -> bool>)?;
        db.close().map_err(|(_, error)| error)?;
        let decoded_size_bytes = check_database(&db_path)?;
        let packed = container::pack(&db_path, target, &cancel)?;
        drop(dir);
        Ok(FileReport {
            engine: StorageEngine::Sqlite,
            size_bytes: packed.size_bytes,
            decoded_size_bytes,
            sha256: packed.sha256,
            stats,
            warnings,
        })
    }

    fn end_sync(&self, end: SyncEnd, full: bool, warnings: &[InvariantWarning]) -> Result<(), C1zError> {
        let needs_expansion = end.expanded && !self.expandable.is_empty();
        let token = token(needs_expansion, Quality::of(end.grants_dropped, warnings));
        let stats = serde_json::to_string(&self.stats).unwrap_or_default();
        let ended_at = end.ended_at.max(self.start.started_at);
        self.db.execute(
            "UPDATE v1_sync_runs SET ended_at = ?, sync_token = ?, supports_diff = ?, stats = ?, \
             ingest_invariant_generation = '1', ingest_invariant_coverage = ?, ingest_invariant_mode = 'connector' \
             WHERE sync_id = ?",
            params![
                time::text(ended_at),
                token,
                full,
                stats,
                if full {
                    check::COVERAGE_FULL
                } else {
                    check::COVERAGE_PART
                },
                self.start.sync_id
            ],
        )?;
        Ok(())
    }
}

/// The database must be in rollback mode with no other file next to it. Returns its size.
fn check_database(path: &Path) -> Result<u64, C1zError> {
    use std::io::Read;
    let mut header = [0_u8; 20];
    let mut file = std::fs::File::open(path).map_err(C1zError::read(path))?;
    file.read_exact(&mut header).map_err(C1zError::read(path))?;
    let leftovers = ["-wal", "-journal"].iter().any(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        Path::new(&name).metadata().is_ok_and(|meta| meta.len() > 0)
    });
    if header.get(18..20) != Some(&[1, 1]) || leftovers {
        return Err(C1zError::Invariant {
            invariant: "journal",
            what: "the database is not in rollback mode".to_owned(),
        });
    }
    file.metadata().map(|meta| meta.len()).map_err(C1zError::read(path))
}
