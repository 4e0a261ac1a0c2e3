//! What a sync is, whatever engine stores it: how it begins and ends, its token, what is reported of its file.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{Stats, StorageEngine};

/// Example ids that a warning carries at most.
pub(super) const EXAMPLES: usize = 25;

/// `reason_flags` bit of dropped grants (c1z.md §9.1).
const REASON_GRANTS_DROPPED: u64 = 1 << 1;
/// `reason_flags` bit of rows that are kept though a reference does not resolve.
const REASON_INVALID_ROW_KEPT: u64 = 1 << 5;

/// The row of a sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncRun {
    /// Its id.
    pub sync_id: String,
    /// When it began.
    pub started_at: String,
    /// When it ended.
    pub ended_at: String,
    /// What it covers.
    pub sync_type: String,
    /// Its token.
    pub token: String,
    /// Whether the grants' columns are trustworthy.
    pub supports_diff: bool,
    /// Its counts.
    pub stats: Stats,
}

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
    /// What kind of file it is.
    pub engine: StorageEngine,
    /// Bytes of the file.
    pub size_bytes: u64,
    /// Bytes of what is inside.
    pub decoded_size_bytes: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// Its rows.
    pub stats: Stats,
    /// References that do not resolve.
    pub warnings: Vec<InvariantWarning>,
}

/// References that do not resolve; the file is written all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvariantWarning {
    /// `I7`, `I3`, `I8` or `I9`.
    pub invariant: &'static str,
    /// How many.
    pub count: u64,
    /// Some ids.
    pub examples: Vec<String>,
}

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
    /// Which kind of file it writes.
    pub engine: StorageEngine,
    /// Ends every long step.
    pub cancel: CancellationToken,
}

/// What a sync dropped or kept although it does not fit (c1z.md §9.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Quality {
    pub(super) grants_dropped: u64,
    pub(super) reason_flags: u64,
}

impl Quality {
    pub(super) fn of(grants_dropped: u64, warnings: &[InvariantWarning]) -> Self {
        let mut reason_flags = 0;
        if grants_dropped > 0 {
            reason_flags |= REASON_GRANTS_DROPPED;
        }
        if !warnings.is_empty() {
            reason_flags |= REASON_INVALID_ROW_KEPT;
        }
        Self {
            grants_dropped,
            reason_flags,
        }
    }
}

/// The token of a finished sync: no actions (c1z.md §9.2).
pub(super) fn token(needs_expansion: bool, found: Quality) -> String {
    let mut quality = Map::new();
    if found.grants_dropped > 0 {
        quality.insert("grants_dropped".to_owned(), json!(found.grants_dropped));
    }
    if found.reason_flags != 0 {
        quality.insert("source_cache_replay_blocked".to_owned(), json!(true));
        quality.insert("reason_flags".to_owned(), json!(found.reason_flags));
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

/// Tells of references that do not resolve.
pub(super) fn warn(warnings: &[InvariantWarning]) {
    for warning in warnings {
        tracing::warn!(
            invariant = warning.invariant,
            count = warning.count,
            examples = ?warning.examples,
            "references in the sync do not resolve"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_has_no_actions_and_says_what_was_dropped() {
        let plain: Value = serde_json::from_str(&token(false, Quality::default())).unwrap();
        let expected = json!({
            "current_action_id": 9, "completed_actions_count": 9, "ingest_quality": {}, "version": 1
        });
        assert_eq!(plain, expected);
        let warning = InvariantWarning {
            invariant: "I9",
            count: 1,
            examples: vec![],
        };
        let full: Value = serde_json::from_str(&token(true, Quality::of(3, &[warning]))).unwrap();
        assert_eq!(full["needs_expansion"], json!(true));
        assert_eq!(
            full["ingest_quality"],
            json!({"grants_dropped": 3, "source_cache_replay_blocked": true, "reason_flags": 34})
        );
    }
}
