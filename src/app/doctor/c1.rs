//! C1: the way to its host, and a token.

use std::sync::Arc;
use std::time::Duration;

use baton::session::{ProxyConfig, Session, TcpDialer, Trust};
use process::error::ErrorClass;
use process::runtime::current::Current;
use tokio::time::timeout;

use super::finding::Findings;
use super::network::{Target, reach};
use crate::app::session_config;
use crate::config::Config;
use crate::credentials::C1Values;

const C1: &str = "c1";
/// Longest time for a token.
const TOKEN: Duration = Duration::from_secs(20);

pub(super) async fn look(config: &Config, values: &C1Values, proxy: &ProxyConfig, found: &mut Findings) {
    let client_id = &values.credentials.client_id;
    let (host, port) = match client_id.host_and_port(config.c1_api_host.as_deref()) {
        Ok(place) => place,
        Err(error) => return found.fail(C1, error.to_string(), ""),
    };
    let target = Target {
        what: "C1",
        host,
        port,
        tls: true,
        insecure: false,
    };
    if !reach(&target, proxy, found).await {
        return;
    }
    let dialer = Arc::new(TcpDialer {
        proxy: proxy.clone(),
        trust: Trust::System,
    });
    let credentials = Arc::clone(&values.credentials);
    let credentials = Current::new(move || Arc::clone(&credentials));
    let session = session_config(config);
    let proving = Session::prove(&session, credentials, dialer, crate::BUILD);
    match timeout(TOKEN, proving).await {
        Ok(Ok(())) => found.ok(C1, "a token was given for the client id and secret"),
        Ok(Err(error)) => {
            let remedy = match error.class() {
                ErrorClass::Auth => {
                    "Make new credentials for this connector in C1, and check that both halves are of the same pair."
                }
                _ => "Try again; if it stays so, ask C1's support.",
            };
            found.fail(C1, crate::app::chain(&error), remedy);
        }
        Err(_) => found.fail(C1, format!("no token within {} s", TOKEN.as_secs()), "Try again."),
    }
}
