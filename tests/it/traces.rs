//! Traces reach a collector, a trace for each task, and nothing of them is there where none are wanted.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may end where it stands"
)]

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::prelude::{BASE64_URL_SAFE, Engine as _};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use sandbox::pingone::{Options, Server, start};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, ServerTlsConfig};
use tonic::{Request, Response, Status};

use crate::daemon::rig::{CLIENT_ID, World, soon};
use crate::port;

/// Keeps what comes, with the name of the service.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<(String, Span)>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.map(|resource| texts(&resource.attributes));
            let service = attributes.and_then(|all| all.get("service.name").cloned());
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            let spans = spans.map(|span| (service.clone().unwrap_or_default(), span));
            self.0.lock().unwrap().extend(spans);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| {
        let value = pair.value.as_ref().and_then(|value| value.value.as_ref());
        let text = match value {
            Some(Value::StringValue(text)) => text.clone(),
            other => format!("{other:?}"),
        };
        (pair.key.clone(), text)
    };
    attributes.iter().map(text).collect()
}

/// The collector and its port; with TLS where it has a certificate and a key.
async fn collector(identity: Option<Identity>) -> (Collector, u16) {
    let collector = Collector::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let service = TraceServiceServer::new(collector.clone());
    let mut serving = tonic::transport::Server::builder();
    if let Some(identity) = identity {
        serving = serving.tls_config(ServerTlsConfig::new().identity(identity)).unwrap();
    }
    let serving = serving
        .add_service(service)
        .serve_with_incoming(TcpListenerStream::new(listener));
    process::runtime::spawn::background(async move { serving.await.unwrap() });
    (collector, port)
}

/// One sync; its exit code and what it said.
async fn sync(server: &Server, dir: &Path, more: &[(&str, &str)]) -> (i32, String) {
    run(server, dir, &[], more).await
}

