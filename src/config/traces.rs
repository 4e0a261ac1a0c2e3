//! Settings of traces (c1-protocol.md §16).

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::ConfigError;
use super::values::Values;

/// The collector that traces go to.
#[derive(Debug, Clone)]
pub struct TraceSettings {
    /// Its host and port.
    pub endpoint: String,
    /// Without TLS.
    pub plaintext: bool,
    /// Certificate authorities in PEM; the system's where there are none.
    pub authority: Option<Authority>,
}

/// Where certificate authorities stand.
#[derive(Debug, Clone)]
pub enum Authority {
    Pem(Vec<u8>),
    File(PathBuf),
}

impl TraceSettings {
    /// `None` where no traces are wanted.
    pub(super) fn build(values: &Values) -> Result<Option<Self>, ConfigError> {
        const ENDPOINT: &str = "otel-collector-endpoint";
        const CERTIFICATE: &str = "otel-collector-endpoint-tls-cert";
        let wanted = !values.flag("otel-tracing-disabled")?;
        let Some(endpoint) = values.optional(ENDPOINT).filter(|_| wanted) else {
            return Ok(None);
        };
        let port = endpoint.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        if port.is_none() || endpoint.contains('/') {
            return Err(values.invalid(
                ENDPOINT,
                "must be a host and a port, such as collector.observability:4317",
            ));
        }
        let pem = values.optional(CERTIFICATE).map(|text| {
            let decoded = URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
            decoded.map_err(|_| values.invalid(CERTIFICATE, "must be PEM in base64url"))
        });
        let file = values.optional("otel-collector-endpoint-tls-cert-path");
        let file = file.map(|path| Authority::File(Path::new(&path).to_owned()));
        Ok(Some(Self {
            endpoint,
            plaintext: values.flag("otel-collector-endpoint-tls-insecure")?,
            authority: pem.transpose()?.map(Authority::Pem).or(file),
        }))
    }
}
