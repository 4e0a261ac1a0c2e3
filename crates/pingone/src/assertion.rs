//! The signed assertion by which an application shows who it is (pingone-api.md §2.5). The key signs and leaves nowhere.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use uuid::Uuid;
use zeroize::Zeroize as _;

/// How long an assertion is good for, in seconds. PingOne takes up to an hour.
const LIFE: i64 = 300;

/// A private key that cannot sign assertions. It says nothing of the key itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.why())]
pub enum InvalidAssertionKey {
    NotPem,
    NotRsa,
}

impl InvalidAssertionKey {
    /// What is wrong with it.
    pub const fn why(self) -> &'static str {
        match self {
            Self::NotPem => "not a private key in PEM form without a passphrase (PKCS#8 or PKCS#1)",
            Self::NotRsa => "not an RSA key of 2048 to 8192 bits",
        }
    }
}

/// The private key of the worker application.
pub struct AssertionKey {
    pair: RsaKeyPair,
    pem: SecretString,
    id: Option<String>,
}

impl fmt::Debug for AssertionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pair: _, pem: _, id } = self;
        f.debug_struct("AssertionKey").field("id", id).finish_non_exhaustive()
    }
}

impl AssertionKey {
    /// Reads a key; `id` is its `kid` in the application's JWKS, which PingOne needs where several keys stand there.
    pub fn parse(pem: &SecretString, id: Option<String>) -> Result<Self, InvalidAssertionKey> {
        let bytes = pem.expose_secret().as_bytes();
        let mut der = PrivateKeyDer::from_pem_slice(bytes).map_err(|_| InvalidAssertionKey::NotPem)?;
        let pair = match &der {
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).ok(),
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()).ok(),
            _ => None,
        };
        der.zeroize();
        Ok(Self {
            pair: pair.ok_or(InvalidAssertionKey::NotRsa)?,
            pem: pem.clone(),
            id: id.filter(|id| !id.is_empty()),
        })
    }

    /// The key as it was given.
    pub(crate) const fn pem(&self) -> &SecretString {
        &self.pem
    }

    /// Its `kid`.
    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// An assertion for this token endpoint; `now` in seconds since 1970. `None` if it cannot be made.
    pub(crate) fn sign(&self, client_id: &str, audience: &str, now: i64) -> Option<SecretString> {
        let header = Header {
            alg: "RS256",
            typ: "JWT",
            kid: self.id(),
        };
        let claims = Claims {
            iss: client_id,
            sub: client_id,
            aud: audience,
            exp: now.saturating_add(LIFE),
            iat: now,
            jti: Uuid::new_v4(),
        };
        let header = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).ok()?);
        let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims).ok()?);
        let signed = format!("{header}.{claims}");
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
    iat: i64,
    jti: Uuid,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_rsa_key_is_refused_and_never_shown() {
        let good = sandbox::pingone::private_key();
        let no_rsa = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let broken = good.replace("-----BEGIN", "----BEGIN");
        let locked = good.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let cut: String = good
            .lines()
            .take(9)
            .chain(["-----END PRIVATE KEY-----"])
            .collect::<Vec<_>>()
            .join("\n");
        let crlf = good.replace('\n', "\r\n");
        for text in [&good, &crlf, &format!("# a comment\n{good}\n")] {
            let key = AssertionKey::parse(&text.as_str().into(), Some(String::new())).unwrap();
            assert_eq!(format!("{key:?}"), "AssertionKey { id: None, .. }");
        }
        for (text, why) in [
            ("", InvalidAssertionKey::NotPem),
            ("marker", InvalidAssertionKey::NotPem),
            (broken.as_str(), InvalidAssertionKey::NotPem),
            (locked.as_str(), InvalidAssertionKey::NotPem),
            (no_rsa.as_str(), InvalidAssertionKey::NotRsa),
            (cut.as_str(), InvalidAssertionKey::NotRsa),
        ] {
            assert_eq!(AssertionKey::parse(&text.into(), None).unwrap_err(), why, "{text}");
        }
    }
}
