//! Regions, hosts and URL overrides (pingone-api.md §1, connector-model.md §8.3).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use reqwest::Url;

/// A PingOne region: the top-level domain of its hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Region {
    /// North America without Canada.
    #[default]
    Com,
    /// Canada.
    Ca,
    /// European Union.
    Eu,
    /// Australia.
    ComAu,
    /// Singapore.
    Sg,
    /// Asia Pacific, existing customers only.
    Asia,
}

impl Region {
    /// Every region.
    pub const ALL: [Self; 6] = [Self::Com, Self::Ca, Self::Eu, Self::ComAu, Self::Sg, Self::Asia];

    /// The top-level domain, which is also the setting's value.
    pub const fn tld(self) -> &'static str {
        match self {
            Self::Com => "com",
            Self::Ca => "ca",
            Self::Eu => "eu",
            Self::ComAu => "com.au",
            Self::Sg => "sg",
            Self::Asia => "asia",
        }
    }

    /// The code that environments carry.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Com => "NA",
            Self::Ca => "CA",
            Self::Eu => "EU",
            Self::ComAu => "AU",
            Self::Sg => "SG",
            Self::Asia => "AP",
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tld())
    }
}

impl FromStr for Region {
    type Err = HostError;

    /// A top-level domain or a letter code, in any case.
    fn from_str(text: &str) -> Result<Self, HostError> {
        let text = text.trim();
        Self::ALL
            .into_iter()
            .find(|region| region.tld().eq_ignore_ascii_case(text) || region.code().eq_ignore_ascii_case(text))
            .ok_or(HostError::Region)
    }
}

/// A setting that names no usable host. Texts name the setting, not its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Not one of the regions.
    #[error("pingone-region must be one of com, ca, eu, com.au, sg, asia (or NA, CA, EU, AU, SG, AP)")]
    Region,
    /// Not a URL of an origin.
    #[error("{0} must be a URL such as https://api.pingone.eu, without user name, query or fragment")]
    Url(&'static str),
    /// Plain http to another machine.
    #[error("{0} must use https; plain http is accepted for loopback addresses only")]
    Insecure(&'static str),
    /// TLS cannot be set up: mostly there are no certificate authorities.
    #[error(
        "TLS could not be set up on this machine: install its certificate authorities or name them in SSL_CERT_FILE"
    )]
    Tls,
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    /// Origin of the API, without path.
    pub api: Url,
    /// The token endpoint.
    pub token: Url,
    /// The region's public API host: what hrefs point to even behind a proxy.
    public: String,
}

impl Hosts {
    /// Works out both hosts. `auth` may be an origin, or end in `/as` or `/as/token` (connector-model.md §8.3).
    pub fn new(
        region: Region,
        api: Option<&str>,
        auth: Option<&str>,
        auth_environment: &str,
        insecure: bool,
    ) -> Result<Self, HostError> {
        let public = format!("api.pingone.{}", region.tld());
        let api = match api {
            Some(url) => origin(url, "pingone-base-url", insecure)?,
            None => parse(&format!("https://{public}"), "pingone-region")?,
        };
        let token = match auth {
            Some(url) => token_url(url, auth_environment, insecure)?,
            None => parse(
                &format!("https://auth.pingone.{}/{auth_environment}/as/token", region.tld()),
                "pingone-auth-environment-id",
            )?,
        };
        Ok(Self { api, token, public })
    }

    /// A path of the API. `segments` are escaped.
    pub(crate) fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.api.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().push("v1").extend(segments);
        }
        url
    }

    /// A path under an environment.
    pub(crate) fn environment_url(&self, environment: &str, segments: &[&str]) -> Url {
        let mut url = self.api.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear()
                .extend(["v1", "environments", environment])
                .extend(segments);
        }
        url
    }

    /// A link on a page, turned to the configured origin. `None` for any host that is neither the configured one
    /// nor the region's: following it would hand the token to a stranger.
    pub(crate) fn follow(&self, page: &Url, href: &str) -> Option<Url> {
        let mut url = page.join(href).ok()?;
        let same =
            url.host_str() == self.api.host_str() && url.port_or_known_default() == self.api.port_or_known_default();
        if !same && url.host_str() != Some(self.public.as_str()) {
            return None;
        }
        url.set_scheme(self.api.scheme()).ok()?;
        url.set_host(self.api.host_str()).ok()?;
        url.set_port(self.api.port()).ok()?;
        // A name in the link would be sent as credentials of its own.
        url.set_username("").ok()?;
        url.set_password(None).ok()?;
        Some(url)
    }
}

fn parse(text: &str, setting: &'static str) -> Result<Url, HostError> {
    Url::parse(text).map_err(|_| HostError::Url(setting))
}

