//! When to sync without being asked, and what a sync that was made in advance may answer. Runs do not overlap, missed
//! runs collapse into one, and a snapshot is only used where nobody can tell it from a fresh sync.

mod interval;
mod snapshot;
mod watch;

pub use interval::{Interval, IntervalConfig, run};
pub use snapshot::{SnapshotConfig, SyncDesk};
pub use watch::{WatchedProvisioner, WriteLog};
