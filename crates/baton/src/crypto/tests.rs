//! Recipients and the client secret's key against the contract's vectors, bad configurations, and each other.

use std::iter;
use std::str::FromStr as _;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, ECDH_P384, ECDH_P521, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::KeySize;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as URL;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::*;
use process::error::ErrorClass;

const SECRET: &str = "hunter2!";
const LABEL: Label = Label {
    name: "password",
    description: "d",
};
/// c1-protocol.md §2.5.
const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}"#;
const ED25519_ID: &str = "d481b6b4c1fb276c1b2599ce7fc2c9cd08ad29fecb32fa00125b2e0cc54ce786";
/// The vectors of c1-protocol.md §10.3.
const ED25519_SEALED: &str = "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNzaC1lZDI1NTE5IGxibXNvQSBmSklYS3pCU0FySTdjbnFuTEpJSTRlaWJxNzB1WjNHR0dCeEs4c05RdWlNCnRKcE1uT21EWGR3aDQydmRDV2xibXp4NmxVcHhxU0RXZldtOXExQm5FbE0KLS0tIEZtM0huQkhlVG5qaHBtZWFIeGw1UVc5VklHRW9jYk5hOHFmZkd5REw5MlEKNRDEXkc0A1cyTZa6kktB6RdC0yZG51QJFR3hsWGQxC3x1rLuRJhs1w==";
const EC: &str = r#"{"kty":"EC","crv":"P-256","x":"khq-tKQ_0bmFPXOcBC-eWdvkYBTyncocULESIlu7uGw","y":"buvifX-2p5XgOB_UGjN98FxLhghJ3ZUtoej5MI56nOU","d":"AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4"}"#;
const EC_ID: &str = "c895ff52addcb378cd1fa08198ee039c09cb7f0bf89ad3c61eadb26dff939d6b";
const EC_SEALED: &str = "ZXlKaGJHY2lPaUpGUTBSSUxVVlRJaXdpWlc1aklqb2lRVEkxTmtkRFRTSXNJbVZ3YXlJNmV5SnJkSGtpT2lKRlF5SXNJbU55ZGlJNklsQXRNalUySWl3aWVDSTZJa2x5Ym5walQxSlNUM2xuZUhKRFRVWldXRU5yVkVKVVZYaHlZVTR6Y0dFMWFXWk9hRXRMTjBSVWMzTWlMQ0o1SWpvaU1UaFBWM2hJWkdKbllXazNZbWhWY0ZnelVuSk9Sa0kyVXpoQlowUXllV3RqYW1GWWFuVmlOVkZOWnlKOWZRLi5Mdl9GUUV5RlFuWGNwRlM5LkhOcndmUnRpd3FFLkFHUnNqZ1owTmFfdjViM2psa3VQOFE=";
const AGE: &str = "age1cy0su9fwf3gf9mw868g5yut09p6nytfmmnktexz2ya5uqg9vl9sss4euqm";
const AGE_ID: &str = "b9b3ae8ac0ca1317b3d43020ea2344651e7039bce58694a728f2bf28a5e12503";
const AGE_IDENTITY: &str = "AGE-SECRET-KEY-184JMZMVQH3E6U0PSL869004Y3U2NYV7R30EU99CSEDNPH02YUVFSZW44VU";
const AGE_SEALED: &str = "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSAzM0lEZFdvMk9WMnl0TlNPWWVHcGJtcW9mSjhGb1VZNUYwbTh6N3FNODNNCkt4S05ObHQzSGErdTFVQ1EwbE5EV0NVVW9IeThDQkVyMjd1SHFkRVowWVUKLS0tIFFZKzBVWGxWRWhtdGgyYU9ZOTNpaXlwV3p3Sk05TmR6M2tYL29pNGZmckkKcXNYx3tWdycGj1YcDvEepYLz0SNuKE1cPcMyMn1YSLKkhd3HuNtXxw==";

fn jwk(json: &str) -> EncryptionTarget {
    EncryptionTarget {
        jwk: Some(json.into()),
        ..EncryptionTarget::default()
    }
}

fn age_target(text: &str) -> EncryptionTarget {
    EncryptionTarget {
        age_recipient: Some(text.to_owned()),
        ..EncryptionTarget::default()
    }
}

fn named(provider: &str, target: EncryptionTarget) -> EncryptionTarget {
    EncryptionTarget {
        provider: provider.to_owned(),
        ..target
    }
}

fn sealed(target: EncryptionTarget, plaintext: &str) -> EncryptedSecret {
    let plaintext = Plaintext::new(Zeroizing::new(plaintext.to_owned()));
    let recipients = recipients(&[target]).unwrap();
    encrypt(&recipients, LABEL, &plaintext).unwrap().remove(0)
}

