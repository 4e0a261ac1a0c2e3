//! `HTTPS_PROXY` and `NO_PROXY` for both the token endpoint and gRPC (c1-protocol.md §2.4). Values come in as
//! configuration; nothing here reads the environment.

use std::io;
use std::net::IpAddr;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::error::ErrorClass;

/// Longest answer to CONNECT that is read.
const MAX_HEAD_BYTES: usize = 8 * 1024;

/// The proxy's URL cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("HTTPS_PROXY must be http://[user:password@]host[:port]")]
pub struct InvalidProxy;

impl InvalidProxy {
    /// What kind of failure it is.
    pub const fn class(self) -> ErrorClass {
        ErrorClass::Rejected
    }
}

/// Which hosts are reached through which proxy.
#[derive(Clone, Default)]
pub struct ProxyConfig {
    proxy: Option<Proxy>,
    exceptions: Vec<Exception>,
}

impl std::fmt::Debug for ProxyConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { proxy, exceptions } = self;
        f.debug_struct("ProxyConfig")
            .field(
                "proxy",
                &proxy.as_ref().map(|proxy| format!("{}:{}", proxy.host, proxy.port)),
            )
            .field("exceptions", exceptions)
            .finish()
    }
}

#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    /// `Proxy-Authorization`, ready to send.
    authorization: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Exception {
    All,
    /// The domain and everything below it, or only what is below it.
    Domain {
        suffix: String,
        with_itself: bool,
    },
    Network {
        address: IpAddr,
        prefix: u8,
    },
}

impl ProxyConfig {
    /// From the two variables' values; empty or absent `https_proxy` means no proxy.
    pub fn new(https_proxy: Option<&str>, no_proxy: Option<&str>) -> Result<Self, InvalidProxy> {
        let proxy = https_proxy
            .filter(|text| !text.is_empty())
            .map(str::parse)
            .transpose()?;
        let exceptions = no_proxy
            .unwrap_or_default()
            .split(',')
            .filter_map(Exception::parse)
            .collect();
        Ok(Self { proxy, exceptions })
    }

    /// The proxy for a host. Loopback is never proxied.
    pub(super) fn for_host(&self, host: &str) -> Option<&Proxy> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return None;
        }
        if self.exceptions.iter().any(|exception| exception.covers(&host, address)) {
            return None;
        }
        self.proxy.as_ref()
    }
}

impl FromStr for Proxy {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let with_scheme = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let uri: http::Uri = with_scheme.parse().map_err(|_| InvalidProxy)?;
        if uri.scheme_str() != Some("http") {
            return Err(InvalidProxy);
        }
        let authority = uri.authority().ok_or(InvalidProxy)?;
        let user = authority.as_str().rsplit_once('@').map(|(user, _)| user);
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(InvalidProxy);
        }
        Ok(Self {
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(80),
            authorization: user.map(|user| format!("Basic {}", STANDARD.encode(percent_decoded(user)))),
        })
    }
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let pair = (ahead.next(), ahead.next());
        let hex = |byte: Option<u8>| {
            char::from(byte?)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        match (byte, hex(pair.0), hex(pair.1)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high << 4) | low);
                bytes = ahead;
            }
            _ => decoded.push(byte),
        }
    }
    decoded
}

impl Exception {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        if text.is_empty() {
            return None;
        }
        if text == "*" {
            return Some(Self::All);
        }
        let (network, prefix) = text
            .split_once('/')
            .map_or((text.as_str(), None), |(net, prefix)| (net, Some(prefix)));
        if let Ok(address) = network.parse::<IpAddr>() {
            let full = if address.is_ipv4() { 32 } else { 128 };
            let prefix = prefix
                .map_or(Ok(full), str::parse)
                .ok()
                .filter(|prefix| *prefix <= full)?;
            return Some(Self::Network { address, prefix });
        }
        let host = text.rsplit_once(':').map_or(text.as_str(), |(host, _port)| host);
        let bare = host.trim_start_matches('*').trim_start_matches('.');
        (!bare.is_empty()).then(|| Self::Domain {
            suffix: bare.to_owned(),
            with_itself: bare.len() == host.len(),
        })
    }

    fn covers(&self, host: &str, address: Option<IpAddr>) -> bool {
        match self {
            Self::All => true,
            Self::Domain { suffix, with_itself } => match host.strip_suffix(suffix.as_str()) {
                Some("") => *with_itself,
                Some(head) => head.ends_with('.'),
                None => false,
            },
            Self::Network {
                address: network,
                prefix,
            } => address.is_some_and(|address| same_network(address, *network, *prefix)),
        }
    }
}

