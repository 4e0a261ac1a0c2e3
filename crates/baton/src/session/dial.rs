//! Opens the byte stream below TLS: TCP to the first address that answers (RFC 8305), through a proxy where one is
//! configured. That a peer is dead is noticed above, by its silence (`client`), or by the kernel's keep-alive: a limit on
//! unacknowledged bytes would also end links that are only slow (docs/adr/0021).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::proxy::{Proxy, ProxyConfig};
use super::trust::{Trust, roots};
use process::runtime::anchors;

const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 3;
/// Unsent bytes that the kernel holds: what is written later, a heartbeat for example, waits behind no more than these.
const UNSENT_BYTES: u32 = 128 * 1024;
/// Before the next address is tried beside the ones that have not answered yet (RFC 8305 §5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// How long one address may take.
const ADDRESS_LIMIT: Duration = Duration::from_secs(10);
/// Addresses of a name that are tried.
const MAX_ADDRESSES: usize = 16;

/// A byte stream in both directions.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Opens byte streams to a host.
pub trait Dialer: Send + Sync {
    /// One new stream. The caller limits how long it may take.
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Box<dyn Io>>>;
}

/// TCP, through a proxy where one is configured.
#[derive(Debug, Clone, Default)]
pub struct TcpDialer {
    /// Which hosts are reached through a proxy.
    pub proxy: ProxyConfig,
    /// Whom to believe that it is the proxy, where that is spoken to over TLS.
    pub trust: Trust,
}

impl Dialer for TcpDialer {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Box<dyn Io>>> {
        Box::pin(async move {
            let Some(proxy) = self.proxy.for_host(host, port) else {
                return Ok(Box::new(open(host, port).await?) as Box<dyn Io>);
            };
            let target = if host.contains(':') {
                format!("[{host}]:{port}")
            } else {
                format!("{host}:{port}")
            };
            let tunneled = async {
                let mut stream = self.to_proxy(proxy).await?;
                proxy.tunnel(&mut stream, &target).await?;
                Ok(stream)
            };
            tunneled
                .await
                .map_err(|error: io::Error| said(&error, &format!("proxy {}:{}", proxy.host, proxy.port)))
        })
    }
}

impl TcpDialer {
    async fn to_proxy(&self, proxy: &Proxy) -> io::Result<Box<dyn Io>> {
        let stream = open(&proxy.host, proxy.port).await?;
        if !proxy.is_tls {
            return Ok(Box::new(stream));
        }
        let roots = roots(&self.trust).map_err(io::Error::other)?;
        let config = anchors::client_config(roots, &[b"http/1.1"]).map_err(io::Error::other)?;
        let name = ServerName::try_from(proxy.host.clone()).map_err(io::Error::other)?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        Ok(Box::new(stream.map_err(|error| said(&error, "TLS handshake"))?))
    }
}

/// The same error with what was tried before it.
fn said(error: &io::Error, tried: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{tried}: {error}"))
}

async fn open(host: &str, port: u16) -> io::Result<TcpStream> {
    let found = lookup_host((host, port)).await;
    let found = found.map_err(|error| said(&error, &format!("the name {host} could not be resolved")))?;
    let stream = first_to_answer(in_turn(found.collect()), TcpStream::connect).await?;
    prepare(&stream)?;
    Ok(stream)
}

/// The resolver's order, with the two families in turn (RFC 8305 §4).
fn in_turn(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let longest = first.len().max(second.len());
    let turns = (0..longest).flat_map(|turn| [first.get(turn), second.get(turn)]);
    turns.flatten().copied().take(MAX_ADDRESSES).collect()
}

/// Tries the addresses, each a little after the one before or as soon as one has failed, and takes the first that
/// answers.
async fn first_to_answer<T, F, W>(addresses: Vec<SocketAddr>, connect: F) -> io::Result<T>
where
    F: Fn(SocketAddr) -> W,
    W: Future<Output = io::Result<T>>,
{
    let mut waiting = addresses.into_iter();
    let mut trying = FuturesUnordered::new();
    let mut failures = Vec::new();
    loop {
        if let Some(address) = waiting.next() {
            let connecting = timeout(ADDRESS_LIMIT, connect(address));
            trying.push(async move {
                let silent = |_| {
                    let text = format!("no answer within {} s", ADDRESS_LIMIT.as_secs());
                    Err(io::Error::new(io::ErrorKind::TimedOut, text))
                };
                (address, connecting.await.unwrap_or_else(silent))
            });
        }
        tokio::select! {
            biased;
            ended = trying.next() => match ended {
                Some((_, Ok(stream))) => return Ok(stream),
                Some((address, Err(error))) => failures.push(said(&error, &address.to_string())),
                None => return Err(all_failed(&failures)),
            },
            () = sleep(ATTEMPT_DELAY), if waiting.len() > 0 => {}
        }
    }
}