fn client_key(kid: Option<&str>) -> ClientKey {
    let seed: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).unwrap());
    ClientKey::from_seed(&seed, kid).unwrap()
}

/// Opens a JWE as its definition says: RFC 7516, RFC 7518 §4.6.
fn open_jwe(text: &str, curve: &'static aws_lc_rs::agreement::Algorithm, private: &PrivateKey) -> Vec<u8> {
    let parts: Vec<&str> = text.split('.').collect();
    let [header, "", nonce, body, tag] = parts.as_slice() else {
        panic!("{text}")
    };
    let head: Value = serde_json::from_slice(&URL.decode(header).unwrap()).unwrap();
    let keys: Vec<&String> = head.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["alg", "enc", "epk"]);
    assert_eq!((&head["alg"], &head["enc"]), (&json!("ECDH-ES"), &json!("A256GCM")));
    let part = |name: &str| URL.decode(head["epk"][name].as_str().unwrap()).unwrap();
    let point = [&[4], part("x").as_slice(), part("y").as_slice()].concat();
    let key = agree(private, UnparsedPublicKey::new(curve, point), (), |shared| {
        let info = [
            &1_u32.to_be_bytes(),
            shared,
            &7_u32.to_be_bytes(),
            b"A256GCM",
            &[0; 8],
            &256_u32.to_be_bytes(),
        ]
        .concat();
        Ok(digest(&SHA256, &info))
    });
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.unwrap().as_ref()).unwrap());
    let nonce = Nonce::try_assume_unique_for_key(&URL.decode(nonce).unwrap()).unwrap();
    let mut bytes = [URL.decode(body).unwrap(), URL.decode(tag).unwrap()].concat();
    key.open_in_place(nonce, Aad::from(header.as_bytes()), &mut bytes)
        .unwrap()
        .to_vec()
}

fn open_age(identity: &dyn age::Identity, file: &[u8]) -> Vec<u8> {
    let mut plaintext = Vec::new();
    let mut reader = age::Decryptor::new(file)
        .unwrap()
        .decrypt(iter::once(identity))
        .unwrap();
    std::io::Read::read_to_end(&mut reader, &mut plaintext).unwrap();
    plaintext
}

#[test]
fn the_openers_of_these_tests_open_the_vectors_of_the_contract() {
    let private = PrivateKey::from_private_key(
        &ECDH_P256,
        &URL.decode("AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4").unwrap(),
    );
    let text = String::from_utf8(STANDARD.decode(EC_SEALED).unwrap()).unwrap();
    assert_eq!(open_jwe(&text, &ECDH_P256, &private.unwrap()), SECRET.as_bytes());
    let identity = age::x25519::Identity::from_str(AGE_IDENTITY).unwrap();
    assert_eq!(
        open_age(&identity, &STANDARD.decode(AGE_SEALED).unwrap()),
        SECRET.as_bytes()
    );
}

#[test]
fn an_ed25519_key_opens_what_is_sealed_to_it_and_the_contracts_vector() {
    let key = client_key(None);
    assert_eq!(key.id(), ED25519_ID);
    let ours = sealed(named("baton/jwk/v1", jwk(ED25519)), SECRET);
    assert_eq!(
        (ours.provider.as_str(), ours.key_id.as_str()),
        ("baton/jwk/v1", ED25519_ID)
    );
    assert_eq!(ours.key_ids, [ED25519_ID]);
    assert_eq!(
        (ours.name.as_str(), ours.description.as_str(), ours.schema.as_str()),
        ("password", "d", "")
    );
    let vector = EncryptedSecret {
        bytes: ED25519_SEALED.into(),
        ..ours.clone()
    };
    for secret in [ours, vector] {
        assert_eq!(key.decrypt(&[secret]).unwrap().expose(), SECRET);
    }
}

#[test]
fn every_length_and_language_comes_back() {
    let key = client_key(Some("k1"));
    for text in ["", "x", "ä🔑 \"quoted\"\n", &"z".repeat(64), &"z".repeat(65_536)] {
        let secret = EncryptedSecret {
            key_ids: vec!["k1".into()],
            ..sealed(jwk(ED25519), text)
        };
        assert_eq!(key.decrypt(&[secret]).unwrap().expose(), text);
    }
    let long = Plaintext::new(Zeroizing::new("z".repeat(65_537)));
    let recipients = recipients(&[jwk(ED25519)]).unwrap();
    assert_eq!(encrypt(&recipients, LABEL, &long), Err(CryptoError::Failed));
}

