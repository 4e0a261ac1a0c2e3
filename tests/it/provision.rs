//! Provisioning against the stand-in for PingOne: each outcome of connector-model.md §7.1 and §7.2 by what changed and
//! by what was asked. Time is paused: waits cost nothing and are exact.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test code"
)]

mod applications;
mod bindings;
mod doubt;
mod foreign;
mod fuzz;
mod grant_membership;
mod grant_role;
mod input;
mod many;
mod populations;
mod protected_roles;
mod revoke_membership;
mod revoke_role;
pub mod rig;
mod role_scopes;
