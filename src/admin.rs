//! The admin server: liveness, readiness, the SDK's three health paths, metrics, the log level and the status, as a page
//! and as JSON.
//! It answers from state that others keep; only `/health` asks the connector to validate. It never serves a secret and
//! takes no input but a log level.

mod client;
mod page;
mod reply;
mod server;

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use tokio::net::TcpListener;

use process::error::ErrorClass;
use process::runtime::liveness::Liveness;
use process::runtime::readiness::Readiness;
use process::telemetry::{BuildInfo, LogControl, Metrics};

pub use client::{Endpoint, HealthCheck, HealthCheckError, fetch};
pub use server::serve;

/// How long one validation for `/health` may take (c1-protocol.md §14).
pub const VALIDATE_LIMIT: Duration = Duration::from_secs(30);

/// Where the server listens.
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// `--health-check-bind-address`
    pub address: IpAddr,
    /// `--health-check-port`; 0 takes a free one.
    pub port: u16,
    /// `--health-check` was given: a failed bind fails the startup. Otherwise it is one warning.
    pub required: bool,
}

/// Why `/health` says no (c1-protocol.md §14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unhealthy {
    /// There are no credentials to ask with yet.
    NoClient,
    /// Validation failed: one sentence with the remedy; never a secret.
    Invalid(String),
}

/// Asks the connector to validate itself.
pub type Validate = Arc<dyn Fn() -> BoxFuture<'static, Result<(), Unhealthy>> + Send + Sync>;

/// Facts for the status, read at each request: nothing secret, and nothing that names a person.
pub type Facts = Arc<dyn Fn() -> Map<String, Value> + Send + Sync>;

/// What the server answers from.
#[derive(Clone)]
pub struct AdminState {
    /// The loops.
    pub liveness: Liveness,
    /// The conditions.
    pub readiness: Readiness,
    /// The registry.
    pub metrics: Arc<Metrics>,
    /// Validation for `/health`.
    pub validate: Validate,
    /// The log level.
    pub log: LogControl,
    pub build: BuildInfo,
    /// The rest of the status.
    pub facts: Facts,
}

impl std::fmt::Debug for AdminState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminState").finish_non_exhaustive()
    }
}

/// Why there is no admin server.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The address is taken or not ours.
    #[error(
        "the health server could not listen on {address}:{port} (--health-check-bind-address, --health-check-port)"
    )]
    Bind {
        address: IpAddr,
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl AdminError {
    /// What kind of failure it is.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Bind { .. } => ErrorClass::Local,
        }
    }
}

impl AdminConfig {
    /// Listens. Without `required` a failure is one warning and no server.
    pub async fn bind(&self) -> Result<Option<TcpListener>, AdminError> {
        let mut bound = TcpListener::bind((self.address, self.port)).await;
        if let Err(error) = &bound
            && let Some(address) = without_ipv6(self.address, error)
        {
            bound = TcpListener::bind((address, self.port)).await;
        }
        match bound {
            Ok(listener) => Ok(Some(listener)),
            Err(source) if self.required => Err(AdminError::Bind {
                address: self.address,
                port: self.port,
                source,
            }),
            Err(error) => {
                tracing::warn!(
                    address = %self.address, port = self.port, error = &error as &dyn std::error::Error,
                    "health server not started: the address could not be bound"
                );
                Ok(None)
            }
        }
    }
}

/// `::` stands for every address of both families. A kernel without IPv6 does not know it, but has the others.
fn without_ipv6(address: IpAddr, error: &io::Error) -> Option<IpAddr> {
    let other = matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied);
    (address == IpAddr::from(Ipv6Addr::UNSPECIFIED) && !other).then_some(IpAddr::from(Ipv4Addr::UNSPECIFIED))
}
