//! The way to a host, step by step: name, connection or proxy, TLS, and the clock that the answer shows.

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use baton::session::{Dialer as _, Io, ProxyConfig, TcpDialer, Trust};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rustls::CertificateError;
use rustls::pki_types::ServerName;
use tokio::net::lookup_host;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::finding::Findings;
use process::runtime::anchors;

/// Longest time of one step.
const STEP: Duration = Duration::from_secs(10);
/// Assertions and tokens are good for minutes; so much the clock may be off.
const OFF: i64 = 60;
/// From here on C1 refuses what we sign.
const FAR_OFF: i64 = 300;

/// Where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) what: &'static str,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
    /// Any certificate is accepted.
    pub(super) insecure: bool,
}

/// Whether HTTP was answered; each step is a finding, and the first that fails is the last.
pub(super) async fn reach(target: &Target, proxy: &ProxyConfig, found: &mut Findings) -> bool {
    let Some(stream) = connect(target, proxy, found).await else {
        return false;
    };
    let answered = if target.tls && !target.insecure {
        let Some(stream) = handshake(target, stream, found).await else {
            return false;
        };
        date(target, stream).await
    } else if target.tls {
        found.warn(
            "tls",
            format!("{}: the certificate is not looked at (insecure)", name(target)),
            "",
        );
        return true;
    } else {
        found.ok("http", format!("{}: plain http, without TLS", name(target)));
        date(target, stream).await
    };
    match answered {
        Ok(date) => clock(target, date, found),
        Err(why) => {
            let remedy = "Something between answers for it: a proxy, a firewall or a wrong address.";
            found.fail("http", format!("{}: no answer in HTTP: {why}", name(target)), remedy);
            return false;
        }
    }
    true
}

fn name(target: &Target) -> String {
    format!("{} {}:{}", target.what, target.host, target.port)
}

