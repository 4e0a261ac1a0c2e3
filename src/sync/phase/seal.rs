//! Seal: the checks before publishing, expansion, and the finished file.

use baton::c1z::{FileReport, SyncEnd, SyncType, Writer};
use baton::task::Counts;

use crate::sync::SyncError;
use crate::sync::options::SyncOptions;
use crate::sync::read::Reads;

/// Whether what was read may be published.
pub(in crate::sync) fn check(
    sync_type: SyncType,
    options: &SyncOptions,
    reads: &Reads,
    counts: Counts,
) -> Result<(), SyncError> {
    if let Some((warnings, steps)) = reads.warnings.too_many() {
        return Err(SyncError::TooManyWarnings { warnings, steps });
    }
    if sync_type == SyncType::Full && !options.empty {
        options.shrink.check(counts, |kind| options.has(kind))?;
    }
    Ok(())
}

/// Expands where that is asked for, and publishes the file. Answers how many grants expansion added, too.
pub(in crate::sync) fn publish(
    mut writer: Writer,
    sync_type: SyncType,
    options: &SyncOptions,
    grants_dropped: u64,
) -> Result<(FileReport, u64), SyncError> {
    let expand = sync_type == SyncType::Full && options.expand_grants;
    let expanded = if expand { writer.expand()?.created } else { 0 };
    let end = SyncEnd {
        ended_at: jiff::Timestamp::now(),
        expanded: expand,
        grants_dropped,
    };
    Ok((writer.finish(end, &options.file)?, expanded))
}
