//! Tests of the rules that calls are held to. A connector that minds them is played by hand, frame by frame.

use std::future::pending;

use bytes::{BufMut as _, Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::io::DuplexStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::proto::baton as pb;
use super::proto::baton::task::{self as kinds, TaskType};
use super::proto::connector as cv2;
use super::*;

mod calls;
mod capabilities;
mod finish;
mod outside;
mod session;

const CLIENT_ID: &str = "tests@acme.example/baton";
const SERVICE: &str = "/c1.connectorapi.baton.v1.BatonService";
const HOST: &str = "pod-1";

/// A stand-in and a connector that has one connection to it.
struct Bench {
    server: Server,
    http: http2::SendRequest<Full<Bytes>>,
    token: String,
    tasks: JoinSet<()>,
    _dir: tempfile::TempDir,
}

/// Code and message of an answer, and its body.
struct Said {
    status: u16,
    code: i32,
    message: String,
    body: Bytes,
}

impl Bench {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity::from_seed(CLIENT_ID, [7; 32]).unwrap();
        let server = start(Options::new(identity, dir.path().join("uploads"))).await.unwrap();
        let token = server.state().issue_token(3600, Vec::new());
        let mut tasks = JoinSet::new();
        let http = connect(&server, &mut tasks).await;
        Self {
            server,
            http,
            token,
            tasks,
            _dir: dir,
        }
    }

    /// After a Hello.
    async fn greeted() -> Self {
        let mut bench = Self::new().await;
        assert_eq!(bench.call("Hello", &hello("")).await.code, 0);
        bench
    }

    /// Goes on over another connection.
    async fn reconnect(&mut self) {
        self.http = connect(&self.server, &mut self.tasks).await;
    }

    fn request(&self, method: &str, body: Bytes) -> Request<Full<Bytes>> {
        Request::post(format!("https://acme.example:443{SERVICE}/{method}"))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("user-agent", "tests test/1")
            .body(Full::new(body))
            .unwrap()
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Said, hyper::Error> {
        said(self.http.send_request(request).await?).await
    }

    async fn call(&mut self, method: &str, message: &impl Message) -> Said {
        let request = self.request(method, frames(std::slice::from_ref(message)));
        self.send(request).await.unwrap()
    }

    /// Queues a task and takes it.
    async fn take(&mut self, kind: impl Into<Option<TaskType>>) -> String {
        let id = ksuid();
        self.server.queue_task(pb::Task {
            id: id.clone(),
            task_type: kind.into(),
            ..Default::default()
        });
        let said = self.call("GetTask", &get_task(HOST)).await;
        assert_eq!(said.code, 0, "{}", said.message);
        let answer: pb::BatonServiceGetTaskResponse = answered(&said);
        assert_eq!(answer.task.unwrap().id, id);
        id
    }

    /// The violations since the last look, which are all that there are.
    fn violations(&self) -> Vec<String> {
        std::mem::take(&mut self.server.state().lock().violations)
    }

    /// One violation that says this.
    #[track_caller]
    fn broke(&self, text: &str) {
        let violations = self.violations();
        assert!(
            violations.len() == 1 && violations[0].contains(text),
            "{text:?} is not in {violations:?}"
        );
    }

    #[track_caller]
    fn clean(&self) {
        assert_eq!(self.violations(), [""; 0]);
    }
}

async fn encrypted(server: &Server, alpn: &[u8]) -> TlsStream<DuplexStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(server.ca_der().clone()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let name = rustls::pki_types::ServerName::try_from("acme.example").unwrap();
    let connector = TlsConnector::from(std::sync::Arc::new(config));
    connector.connect(name, server.dial()).await.unwrap()
}

async fn connect(server: &Server, tasks: &mut JoinSet<()>) -> http2::SendRequest<Full<Bytes>> {
    let stream = TokioIo::new(encrypted(server, b"h2").await);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tasks.spawn(async move {
        drop(connection.await);
        pending::<()>().await;
    });
    sender
}

async fn said(response: Response<hyper::body::Incoming>) -> Result<Said, hyper::Error> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    let text = |name| {
        let value = parts.headers.get(name).or_else(|| trailers.get(name));
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    Ok(Said {
        status: parts.status.as_u16(),
        code: text("grpc-status").parse().unwrap_or(-1),
        message: text("grpc-message"),
        body: body.to_bytes(),
    })
}

fn frames<M: Message>(messages: &[M]) -> Bytes {
    let mut bytes = BytesMut::new();
    for message in messages {
        bytes.put_u8(0);
        bytes.put_u32(u32::try_from(message.encoded_len()).unwrap());
        message.encode(&mut bytes).unwrap();
    }
    bytes.freeze()
}

fn answered<M: Message + Default>(said: &Said) -> M {
    M::decode(said.body.slice(5..)).unwrap()
}

fn hello(task_id: &str) -> pb::BatonServiceHelloRequest {
    let text = || "x".to_owned();
    pb::BatonServiceHelloRequest {
        host_id: HOST.to_owned(),
        task_id: task_id.to_owned(),
        build_info: Some(pb::baton_service_hello_request::BuildInfo {
            lang_version: text(),
            package: text(),
            package_version: text(),
        }),
        os_info: Some(pb::baton_service_hello_request::OsInfo {
            hostname: text(),
            os: text(),
            platform: text(),
            platform_version: text(),
            platform_family: text(),
            kernel_version: text(),
            kernel_arch: text(),
            virtualization_system: text(),
        }),
        connector_metadata: Some(cv2::ConnectorMetadata {
            display_name: text(),
            capabilities: Some(cv2::ConnectorCapabilities::default()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn get_task(host_id: &str) -> pb::BatonServiceGetTaskRequest {
    pb::BatonServiceGetTaskRequest {
        host_id: host_id.to_owned(),
    }
}

fn heartbeat(task_id: &str) -> pb::BatonServiceHeartbeatRequest {
    pb::BatonServiceHeartbeatRequest {
        host_id: HOST.to_owned(),
        task_id: task_id.to_owned(),
        ..Default::default()
    }
}

fn grant() -> TaskType {
    TaskType::Grant(kinds::GrantTask::default())
}

fn sync() -> TaskType {
    TaskType::SyncFull(kinds::SyncFullTask::default())
}

/// An upload of an empty file: metadata and the last message (c1-protocol.md §9.5).
fn upload(task_id: &str) -> Bytes {
    use pb::baton_service_upload_asset_request::{Msg, UploadEof, UploadMetadata};
    let metadata = UploadMetadata {
        host_id: HOST.to_owned(),
        task_id: task_id.to_owned(),
        ..Default::default()
    };
    let eof = UploadEof {
        sha256_checksum: aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"")
            .as_ref()
            .to_vec(),
        ..Default::default()
    };
    let messages =
        [Msg::Metadata(metadata), Msg::Eof(eof)].map(|msg| pb::BatonServiceUploadAssetRequest { msg: Some(msg) });
    frames(&messages)
}
