//! The PingOne client from the settings.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;
use uuid::Uuid;

use super::credentials::pingone_credentials;
use crate::config::PingOneSettings;
use crate::credentials::source::PingOneValues;
use crate::pingone::{Client, ClientConfig, Credentials, Operation, RequestObserver};
use crate::telemetry::Metrics;

/// A client whose credentials never change.
pub(super) fn pingone(settings: &PingOneSettings, metrics: Option<Arc<Metrics>>) -> anyhow::Result<(Client, Uuid)> {
    let environment = settings.environment_id.context("pingone-environment-id is missing")?;
    let secret = settings
        .client_secret
        .clone()
        .context("pingone-client-secret is missing")?;
    let values = PingOneValues {
        client_id: settings.client_id.clone(),
        client_secret: secret,
        environment_id: environment.to_string(),
    };
    // The sender may go: the receiver keeps the last value.
    let (_, receiver) = watch::channel(Arc::new(pingone_credentials(&values)));
    Ok((client(settings, &values, receiver, metrics)?, environment))
}

/// A client of the values' environment whose credentials are those of the channel.
pub(super) fn client(
    settings: &PingOneSettings,
    values: &PingOneValues,
    credentials: watch::Receiver<Arc<Credentials>>,
    metrics: Option<Arc<Metrics>>,
) -> anyhow::Result<Client> {
    let environment = Uuid::try_parse(&values.environment_id).context("the environment id is not a UUID")?;
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
    let observer = metrics.map(|metrics| Arc::new(Observer(metrics)) as Arc<dyn RequestObserver>);
    Ok(Client::new(&config, credentials, observer)?)
}

/// Requests as metrics.
#[derive(Debug)]
struct Observer(Arc<Metrics>);

impl RequestObserver for Observer {
    fn finished(&self, operation: Operation, status: Option<u16>, elapsed: Duration) {
        let class = match status {
            Some(200..300) => "2xx",
            Some(300..400) => "3xx",
            Some(429) => "429",
            Some(400..500) => "4xx",
            Some(_) => "5xx",
            None => "none",
        };
        self.0.pingone_request(operation.as_str(), class, elapsed);
    }

    fn retried(&self, _: Operation, reason: &'static str) {
        self.0.pingone_retry(reason);
    }
}
