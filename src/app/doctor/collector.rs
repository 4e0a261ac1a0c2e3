//! The collector of traces, where one is named: whether it takes a trace. Nothing depends on it, so no answer is a warning.

use super::finding::Findings;
use crate::app::traces;
use crate::config::Config;

const COLLECTOR: &str = "collector";

pub(super) async fn look(config: &Config, found: &mut Findings) {
    let Some(settings) = &config.traces else {
        return;
    };
    let place = &settings.endpoint;
    match traces::probe(settings).await {
        Ok(Ok(())) => found.ok(COLLECTOR, format!("{place} takes traces")),
        Ok(Err(why)) => found.warn(
            COLLECTOR,
            format!("{place} took no trace: {why}"),
            "Everything else works without it. Check otel-collector-endpoint (OTLP over gRPC, mostly port 4317), the NetworkPolicy, \
             and its authority (otel-collector-endpoint-tls-cert-path), or set otel-collector-endpoint-tls-insecure where it has no TLS.",
        ),
        Err(error) => found.fail(COLLECTOR, format!("{error:#}"), "The program does not start like this."),
    }
}