fn all_failed(failures: &[io::Error]) -> io::Error {
    let texts: Vec<_> = failures.iter().map(ToString::to_string).collect();
    match failures.first() {
        Some(first) => io::Error::new(first.kind(), texts.join("; ")),
        None => io::Error::new(io::ErrorKind::NotFound, "the name has no address"),
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(UNSENT_BYTES)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn an_idle_dead_peer_is_noticed_and_a_slow_one_is_not_taken_for_dead() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = open("127.0.0.1", listener.local_addr().unwrap().port()).await.unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        let idle = socket.tcp_keepalive_time().unwrap();
        let interval = socket.tcp_keepalive_interval().unwrap();
        let probes = socket.tcp_keepalive_retries().unwrap();
        assert!(idle + interval * probes < Duration::from_mins(2));
        assert_eq!(socket.tcp_user_timeout().unwrap(), None);
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), UNSENT_BYTES);
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_families_take_turns() {
        let found = addresses(&[
            "[2001:db8::1]:1",
            "[2001:db8::2]:1",
            "10.0.0.1:1",
            "10.0.0.2:1",
            "10.0.0.3:1",
        ]);
        let wanted = addresses(&[
            "[2001:db8::1]:1",
            "10.0.0.1:1",
            "[2001:db8::2]:1",
            "10.0.0.2:1",
            "10.0.0.3:1",
        ]);
        assert_eq!(in_turn(found), wanted);
    }

    /// Answers by the last part of the address: `1` never, `2` refuses at once, anything else answers.
    async fn answer(address: SocketAddr) -> io::Result<SocketAddr> {
        match address.ip().to_string().rsplit(['.', ':']).next() {
            Some("1") => std::future::pending().await,
            Some("2") => Err(io::ErrorKind::ConnectionRefused.into()),
            _ => Ok(address),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_address_costs_a_moment_and_a_refusing_one_nothing() {
        for (given, taken, after_ms) in [
            (&["10.0.0.3:1"][..], 0, 0),
            (&["10.0.0.1:1", "10.0.0.3:1"], 1, 250),
            (&["10.0.0.2:1", "10.0.0.3:1"], 1, 0),
            (&["10.0.0.1:1", "10.0.0.2:1", "[::1]:1", "10.0.0.4:1"], 3, 500),
        ] {
            let started = Instant::now();
            let given = addresses(given);
            assert_eq!(first_to_answer(given.clone(), answer).await.unwrap(), given[taken]);
            assert_eq!(started.elapsed(), Duration::from_millis(after_ms), "{given:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn where_no_address_answers_each_is_named_with_its_reason() {
        let started = Instant::now();
        let failed = first_to_answer(addresses(&["10.0.0.1:1", "10.0.0.2:1"]), answer).await;
        let text = failed.unwrap_err().to_string();
        assert!(
            text.contains("10.0.0.2:1: connection refused") && text.contains("10.0.0.1:1: no answer within 10 s"),
            "{text}"
        );
        assert_eq!(started.elapsed(), ADDRESS_LIMIT);
        let nowhere = first_to_answer(Vec::new(), answer).await.unwrap_err();
        assert_eq!(nowhere.to_string(), "the name has no address");
        let unknown = open("no-such-host.invalid", 443).await.unwrap_err().to_string();
        assert!(
            unknown.starts_with("the name no-such-host.invalid could not be resolved"),
            "{unknown}"
        );
    }

    /// A proxy behind TLS that opens a tunnel and sends back what comes through it.
    async fn echo_over_tls(listener: TcpListener, config: rustls::ServerConfig) -> io::Result<String> {
        use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
        let (stream, _) = listener.accept().await?;
        let stream = tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(stream).await?;
        let mut stream = BufReader::new(stream);
        let mut asked = String::new();
        stream.read_line(&mut asked).await?;
        let mut line = asked.clone();
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line).await?;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        line.clear();
        stream.read_line(&mut line).await?;
        stream.write_all(line.as_bytes()).await?;
        stream.flush().await?;
        Ok(asked)
    }

    #[tokio::test]
    async fn a_proxy_behind_tls_is_believed_only_with_its_certificate() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        for (trusted, good) in [(made.cert.der(), true), (other.cert.der(), false)] {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
            let config = rustls::ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![made.cert.der().clone()], key)
                .unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let dialer = TcpDialer {
                proxy: ProxyConfig::new(Some(&format!("https://u:p@localhost:{port}")), None).unwrap(),
                trust: Trust::Only(vec![trusted.clone()]),
            };
            let through = async {
                let mut stream = dialer.dial("acme.example", 443).await?;
                stream.write_all(b"hello\n").await?;
                let mut back = [0; 6];
                stream.read_exact(&mut back).await?;
                Ok::<_, io::Error>(back)
            };
            let (asked, back) = tokio::join!(echo_over_tls(listener, config), through);
            if good {
                assert_eq!(
                    (asked.unwrap().as_str(), &back.unwrap()),
                    ("CONNECT acme.example:443 HTTP/1.1\r\n", b"hello\n")
                );
            } else {
                let text = back.unwrap_err().to_string();
                assert!(
                    text.starts_with(&format!("proxy localhost:{port}: TLS handshake: ")),
                    "{text}"
                );
            }
        }
    }
}
