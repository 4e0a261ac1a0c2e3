//! When to sync without being asked, and what a sync that was made in advance may answer. Runs do not overlap, missed
//! runs collapse into one, and a snapshot is only used where nobody can tell it from a fresh sync.

mod interval;
mod snapshot_cache;
#[cfg(test)]
mod testing;
mod watch;
mod watchdog;

pub use interval::{Interval, IntervalConfig, run};
pub use snapshot_cache::{SnapshotCache, SnapshotConfig};
pub use watch::{WriteGuard, WriteLog};
pub use watchdog::{WEDGED_AFTER, Watchdog, Wedged};
