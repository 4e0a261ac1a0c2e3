//! JWK recipients: Ed25519 and RSA through age's SSH recipients, the NIST curves through a JWE written here
//! (c1-protocol.md §10.3). Public parts only; a private member of the JSON is never read.

use std::str::FromStr;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{
    Algorithm, ECDH_P256, ECDH_P384, ECDH_P521, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral,
};
use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::rand::{SystemRandom, fill};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as URL};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{CryptoError, age_file, sha256_hex};

/// Content encryption of the JWE; also the algorithm id of its key derivation, since the agreement is direct.
const ENC: &str = "A256GCM";
/// Smallest RSA modulus accepted, in bytes.
const MIN_RSA_BYTES: usize = 256;

#[derive(Deserialize)]
struct Raw {
    kty: String,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
}

/// A public key.
#[derive(Debug)]
pub(super) enum Jwk {
    Ed25519(Vec<u8>),
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ec { curve: Curve, x: Vec<u8>, y: Vec<u8> },
}

/// A NIST curve.
#[derive(Debug, Clone, Copy)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    const fn parts(self) -> (&'static str, usize, &'static Algorithm) {
        match self {
            Self::P256 => ("P-256", 32, &ECDH_P256),
            Self::P384 => ("P-384", 48, &ECDH_P384),
            Self::P521 => ("P-521", 66, &ECDH_P521),
        }
    }
}

impl Jwk {
    pub(super) fn parse(json: &[u8]) -> Result<Self, CryptoError> {
        let raw: Raw = serde_json::from_slice(json).map_err(|_| CryptoError::BadJwk("not a JSON web key"))?;
        match (raw.kty.as_str(), raw.crv.as_str()) {
            ("OKP", "Ed25519") => match number(&raw.x)? {
                x if x.len() == 32 => Ok(Self::Ed25519(x)),
                _ => Err(CryptoError::BadJwk("an Ed25519 key has 32 bytes")),
            },
            ("RSA", _) => {
                let (n, e) = (unpadded(number(&raw.n)?), unpadded(number(&raw.e)?));
                if n.len() < MIN_RSA_BYTES
                    || e.is_empty()
                    || n.first().is_some_and(|top| *top < 0x80 && n.len() == MIN_RSA_BYTES)
                {
                    return Err(CryptoError::BadJwk("an RSA key has at least 2048 bits"));
                }
                Ok(Self::Rsa { n, e })
            }
            ("EC", "P-256") => Self::ec(Curve::P256, &raw),
            ("EC", "P-384") => Self::ec(Curve::P384, &raw),
            ("EC", "P-521") => Self::ec(Curve::P521, &raw),
            _ => Err(CryptoError::UnsupportedJwk),
        }
    }

    fn ec(curve: Curve, raw: &Raw) -> Result<Self, CryptoError> {
        let size = curve.parts().1;
        Ok(Self::Ec {
            curve,
            x: padded(&number(&raw.x)?, size)?,
            y: padded(&number(&raw.y)?, size)?,
        })
    }

    /// RFC 7638 thumbprint in hex.
    pub(super) fn thumbprint(&self) -> String {
        let text = match self {
            Self::Ed25519(x) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, URL.encode(x)),
            Self::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, URL.encode(e), URL.encode(n)),
            Self::Ec { curve, x, y } => {
                format!(
                    r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#,
                    curve.parts().0,
                    URL.encode(x),
                    URL.encode(y)
                )
            }
        };
        sha256_hex(text.as_bytes())
    }

    /// The ciphertext before the base64 of the wire.
    pub(super) fn encrypt(&self, plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        match self {
            Self::Ed25519(x) => ssh_age("ssh-ed25519", std::slice::from_ref(x), plaintext),
            Self::Rsa { n, e } => ssh_age("ssh-rsa", &[positive(e), positive(n)], plaintext),
            Self::Ec { curve, x, y } => jwe(*curve, x, y, plaintext).ok_or(CryptoError::Failed),
        }
    }
}

