//! Traces for an OpenTelemetry collector (c1-protocol.md §16): a trace for each task, with its sync and its calls to PingOne.
//! Without an endpoint nothing of it is made, and spans cost what a disabled record costs.

use std::time::Duration;

use anyhow::Context as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanExporter as _};
use process::runtime::anchors;
use process::telemetry::BesideLayer;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, TrustAnchor};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::FilterFn;

use crate::config::{Authority, TraceSettings};

/// The reference names a connector so (c1-protocol.md §16).
const SERVICE: &str = "baton-ping-one-server";
/// Spans that make a trace. The supervisor's last as long as the process and would be the root of everything.
const TRACED: [&str; 3] = ["task", "sync", "pingone"];
/// Spans that wait to be sent; what comes beyond is dropped, and that is logged.
const WAITING: usize = 8192;
/// Longest time of a connection and of one batch on its way.
const SENDING: Duration = Duration::from_secs(10);
/// Time for what still waits when the process ends.
const LAST: Duration = Duration::from_secs(5);

/// What sends traces.
pub(super) struct Traces(SdkTracerProvider);

impl Traces {
    /// Must be called inside a runtime; connects when there is something to send.
    pub(super) fn start(settings: &TraceSettings) -> anyhow::Result<Self> {
        let exporter = exporter(channel(settings)?)?;
        let batches = BatchConfigBuilder::default().with_max_queue_size(WAITING).build();
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        let version = opentelemetry::KeyValue::new("service.version", crate::BUILD.version);
        let resource = Resource::builder()
            .with_service_name(SERVICE)
            .with_attribute(version)
            .build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_span_processor(processor)
            .build();
        Ok(Self(provider))
    }

    /// What makes traces of spans. No log record goes into a trace.
    pub(super) fn layer(&self) -> BesideLayer {
        let traced = FilterFn::new(is_traced as fn(&Metadata<'_>) -> bool).with_max_level_hint(LevelFilter::DEBUG);
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("baton-ping-one"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_filter(traced)
            .boxed()
    }

    /// Sends what waits, within a limit. Blocks.
    pub(super) fn end(self) {
        self.0.shutdown_with_timeout(LAST).ok();
    }
}

/// Sends a trace of nothing: whether the collector takes it, and else why not. An error is one of the settings.
pub(super) async fn probe(settings: &TraceSettings) -> anyhow::Result<Result<(), String>> {
    let exporter = exporter(channel(settings)?)?;
    Ok(exporter.export(Vec::new()).await.map_err(|error| {
        let text = error.to_string();
        // What comes before are names of the exporter's own.
        let told = text
            .split_once(" failed with gRPC code: ")
            .map(|(_, why)| why.to_owned());
        told.unwrap_or(text)
    }))
}

fn exporter(channel: Channel) -> anyhow::Result<SpanExporter> {
    let builder = SpanExporter::builder().with_tonic().with_channel(channel);
    builder.with_timeout(SENDING).build().context("set up traces")
}

fn is_traced(metadata: &Metadata<'_>) -> bool {
    let ours = ["baton", "pingone"]
        .iter()
        .any(|name| metadata.target().starts_with(name));
    metadata.is_span() && ours && TRACED.contains(&metadata.name())
}

fn channel(settings: &TraceSettings) -> anyhow::Result<Channel> {
    let wrong = || format!("the collector {} (--otel-collector-endpoint)", settings.endpoint);
    let scheme = if settings.plaintext { "http" } else { "https" };
    let endpoint = Endpoint::from_shared(format!("{scheme}://{}", settings.endpoint)).with_context(wrong)?;
    let endpoint = endpoint.connect_timeout(SENDING).timeout(SENDING);
    if settings.plaintext {
        return Ok(endpoint.connect_lazy());
    }
    let tls = ClientTlsConfig::new().trust_anchors(authorities(settings.authority.as_ref())?);
    Ok(endpoint.tls_config(tls).with_context(wrong)?.connect_lazy())
}

/// Who may vouch for the collector: whom everything else here trusts, unless others are named.
fn authorities(named: Option<&Authority>) -> anyhow::Result<Vec<TrustAnchor<'static>>> {
    let (pem, place) = match named {
        None => return Ok(anchors::store().roots.clone()),
        Some(Authority::Pem(pem)) => (pem.clone(), "--otel-collector-endpoint-tls-cert".to_owned()),
        Some(Authority::File(path)) => {
            let place = format!("{} (--otel-collector-endpoint-tls-cert-path)", path.display());
            (std::fs::read(path).with_context(|| format!("read {place}"))?, place)
        }
    };
    let mut store = RootCertStore::empty();
    let certificates = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
    store.add_parsable_certificates(certificates);
    anyhow::ensure!(!store.is_empty(), "{place} holds no certificate in PEM");
    Ok(store.roots)
}