fn same_network(a: IpAddr, b: IpAddr, prefix: u8) -> bool {
    let bits = |address| match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32u32),
        IpAddr::V6(address) => (u128::from(address), 128u32),
    };
    let ((a, width), (b, other)) = (bits(a), bits(b));
    let shift = width.saturating_sub(u32::from(prefix));
    width == other && a.checked_shr(shift).unwrap_or(0) == b.checked_shr(shift).unwrap_or(0)
}

impl Proxy {
    /// Asks the proxy on the other side of `stream` for a tunnel to `target`.
    pub(super) async fn tunnel<S>(&self, stream: &mut S, target: &str) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let authorization = match &self.authorization {
            Some(value) => format!("Proxy-Authorization: {value}\r\n"),
            None => String::new(),
        };
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{authorization}\r\n");
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= MAX_HEAD_BYTES {
                return Err(io::Error::other("the proxy's answer is too long"));
            }
            // One byte at a time: what follows the head belongs to the tunnel.
            head.push(stream.read_u8().await?);
        }
        let text = String::from_utf8_lossy(&head);
        match text.split([' ', '\r']).nth(1) {
            Some("200") => Ok(()),
            Some(status) => Err(io::Error::other(format!(
                "the proxy refused the tunnel with HTTP status {}",
                status.chars().take(3).collect::<String>()
            ))),
            None => Err(io::Error::other("the proxy's answer is not HTTP")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_excepted_by_name_suffix_network_or_star() {
        let rules = "a.example, .b.example,*.c.example,10.0.0.0/8,2001:db8::/32,d.example:443, ";
        let config = ProxyConfig::new(Some("http://proxy:3128"), Some(rules)).unwrap();
        for (host, proxied) in [
            ("a.example", false),
            ("x.a.example", false),
            ("xa.example", true),
            ("b.example", true),
            ("x.b.example", false),
            ("X.C.Example", false),
            ("d.example", false),
            ("10.1.2.3", false),
            ("11.1.2.3", true),
            ("2001:db8::1", false),
            ("localhost", false),
            ("127.0.0.1", false),
            ("acme.conductor.one", true),
        ] {
            assert_eq!(config.for_host(host).is_some(), proxied, "{host}");
        }
        let none = ProxyConfig::new(Some("http://proxy"), Some("*")).unwrap();
        assert!(none.for_host("acme.conductor.one").is_none());
    }

    #[test]
    fn a_proxy_url_may_lack_scheme_and_port_and_may_have_a_user() {
        for (text, host, port) in [
            ("http://proxy:3128", "proxy", 3128),
            ("proxy:3128", "proxy", 3128),
            ("http://u:p%40ss@proxy/", "proxy", 80),
            ("http://[::1]:8080", "::1", 8080),
        ] {
            let proxy: Proxy = text.parse().unwrap();
            assert_eq!((proxy.host.as_str(), proxy.port), (host, port), "{text}");
        }
        let proxy: Proxy = "http://u:p%40ss@proxy".parse().unwrap();
        assert_eq!(
            proxy.authorization.unwrap(),
            format!("Basic {}", STANDARD.encode("u:p@ss"))
        );
        for bad in ["socks5://x", "http://", "https://x"] {
            assert!(bad.parse::<Proxy>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_tunnel_is_open_after_200_and_refused_after_anything_else() {
        let proxy: Proxy = "http://u:p@proxy".parse().unwrap();
        for (answer, good) in [
            ("HTTP/1.1 200 Connection established\r\nX: y\r\n\r\nrest", true),
            ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", false),
            ("garbage\r\n\r\n", false),
        ] {
            let (mut near, mut far) = tokio::io::duplex(1024);
            far.write_all(answer.as_bytes()).await.unwrap();
            assert_eq!(proxy.tunnel(&mut near, "acme:443").await.is_ok(), good, "{answer}");
            let mut request = vec![0; 1024];
            let read = far.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            assert!(
                request.starts_with("CONNECT acme:443 HTTP/1.1\r\n") && request.contains("Proxy-Authorization: Basic ")
            );
            if good {
                let mut rest = [0; 4];
                near.read_exact(&mut rest).await.unwrap();
                assert_eq!(&rest, b"rest", "nothing of the tunnel is eaten");
            }
        }
    }

    #[test]
    fn does_not_show_the_proxys_password() {
        let config = ProxyConfig::new(Some("http://u:hunter2@proxy"), None).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