async fn connect(target: &Target, proxy: &ProxyConfig, found: &mut Findings) -> Option<Box<dyn Io>> {
    let through = proxy.name_for(&target.host, target.port);
    if through.is_none() && !resolve(target, found).await {
        return None;
    }
    let dialer = TcpDialer {
        proxy: proxy.clone(),
        trust: Trust::System,
    };
    let begun = Instant::now();
    let answered = timeout(STEP, dialer.dial(&target.host, target.port)).await;
    let error = match answered {
        Ok(Ok(stream)) => {
            let took = begun.elapsed().as_millis();
            match through {
                Some(proxy) => found.ok("proxy", format!("{}: through {proxy} in {took} ms", name(target))),
                None => found.ok("tcp", format!("{}: connected in {took} ms", name(target))),
            }
            return Some(stream);
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", STEP.as_secs()),
    };
    if through.is_some() {
        let remedy = "Check HTTPS_PROXY and NO_PROXY, and that the proxy lets this host through.";
        found.fail("proxy", format!("{}: {error}", name(target)), remedy);
    } else {
        let remedy = "Let this host through the firewall or the NetworkPolicy, or name the proxy in HTTPS_PROXY.";
        found.fail("tcp", format!("{}: {error}", name(target)), remedy);
    }
    None
}

async fn resolve(target: &Target, found: &mut Findings) -> bool {
    let why = match timeout(STEP, lookup_host((target.host.as_str(), target.port))).await {
        Ok(Ok(addresses)) => {
            let (v6, v4): (Vec<_>, Vec<_>) = addresses.partition(std::net::SocketAddr::is_ipv6);
            let text = format!("{}: {} IPv4 and {} IPv6 addresses", target.host, v4.len(), v6.len());
            found.ok("dns", text);
            return true;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", STEP.as_secs()),
    };
    let remedy = "Check the address in the settings and the name servers of this machine or pod.";
    found.fail(
        "dns",
        format!("{} {} could not be resolved: {why}", target.what, target.host),
        remedy,
    );
    false
}

async fn handshake(target: &Target, stream: Box<dyn Io>, found: &mut Findings) -> Option<Box<dyn Io>> {
    let config = anchors::client_config(anchors::store(), &[b"http/1.1"]);
    let server = ServerName::try_from(target.host.clone());
    let (Ok(config), Ok(server)) = (config, server) else {
        found.fail(
            "tls",
            format!("{}: no name that a certificate can have", name(target)),
            "Correct the address.",
        );
        return None;
    };
    let connecting = TlsConnector::from(Arc::new(config)).connect(server, stream);
    let error = match timeout(STEP, connecting).await {
        Ok(Ok(stream)) => {
            let version = stream.get_ref().1.protocol_version();
            let version = version.map_or_else(String::new, |version| format!(", {version:?}"));
            found.ok("tls", format!("{}: the certificate is trusted{version}", name(target)));
            return Some(Box::new(stream));
        }
        Ok(Err(error)) => error,
        Err(_) => std::io::Error::other(format!("no answer within {} s", STEP.as_secs())),
    };
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let (why, remedy) = reason(cause, &error);
    found.fail("tls", format!("{}: {why}", name(target)), remedy);
    None
}

/// What a failed handshake means, and what to do about it.
fn reason(cause: Option<&rustls::Error>, error: &std::io::Error) -> (String, &'static str) {
    match cause {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => (
            "the certificate is of an authority that is not trusted".to_owned(),
            "If a proxy opens TLS here, name its authority in SSL_CERT_FILE.",
        ),
        Some(rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => (
            "the certificate is of another host".to_owned(),
            "Something else answers at this address: check the settings, DNS and the proxy.",
        ),
        Some(rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => (
            "the certificate has expired".to_owned(),
            "Check this machine's clock; otherwise the certificate must be renewed.",
        ),
        Some(rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        )) => (
            "the certificate is not valid yet".to_owned(),
            "Check this machine's clock.",
        ),
        _ => (
            format!("no TLS: {error}"),
            "Something else than this host answers, or TLS below 1.2: check the address, the port and the proxy.",
        ),
    }
}

/// The time that the answer to a question of no consequence shows, whatever its status.
async fn date(target: &Target, stream: impl Io + 'static) -> Result<Option<Timestamp>, String> {
    let words = |error: hyper::Error| {
        error
            .source()
            .map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
    };
    let asking = async {
        let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(words)?;
        let request = hyper::Request::head("/")
            .header(hyper::header::HOST, target.host.as_str())
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        let answering = send.send_request(request);
        tokio::pin!(answering);
        let answer = tokio::select! {
            answer = &mut answering => answer,
            // It may end with what we wait for.
            _ = connection => answering.await,
        };
        let answer = answer.map_err(words)?;
        let date = answer.headers().get(hyper::header::DATE);
        let date = date.and_then(|date| date.to_str().ok());
        let parsed = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        Ok(parsed.map(|at| at.timestamp()))
    };
    let late = || Err(format!("no answer within {} s", STEP.as_secs()));
    timeout(STEP, asking).await.unwrap_or_else(|_| late())
}

fn clock(target: &Target, date: Option<Timestamp>, found: &mut Findings) {
    let Some(date) = date else {
        return found.ok("clock", format!("{} shows no time", name(target)));
    };
    let off = Timestamp::now().as_second() - date.as_second();
    let text = match off {
        -2..=2 => format!("in step with {}", target.host),
        3.. => format!("{off} s ahead of {}", target.host),
        _ => format!("{} s behind {}", off.saturating_abs(), target.host),
    };
    let remedy = "Set this machine's clock: tokens and signed requests are good for minutes.";
    match off.saturating_abs() {
        0..=OFF => found.ok("clock", text),
        ..FAR_OFF => found.warn("clock", text, remedy),
        _ => found.fail("clock", text, remedy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_judged_by_how_far_it_is_off() {
        let target = Target {
            what: "PingOne",
            host: "h".to_owned(),
            port: 443,
            tls: true,
            insecure: false,
        };
        for (off, begins) in [
            (0, "ok"),
            (-30, "ok"),
            (120, "warn"),
            (-120, "warn"),
            (400, "fail"),
            (-4_000, "fail"),
        ] {
            let mut found = Findings::new(false, &[]);
            let date = Timestamp::from_second(Timestamp::now().as_second() - off).unwrap();
            clock(&target, Some(date), &mut found);
            assert!(found.lines().starts_with(begins), "{off}: {}", found.lines());
        }
    }
}
