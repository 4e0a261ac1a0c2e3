//! The keys and the two sides that they belong to.

use std::fmt;

/// Whose credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The PingOne worker application's.
    PingOne,
    /// C1's.
    C1,
}

impl Side {
    /// A bounded label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PingOne => "pingone",
            Self::C1 => "c1",
        }
    }
}

/// A key of the Secret (connector-model.md §10 point 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// C1's client id.
    C1ClientId,
    /// C1's client secret.
    C1ClientSecret,
    /// The worker application's client id.
    PingOneClientId,
    /// The worker application's client secret.
    PingOneClientSecret,
    /// Its private key in PEM form, where it has that instead of a secret.
    PingOnePrivateKey,
    /// The `kid` of that key.
    PingOnePrivateKeyId,
    /// The environment.
    PingOneEnvironmentId,
}

impl Key {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::C1ClientId,
        Self::C1ClientSecret,
        Self::PingOneClientId,
        Self::PingOneClientSecret,
        Self::PingOnePrivateKey,
        Self::PingOnePrivateKeyId,
        Self::PingOneEnvironmentId,
    ];

    /// C1's two.
    pub const C1: [Self; 2] = [Self::C1ClientId, Self::C1ClientSecret];

    /// Its value has lines.
    pub(super) const fn has_lines(self) -> bool {
        matches!(self, Self::PingOnePrivateKey)
    }

    /// As the Secret, the directory and the environment call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::C1ClientId => "BATON_CLIENT_ID",
            Self::C1ClientSecret => "BATON_CLIENT_SECRET",
            Self::PingOneClientId => "BATON_PINGONE_CLIENT_ID",
            Self::PingOneClientSecret => "BATON_PINGONE_CLIENT_SECRET",
            Self::PingOnePrivateKey => "BATON_PINGONE_PRIVATE_KEY",
            Self::PingOnePrivateKeyId => "BATON_PINGONE_PRIVATE_KEY_ID",
            Self::PingOneEnvironmentId => "BATON_PINGONE_ENVIRONMENT_ID",
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
