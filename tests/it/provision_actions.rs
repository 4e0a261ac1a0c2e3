//! Actions against the stand-in for PingOne, through the dispatcher: every outcome, what was written, and what was not.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

pub mod rig;

mod access;
mod groups;
mod profile;
mod refused;
mod state;
