//! The `health-check` sub-command: one GET against our own admin server, silent on success (c1-protocol.md §12.4,
//! §7.6).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use process::error::ErrorClass;

/// Most that is read of an answer.
const LARGEST_ANSWER: usize = 4 << 20;

/// Which path is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Endpoint {
    /// `/health`
    #[default]
    Health,
    Ready,
    Live,
}

impl Endpoint {
    /// The name that `--endpoint` takes.
    pub fn parse(name: &str) -> Result<Self, HealthCheckError> {
        match name {
            "health" => Ok(Self::Health),
            "ready" => Ok(Self::Ready),
            "live" => Ok(Self::Live),
            _ => Err(HealthCheckError::UnknownEndpoint),
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Health => "/health",
            Self::Ready => "/ready",
            Self::Live => "/live",
        }
    }
}

/// One check.
#[derive(Debug, Clone)]
pub struct HealthCheck {
    /// `--health-check-bind-address`
    pub address: String,
    /// `--health-check-port`
    pub port: u16,
    pub endpoint: Endpoint,
    /// `--timeout`, for the whole check.
    pub timeout: Duration,
}

/// Why the check failed.
#[derive(Debug, thiserror::Error)]
pub enum HealthCheckError {
    /// No such endpoint.
    #[error("--endpoint must be one of health, ready, live")]
    UnknownEndpoint,
    /// The server says no.
    #[error("{path} answered HTTP status {status}")]
    Status { path: &'static str, status: u16 },
    /// What answered is no health server.
    #[error("the answer is not HTTP")]
    NotHttp,
    /// Nothing listens, or the connection broke.
    #[error("the health server at {address}:{port} could not be reached")]
    Unreachable {
        address: String,
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No answer in time.
    #[error("no answer within {} s", timeout.as_secs_f32())]
    Timeout {
        /// The limit.
        timeout: Duration,
    },
}

impl HealthCheckError {
    /// The exit code where nothing listens.
    pub const UNREACHABLE: u8 = 14;

    /// The exit code of the sub-command.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::UnknownEndpoint | Self::Status { .. } | Self::NotHttp => 2,
            Self::Timeout { .. } => 4,
            Self::Unreachable { .. } => Self::UNREACHABLE,
        }
    }

    /// What kind of failure it is.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::UnknownEndpoint => ErrorClass::Rejected,
            Self::Status { .. } => ErrorClass::Precondition,
            Self::NotHttp => ErrorClass::Corrupt,
            Self::Unreachable { .. } | Self::Timeout { .. } => ErrorClass::Transient { retry_after: None },
        }
    }
}

impl HealthCheck {
    /// Asks once.
    pub async fn run(&self) -> Result<(), HealthCheckError> {
        let Ok(asked) = timeout(self.timeout, self.ask()).await else {
            return Err(HealthCheckError::Timeout { timeout: self.timeout });
        };
        let head = asked.map_err(|source| HealthCheckError::Unreachable {
            address: self.address.clone(),
            port: self.port,
            source,
        })?;
        match status(&head) {
            Some(200) => Ok(()),
            Some(status) => Err(HealthCheckError::Status {
                path: self.endpoint.path(),
                status,
            }),
            None => Err(HealthCheckError::NotHttp),
        }
    }

    async fn ask(&self) -> io::Result<[u8; 12]> {
        let mut stream = connect(&self.address, self.port).await?;
        let path = self.endpoint.path();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).await?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await?;
        Ok(head)
    }
}

/// A server that listens on every address is asked over loopback, whose family it may not have.
async fn connect(address: &str, port: u16) -> io::Result<TcpStream> {
    let every = address.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified());
    if !every {
        return TcpStream::connect((address, port)).await;
    }
    let loopbacks = [IpAddr::from(Ipv6Addr::LOCALHOST), IpAddr::from(Ipv4Addr::LOCALHOST)];
    let loopbacks = loopbacks.map(|address| SocketAddr::new(address, port));
    TcpStream::connect(loopbacks.as_slice()).await
}

/// One GET of a server on this machine: status and body.
pub async fn fetch(address: IpAddr, port: u16, path: &str, limit: Duration) -> Result<(u16, String), HealthCheckError> {
    let address = address.to_string();
    let asking = async {
        let stream = connect(&address, port)
            .await
            .map_err(|source| HealthCheckError::Unreachable {
                address: address.clone(),
                port,
                source,
            })?;
        let broken = |_| HealthCheckError::NotHttp;
        let (mut send, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let request = hyper::Request::get(path)
            .header(hyper::header::HOST, &address)
            .body(Empty::<Bytes>::new())
            .map_err(|_| HealthCheckError::NotHttp)?;
        let answering = async {
            let answer = send.send_request(request).await.map_err(broken)?;
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), LARGEST_ANSWER).collect().await;
            let body = body.map_err(|_| HealthCheckError::NotHttp)?.to_bytes();
            Ok((status, String::from_utf8_lossy(&body).into_owned()))
        };
        let mut answering = pin!(answering);
        tokio::select! {
            answer = &mut answering => answer,
            // It may end with what we wait for.
            _ = connection => answering.await,
        }
    };
    let late = Err(HealthCheckError::Timeout { timeout: limit });
    timeout(limit, asking).await.unwrap_or(late)
}

/// The status of `HTTP/1.x NNN`.
fn status(head: &[u8; 12]) -> Option<u16> {
    let text = std::str::from_utf8(head).ok()?;
    let (version, status) = text.split_once(' ')?;
    version.starts_with("HTTP/1.").then(|| status.parse().ok())?
}
