//! Encryption of secrets towards C1, and decryption of C1's towards us (c1-protocol.md §10). Every recipient is proven by
//! a trial encryption when it is read, so that a bad configuration is refused before anything is written.
//! Plaintext lives in zeroizing memory, and no error names key material.

mod age_file;
mod client_key;
mod jwk;
mod plaintext;
#[cfg(test)]
mod tests;

use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::task::{EncryptedSecret, EncryptionTarget, TaskError};
pub use client_key::{ClientKey, InvalidKey, KeySource};
use jwk::Jwk;
pub use plaintext::Plaintext;
use process::error::ErrorClass;

/// Provider name of JWK recipients.
const JWK_PROVIDER: &str = "baton/jwk/v1";
/// The same recipients under the name of their private form.
const JWK_PRIVATE_PROVIDER: &str = "baton/jwk/v1/private";
/// Provider name of age recipients.
const AGE_PROVIDER: &str = "baton/age/v1";
/// Longest provider name that an error repeats, in characters.
const NAME_MAX: usize = 64;

/// Why a secret cannot be encrypted or decrypted.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum CryptoError {
    /// The provider's name is none of ours.
    #[error("crypto/providers: encryption provider not registered ({0})")]
    UnknownProvider(String),
    /// The configuration holds no key of the kind that its provider needs.
    #[error("the encryption configuration holds no key for its provider")]
    MissingKey,
    /// The JWK is no JSON Web Key, or its numbers are no key.
    #[error("jwk: failed to unmarshal jwk: {0}")]
    BadJwk(&'static str),
    /// A key type other than Ed25519, RSA and the three NIST curves.
    #[error("jwk: unsupported key type")]
    UnsupportedJwk,
    /// The text is not one canonical age recipient.
    #[error("baton/age/v1: not a single age recipient")]
    BadAgeRecipient,
    /// A hybrid (ML-KEM) age recipient.
    #[error("baton/age/v1: hybrid recipients are not supported")]
    HybridRecipient,
    /// The encryption itself failed.
    #[error("the secret could not be encrypted")]
    Failed,
    /// C1 encrypted a password to a key that we do not have.
    #[error("client-secret is required")]
    NoClientKey,
    /// None of the encrypted passwords is for our key.
    #[error("no encrypted password matched client secret key id {0:?}")]
    NotForUs(String),
    /// The ciphertext does not open with our key.
    #[error("the encrypted password could not be decrypted with the client secret's key")]
    NotDecrypted,
}

impl CryptoError {
    /// What kind of failure it is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Failed | Self::NotDecrypted => ErrorClass::Bug,
            _ => ErrorClass::Rejected,
        }
    }
}

impl From<CryptoError> for TaskError {
    fn from(error: CryptoError) -> Self {
        // Rejected is code 3 and a failure of the cipher itself code 13 (c1-protocol.md §10.3, §10.5).
        Self::from_class(error.class(), error.to_string())
    }
}

/// What a plaintext is called beside its bytes (c1-protocol.md §10.2).
#[derive(Debug, Clone, Copy)]
pub struct Label {
    /// Such as `password`.
    pub name: &'static str,
    /// For people.
    pub description: &'static str,
}

/// A validated recipient.
#[derive(Debug)]
pub struct Recipient(Kind);

#[derive(Debug)]
enum Kind {
    Jwk(Jwk),
    Age(Box<age::x25519::Recipient>),
}

impl Recipient {
    /// Reads one configuration and proves with a trial encryption that its key works.
    fn parse(target: &EncryptionTarget) -> Result<Self, CryptoError> {
        let name = target.provider.trim().to_lowercase();
        let kind = match name.as_str() {
            AGE_PROVIDER => Self::age(target)?,
            JWK_PROVIDER | JWK_PRIVATE_PROVIDER => Self::jwk(target)?,
            "" if target.age_recipient.is_some() => Self::age(target)?,
            "" => Self::jwk(target)?,
            _ => return Err(CryptoError::UnknownProvider(name.chars().take(NAME_MAX).collect())),
        };
        let recipient = Self(kind);
        recipient.ciphertext(b"trial").map_err(|_| match recipient.0 {
            Kind::Jwk(_) => CryptoError::BadJwk("the numbers are not a usable public key"),
            Kind::Age(_) => CryptoError::BadAgeRecipient,
        })?;
        Ok(recipient)
    }

    fn age(target: &EncryptionTarget) -> Result<Kind, CryptoError> {
        let text = target.age_recipient.as_deref().ok_or(CryptoError::MissingKey)?;
        age_recipient(text).map(|recipient| Kind::Age(Box::new(recipient)))
    }

    fn jwk(target: &EncryptionTarget) -> Result<Kind, CryptoError> {
        Jwk::parse(target.jwk.as_deref().ok_or(CryptoError::MissingKey)?).map(Kind::Jwk)
    }

    /// As the wire carries it.
    fn ciphertext(&self, plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        match &self.0 {
            Kind::Jwk(jwk) => Ok(STANDARD.encode(jwk.encrypt(plaintext)?).into_bytes()),
            Kind::Age(to) => age_file::encrypt(to.as_ref(), plaintext),
        }
    }

    fn encrypt(&self, label: Label, plaintext: &[u8]) -> Result<EncryptedSecret, CryptoError> {
        let (provider, key_id, key) = match &self.0 {
            Kind::Jwk(jwk) => (JWK_PROVIDER, jwk.thumbprint(), jwk.thumbprint()),
            Kind::Age(to) => (AGE_PROVIDER, String::new(), sha256_hex(to.to_string().as_bytes())),
        };
        Ok(EncryptedSecret {
            provider: provider.to_owned(),
            key_id,
            name: label.name.to_owned(),
            description: label.description.to_owned(),
            schema: String::new(),
            bytes: self.ciphertext(plaintext)?,
            key_ids: vec![key],
        })
    }
}

/// Every recipient of a request. The first bad one is the error.
pub fn recipients(targets: &[EncryptionTarget]) -> Result<Vec<Recipient>, CryptoError> {
    targets.iter().map(Recipient::parse).collect()
}

/// One ciphertext for each recipient, in order. None for no recipient: the secret is dropped.
pub fn encrypt(
    recipients: &[Recipient],
    label: Label,
    plaintext: &Plaintext,
) -> Result<Vec<EncryptedSecret>, CryptoError> {
    let seal = |recipient: &Recipient| recipient.encrypt(label, plaintext.expose().as_bytes());
    recipients.iter().map(seal).collect()
}

/// Accepts exactly one canonical recipient: what is parsed must print as what was sent.
fn age_recipient(text: &str) -> Result<age::x25519::Recipient, CryptoError> {
    if text.starts_with("age1pq1") {
        return Err(CryptoError::HybridRecipient);
    }
    age::x25519::Recipient::from_str(text)
        .ok()
        .filter(|parsed| parsed.to_string() == text)
        .ok_or(CryptoError::BadAgeRecipient)
}

/// Lower-case hex of SHA-256.
fn sha256_hex(data: &[u8]) -> String {
    use std::fmt::Write as _;
    let hash = digest(&SHA256, data);
    hash.as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}
