//! `HTTPS_PROXY` and `NO_PROXY` for both the token endpoint and gRPC (c1-protocol.md §2.4). Values come in as
//! configuration; nothing here reads the environment.

use std::io;
use std::net::IpAddr;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use process::error::ErrorClass;

/// Longest answer to CONNECT that is read.
const MAX_HEAD_BYTES: usize = 8 * 1024;

/// The proxy's URL cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("HTTPS_PROXY must be http://[user:password@]host[:port] or https://[user:password@]host[:port]")]
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
    /// It is spoken to over TLS.
    pub(super) is_tls: bool,
    /// `Proxy-Authorization`, ready to send.
    authorization: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Exception {
    All,
    /// The domain and everything below it, or only what is below it; on one port or on all.
    Domain {
        suffix: String,
        with_itself: bool,
        port: Option<u16>,
    },
    Network {
        address: IpAddr,
        prefix: u8,
        port: Option<u16>,
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

    /// `host:port` of the proxy that a host is reached through.
    pub fn name_for(&self, host: &str, port: u16) -> Option<String> {
        let proxy = self.for_host(host, port)?;
        Some(format!("{}:{}", proxy.host, proxy.port))
    }

    /// The proxy for a host. Loopback is never proxied.
    pub(super) fn for_host(&self, host: &str, port: u16) -> Option<&Proxy> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return None;
        }
        if self
            .exceptions
            .iter()
            .any(|exception| exception.covers(&host, address, port))
        {
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
        let (is_tls, default_port) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => return Err(InvalidProxy),
        };
        let authority = uri.authority().ok_or(InvalidProxy)?;
        let user = authority.as_str().rsplit_once('@').map(|(user, _)| user);
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(InvalidProxy);
        }
        Ok(Self {
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(default_port),
            is_tls,
            authorization: user.map(|user| {
                let user: Vec<u8> = percent_decode_str(user).collect();
                format!("Basic {}", STANDARD.encode(user))
            }),
        })
    }
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
        // A network has no port (as in Go's httpproxy).
        let (bare, port) = if prefix.is_some() {
            (network, None)
        } else {
            split_port(network)?
        };
        if let Ok(address) = bare.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            let full = if address.is_ipv4() { 32 } else { 128 };
            let prefix = prefix
                .map_or(Ok(full), str::parse)
                .ok()
                .filter(|prefix| *prefix <= full)?;
            return Some(Self::Network { address, prefix, port });
        }
        let suffix = bare.trim_start_matches('*').trim_start_matches('.');
        (!suffix.is_empty()).then(|| Self::Domain {
            suffix: suffix.to_owned(),
            with_itself: suffix.len() == bare.len(),
            port,
        })
    }

    fn covers(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        let (Self::Domain { port: only, .. } | Self::Network { port: only, .. }) = self else {
            return true;
        };
        if only.is_some_and(|only| only != port) {
            return false;
        }
        match self {
            Self::All => true,
            Self::Domain {
                suffix, with_itself, ..
            } => match host.strip_suffix(suffix.as_str()) {
                Some("") => *with_itself,
                Some(head) => head.ends_with('.'),
                None => false,
            },
            Self::Network {
                address: network,
                prefix,
                ..
            } => address.is_some_and(|address| same_network(address, *network, *prefix)),
        }
    }
}

/// An exception without its port. `None`: its port is none, so that it means nothing.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    match text.rsplit_once(':') {
        // A bare IPv6 address has more than one colon, and no port.
        Some((host, _)) if host.contains(':') && !host.ends_with(']') => Some((text, None)),
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
        None => Some((text, None)),
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
        let rules = "a.example, .b.example,*.c.example,10.0.0.0/8,2001:db8::/32,d.example:443,e.example:8443,192.0.2.1:443,\
                     192.0.2.2:8443,[2001:db9::1]:443,2001:db9::2,f.example:x, ";
        let config = ProxyConfig::new(Some("http://proxy:3128"), Some(rules)).unwrap();
        for (host, proxied) in [
            ("a.example", false),
            ("x.a.example", false),
            ("xa.example", true),
            ("b.example", true),
            ("x.b.example", false),
            ("X.C.Example", false),
            ("d.example", false),
            ("e.example", true),
            ("x.e.example", true),
            ("f.example", true),
            ("192.0.2.1", false),
            ("192.0.2.2", true),
            ("2001:db9::1", false),
            ("2001:db9::2", false),
            ("2001:db9::3", true),
            ("10.1.2.3", false),
            ("11.1.2.3", true),
            ("2001:db8::1", false),
            ("localhost", false),
            ("127.0.0.1", false),
            ("acme.conductor.one", true),
        ] {
            assert_eq!(config.for_host(host, 443).is_some(), proxied, "{host}");
        }
        let none = ProxyConfig::new(Some("http://proxy"), Some("*")).unwrap();
        assert!(none.for_host("acme.conductor.one", 443).is_none());
    }

    #[test]
    fn a_proxy_url_may_lack_scheme_and_port_and_may_have_a_user() {
        for (text, host, port, is_tls) in [
            ("http://proxy:3128", "proxy", 3128, false),
            ("proxy:3128", "proxy", 3128, false),
            ("http://u:p%40ss@proxy/", "proxy", 80, false),
            ("http://[::1]:8080", "::1", 8080, false),
            ("https://proxy", "proxy", 443, true),
            ("https://u:p@proxy:3129", "proxy", 3129, true),
        ] {
            let proxy: Proxy = text.parse().unwrap();
            assert_eq!(
                (proxy.host.as_str(), proxy.port, proxy.is_tls),
                (host, port, is_tls),
                "{text}"
            );
        }
        let proxy: Proxy = "http://u:p%40ss@proxy".parse().unwrap();
        assert_eq!(
            proxy.authorization.unwrap(),
            format!("Basic {}", STANDARD.encode("u:p@ss"))
        );
        for bad in ["socks5://x", "http://", "https://"] {
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
