//! TLS on top of a dialed stream: TLS 1.2 or later, trust anchors of the system or the ones given, no client
//! certificate. Used for gRPC (ALPN `h2` alone) and for the token endpoint (`h2` or `http/1.1`).

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::dial::{Dialer, Io};
use super::endpoint::Address;
use super::trust::NoTrust;
use super::watch::{Watch, Watched};
use process::error::ErrorClass;
use process::runtime::anchors;
use process::runtime::leader_guard::LeaderGuard;

const DIAL_LIMIT: Duration = Duration::from_secs(30);
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No anchor to believe.
    #[error(transparent)]
    NoTrust(#[from] NoTrust),
    /// TLS cannot be set up.
    #[error("TLS could not be set up for {host}")]
    Setup {
        /// The host.
        host: String,
    },
    /// Name resolution, TCP or the proxy failed.
    #[error("{authority} could not be reached")]
    Dial {
        /// Host and port.
        authority: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The handshake failed; a certificate we do not trust among others.
    #[error("the TLS handshake with {authority} failed")]
    Handshake {
        /// Host and port.
        authority: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// This process does not lead any more, so nothing is sent.
    #[error("this process does not lead any more")]
    NotLeading,
    /// It took too long.
    #[error("{authority} did not answer within {} s", limit.as_secs())]
    Timeout {
        /// Host and port.
        authority: String,
        /// The limit.
        limit: Duration,
    },
}

impl ConnectError {
    /// What kind of failure it is.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::NoTrust(_) | Self::Setup { .. } => ErrorClass::Local,
            Self::NotLeading => ErrorClass::Cancelled,
            Self::Dial { .. } | Self::Handshake { .. } | Self::Timeout { .. } => {
                ErrorClass::Transient { retry_after: None }
            }
        }
    }
}

/// Opens TLS streams to one address.
#[derive(Clone)]
pub(super) struct Connector {
    dialer: Arc<dyn Dialer>,
    address: Address,
    name: ServerName<'static>,
    tls: TlsConnector,
}

impl Connector {
    pub(super) fn new(
        dialer: Arc<dyn Dialer>,
        address: Address,
        roots: Arc<RootCertStore>,
        alpn: &[&[u8]],
    ) -> Result<Self, ConnectError> {
        let setup = |host: &str| ConnectError::Setup { host: host.to_owned() };
        let name = ServerName::try_from(address.bare_host().to_owned()).map_err(|_| setup(&address.host))?;
        let config = anchors::client_config(roots, alpn).map_err(|_| setup(&address.host))?;
        Ok(Self {
            dialer,
            address,
            name,
            tls: TlsConnector::from(Arc::new(config)),
        })
    }

    pub(super) const fn address(&self) -> &Address {
        &self.address
    }

    /// One new stream.
    pub(super) async fn connect(&self) -> Result<TlsStream<Box<dyn Io>>, ConnectError> {
        let authority = || self.address.authority();
        let too_slow = |limit| ConnectError::Timeout {
            authority: authority(),
            limit,
        };
        let stream = timeout(
            DIAL_LIMIT,
            self.dialer.dial(self.address.bare_host(), self.address.port),
        )
        .await
        .map_err(|_| too_slow(DIAL_LIMIT))?
        .map_err(|source| ConnectError::Dial {
            authority: authority(),
            source,
        })?;
        timeout(HANDSHAKE_LIMIT, self.tls.connect(self.name.clone(), stream))
            .await
            .map_err(|_| too_slow(HANDSHAKE_LIMIT))?
            .map_err(|source| ConnectError::Handshake {
                authority: authority(),
                source,
            })
    }
}

/// The connector in the form that the gRPC channel takes. The URI is ignored: there is one address.
#[derive(Clone)]
pub(super) struct ChannelConnector {
    pub(super) connector: Connector,
    pub(super) watch: Watch,
    pub(super) guard: LeaderGuard,
}

impl tonic::codegen::Service<Uri> for ChannelConnector {
    type Response = TokioIo<Watched<TlsStream<Box<dyn Io>>>>;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (connector, watch, guard) = (self.connector.clone(), self.watch.clone(), self.guard.clone());
        Box::pin(async move {
            let stream = connector.connect().await?;
            // A call that waited for this connection begins now.
            if !guard.may_begin() {
                return Err(ConnectError::NotLeading);
            }
            tracing::debug!(authority = %connector.address.authority(), "connection opened");
            Ok(TokioIo::new(watch.over(stream)))
        })
    }
}
