//! How the stand-in is set up.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A connector that may sign in.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its client id.
    pub client_id: String,
    /// Its client secret, for the client's side.
    pub client_secret: String,
    /// The key that its assertions are checked with.
    pub public_key: Vec<u8>,
}

impl Identity {
    /// A connector whose key is made from a seed.
    pub fn from_seed(client_id: &str, seed: [u8; 32]) -> anyhow::Result<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).context("seed")?;
        let public_key = pair.public_key().as_ref().to_vec();
        let (x, d) = (URL_SAFE_NO_PAD.encode(&public_key), URL_SAFE_NO_PAD.encode(seed));
        let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","d":"{d}"}}"#);
        Ok(Self {
            client_id: client_id.to_owned(),
            client_secret: format!("secret-token:conductorone.com:v1:{}", URL_SAFE_NO_PAD.encode(jwk)),
            public_key,
        })
    }

    /// The audience that its assertions must name: the id's host without a port.
    pub(super) fn audience(&self) -> &str {
        let host = self.client_id.split_once('@').map_or("", |(_, rest)| rest);
        let host = host.split_once('/').map_or(host, |(host, _)| host);
        host.split_once(':').map_or(host, |(host, _)| host)
    }
}

/// How the stand-in is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who may sign in.
    pub identity: Identity,
    /// Where it listens; `None`: only streams that are handed in with [`super::Server::dial`].
    pub listen: Option<std::net::SocketAddr>,
    /// Files of a certificate chain and its key, PEM; `None`: both are made, and their authority with them.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Where uploads are kept.
    pub upload_dir: PathBuf,
    /// Lifetime of tokens in seconds.
    pub token_lifetime: i64,
    /// `next_poll` where the queue is empty and no script says otherwise.
    pub idle_poll: Duration,
    /// `next_heartbeat` where no script says otherwise.
    pub heartbeat: Duration,
    /// The connector's `task-concurrency`: asking for a task while so many are out is a violation.
    pub slots: usize,
}

impl Options {
    /// Without a listener, polls every 10 s, heartbeats every 30 s, 3 slots.
    pub fn new(identity: Identity, upload_dir: PathBuf) -> Self {
        Self {
            identity,
            listen: None,
            certificate: None,
            upload_dir,
            token_lifetime: 3600,
            idle_poll: Duration::from_secs(10),
            heartbeat: Duration::from_secs(30),
            slots: 3,
        }
    }
}
