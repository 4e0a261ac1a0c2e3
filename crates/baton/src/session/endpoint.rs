//! The client id and what is derived from it (c1-protocol.md §2.1, §2.3).

use std::str::FromStr;

use process::error::ErrorClass;

/// The port of gRPC and of the token endpoint where none is given.
const DEFAULT_PORT: u16 = 443;

/// The client id is not `<name>@<host>[:<port>]/<use-case>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid client id (--client-id, BATON_CLIENT_ID): must be <name>@<host>[:<port>]/<use-case>")]
pub struct InvalidClientId;

impl InvalidClientId {
    /// What kind of failure it is.
    pub const fn class(self) -> ErrorClass {
        ErrorClass::Rejected
    }
}

/// The override of C1's host is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid BATON_C1_API_HOST: must be <host> or <host>:<port>, without https:// and without a path")]
pub struct InvalidHost;

/// Neither client id nor override tell where C1 is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAddress {
    #[error(transparent)]
    ClientId(#[from] InvalidClientId),
    #[error(transparent)]
    Host(#[from] InvalidHost),
}

/// The client id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientId {
    full: String,
    name: String,
    token_host: String,
}

impl FromStr for ClientId {
    type Err = InvalidClientId;

    fn from_str(full: &str) -> Result<Self, Self::Err> {
        let (name, rest) = full.split_once('@').ok_or(InvalidClientId)?;
        let (host, _use_case) = rest.split_once('/').ok_or(InvalidClientId)?;
        Ok(Self {
            full: full.to_owned(),
            name: name.to_owned(),
            token_host: host.to_owned(),
        })
    }
}

impl ClientId {
    /// The whole text: `iss`, `sub` and the form's `client_id`.
    pub fn as_str(&self) -> &str {
        &self.full
    }

    /// The part before `@`, for the user agent.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether both are of one tenant: the same host and port.
    pub fn same_host(&self, other: &Self) -> bool {
        self.token_host.eq_ignore_ascii_case(&other.token_host)
    }

    /// The JWT's `aud`: the id's host without its port, whatever the override says.
    pub(super) fn audience(&self) -> &str {
        split_port(&self.token_host).0
    }

    /// Host and port of C1 for somebody who only looks, as a session takes them.
    pub fn host_and_port(&self, override_host: Option<&str>) -> Result<(String, u16), NoAddress> {
        let address = self.address(override_host)?;
        Ok((address.bare_host().to_owned(), address.port))
    }

    /// Where C1 is: the override if it is set and not empty (DEV-2), else the id's host.
    pub(super) fn address(&self, override_host: Option<&str>) -> Result<Address, NoAddress> {
        match override_host.filter(|host| !host.is_empty()) {
            Some(host) => Address::of(host).ok_or(NoAddress::Host(InvalidHost)),
            None => Address::of(&self.token_host).ok_or(NoAddress::ClientId(InvalidClientId)),
        }
    }
}

/// C1's host and port; token endpoint and gRPC share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// From `host` or `host:port`.
    pub(super) fn of(text: &str) -> Option<Self> {
        let (host, port) = split_port(text);
        let port = port.map_or(Some(DEFAULT_PORT), |port| port.parse().ok())?;
        let foreign = |c: char| c.is_whitespace() || c.is_control() || "/@".contains(c);
        (!host.is_empty() && !host.contains(foreign)).then(|| Self {
            host: host.to_owned(),
            port,
        })
    }

    /// `host:port`, always with the port.
    pub(super) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The host as a TLS server name or for the resolver: without the brackets of an IPv6 literal.
    pub(super) fn bare_host(&self) -> &str {
        let inner = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        inner.unwrap_or(&self.host)
    }

    /// The token endpoint's host header: as C1's own clients write it, without the default port.
    pub(super) fn token_authority(&self) -> String {
        if self.port == DEFAULT_PORT {
            self.host.clone()
        } else {
            self.authority()
        }
    }
}

fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_is_split_at_the_first_at_and_the_first_slash() {
        let id: ClientId = "blue-fox-12345@acme.conductor.one:8443/baton/x@y".parse().unwrap();
        assert_eq!((id.name(), id.audience()), ("blue-fox-12345", "acme.conductor.one"));
        assert_eq!(id.as_str(), "blue-fox-12345@acme.conductor.one:8443/baton/x@y");
        for bad in ["", "a", "a@b", "a/b"] {
            assert_eq!(bad.parse::<ClientId>(), Err(InvalidClientId), "{bad}");
        }
    }

    #[test]
    fn the_override_moves_the_address_and_never_the_audience() {
        let id: ClientId = "n@acme.conductor.one/baton".parse().unwrap();
        for (set, authority) in [
            (None, "acme.conductor.one:443"),
            (Some(""), "acme.conductor.one:443"),
            (Some("localhost:9000"), "localhost:9000"),
            (Some("other.example"), "other.example:443"),
            (Some("[::1]:9000"), "[::1]:9000"),
            (Some("[::1]"), "[::1]:443"),
        ] {
            assert_eq!(id.address(set).unwrap().authority(), authority);
            assert_eq!(id.audience(), "acme.conductor.one");
        }
        assert_eq!(id.address(Some("[::1]:9000")).unwrap().bare_host(), "::1");
        for bad in ["h:notaport", "https://h", "h/path", ":443"] {
            let error = id.address(Some(bad)).unwrap_err();
            assert!(error.to_string().contains("BATON_C1_API_HOST"), "{bad}: {error}");
        }
    }
}
