//! The PingOne client from the settings.

use std::sync::Arc;

use anyhow::Context;
use tokio::sync::watch;
use uuid::Uuid;

use crate::config::PingOneSettings;
use crate::pingone::{Client, ClientConfig, Credentials};

/// A client whose credentials never change.
pub(super) fn pingone(settings: &PingOneSettings) -> anyhow::Result<(Client, Uuid)> {
    let environment = settings.environment_id.context("pingone-environment-id is missing")?;
    let secret = settings
        .client_secret
        .clone()
        .context("pingone-client-secret is missing")?;
    let credentials = Credentials {
        client_id: settings.client_id.clone(),
        client_secret: secret,
    };
    // The sender may go: the receiver keeps the last value.
    let (_, receiver) = watch::channel(Arc::new(credentials));
    let config = ClientConfig {
        region: settings.region.parse()?,
        api_url: settings.base_url.clone(),
        auth_url: settings.auth_url.clone(),
        environment_id: environment,
        auth_environment_id: settings.auth_environment_id.unwrap_or(environment),
        rate_limit: settings.rate_limit,
        max_in_flight: settings.max_in_flight,
        insecure: settings.insecure,
        timeout: settings.timeout,
    };
    Ok((Client::new(&config, receiver, None)?, environment))
}
