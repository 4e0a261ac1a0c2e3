//! Decryption with the client secret's key of a password that C1 chose (c1-protocol.md §10.5).

use std::io::Read as _;
use std::iter;
use std::sync::Arc;

use age::Decryptor;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::{Zeroize as _, Zeroizing};

use super::{CryptoError, Plaintext, sha256_hex};
use crate::task::EncryptedSecret;

/// The bytes are no Ed25519 key. It says nothing more, because it is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client secret's key is not usable")]
pub struct InvalidKey;

/// The client secret's Ed25519 key, to decrypt with.
pub struct ClientKey {
    id: String,
    identity: age::ssh::Identity,
}

impl std::fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, identity: _ } = self;
        f.debug_struct("ClientKey").field("id", id).finish_non_exhaustive()
    }
}

impl ClientKey {
    /// From the seed and the JWK's `kid`; without one the key's id is its thumbprint (c1-protocol.md §2.2).
    pub fn from_seed(seed: &[u8; 32], kid: Option<&str>) -> Result<Self, InvalidKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| InvalidKey)?;
        let public = pair.public_key().as_ref();
        let id = kid.filter(|kid| !kid.is_empty()).map_or_else(
            || {
                let x = URL_SAFE_NO_PAD.encode(public);
                sha256_hex(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#).as_bytes())
            },
            str::to_owned,
        );
        let text = openssh(seed, public)?;
        let identity = age::ssh::Identity::from_buffer(text.as_bytes(), None).map_err(|_| InvalidKey)?;
        match identity {
            age::ssh::Identity::Unencrypted(_) => Ok(Self { id, identity }),
            _ => Err(InvalidKey),
        }
    }

    /// The key's id, as C1 knows it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The first of the passwords that is for this key.
    pub fn decrypt(&self, secrets: &[EncryptedSecret]) -> Result<Plaintext, CryptoError> {
        let ours = secrets.iter().filter(|secret| secret.key_ids.contains(&self.id));
        let mut outcome = Err(CryptoError::NotForUs(self.id.clone()));
        for secret in ours {
            outcome = self.open(&secret.bytes);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    fn open(&self, encoded: &[u8]) -> Result<Plaintext, CryptoError> {
        let file = STANDARD.decode(encoded).map_err(|_| CryptoError::NotDecrypted)?;
        let decryptor = Decryptor::new_buffered(file.as_slice()).map_err(|_| CryptoError::NotDecrypted)?;
        let mut reader = decryptor
            .decrypt(iter::once(&self.identity as &dyn age::Identity))
            .map_err(|_| CryptoError::NotDecrypted)?;
        // Roomy enough from the start: a buffer that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(file.len()));
        reader.read_to_end(&mut bytes).map_err(|_| CryptoError::NotDecrypted)?;
        let text = String::from_utf8(std::mem::take(&mut *bytes)).map_err(|error| {
            error.into_bytes().zeroize();
            CryptoError::NotDecrypted
        })?;
        Ok(Plaintext::new(Zeroizing::new(text)))
    }
}

/// Where the client secret's key is at this moment: it changes with the client secret.
#[derive(Clone)]
pub struct KeySource(Arc<dyn Fn() -> Option<ClientKey> + Send + Sync>);

impl KeySource {
    /// There is no client secret.
    pub fn none() -> Self {
        Self::new(|| None)
    }

    /// Asks each time.
    pub fn new(key: impl Fn() -> Option<ClientKey> + Send + Sync + 'static) -> Self {
        Self(Arc::new(key))
    }

    /// The key in use now; `None` where there is none.
    pub fn key(&self) -> Option<ClientKey> {
        (self.0)()
    }
}

impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(_) = self;
        f.write_str("KeySource")
    }
}

/// The key as the age crate reads it: an unencrypted private key of OpenSSH.
fn openssh(seed: &[u8; 32], public: &[u8]) -> Result<Zeroizing<String>, InvalidKey> {
    const CAPACITY: usize = 1024;
    const NAME: &[u8] = b"ssh-ed25519";
    let mut blob = Vec::new();
    put(&mut blob, NAME)?;
    put(&mut blob, public)?;

    let mut private = Zeroizing::new(Vec::with_capacity(CAPACITY));
    // Two equal numbers that would show a wrong passphrase; there is none.
    private.extend_from_slice(&[0; 8]);
    put(&mut private, NAME)?;
    put(&mut private, public)?;
    let mut both = Zeroizing::new([0; 64]);
    both.iter_mut()
        .zip(seed.iter().chain(public))
        .for_each(|(to, from)| *to = *from);
    put(&mut private, both.as_slice())?;
    put(&mut private, b"")?;
    for padding in 1..=8 {
        if private.len() % 8 == 0 {
            break;
        }
        private.push(padding);
    }

    let mut file = Zeroizing::new(Vec::with_capacity(CAPACITY));
    file.extend_from_slice(b"openssh-key-v1\0");
    put(&mut file, b"none")?;
    put(&mut file, b"none")?;
    put(&mut file, b"")?;
    file.extend_from_slice(&1_u32.to_be_bytes());
    put(&mut file, &blob)?;
    put(&mut file, &private)?;

    let mut text = Zeroizing::new(String::with_capacity(2 * CAPACITY));
    text.push_str("-----BEGIN OPENSSH PRIVATE KEY-----\n");
    STANDARD.encode_string(file.as_slice(), &mut text);
    text.push_str("\n-----END OPENSSH PRIVATE KEY-----\n");
    Ok(text)
}

fn put(to: &mut Vec<u8>, part: &[u8]) -> Result<(), InvalidKey> {
    let length = u32::try_from(part.len()).map_err(|_| InvalidKey)?;
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(part);
    Ok(())
}
