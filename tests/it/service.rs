//! Service mode against the stand-in for C1: the scripts of c1-protocol.md §20, the deviations of §18, and faults.
//! Time is paused and streams stay within the process, so hours take milliseconds and pauses are exact.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod access;
mod accounts;
mod deviation;
mod fake;
mod fault;
mod handover;
mod rig;
pub(crate) mod script;
mod slots;
mod socket;
mod starvation;
mod syncs;
mod verdicts;
