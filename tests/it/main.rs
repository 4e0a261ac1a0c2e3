//! The integration binary: one module per scenario.

mod bad_input;
mod captured;
mod connections;
mod daemon;
mod dice;
mod diff;
mod docs;
mod doctor;
mod feed;
mod inspect;
mod k8s;
mod knobs;
mod one_shot;
mod port;
mod proto_table;
mod provision;
mod provision_accounts;
mod provision_actions;
mod service;
mod stand_in;
mod sync;
mod traces;