#[test]
fn an_elliptic_key_has_the_thumbprint_of_the_contract_and_opens_a_direct_jwe() {
    for (curve, name, size, scalar) in [
        (&ECDH_P256, "P-256", 32, 32),
        (&ECDH_P384, "P-384", 48, 48),
        (&ECDH_P521, "P-521", 66, 66),
    ] {
        let private = if size == 32 {
            PrivateKey::from_private_key(
                curve,
                &URL.decode("AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4").unwrap(),
            )
        } else {
            let mut d = vec![7; scalar];
            d[0] = 0;
            PrivateKey::from_private_key(curve, &d)
        };
        let private = private.unwrap();
        let public = private.compute_public_key().unwrap();
        let (x, y) = public.as_ref()[1..].split_at(size);
        let json = json!({"kty": "EC", "crv": name, "x": URL.encode(x), "y": URL.encode(y)}).to_string();
        let secret = sealed(jwk(&json), SECRET);
        let text = String::from_utf8(STANDARD.decode(&secret.bytes).unwrap()).unwrap();
        assert_eq!(open_jwe(&text, curve, &private), SECRET.as_bytes(), "{name}");
        if size == 32 {
            assert_eq!(
                (secret.key_id.as_str(), secret.key_ids.as_slice()),
                (EC_ID, [EC_ID.to_owned()].as_slice())
            );
            // Of a private key the public part is used.
            assert_eq!(sealed(named("baton/jwk/v1/private", jwk(EC)), SECRET).key_id, EC_ID);
        }
    }
}