fn checked(text: &str, setting: &'static str, insecure: bool) -> Result<Url, HostError> {
    let url = parse(text.trim(), setting)?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if url.host_str().is_none() || !plain || url.fragment().is_some() {
        return Err(HostError::Url(setting));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if insecure || is_loopback(&url) => Ok(url),
        "http" => Err(HostError::Insecure(setting)),
        _ => Err(HostError::Url(setting)),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn origin(text: &str, setting: &'static str, insecure: bool) -> Result<Url, HostError> {
    let mut url = checked(text, setting, insecure)?;
    match url.path().trim_end_matches('/') {
        "" | "/v1" => {
            url.set_path("");
            Ok(url)
        }
        _ => Err(HostError::Url(setting)),
    }
}

fn token_url(text: &str, environment: &str, insecure: bool) -> Result<Url, HostError> {
    let mut url = checked(text, "pingone-auth-url", insecure)?;
    let path = url.path().trim_end_matches('/').to_owned();
    if path.is_empty() {
        url.set_path(&format!("/{environment}/as/token"));
    } else if path.ends_with("/as/token") {
        url.set_path(&path);
    } else if path.ends_with("/as") {
        url.set_path(&format!("{path}/token"));
    } else {
        return Err(HostError::Url("pingone-auth-url"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(api: Option<&str>, auth: Option<&str>, insecure: bool) -> Result<Hosts, HostError> {
        Hosts::new(Region::Eu, api, auth, "env", insecure)
    }

    #[test]
    fn every_region_has_its_hosts() {
        for region in Region::ALL {
            let hosts = Hosts::new(region, None, None, "env", false).unwrap();
            assert_eq!(hosts.api.as_str(), format!("https://api.pingone.{}/", region.tld()));
            assert_eq!(
                hosts.token.as_str(),
                format!("https://auth.pingone.{}/env/as/token", region.tld())
            );
            assert_eq!(region.tld().to_uppercase().parse(), Ok(region));
            assert_eq!(region.code().to_lowercase().parse(), Ok(region));
        }
        assert_eq!("mars".parse::<Region>(), Err(HostError::Region));
    }

    #[test]
    fn overrides_are_checked() {
        let cases = [
            ("https://proxy.example.com", false, true),
            ("https://proxy.example.com/v1/", false, true),
            ("https://proxy.example.com/other", false, false),
            ("http://proxy.example.com", false, false),
            ("http://proxy.example.com", true, true),
            ("http://127.0.0.1:8080", false, true),
            ("http://[::1]:8080", false, true),
            ("http://localhost:8080/", false, true),
            ("ftp://127.0.0.1", true, false),
            ("https://user:secret@example.com", false, false),
            ("https://example.com?x=1", false, false),
            ("nonsense", false, false),
        ];
        for (url, insecure, accepted) in cases {
            assert_eq!(hosts(Some(url), None, insecure).is_ok(), accepted, "{url}");
        }
    }

    #[test]
    fn the_auth_url_may_be_an_origin_or_the_whole_token_url() {
        for (url, expected) in [
            (
                "https://auth.example.com",
                Some("https://auth.example.com/env/as/token"),
            ),
            (
                "https://login.example.com/as",
                Some("https://login.example.com/as/token"),
            ),
            (
                "https://login.example.com/as/token/",
                Some("https://login.example.com/as/token"),
            ),
            ("https://login.example.com/other", None),
        ] {
            let found = hosts(None, Some(url), false).ok().map(|hosts| hosts.token.to_string());
            assert_eq!(found.as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn links_are_followed_to_the_configured_host_and_to_no_other() {
        let hosts = hosts(Some("http://127.0.0.1:9000"), None, false).unwrap();
        let target = "http://127.0.0.1:9000/v1/environments/e/users?limit=200&cursor=a%2Bb";
        for (href, expected) in [
            (
                "https://api.pingone.eu/v1/environments/e/users?limit=200&cursor=a%2Bb",
                Some(target),
            ),
            (
                "http://127.0.0.1:9000/v1/environments/e/users?limit=200&cursor=a%2Bb",
                Some(target),
            ),
            ("/v1/environments/e/users?limit=200&cursor=a%2Bb", Some(target)),
            (
                "https://name:word@api.pingone.eu/v1/environments/e/users?limit=200&cursor=a%2Bb",
                Some(target),
            ),
            ("https://api.pingone.eu@evil.example.com/v1", None),
            ("https://api.pingone.com/v1/environments/e/users", None),
            ("http://127.0.0.1:9001/v1/environments/e/users", None),
            ("https://evil.example.com/", None),
            ("//evil.example.com/x", None),
        ] {
            assert_eq!(
                hosts.follow(&hosts.api, href).map(|url| url.to_string()).as_deref(),
                expected,
                "{href}"
            );
        }
    }
}
