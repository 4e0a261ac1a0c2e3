//! The program itself, as a pod runs it: a process of its own between stand-ins for PingOne, C1 and the API server.
//! Real time, and short.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::match_wild_err_arm,
    clippy::indexing_slicing,
    reason = "a test may end where it stands"
)]

mod access;
mod again;
mod credentials;
mod endings;
mod handover;
mod leadership;
mod log;
pub(crate) mod rig;
mod standalone;
mod status;
mod tasks;