async fn run(server: &Server, dir: &Path, args: &[&str], more: &[(&str, &str)]) -> (i32, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_baton-ping-one"));
    let ran = command
        .args(args)
        .env_clear()
        .current_dir(dir)
        .envs([
            ("BATON_PINGONE_CLIENT_ID", server.client_id().to_string()),
            ("BATON_PINGONE_CLIENT_SECRET", server.client_secret()),
            ("BATON_PINGONE_ENVIRONMENT_ID", server.environment_id().to_string()),
            ("BATON_PINGONE_BASE_URL", server.api_url()),
            ("BATON_PINGONE_AUTH_URL", server.auth_url()),
            ("BATON_PINGONE_RATE_LIMIT", "100000".to_owned()),
        ])
        .envs(more.iter().copied())
        .output()
        .await
        .unwrap();
    let said = [ran.stdout, ran.stderr].concat();
    (ran.status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_is_one_trace_with_its_calls_to_pingone() {
    let (collector, port) = collector(None).await;
    let (server, dir) = (start(Options::default()).await.unwrap(), tempfile::tempdir().unwrap());
    let endpoint = format!("127.0.0.1:{port}");
    let on = [
        ("BATON_OTEL_COLLECTOR_ENDPOINT", endpoint.as_str()),
        ("BATON_OTEL_COLLECTOR_ENDPOINT_TLS_INSECURE", "true"),
    ];
    let off = [on[0], on[1], ("BATON_OTEL_TRACING_DISABLED", "true")];
    let (code, log) = sync(&server, dir.path(), &off).await;
    assert!(code == 0 && collector.0.lock().unwrap().is_empty(), "{log}");
    let (code, log) = sync(&server, dir.path(), &on).await;
    assert_eq!(code, 0, "{log}");
    let spans = std::mem::take(&mut *collector.0.lock().unwrap());
    assert!(spans.iter().all(|(service, _)| service == "baton-ping-one-server"));
    let spans: Vec<Span> = spans.into_iter().map(|(_, span)| span).collect();
    let traces: HashSet<_> = spans.iter().map(|span| &span.trace_id).collect();
    assert_eq!(traces.len(), 1, "one task, one trace");
    let ids: HashSet<_> = spans.iter().map(|span| &span.span_id).collect();
    let roots: Vec<_> = spans.iter().filter(|span| span.parent_span_id.is_empty()).collect();
    assert_eq!(roots.len(), 1);
    assert_eq!(roots[0].name, "task");
    assert!(
        spans
            .iter()
            .all(|span| span.parent_span_id.is_empty() || ids.contains(&span.parent_span_id))
    );
    let named = |name: &str| spans.iter().filter(|span| span.name == name).count();
    assert_eq!(named("sync"), 1);
    let calls = ["list_users", "list_groups", "list_populations"];
    assert!(
        calls.iter().all(|name| named(name) > 0),
        "{:?}",
        spans.iter().map(|span| &span.name).collect::<Vec<_>>()
    );
    let truth = server.directory();
    for span in &spans {
        assert!(span.events.is_empty(), "a record of the log is no part of a trace");
        let attributes = texts(&span.attributes);
        if span.name.starts_with("list_") {
            assert_eq!(
                (attributes["operation"].as_str(), span.kind),
                (span.name.as_str(), 3),
                "{attributes:?}"
            );
            assert!(attributes["status"].contains("200"), "{attributes:?}");
        }
        let all = format!("{attributes:?}");
        assert!(!all.contains('@') && !all.contains(&server.client_secret()), "{all}");
        for user in truth.users().into_iter().take(20) {
            let name = truth.user(user).unwrap()["username"].as_str().unwrap().to_owned();
            assert!(!all.contains(&name), "{all}");
        }
    }
}

/// Nothing is sent where no endpoint is set, whatever OpenTelemetry's own variables name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_endpoint_there_is_no_trace() {
    let (collector, port) = collector(None).await;
    let (server, dir) = (start(Options::default()).await.unwrap(), tempfile::tempdir().unwrap());
    let endpoint = format!("http://127.0.0.1:{port}");
    let other = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint.as_str()),
        ("BATON_OTEL_COLLECTOR_ENDPOINT_TLS_INSECURE", "true"),
    ];
    let (code, log) = sync(&server, dir.path(), &other).await;
    assert!(code == 0 && collector.0.lock().unwrap().is_empty(), "{log}");
    assert!(!log.contains("opentelemetry"), "{log}");
}

