//! Accounts and their credentials: each outcome of creating, deleting and rotating against the stand-in for PingOne, told
//! by what changed and by what was asked (connector-model.md §7.3 to §7.5).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "test code"
)]

mod create;
mod credentials;
mod delete;
mod half_done;
mod lost;
mod quiet;
pub mod rig;
mod rotate;
mod whose;
