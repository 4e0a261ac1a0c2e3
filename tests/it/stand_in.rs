//! What every scenario against the stand-in for PingOne needs: a client of it, a refusal of it, and how a task tells of one.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a failure here is a failed test")]

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use baton::task::{Code, TaskError};
use pingone::{AssertionKey, Client, ClientConfig, Credentials, Region};
use sandbox::pingone::{Fault, FaultAction, Server};
use tokio::sync::watch;
use uuid::Uuid;

/// A stand-in of which nobody may read a secret, whatever the test is about.
pub struct Watched(Server);

impl From<Server> for Watched {
    fn from(server: Server) -> Self {
        Self(server)
    }
}

impl Deref for Watched {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.0.requests().secret_reads, 0, "a secret was read");
        }
    }
}

/// A rate that holds nothing up.
pub const UNLIMITED: u32 = 100_000;

/// The worker application's own client.
pub fn client(server: &Server, rate_limit: u32) -> Client {
    let home = server.environment_id();
    client_of(server, home, server.client_id(), &server.client_secret(), rate_limit)
}

/// A client of the stand-in's environment with the application `id` that lives in `home`.
pub fn client_of(server: &Server, home: Uuid, id: Uuid, secret: &str, rate_limit: u32) -> Client {
    let credentials = if secret.starts_with("-----BEGIN") {
        let key = AssertionKey::parse(&secret.into(), Some(server.key_id()));
        Credentials::with_key(id.to_string(), key.unwrap())
    } else {
        Credentials::with_secret(id.to_string(), secret.into())
    };
    let config = ClientConfig {
        region: Region::Eu,
        api_url: Some(server.api_url()),
        auth_url: Some(server.auth_url()),
        environment_id: server.environment_id(),
        auth_environment_id: home,
        rate_limit,
        max_in_flight: 64,
        insecure: false,
        timeout: Duration::from_secs(30),
    };
    Client::new(&config, watch::channel(Arc::new(credentials)).1, None).unwrap()
}

/// Checks code and text of a refusal, and that it is one line of at most 1 KiB.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(outcome: Result<T, TaskError>, code: Code, texts: &[&str]) {
    let error = outcome.unwrap_err();
    assert_eq!(error.code, code, "{error}");
    for text in texts {
        assert!(error.message.contains(text), "{text:?} is not in: {error}");
    }
    assert!(error.message.len() <= 1024 && !error.message.contains('\n'), "{error}");
}

/// PingOne refuses such a request in these words.
pub fn refuse(method: &str, path: &str, status: u16, code: &str, detail: Option<&str>, message: &str) -> Fault {
    let action = FaultAction::Refuse {
        status,
        code: code.into(),
        detail: detail.map(str::to_owned),
        target: None,
        message: message.into(),
    };
    Fault::on(method, path, action)
}
