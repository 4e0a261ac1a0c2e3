//! The admin server: liveness, readiness, the SDK's three health paths, metrics, the log level and a status page.
//! It answers from state that others keep; only `/health` asks the connector to validate. It never serves a secret and
//! takes no input but a log level.

mod client;
mod reply;
mod server;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::net::TcpListener;

use crate::error::ErrorClass;
use crate::runtime::liveness::Liveness;
use crate::runtime::readiness::Readiness;
use crate::telemetry::{BuildInfo, LogControl, Metrics};

pub use client::{Endpoint, HealthCheck, HealthCheckError};
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
    /// `--health-check` was given: a failed bind ends the start. Else it is one warning.
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

/// Facts for the status page: a name and a value per line, read at each request.
pub type Facts = Arc<dyn Fn() -> Vec<(String, String)> + Send + Sync>;

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
    /// The build.
    pub build: BuildInfo,
    /// Further lines of the status page.
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
        /// The address.
        address: IpAddr,
        /// The port.
        port: u16,
        /// Why.
        #[source]
        source: std::io::Error,
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
        match TcpListener::bind((self.address, self.port)).await {
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