/// Numbers of a PKCS#1 private key, in order.
fn numbers(mut der: &[u8]) -> Vec<Vec<u8>> {
    fn head(der: &[u8]) -> (usize, &[u8]) {
        let (length, rest) = (usize::from(der[1]), &der[2..]);
        if length < 0x80 {
            return (length, rest);
        }
        let (bytes, rest) = rest.split_at(length & 0x7f);
        (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
    }
    let mut found = Vec::new();
    (_, der) = head(der);
    while !der.is_empty() {
        let (length, rest) = head(der);
        let (value, rest) = rest.split_at(length);
        found.push(value.iter().copied().skip_while(|byte| *byte == 0).collect());
        der = rest;
    }
    found
}

#[test]
fn an_rsa_key_opens_what_is_sealed_to_it() {
    let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
    let pkcs8 = pair.as_der().unwrap();
    // The 26 bytes before it say that it is RSA.
    let pkcs1 = &pkcs8.as_ref()[26..];
    let numbers = numbers(pkcs1);
    let json = json!({"kty": "RSA", "n": URL.encode(&numbers[1]), "e": URL.encode(&numbers[2])}).to_string();
    let pem = format!(
        "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n",
        STANDARD.encode(pkcs1)
    );
    let identity = age::ssh::Identity::from_buffer(pem.as_bytes(), None).unwrap();
    let secret = sealed(jwk(&json), SECRET);
    let file = STANDARD.decode(&secret.bytes).unwrap();
    assert!(file.starts_with(b"age-encryption.org/v1\n-> ssh-rsa "));
    assert_eq!(open_age(&identity, &file), SECRET.as_bytes());
    let canonical = format!(
        r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#,
        URL.encode(&numbers[2]),
        URL.encode(&numbers[1])
    );
    assert_eq!(secret.key_id, sha256_hex(canonical.as_bytes()));
}

#[test]
fn what_is_sealed_to_an_age_recipient_its_identity_opens() {
    for target in [age_target(AGE), named(" BATON/age/v1 ", age_target(AGE))] {
        let secret = sealed(target, SECRET);
        assert_eq!((secret.provider.as_str(), secret.key_id.as_str()), ("baton/age/v1", ""));
        assert_eq!(secret.key_ids, [AGE_ID]);
        let identity = age::x25519::Identity::from_str(AGE_IDENTITY).unwrap();
        assert_eq!(open_age(&identity, &secret.bytes), SECRET.as_bytes());
    }
}

#[test]
fn every_configuration_gets_its_ciphertext_in_order_and_none_gets_none() {
    let plaintext = Plaintext::new(Zeroizing::new(SECRET.to_owned()));
    let targets = [age_target(AGE), jwk(EC), jwk(ED25519)];
    let secrets = encrypt(&recipients(&targets).unwrap(), LABEL, &plaintext).unwrap();
    let ids: Vec<&str> = secrets.iter().map(|secret| secret.key_ids[0].as_str()).collect();
    assert_eq!(ids, [AGE_ID, EC_ID, ED25519_ID]);
    assert_eq!(encrypt(&[], LABEL, &plaintext), Ok(Vec::new()));
}

#[test]
fn a_configuration_that_cannot_work_is_refused_before_anything_else() {
    let off_curve = EC.replace("buvifX", "buvifY");
    let point = |x: &[u8]| format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, URL.encode(x));
    // No point of the curve has this height.
    let mut off = [0; 32];
    off[0] = 2;
    let short = json!({"kty": "RSA", "n": URL.encode([0xff; 128]), "e": "AQAB"}).to_string();
    let vast = json!({"kty": "RSA", "n": URL.encode([0xff; 4096]), "e": "AQAB"}).to_string();
    let no_exponent = json!({"kty": "RSA", "n": URL.encode([0xff; 256]), "e": ""}).to_string();
    for (target, want) in [
        (
            named("baton/other/v1", jwk(EC)),
            "encryption provider not registered (baton/other/v1)",
        ),
        (named(&"x".repeat(100_000), jwk(EC)), "not registered"),
        (named("baton/age/v1", jwk(EC)), "holds no key"),
        (named("baton/jwk/v1", age_target(AGE)), "holds no key"),
        (EncryptionTarget::default(), "holds no key"),
        (jwk("{"), "jwk: failed to unmarshal jwk"),
        (jwk(""), "failed to unmarshal"),
        (jwk("[]"), "failed to unmarshal"),
        (jwk(r#"{"kty":7}"#), "failed to unmarshal"),
        (jwk(r#"{"kty":"oct","k":"AAAA"}"#), "jwk: unsupported key type"),
        (
            jwk(r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}"#),
            "unsupported key type",
        ),
        (jwk(r#"{"kty":"OKP","crv":"X25519","x":"AA"}"#), "unsupported key type"),
        (jwk(r#"{"kty":"OKP","crv":"Ed25519"}"#), "32 bytes"),
        (jwk(r#"{"kty":"OKP","crv":"Ed25519","x":"!"}"#), "not base64url"),
        (jwk(&point(&off)), "not a usable"),
        (jwk(&short), "2048"),
        (jwk(&vast), "not a usable"),
        (jwk(&no_exponent), "2048"),
        (jwk(&off_curve), "not a usable"),
        (jwk(r#"{"kty":"EC","crv":"P-256","x":"","y":""}"#), "not a usable"),
        (age_target(&format!("{AGE}\n")), "not a single"),
        (age_target(&format!(" {AGE}")), "not a single"),
        (age_target(&format!("{AGE},{AGE}")), "not a single"),
        (age_target(&AGE.to_uppercase()), "not a single"),
        (age_target(""), "not a single"),
        (age_target("age1pq1qqq"), "hybrid recipients are not supported"),
    ] {
        // A good one before it does not help.
        let error = recipients(&[jwk(ED25519), target.clone()]).unwrap_err();
        assert!(error.to_string().contains(want), "{target:?}: {error}");
        assert!(error.to_string().len() < 200);
        assert_eq!(error.class(), ErrorClass::Rejected);
    }
}

#[test]
fn a_password_is_decrypted_only_from_what_names_our_key() {
    let key = client_key(None);
    let good = sealed(jwk(ED25519), SECRET);
    let with_ids = |secret: &EncryptedSecret, ids: &[&str]| EncryptedSecret {
        key_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        ..secret.clone()
    };
    let other = with_ids(&good, &["other"]);
    let broken = EncryptedSecret {
        bytes: b"bm90IGFuIGFnZSBmaWxl".to_vec(),
        ..good.clone()
    };
    let error = key.decrypt(std::slice::from_ref(&other)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("no encrypted password matched client secret key id \"{ED25519_ID}\"")
    );
    assert_eq!(error.class(), ErrorClass::Rejected);
    for bytes in [&b"!"[..], b"", b"bm90IGFuIGFnZSBmaWxl"] {
        let secret = EncryptedSecret {
            bytes: bytes.to_vec(),
            ..good.clone()
        };
        let error = key.decrypt(&[secret]).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Bug);
    }
    // Text that is no text, sealed well.
    let raw = recipients(&[jwk(ED25519)]).unwrap()[0]
        .ciphertext(&[0xff, 0xfe])
        .unwrap();
    let raw = EncryptedSecret {
        bytes: raw,
        ..good.clone()
    };
    assert_eq!(key.decrypt(&[raw]).unwrap_err(), CryptoError::NotDecrypted);
    let both = with_ids(&good, &["x", ED25519_ID]);
    assert_eq!(key.decrypt(&[other, broken, both]).unwrap().expose(), SECRET);
    assert_eq!(key.decrypt(&[]).unwrap_err(), CryptoError::NotForUs(ED25519_ID.into()));
}

#[test]
fn nothing_shows_a_key_or_a_secret() {
    let plaintext = Plaintext::new(Zeroizing::new(SECRET.to_owned()));
    let shown = format!("{plaintext:?} {:?}", client_key(Some("k1")));
    assert!(!shown.contains(SECRET) && shown.contains("k1"), "{shown}");
    assert_eq!(plaintext.struck_from("bad value hunter2!."), "bad value [redacted].");
    assert_eq!(
        Plaintext::new(Zeroizing::default()).struck_from("as it was"),
        "as it was"
    );
}
