//! Stand-ins for the services that `baton-ping-one` speaks with, written from the contracts alone. Nothing here may depend on
//! `baton-ping-one`.

pub mod c1;
pub mod knobs;
pub mod pingone;
