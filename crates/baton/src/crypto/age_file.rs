//! An age v1 file for one recipient, in one chunk (c1-protocol.md §10.3). The age crate wraps the file key; the file
//! around it is written here, because the crate's own writer leaves the plaintext in memory that it does not clear.

use age::Recipient;
use age_core::format::{FileKey, Stanza};
use age_core::secrecy::ExposeSecret as _;
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::fill;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

use super::CryptoError;

/// The file key's length in bytes.
const FILE_KEY: usize = 16;
/// The payload nonce's length in bytes.
const NONCE: usize = 16;
/// One chunk's longest plaintext in bytes; ours are passwords.
const CHUNK: usize = 64 * 1024;
/// Nonce of the first and last chunk: a counter of zero and the flag.
const ONLY_CHUNK: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
/// Columns of a stanza's body.
const COLUMNS: usize = 64;

/// The binary file.
pub(super) fn encrypt(to: &impl Recipient, plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
    if plaintext.len() > CHUNK {
        return Err(CryptoError::Failed);
    }
    let file_key = FileKey::try_init_with_mut(|key: &mut [u8; FILE_KEY]| fill(key)).map_err(|_| CryptoError::Failed)?;
    let (stanzas, _) = to.wrap_file_key(&file_key).map_err(|_| CryptoError::Failed)?;
    let mut file = String::from("age-encryption.org/v1\n");
    for stanza in &stanzas {
        write(&mut file, stanza);
    }
    file.push_str("---");
    let secret = file_key.expose_secret();
    let mac_key = derive(secret, &[], b"header")?;
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, mac_key.as_slice()), file.as_bytes());
    file.push(' ');
    file.push_str(&STANDARD_NO_PAD.encode(mac.as_ref()));
    file.push('\n');

    let mut nonce = [0; NONCE];
    fill(&mut nonce).map_err(|_| CryptoError::Failed)?;
    let key = derive(secret, &nonce, b"payload")?;
    let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_slice()).map_err(|_| CryptoError::Failed)?;
    let mut file = file.into_bytes();
    file.extend_from_slice(&nonce);
    file.extend_from_slice(&seal(&LessSafeKey::new(key), plaintext)?);
    Ok(file)
}

/// Sealed in place: the buffer never moves, and what was plaintext in it is ciphertext afterwards.
fn seal(key: &LessSafeKey, plaintext: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let mut sealed = Zeroizing::new(Vec::with_capacity(plaintext.len() + CHACHA20_POLY1305.tag_len()));
    sealed.extend_from_slice(plaintext);
    let nonce = Nonce::assume_unique_for_key(ONLY_CHUNK);
    key.seal_in_place_append_tag(nonce, Aad::empty(), &mut *sealed)
        .map_err(|_| CryptoError::Failed)?;
    Ok(sealed)
}

fn write(file: &mut String, stanza: &Stanza) {
    file.push_str("-> ");
    file.push_str(&stanza.tag);
    for arg in &stanza.args {
        file.push(' ');
        file.push_str(arg);
    }
    file.push('\n');
    // The last line is shorter than the others, and empty where the body ends with a full one.
    let body = STANDARD_NO_PAD.encode(&stanza.body);
    let mut rest = body.as_str();
    while let Some((line, after)) = rest.split_at_checked(COLUMNS) {
        file.push_str(line);
        file.push('\n');
        rest = after;
    }
    file.push_str(rest);
    file.push('\n');
}

struct Bytes32;

impl KeyType for Bytes32 {
    fn len(&self) -> usize {
        32
    }
}

/// HKDF-SHA-256 of the file key.
fn derive(file_key: &[u8], salt: &[u8], info: &[u8]) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
    let mut key = Zeroizing::new([0; 32]);
    Salt::new(HKDF_SHA256, salt)
        .extract(file_key)
        .expand(&[info], Bytes32)
        .and_then(|output| output.fill(key.as_mut_slice()))
        .map_err(|_| CryptoError::Failed)?;
    Ok(key)
}
