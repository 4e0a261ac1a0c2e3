//! Kubernetes: API client, watch of one Secret, Lease, what a leader leaves in `ConfigMaps`, Events.
//!
//! It speaks to the API server of the cluster that the pod runs in and to nothing else, and only about objects of its own
//! namespace: one Secret, one Lease and some `ConfigMaps` by name, and Events. It must not decide what leadership or
//! credentials are used for; that is `app`'s part.
//!
//! Invariants: every call has a deadline; nothing of a Secret's values reaches an error, a log line or an Event; no
//! process says that it leads while another's lease may last (see [`lease`]).

mod client;
mod error;
pub mod events;
pub mod lease;
mod parts;
mod review;
mod secret;
pub mod setup;

pub use client::{Client, ClusterAccess, PodInfo};
pub use error::{K8sError, Verb};
pub use parts::Parts;
pub use review::Right;
pub use secret::{SecretWatch, Timing as WatchTiming};
