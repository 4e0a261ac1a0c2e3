//! Settings of the way to PingOne.

use std::time::Duration;

use pingone::{AssertionKey, HostError, Hosts, Region};
use secrecy::SecretString;
use uuid::Uuid;

use super::error::ConfigError;
use super::values::{ReadFile, Values};

/// A secret or a key, each by itself or in a file.
const SECRETS: [[&str; 2]; 2] = [
    ["pingone-client-secret", "pingone-client-secret-file"],
    ["pingone-private-key", "pingone-private-key-file"],
];

/// How to reach PingOne.
#[derive(Debug, Clone)]
pub struct PingOneSettings {
    /// OAuth client id; empty where a changeable source gives it.
    pub client_id: String,
    /// OAuth client secret; absent where a changeable source gives it, or a private key takes its place.
    pub client_secret: Option<SecretString>,
    /// Private key in PEM form that signs assertions instead.
    pub private_key: Option<SecretString>,
    /// Its `kid`.
    pub private_key_id: Option<String>,
    /// The environment; absent where a changeable source gives it.
    pub environment_id: Option<Uuid>,
    /// The environment that the client lives in, if another.
    pub auth_environment_id: Option<Uuid>,
    /// The region.
    pub region: Region,
    /// Overrides the API's origin.
    pub base_url: Option<String>,
    /// Overrides the token URL.
    pub auth_url: Option<String>,
    /// Requests a second, 0 for automatic.
    pub rate_limit: u32,
    /// Requests at a time.
    pub max_in_flight: usize,
    /// http and untrusted certificates are accepted.
    pub insecure: bool,
    /// Time for one answer.
    pub timeout: Duration,
}

impl PingOneSettings {
    /// Whether a secret or a key is set.
    pub(super) fn names_a_secret(values: &Values) -> bool {
        SECRETS.iter().flatten().any(|name| values.is_set(name))
    }

    pub(super) fn build(values: &Values, read: Option<ReadFile<'_>>) -> Result<Self, ConfigError> {
        let [secret, key] = SECRETS.map(|names| names.into_iter().find(|name| values.is_set(name)));
        // The application shows who it is in one way.
        if let (Some(secret), Some(key)) = (secret, key) {
            return Err(ConfigError::Exclusive(secret, key));
        }
        let region = values.text("pingone-region").parse();
        let private_key = values.secret("pingone-private-key", "pingone-private-key-file", read)?;
        if let Some(Err(invalid)) = private_key.as_ref().map(|pem| AssertionKey::parse(pem, None)) {
            let problem = format!("must hold a key to sign with, and holds what is {invalid}");
            return Err(values.invalid("pingone-private-key", problem));
        }
        let region =
            region.map_err(|_| values.invalid("pingone-region", "must be one of com, ca, eu, com.au, sg, asia"))?;
        let insecure = values.flag("insecure")?;
        let (base_url, auth_url) = (values.optional("pingone-base-url"), values.optional("pingone-auth-url"));
        Hosts::new(region, base_url.as_deref(), auth_url.as_deref(), "", insecure)
            .map_err(|error| no_host(values, error))?;
        Ok(Self {
            client_id: values.text("pingone-client-id").trim().to_owned(),
            client_secret: values.secret("pingone-client-secret", "pingone-client-secret-file", read)?,
            private_key,
            private_key_id: values.optional("pingone-private-key-id"),
            environment_id: values.uuid("pingone-environment-id")?,
            auth_environment_id: values.uuid("pingone-auth-environment-id")?,
            region,
            base_url,
            auth_url,
            rate_limit: u32::try_from(values.int("pingone-rate-limit")?).unwrap_or(0),
            max_in_flight: usize::try_from(values.int("pingone-max-in-flight")?).unwrap_or(1),
            insecure,
            timeout: Duration::from_secs(u64::try_from(values.int("http-timeout-seconds")?).unwrap_or(300)),
        })
    }
}

/// Its text begins with the setting, which the message names anyway.
fn no_host(values: &Values, error: HostError) -> ConfigError {
    let text = error.to_string();
    match error {
        HostError::Url(setting) | HostError::Insecure(setting) => {
            let problem = text.strip_prefix(setting).unwrap_or(&text).trim_start();
            values.invalid(setting, problem)
        }
        HostError::Region | HostError::Tls => values.invalid("pingone-region", text),
    }
}
