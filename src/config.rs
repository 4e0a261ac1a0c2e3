//! Flags, environment and file into one validated [`Config`] (connector-model.md §8.3, c1-protocol.md §12).
//!
//! One table ([`fields`]) is the only source of names, defaults and help; flag `--x-y`, environment `BATON_X_Y` and
//! file key `x-y` are derived from it. Precedence: flag, environment, file, default. No message ever holds a value of a
//! secret setting.

mod command;
pub mod docs;
mod error;
pub mod fields;
mod file;
mod kubernetes;
mod one_shot;
mod settings;
mod values;

pub use command::{Command, Inspect, InspectFormat, InspectView, Invocation, Output, command_line};
pub use error::ConfigError;
pub use kubernetes::{KubernetesSettings, LeaderElection, Surroundings};
pub use one_shot::OneShot;
pub use settings::{
    AdminSettings, C1Settings, Config, FixedC1, LogSettings, PingOneSettings, ProvisionSettings, RoleModel,
    ScheduleSettings, StorageEngine, SyncSettings,
};
pub use values::{Environment, Source, Values};
