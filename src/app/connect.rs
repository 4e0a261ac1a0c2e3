//! The PingOne client from the settings.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use secrecy::ExposeSecret;
use uuid::Uuid;

use crate::config::{AccessSettings, PingOneSettings, SyncApplications};
use crate::credentials::{Key, Origin, PingOneValues, Values};
use pingone::{Client, ClientConfig, Credentials, Operation, RequestObserver};
use process::runtime::current::Current;
use process::telemetry::Metrics;

/// A client whose credentials never change.
pub(super) fn pingone(settings: &PingOneSettings, metrics: Option<Arc<Metrics>>) -> anyhow::Result<(Client, Uuid)> {
    let environment = settings.environment_id.context("pingone-environment-id is missing")?;
    let values = PingOneValues::of(&of_settings(settings))?;
    let credentials = Current::fixed((*values.credentials).clone());
    Ok((client(settings, environment, credentials, metrics)?, environment))
}

/// The settings' values of PingOne's side.
pub(super) fn of_settings(settings: &PingOneSettings) -> Values {
    let mut values = Values::default();
    let environment = settings.environment_id.map(|id| id.to_string());
    let secret = settings.client_secret.as_ref().map(ExposeSecret::expose_secret);
    let private_key = settings.private_key.as_ref().map(ExposeSecret::expose_secret);
    for (key, text) in [
        (Key::PingOneClientId, Some(settings.client_id.as_str())),
        (Key::PingOneClientSecret, secret),
        (Key::PingOnePrivateKey, private_key),
        (Key::PingOnePrivateKeyId, settings.private_key_id.as_deref()),
        (Key::PingOneEnvironmentId, environment.as_deref()),
    ] {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            values.insert(key, Origin::Settings, text.as_bytes());
        }
    }
    values
}

/// A client of this environment.
pub(super) fn client(
    settings: &PingOneSettings,
    environment: Uuid,
    credentials: Current<Credentials>,
    metrics: Option<Arc<Metrics>>,
) -> anyhow::Result<Client> {
    let config = ClientConfig {
        region: settings.region,
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

/// The lists that only settings ask for: one row of each shows whether our client may read them (access-model.md §9).
pub(super) fn optional_lists(access: &AccessSettings) -> Vec<Operation> {
    let lists = [
        (
            access.applications != SyncApplications::None,
            Operation::ListApplications,
        ),
        (access.gateways, Operation::ListGateways),
        (access.secrets, Operation::ListKeys),
    ];
    lists.into_iter().filter_map(|(on, list)| on.then_some(list)).collect()
}
