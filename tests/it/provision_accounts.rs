//! Accounts and their credentials: each outcome of CreateAccount, DeleteResource and RotateCredentials against the
//! stand-in for PingOne, told by what changed and by what was asked (connector-model.md §7.3 to §7.5).

mod create;
mod credentials;
mod delete;
mod half_done;
mod lost;
mod quiet;
mod rig;
mod rotate;
