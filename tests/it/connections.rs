//! Why PingOne cannot be reached is told at the first failure, with host, port and cause: the real program against what stands
//! in its way, on real sockets.

#![allow(clippy::unwrap_used, reason = "a test may end where it stands")]

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What the program says when a request is repeated, whether or not it said why.
const REPEATED: &str = "a request is repeated";
/// However slow the machine is.
const GIVE_UP: Duration = Duration::from_mins(5);

/// What a sync says first of a failed connection to `https://<peer>`: the line before any repetition.
async fn said_first(peer: &str, proxy: Option<u16>) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_baton-ping-one"));
    command
        .env_clear()
        .env("BATON_PINGONE_BASE_URL", format!("https://{peer}"))
        .env("BATON_PINGONE_AUTH_URL", format!("https://{peer}"))
        .env("BATON_PINGONE_ENVIRONMENT_ID", "7c2e1d94-55a0-4a34-9a1b-c0ffee001001")
        .env("BATON_PINGONE_CLIENT_ID", "7c2e1d94-55a0-4a34-9a1b-c0ffee001002")
        .env("BATON_PINGONE_CLIENT_SECRET", "a-secret")
        .env("BATON_LOG_LEVEL", "debug")
        // A resolver that is not there is given up before the time for a connection is.
        .env("RES_OPTIONS", "timeout:1 attempts:1")
        .env("BATON_FILE", dir.path().join("sync.c1z"))
        .env("BATON_C1Z_TEMP_DIR", dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if let Some(port) = proxy {
        command.env("HTTPS_PROXY", format!("http://127.0.0.1:{port}"));
    }
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let first = async {
        let mut before = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            assert!(!line.contains(REPEATED), "repeated before it was told: {before:#?}");
            if line.contains("no connection to ") {
                return line;
            }
            before.push(line);
        }
        before.join("\n")
    };
    tokio::time::timeout(GIVE_UP, first).await.unwrap()
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Does the same with every connection, until it is dropped.
fn with_each<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            serve(stream).await;
        }
    });
    tasks
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_is_told_at_the_first_failure() {
    let line = said_first("x.invalid:443", None).await;
    let told = "no connection to x.invalid:443: its name could not be resolved";
    assert!(line.contains(told) && line.contains("pingone-region"), "{line}");
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_told_at_the_first_failure() {
    let (listener, port) = listen().await;
    drop(listener);
    let line = said_first(&format!("127.0.0.1:{port}"), None).await;
    let told = format!("no connection to 127.0.0.1:{port}: connection refused");
    assert!(line.contains(&told), "{line}");
}

#[tokio::test]
async fn a_connection_that_is_cut_while_it_is_made_is_told_at_the_first_failure() {
    let (listener, port) = listen().await;
    let _tasks = with_each(listener, |mut stream| async move {
        // Its greeting has come when the reset goes out.
        drop(stream.read(&mut [0; 16]).await);
        stream.set_zero_linger().unwrap();
    });
    let line = said_first(&format!("127.0.0.1:{port}"), None).await;
    let told = format!("no connection to 127.0.0.1:{port}: the connection was reset while it was made");
    assert!(line.contains(&told), "{line}");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_issuer_is_told_and_not_tried_again() {
    let (listener, port) = listen().await;
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let _tasks = with_each(listener, move |stream| {
        let accepted = acceptor.accept(stream);
        async move { drop(accepted.await) }
    });
    let line = said_first(&format!("127.0.0.1:{port}"), None).await;
    let told = format!("no connection to 127.0.0.1:{port}: the server's certificate is not trusted");
    assert!(line.contains(&told) && line.contains("SSL_CERT_FILE"), "{line}");
    // The closing line of the run, and not one of a repetition.
    assert!(line.starts_with("baton-ping-one: "), "{line}");
}

#[tokio::test]
async fn a_proxy_that_refuses_the_tunnel_is_told_at_the_first_failure() {
    for answer in ["403 Forbidden", "407 Proxy Authentication Required"] {
        let (listener, port) = listen().await;
        let _tasks = with_each(listener, move |mut stream| async move {
            drop(stream.read(&mut [0; 1024]).await);
            let text = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
            drop(stream.write_all(text.as_bytes()).await);
        });
        let line = said_first("x.invalid:443", Some(port)).await;
        let told = "no connection to x.invalid:443: the proxy on the way refused the connection";
        assert!(line.contains(told) && line.contains("HTTPS_PROXY"), "{answer}: {line}");
    }
}
