//! One full sync: plan, page, translate, write, seal.
//!
//! Reads run ahead in bounded windows under the client's limiter; rows are written in the order of the plan, so the
//! same directory gives the same file at any concurrency. Invariants: a failed read fails the sync and nothing is
//! published; nothing but ids of users stays in memory; everything ends when the caller's token is cancelled.

mod error;
mod gate;
mod holders;
mod index;
mod members;
mod options;
mod progress;
mod read;
mod report;
mod run;
mod scope;
mod sink;
mod target;
mod translate;
mod users;
mod warnings;

pub use error::SyncError;
pub use gate::Shrunk;
pub use options::{Counts, RolePopulationEntitlements, RoleScan, ShrinkGate, SyncOptions};
pub use progress::{Phase, Progress};
pub use report::SyncReport;
pub use run::run;
pub use translate::translate_page;
pub(crate) use translate::{UserRules, is_bare_address, user as translate_user};
pub use warnings::{Warning, Warnings};
