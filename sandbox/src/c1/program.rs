//! The stand-in as a program.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use tokio::net::TcpListener;

use super::admin;
use super::options::{Identity, Options};
use super::server;

/// A C1 that hands out the tasks it is given and keeps a log of what it receives.
#[derive(Debug, Args)]
pub struct Program {
    /// Where connectors connect.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where tasks are queued and the log is read (plain HTTP).
    #[arg(long, default_value = "127.0.0.1:0")]
    admin: SocketAddr,
    /// The connector that may sign in; its secret is made up and printed.
    #[arg(long, default_value = "sandbox@acme.conductor.one/baton")]
    client_id: String,
    /// Where the authority of a made-up certificate is written.
    #[arg(long, required_unless_present = "tls_cert", conflicts_with = "tls_cert")]
    ca_file: Option<PathBuf>,
    /// Certificate chain, PEM, in place of a made-up one.
    #[arg(long, requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its key, PEM.
    #[arg(long, requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Where uploads are kept.
    #[arg(long)]
    upload_dir: PathBuf,
    /// Pause that is asked for while there is no task, in milliseconds.
    #[arg(long, default_value_t = 1000)]
    idle_poll_ms: u64,
    /// The connector's task concurrency.
    #[arg(long, default_value_t = 3)]
    slots: usize,
}

impl Program {
    /// Runs until it is killed. The first line on standard output is JSON: the addresses and the environment that a
    /// connector needs.
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(self.serve())
    }

    async fn serve(self) -> anyhow::Result<()> {
        let mut seed = [0u8; 32];
        aws_lc_rs::rand::fill(&mut seed).context("no random bytes")?;
        let mut options = Options::new(Identity::from_seed(&self.client_id, seed)?, self.upload_dir);
        options.listen = Some(self.listen);
        options.idle_poll = Duration::from_millis(self.idle_poll_ms);
        options.slots = self.slots;
        options.certificate = self.tls_cert.zip(self.tls_key);
        let identity = options.identity.clone();
        let server = Arc::new(server::start(options).await?);
        if let Some(file) = &self.ca_file {
            std::fs::write(file, server.ca_pem())?;
        }
        let listener = TcpListener::bind(self.admin).await?;
        let address = server.address().context("no address")?;
        let line = json!({
            "c1": address.to_string(),
            "admin": listener.local_addr()?.to_string(),
            "environment": {
                "BATON_CLIENT_ID": identity.client_id,
                "BATON_CLIENT_SECRET": identity.client_secret,
                "BATON_C1_API_HOST": format!("localhost:{}", address.port()),
                "SSL_CERT_FILE": self.ca_file,
            },
        });
        let mut out = std::io::stdout();
        writeln!(out, "{line}")?;
        out.flush()?;
        axum::serve(listener, admin::router(server)).await?;
        Ok(())
    }
}
