//! A strict fake of PingOne, written from the contract (pingone-api.md §9): two listeners, made-up or hand-made
//! directories, every doubtful point a knob. Must not depend on the connector. Use [`start`] inside tests and `sandbox
//! pingone` as a program.

mod access;
mod activities;
mod admin;
mod answer;
mod assignments;
mod body;
mod builder;
mod by_hand;
mod call;
mod clock;
mod estate;
mod faults;
mod fields;
mod filter;
mod future;
mod generate;
mod grants;
mod gzip;
mod http;
mod ids;
mod joins;
mod ledger;
mod limits;
mod lists;
mod names;
mod objects;
mod options;
mod paging;
mod parts;
mod plan;
mod populate;
mod rolebook;
mod route;
mod secrets;
mod server;
mod state;
#[cfg(test)]
mod tests;
mod token;
mod world;
mod writes;

pub use builder::{Directory, DirectoryBuilder, Holder, ScopeOf};
pub use faults::{Fault, FaultAction, FaultBody, Lost};
pub use generate::Spec;
pub use ledger::{Count, Requests};
pub use options::{
    Access, Audit, Auth, AuthMethod, Drift, Filters, GatewayText, Groups, Limits, Listen, Options, Paging, Preset,
    Readers, RetryAfter, Roles, Shape, SourceType, Timing, Treatment, Users,
};
pub use server::{Server, Truth, start};
pub use state::{AssignmentState, Membership, Sizes, Snapshot, UserState};
