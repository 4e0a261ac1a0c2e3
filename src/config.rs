//! Flags, environment and file into one validated [`Config`] (connector-model.md §8.3, c1-protocol.md §12).
//!
//! One table ([`fields`]) is the only source of names, defaults and help; flag `--x-y`, environment `BATON_X_Y` and
//! file key `x-y` are derived from it. Precedence: flag, environment, file, default. No message ever holds a value of a
//! secret setting.

mod access;
mod choices;
mod command;
pub mod docs;
mod error;
mod examine;
pub mod fields;
mod file;
mod help;
mod kubernetes;
mod one_shot;
mod pingone;
mod settings;
mod traces;
mod values;

pub use access::AccessSettings;
pub use choices::{
    DeprovisionMode, Incremental, LeaderElection, Output, RoleModel, RolePopulationEntitlements, RoleScan,
    StorageEngine, SyncApplications,
};
pub use command::{Command, Diff, Doctor, Inspect, InspectView, Invocation, StateCommand, command_line};
pub use error::ConfigError;
pub use examine::{Examined, NOT_SHOWN, Shown};
pub use kubernetes::{KubernetesSettings, Surroundings};
pub use one_shot::OneShot;
pub use pingone::PingOneSettings;
pub use settings::{
    AdminSettings, C1Settings, Config, FixedC1, LogSettings, ProvisionSettings, ScheduleSettings, SyncSettings,
};
pub use traces::{Authority, TraceSettings};
pub use values::{Environment, Source, Values};
