//! A strict fake of PingOne, written from the contract (pingone-api.md §9): two listeners, made-up or hand-made
//! directories, every doubtful point a knob. Must not depend on the connector. Use [`start`] inside tests and `sandbox
//! pingone` as a program.

mod access;
mod activities;
mod admin;
mod answer;
mod applications;
mod assertion;
mod assignments;
mod body;
mod builder;
mod by_hand;
mod call;
mod changes;
mod clock;
mod conditions;
mod estate;
mod faults;
mod fields;
mod filter;
mod finish;
mod foreign;
mod future;
mod generate;
mod grants;
mod gzip;
mod http;
mod ids;
mod joins;
mod lag;
mod ledger;
mod limits;
mod lists;
mod machines;
mod names;
mod objects;
mod options;
mod paging;
mod parts;
mod plan;
mod populate;
mod recorder;
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

pub use applications::Intersections;
pub use assertion::private_key;
pub use builder::{Directory, DirectoryBuilder, Holder, ScopeOf};
pub use changes::{ChangeKind, Changed, Changes};
pub use faults::{Fault, FaultAction, FaultBody, Lost};
pub use generate::Spec;
pub use ledger::{Count, Requests};
pub use machines::CANARY;
pub use options::{
    Access, AccessModel, Audit, Auth, AuthMethod, Drift, Filters, GatewayText, Groups, Hidden, Limits, Listen, Options,
    Paging, Preset, Readers, RetryAfter, Roles, Shape, SourceType, Timing, Treatment, Users,
};
pub use recorder::{Recorded, RecordedAnswer};
pub use server::{Server, Truth, start};
pub use state::{AssignmentState, Membership, Sizes, Snapshot, UserState};

/// Name, example and explanation of every action of a fault.
pub fn fault_actions() -> &'static [(&'static str, &'static str, &'static str)] {
    faults::ACTIONS
}

/// Every knob: the flags as `--flag`, the actions of faults as `fault <name>`.
pub fn knobs() -> Vec<String> {
    let command = <Options as clap::Args>::augment_args(clap::Command::new("sandbox"));
    let flags = command.get_arguments().filter_map(clap::Arg::get_long);
    let actions = fault_actions().iter().map(|(name, ..)| format!("fault {name}"));
    flags.map(|flag| format!("--{flag}")).chain(actions).collect()
}
