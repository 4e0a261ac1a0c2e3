//! The client secret's key (c1-protocol.md §2.2). The secret is never printed; every fault is the same sentence.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use base64::{alphabet, engine::DecodePaddingMode};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::endpoint::{ClientId, InvalidClientId};
use process::error::ErrorClass;

/// Unpadded base64url that, like the reference, does not look at the unused bits of the last letter.
const SECRET_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// The client secret is not one of C1's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid client secret (--client-secret, BATON_CLIENT_SECRET)")]
pub struct InvalidClientSecret;

impl InvalidClientSecret {
    /// What kind of failure it is.
    pub const fn class(self) -> ErrorClass {
        ErrorClass::Rejected
    }
}

/// Signs assertions.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    kid: Option<String>,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { pair: _, kid } = self;
        f.debug_struct("SigningKey").field("kid", kid).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    d: String,
    #[serde(default)]
    kid: String,
}

impl SigningKey {
    /// From an Ed25519 seed and the JWK's `kid`.
    pub fn from_seed(seed: &[u8; 32], kid: Option<String>) -> Result<Self, InvalidClientSecret> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| InvalidClientSecret)?;
        Ok(Self {
            pair,
            kid: kid.filter(|kid| !kid.is_empty()),
        })
    }

    /// From the secret's text.
    pub fn parse(secret: &str) -> Result<Self, InvalidClientSecret> {
        let (seed, kid) = Self::seed_of(secret)?;
        Self::from_seed(&seed, kid)
    }

    /// The Ed25519 seed and the JWK's `kid` in the secret's text.
    pub fn seed_of(secret: &str) -> Result<(Zeroizing<[u8; 32]>, Option<String>), InvalidClientSecret> {
        let mut parts = secret.splitn(4, ':').skip(2);
        if parts.next() != Some("v1") {
            return Err(InvalidClientSecret);
        }
        let encoded = parts.next().ok_or(InvalidClientSecret)?;
        let encoded: Zeroizing<String> =
            Zeroizing::new(encoded.chars().filter(|c| !matches!(c, '\r' | '\n')).collect());
        let json = SECRET_BASE64
            .decode(encoded.as_bytes())
            .map_err(|_| InvalidClientSecret)?;
        let json = Zeroizing::new(json);
        let jwk: Jwk = serde_json::from_slice(&json).map_err(|_| InvalidClientSecret)?;
        let Jwk { kty, crv, x, d, kid } = jwk;
        let d = Zeroizing::new(d);
        if kty != "OKP" || crv != "Ed25519" {
            return Err(InvalidClientSecret);
        }
        part(&x)?;
        Ok((part(&d)?, Some(kid)))
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The public key, 32 bytes.
    pub fn public_key(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }
}

fn part(text: &str) -> Result<Zeroizing<[u8; 32]>, InvalidClientSecret> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidClientSecret)?);
    let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| InvalidClientSecret)?;
    Ok(Zeroizing::new(bytes))
}

/// One of the two texts is not C1's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidC1Credentials {
    /// The client id.
    #[error(transparent)]
    ClientId(#[from] InvalidClientId),
    /// The client secret.
    #[error(transparent)]
    ClientSecret(#[from] InvalidClientSecret),
}

/// Who we are for C1.
#[derive(Debug)]
pub struct C1Credentials {
    /// The client id.
    pub client_id: ClientId,
    /// The client secret's key.
    pub key: SigningKey,
}

impl C1Credentials {
    /// From both texts.
    pub fn parse(client_id: &str, client_secret: &str) -> Result<Self, InvalidC1Credentials> {
        Ok(Self {
            client_id: client_id.parse()?,
            key: SigningKey::parse(client_secret)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "secret-token:conductorone.com:v1:eyJrdHkiOiJPS1AiLCJjcnYiOiJFZDI1NTE5IiwieCI6IkE2RUh2X1BPRUw0ZGNOMFk1MHZBbVdmazFqQ2JwUTFmSGR5R1pCSlZNYmciLCJkIjoiQUFFQ0F3UUZCZ2NJQ1FvTERBME9EeEFSRWhNVUZSWVhHQmthR3h3ZEhoOCJ9";

    fn secret(jwk: &str) -> String {
        format!("a:b:v1:{}", URL_SAFE_NO_PAD.encode(jwk))
    }

    #[test]
    fn reads_the_vector_of_the_contract() {
        let key = SigningKey::parse(SECRET).unwrap();
        assert_eq!(
            URL_SAFE_NO_PAD.encode(key.public_key()),
            "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"
        );
        assert_eq!(key.kid(), None);
        assert!(SigningKey::parse(&SECRET.replace("eyJrdHki", "eyJr\ndHki")).is_ok());
    }

    #[test]
    fn refuses_every_other_shape_with_one_sentence() {
        let zeros = URL_SAFE_NO_PAD.encode([0u8; 32]);
        let cases = [
            String::new(),
            "v1".to_owned(),
            "a:b:v1".to_owned(),
            SECRET.replace(":v1:", ":v2:"),
            format!("{SECRET}=="),
            "a:b:v1:!!!".to_owned(),
            secret("{}"),
            secret(&format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{zeros}"}}"#)),
            secret(&format!(
                r#"{{"kty":"OKP","crv":"X25519","x":"{zeros}","d":"{zeros}"}}"#
            )),
            secret(&format!(
                r#"{{"kty":"EC","crv":"Ed25519","x":"{zeros}","d":"{zeros}"}}"#
            )),
            secret(&format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"AA","d":"{zeros}"}}"#)),
            secret(&format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{zeros}","d":"AA"}}"#)),
        ];
        for case in cases {
            let error = SigningKey::parse(&case).unwrap_err();
            assert!(error.to_string().starts_with("invalid client secret"), "{case}");
        }
    }

    #[test]
    fn keeps_a_kid_that_is_not_empty() {
        let zeros = URL_SAFE_NO_PAD.encode([0u8; 32]);
        for (kid, wanted) in [("k1", Some("k1")), ("", None)] {
            let text = secret(&format!(
                r#"{{"kty":"OKP","crv":"Ed25519","x":"{zeros}","d":"{zeros}","kid":"{kid}"}}"#
            ));
            assert_eq!(SigningKey::parse(&text).unwrap().kid(), wanted);
        }
    }

    #[test]
    fn does_not_show_the_key() {
        let shown = format!("{:?}", C1Credentials::parse("a@b/c", SECRET).unwrap());
        assert!(!shown.contains("AAEC") && !shown.contains("[0, 1, 2"), "{shown}");
    }
}