/// Each task of C1 is a trace of its own, whose spans name no other task.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_task_of_a_daemon_is_a_trace_of_its_own() {
    let (collector, port) = collector(None).await;
    let world = World::new().await;
    let mut values = world.pingone_values().to_vec();
    values.extend([
        ("BATON_CLIENT_ID", CLIENT_ID.to_owned()),
        ("BATON_CLIENT_SECRET", world.c1_secret.clone()),
        ("BATON_OTEL_COLLECTOR_ENDPOINT", format!("127.0.0.1:{port}")),
        ("BATON_OTEL_COLLECTOR_ENDPOINT_TLS_INSECURE", "true".to_owned()),
    ]);
    // No snapshot answers the second one.
    let daemon = world.start(&["--sync-max-age=0s"], &values);
    let mut tasks = BTreeSet::new();
    for _ in 0..2 {
        let id = world.c1.queue(crate::service::script::sync());
        assert!(soon(world.c1.finished(&id)).await.unwrap().status.is_none());
        tasks.insert(id);
    }
    let (status, log) = daemon.stop().await;
    assert!(status.success(), "{log}");
    let mut traces: BTreeMap<Vec<u8>, Vec<Span>> = BTreeMap::new();
    for (_, span) in std::mem::take(&mut *collector.0.lock().unwrap()) {
        traces.entry(span.trace_id.clone()).or_default().push(span);
    }
    let mut about = BTreeSet::new();
    for spans in traces.values() {
        let is_root = |span: &&Span| span.name == "task";
        let Some(root) = spans.iter().find(is_root) else {
            continue;
        };
        assert!(root.parent_span_id.is_empty(), "{root:?}");
        assert_eq!(spans.iter().filter(is_root).count(), 1, "one task, one trace");
        let id = texts(&root.attributes)["task_id"].clone();
        if tasks.contains(&id) {
            for name in ["sync", "list_users", "list_groups"] {
                assert!(
                    spans.iter().any(|span| span.name == name),
                    "{name} is not in the trace of {id}"
                );
            }
            about.insert(id);
        }
    }
    assert_eq!(about, tasks);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_not_there_harms_nothing_and_is_told() {
    let endpoint = format!("127.0.0.1:{}", port::free());
    let (server, dir) = (start(Options::default()).await.unwrap(), tempfile::tempdir().unwrap());
    let on = [
        ("BATON_OTEL_COLLECTOR_ENDPOINT", endpoint.as_str()),
        ("BATON_OTEL_COLLECTOR_ENDPOINT_TLS_INSECURE", "true"),
    ];
    let (code, log) = sync(&server, dir.path(), &on).await;
    assert!(code == 0 && dir.path().join("sync.c1z").exists(), "{log}");
    assert!(log.contains("opentelemetry"), "the failure is told: {log}");
    let (code, log) = sync(
        &server,
        dir.path(),
        &[
            ("BATON_OTEL_COLLECTOR_ENDPOINT", "localhost:1"),
            ("BATON_OTEL_COLLECTOR_ENDPOINT_TLS_CERT_PATH", "/nowhere.pem"),
        ],
    )
    .await;
    assert!(
        code != 0 && log.contains("/nowhere.pem (--otel-collector-endpoint-tls-cert-path)"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_with_tls_is_believed_where_its_authority_is_known() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let identity = Identity::from_pem(made.cert.pem(), made.signing_key.serialize_pem());
    let (collector, port) = collector(Some(identity)).await;
    let (server, dir) = (start(Options::default()).await.unwrap(), tempfile::tempdir().unwrap());
    let path = dir.path().join("ca.pem").display().to_string();
    std::fs::write(&path, made.cert.pem()).unwrap();
    let encoded = BASE64_URL_SAFE.encode(made.cert.pem());
    let endpoint = format!("localhost:{port}");
    let to = ("BATON_OTEL_COLLECTOR_ENDPOINT", endpoint.as_str());
    for known in [
        ("BATON_OTEL_COLLECTOR_ENDPOINT_TLS_CERT_PATH", path.as_str()),
        ("BATON_OTEL_COLLECTOR_ENDPOINT_TLS_CERT", encoded.as_str()),
        ("SSL_CERT_FILE", path.as_str()),
    ] {
        let (code, log) = sync(&server, dir.path(), &[to, known]).await;
        let spans = std::mem::take(&mut *collector.0.lock().unwrap());
        assert!(code == 0 && spans.len() > 3, "{known:?}: {log}");
        let (_, said) = run(&server, dir.path(), &["doctor"], &[to, known]).await;
        let line = format!("ok    collector   {endpoint} takes traces");
        assert!(said.contains(&line), "{known:?}: {said}");
    }
    for other in [("LANG", "C"), ("BATON_OTEL_COLLECTOR_ENDPOINT_TLS_INSECURE", "true")] {
        let (code, log) = sync(&server, dir.path(), &[to, other]).await;
        assert!(code == 0 && log.contains("opentelemetry"), "{other:?}: {log}");
        let (code, said) = run(&server, dir.path(), &["doctor"], &[to, other]).await;
        let line = format!("warn  collector   {endpoint} took no trace: ");
        assert!(code != 0 && said.contains(&line), "{other:?}: {said}");
    }
    assert!(collector.0.lock().unwrap().is_empty());
    std::fs::write(&path, "nothing").unwrap();
    let nobody = [to, ("BATON_OTEL_COLLECTOR_ENDPOINT_TLS_CERT_PATH", path.as_str())];
    for args in [Vec::new(), vec!["doctor"]] {
        let (code, said) = run(&server, dir.path(), &args, &nobody).await;
        assert!(code == 1 && said.contains("holds no certificate in PEM"), "{said}");
    }
}
