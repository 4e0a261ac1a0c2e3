//! One full sync: plan, page, translate, write, seal.
//!
//! Reads run ahead in bounded windows under the client's limiter; rows are written in the order of the plan, so the
//! same directory gives the same file at any concurrency. Invariants: a failed read fails the sync and nothing is
//! published; nothing but ids of users stays in memory; everything ends when the caller's token is cancelled.

mod applications;
mod bindings;
mod error;
mod index;
mod job;
mod machines;
mod members;
mod nesting;
pub mod observations;
mod observe;
mod options;
mod phase;
mod population;
mod progress;
mod read;
mod report;
mod role_scan;
mod run;
mod scope;
mod seen;
mod shrink;
mod target;
mod translate;
mod users;
mod warnings;
mod writer_thread;

pub use baton::task::Counts;
pub use error::SyncError;
pub use options::{
    Applications, ObservationSettings, Reuse, RoleModel, RolePopulationEntitlements, RoleScan, ShrinkCheck, SyncOptions,
};
pub use progress::{Phase, Progress};
pub use report::SyncReport;
pub use run::run;
pub(crate) use scope::{RoleInfo, Scope};
pub use seen::SeenScopes;
pub use shrink::Shrunk;
pub use translate::translate_page;
pub(crate) use translate::{Pair, UserRules, is_bare_address, user as translate_user};
pub use users::check_populations;
pub use warnings::{Warning, Warnings};
