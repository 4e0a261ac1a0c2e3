//! The end of a file (c1z.md §5 steps 6 to 12): indexes, checks, the sync's row, one frame, one rename.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::params;
use serde_json::{Map, Value, json};

use super::check::{self, InvariantWarning};
use super::container;
use super::stats::Stats;
use super::writer::{SyncType, Writer};
use super::{C1zError, schema, time};

/// `reason_flags` bit of dropped grants (c1z.md §9.1).
const REASON_GRANTS_DROPPED: u64 = 1 << 1;
/// `reason_flags` bit of rows that are kept though a reference does not resolve.
const REASON_INVALID_ROW_KEPT: u64 = 1 << 5;

/// How a sync ends.
#[derive(Debug, Clone, Copy)]
pub struct SyncEnd {
    /// When.
    pub ended_at: Timestamp,
    /// We expand grants ourselves (so the token says whether there was anything to expand).
    pub expanded: bool,
    /// Grants that were left out because their principal is not in the sync.
    pub grants_dropped: u64,
}

/// A published file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// Bytes of the file.
    pub size_bytes: u64,
    /// Bytes of the database inside.
    pub decoded_size_bytes: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// Its rows.
    pub stats: Stats,
    /// References that do not resolve.
    pub warnings: Vec<InvariantWarning>,
}

impl Writer {
    /// Finishes the sync and publishes the file as `target`.
    pub fn finish(self, end: SyncEnd, target: &Path) -> Result<FileReport, C1zError> {
        self.db.execute_batch("COMMIT")?;
        for index in schema::LATE_INDEXES {
            self.db.execute(index, [])?;
        }
        let full = self.start.sync_type == SyncType::Full;
        let warnings = check::run(&self.db, full)?;
        for warning in &warnings {
            tracing::warn!(
                invariant = warning.invariant,
                count = warning.count,
                examples = ?warning.examples,
                "references in the sync do not resolve"
            );
        }
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
            size_bytes: packed.size_bytes,
            decoded_size_bytes,
            sha256: packed.sha256,
            stats,
            warnings,
        })
    }

    fn end_sync(&self, end: SyncEnd, full: bool, warnings: &[InvariantWarning]) -> Result<(), C1zError> {
        let needs_expansion = end.expanded && !self.expandable.is_empty();
        let token = token(needs_expansion, end.grants_dropped, warnings);
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

/// The token of a finished sync: no actions (c1z.md §9.2).
fn token(needs_expansion: bool, grants_dropped: u64, warnings: &[InvariantWarning]) -> String {
    let mut quality = Map::new();
    let mut flags = 0;
    if grants_dropped > 0 {
        flags |= REASON_GRANTS_DROPPED;
        quality.insert("grants_dropped".to_owned(), json!(grants_dropped));
    }
    if !warnings.is_empty() {
        flags |= REASON_INVALID_ROW_KEPT;
    }
    if flags != 0 {
        quality.insert("source_cache_replay_blocked".to_owned(), json!(true));
        quality.insert("reason_flags".to_owned(), json!(flags));
    }
    let mut token = Map::new();
    token.insert("current_action_id".to_owned(), json!(9));
    token.insert("completed_actions_count".to_owned(), json!(9));
    if needs_expansion {
        token.insert("needs_expansion".to_owned(), json!(true));
    }
    token.insert("ingest_quality".to_owned(), Value::Object(quality));
    token.insert("version".to_owned(), json!(1));
    Value::Object(token).to_string()
}

/// The database must be in rollback mode with nothing beside it; answers its size.
fn check_database(path: &Path) -> Result<u64, C1zError> {
    use std::io::Read;
    let mut header = [0_u8; 20];
    let mut file = std::fs::File::open(path).map_err(C1zError::read(path))?;
    file.read_exact(&mut header).map_err(C1zError::read(path))?;
    let beside = ["-wal", "-journal"].iter().any(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        Path::new(&name).metadata().is_ok_and(|meta| meta.len() > 0)
    });
    if header.get(18..20) != Some(&[1, 1]) || beside {
        return Err(C1zError::Invariant {
            invariant: "journal",
            what: "the database is not in rollback mode".to_owned(),
        });
    }
    file.metadata().map(|meta| meta.len()).map_err(C1zError::read(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_has_no_actions_and_says_what_was_dropped() {
        let plain: Value = serde_json::from_str(&token(false, 0, &[])).unwrap();
        let expected = json!({
            "current_action_id": 9, "completed_actions_count": 9, "ingest_quality": {}, "version": 1
        });
        assert_eq!(plain, expected);
        let warning = InvariantWarning {
            invariant: "I9",
            count: 1,
            examples: vec![],
        };
        let full: Value = serde_json::from_str(&token(true, 3, &[warning])).unwrap();
        assert_eq!(full["needs_expansion"], json!(true));
        assert_eq!(
            full["ingest_quality"],
            json!({"grants_dropped": 3, "source_cache_replay_blocked": true, "reason_flags": 34})
        );
    }
}
