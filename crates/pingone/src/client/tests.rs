//! The client against the stand-in for PingOne.

mod auth;
mod faults;
mod headers;
mod paging;
mod writes;

use std::sync::Arc;
use std::time::Duration;

use sandbox::pingone::{Directory, Options, Server, start};
use secrecy::SecretString;
use serde_json::json;
use tokio::sync::watch;
use uuid::Uuid;

use super::super::{Client, ClientConfig, Credentials, Region};

/// A client, what it talks to, and the way to change its credentials.
struct Pair {
    client: Client,
    server: Server,
    credentials: watch::Sender<Arc<Credentials>>,
    directory: Directory,
}

impl Pair {
    fn id(&self, label: &str) -> Uuid {
        self.directory.id(label).unwrap()
    }

    /// Requests for tokens so far.
    fn token_requests(&self) -> u64 {
        self.server.requests().of("POST", "/{id}/as/token")
    }
}

/// Two populations, six users, three groups: one holds another, one fills itself.
fn small() -> Directory {
    let mut builder = Directory::builder()
        .population("staff", json!({}))
        .population("partners", json!({}));
    for label in ["ada", "ben", "cleo", "dora"] {
        builder = builder.user(label, "staff", json!({}));
    }
    builder
        .user("eve", "partners", json!({}))
        .user("fay", "partners", json!({}))
        .group("outer", json!({}))
        .group("inner", json!({}))
        .group("filled", json!({"userFilter": "username sw \"d\""}))
        .nested("inner", "outer")
        .member("outer", "ada")
        .member("inner", "ben")
        .build()
}

fn config(server: &Server) -> ClientConfig {
    ClientConfig {
        region: Region::Com,
        api_url: Some(server.api_url()),
        auth_url: Some(server.auth_url()),
        environment_id: server.environment_id(),
        auth_environment_id: server.environment_id(),
        rate_limit: 100_000,
        max_in_flight: 64,
        insecure: false,
        timeout: Duration::from_secs(30),
    }
}

fn credentials(client_id: &impl ToString, secret: impl Into<String>) -> Arc<Credentials> {
    let secret = SecretString::from(secret.into());
    Arc::new(Credentials::with_secret(client_id.to_string(), secret))
}

async fn pair_with(options: impl FnOnce(&mut Options), config_of: impl FnOnce(&mut ClientConfig)) -> Pair {
    let directory = small();
    let mut all = Options {
        custom: Some(directory.clone()),
        ..Options::default()
    };
    options(&mut all);
    let server = start(all).await.unwrap();
    let (sender, receiver) = watch::channel(credentials(&server.client_id(), server.client_secret()));
    let mut config = config(&server);
    config_of(&mut config);
    let client = Client::new(&config, receiver, None).unwrap();
    Pair {
        client,
        server,
        credentials: sender,
        directory,
    }
}

async fn pair(options: impl FnOnce(&mut Options)) -> Pair {
    pair_with(options, |_| {}).await
}
