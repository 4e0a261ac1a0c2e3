//! The PingOne platform API (pingone-api.md): authentication, paging, rate limit, retry, wire types, errors.
//!
//! Holds no policy: which 404 means "vanished" or what a refusal means for a grant is decided by the callers. What it
//! does promise: no page is lost, no token goes to a foreign host, nothing secret and no body is in any error.

mod auth;
mod body;
mod bucket;
mod client;
mod error;
mod gate;
mod host;
mod in_flight;
mod lenient;
mod limiter;
mod operation;
mod page;
mod read;
mod retry_after;
mod roles;
mod schema;
mod state;
mod stats;
mod transport;
pub mod types;
pub mod write;

pub use auth::Credentials;
pub use client::{Budget, Client, ClientConfig, MemberKind, Principal, UsersQuery, equals};
pub use error::{GrpcCode, More, PingOneError, RateInfo, Reason};
pub use host::{HostError, Hosts, Region};
pub use operation::{Operation, RateGroup};
pub use page::{PageInfo, Pages, each_item};
pub use schema::{ProviderInfo, SchemaAttribute};
pub use state::{PasswordState, PolicyId};
pub use stats::{RequestObserver, Stats, StatsSnapshot, StatusClass};
pub use write::{WriteBody, WriteCall, Written};