fn number(text: &str) -> Result<Vec<u8>, CryptoError> {
    URL.decode(text)
        .map_err(|_| CryptoError::BadJwk("a number is not base64url"))
}

fn unpadded(bytes: Vec<u8>) -> Vec<u8> {
    bytes.into_iter().skip_while(|byte| *byte == 0).collect()
}

fn padded(bytes: &[u8], size: usize) -> Result<Vec<u8>, CryptoError> {
    let missing = size
        .checked_sub(bytes.len())
        .ok_or(CryptoError::BadJwk("a coordinate is too long"))?;
    Ok([vec![0; missing].as_slice(), bytes].concat())
}

/// An SSH integer is signed: a set top bit needs a leading zero.
fn positive(bytes: &[u8]) -> Vec<u8> {
    let lead: &[u8] = if bytes.first().is_some_and(|top| *top >= 0x80) {
        &[0]
    } else {
        &[]
    };
    [lead, bytes].concat()
}

fn ssh_age(name: &str, parts: &[Vec<u8>], plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let mut wire = Vec::new();
    for part in std::iter::once(name.as_bytes()).chain(parts.iter().map(Vec::as_slice)) {
        let length = u32::try_from(part.len()).map_err(|_| CryptoError::Failed)?;
        wire.extend_from_slice(&length.to_be_bytes());
        wire.extend_from_slice(part);
    }
    let line = format!("{name} {}", STANDARD.encode(wire));
    let to = age::ssh::Recipient::from_str(&line).map_err(|_| CryptoError::Failed)?;
    age_file::encrypt(&to, plaintext)
}

/// JWE compact, `ECDH-ES` direct. `None` where the point is not on the curve or the library refuses.
fn jwe(curve: Curve, x: &[u8], y: &[u8], plaintext: &[u8]) -> Option<Vec<u8>> {
    let (name, size, algorithm) = curve.parts();
    let own = EphemeralPrivateKey::generate(algorithm, &SystemRandom::new()).ok()?;
    let public = own.compute_public_key().ok()?;
    let (own_x, own_y) = public.as_ref().get(1..)?.split_at_checked(size)?;
    let header = URL.encode(format!(
        r#"{{"alg":"ECDH-ES","enc":"{ENC}","epk":{{"kty":"EC","crv":"{name}","x":"{}","y":"{}"}}}}"#,
        URL.encode(own_x),
        URL.encode(own_y)
    ));
    let point = [&[4], x, y].concat();
    let peer = UnparsedPublicKey::new(algorithm, point);
    let key = agree_ephemeral(own, peer, (), |shared| content_key(shared).ok_or(())).ok()?;
    let mut nonce = [0; 12];
    fill(&mut nonce).ok()?;
    // Sealed in place: what was plaintext in it is ciphertext afterwards.
    let mut sealed = Zeroizing::new(plaintext.to_vec());
    let tag = key
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(header.as_bytes()),
            &mut sealed,
        )
        .ok()?;
    let text = format!(
        "{header}..{}.{}.{}",
        URL.encode(nonce),
        URL.encode(sealed.as_slice()),
        URL.encode(tag.as_ref())
    );
    Some(text.into_bytes())
}

/// Concat KDF of RFC 7518 §4.6.2 with empty party names; one round of SHA-256 gives the whole key.
fn content_key(shared: &[u8]) -> Option<LessSafeKey> {
    let mut context = Context::new(&SHA256);
    context.update(&1_u32.to_be_bytes());
    context.update(shared);
    context.update(&u32::try_from(ENC.len()).ok()?.to_be_bytes());
    context.update(ENC.as_bytes());
    context.update(&[0; 8]);
    context.update(&256_u32.to_be_bytes());
    UnboundKey::new(&AES_256_GCM, context.finish().as_ref())
        .ok()
        .map(LessSafeKey::new)
}
