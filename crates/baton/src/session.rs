//! The C1 session (c1-protocol.md): token exchange, one long-lived channel, Hello, the task loop, heartbeats,
//! `FinishTask` and the upload stream. It converts between protobuf and the types of `task` and decides nothing about
//! the target system.
//!
//! Invariants: a slot is held before a task is asked for; every task that was taken is answered by exactly one
//! `FinishTask` content, however often C1 offers it (Hello tasks and syncs that C1 cancelled before they started excepted,
//! as the protocol says);
//! nothing of a sync that did not finish is uploaded; no secret is logged.

mod assertion;
mod client;
mod connect;
mod convert;
mod defaults;
mod dial;
mod endpoint;
mod error;
mod finish;
mod heartbeat;
mod hello;
mod inner;
mod key;
mod os_info;
mod poll;
mod proxy;
mod queue;
mod retry_delay;
mod run;
mod task_run;
mod token;
mod trust;
mod upload;
mod verdicts;
mod watch;

pub use connect::ConnectError;
pub use convert::event_json;
pub use dial::{Dialer, Io, TcpDialer};
pub use endpoint::{ClientId, InvalidClientId, NoAddress};
pub use error::{RpcError, SessionError};
pub use inner::MetadataSource;
pub use key::{C1Credentials, InvalidC1Credentials, InvalidClientSecret, SigningKey};
pub use proxy::{InvalidProxy, ProxyConfig};
pub use run::{Session, SessionConfig, SessionParts};
pub use token::TokenError;
pub use trust::{NoTrust, Trust};
pub use verdicts::Verdicts;
