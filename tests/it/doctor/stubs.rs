//! Servers that are not what they should be.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

pub struct Tls {
    pub port: u16,
    pub pem: String,
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Shakes hands with a certificate of its own for these names.
pub async fn tls(names: &[&str]) -> Tls {
    let made =
        rcgen::generate_simple_self_signed(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let (listener, port) = listen().await;
    serve(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(acceptor.accept(stream).await);
        }
    });
    Tls {
        port,
        pem: made.cert.pem(),
    }
}

/// Answers everything with this `Date` and nothing else.
pub async fn dated(date: &'static str) -> u16 {
    answering(format!(
        "HTTP/1.1 404 Not Found\r\ndate: {date}\r\ncontent-length: 0\r\n\r\n"
    ))
    .await
}

/// Speaks something that is not HTTP.
pub async fn no_http() -> u16 {
    answering("220 mail.example ready\r\n".to_owned()).await
}

async fn answering(answer: String) -> u16 {
    let (listener, port) = listen().await;
    serve(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 1024];
            drop(stream.read(&mut asked).await);
            drop(stream.write_all(answer.as_bytes()).await);
        }
    });
    port
}

fn serve(work: impl Future<Output = ()> + Send + 'static) {
    std::mem::forget(process::runtime::spawn::spawn(work));
}
