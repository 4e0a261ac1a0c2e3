//! The PingOne platform API (pingone-api.md): authentication, paging, rate limit, retry, wire types, errors.
//!
//! Holds no policy: which 404 means "vanished" or what a refusal means for a grant is decided by the callers. What it
//! does promise: no page is lost, no token goes to a foreign host, nothing secret and no body is in any error.

mod assertion;
mod auth;
mod body;
mod bucket;
mod client;
mod echo;
mod error;
mod host;
pub mod id;
mod in_flight;
mod lenient;
mod limiter;
mod operation;
mod page;
mod parse;
mod read;
mod retry_after;
mod roles;
mod schema;
mod state;
mod stats;
mod throttle;
mod transport;
pub mod types;
pub mod write;
mod write_body;

pub use assertion::{AssertionKey, InvalidAssertionKey};
pub use auth::Credentials;
pub use client::{
    Budget, Client, ClientConfig, ESSENTIAL_LISTS, Ids, Known, MemberKind, PageInfo, Pages, Principal, UsersQuery,
    equals,
};
pub use error::{More, NoConnection, PingOneError, RateInfo, Reason};
pub use host::{HostError, Hosts, Region};
pub use limiter::{ADDRESS_SHARE, DEFAULT_CEILING, RateState};
pub use operation::{Operation, RateGroup};
pub use page::each_item;
pub use roles::api_name;
pub use schema::{ProviderInfo, SchemaAttribute};
pub use state::{PasswordState, PolicyId};
pub use stats::{RequestObserver, Stats, StatsSnapshot, StatusClass};
pub use write::{WriteBody, WriteCall, Written};
