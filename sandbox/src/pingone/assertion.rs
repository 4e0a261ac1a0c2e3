//! Signed assertions at the token endpoint (pingone-api.md §2.5): what PingOne checks (D), and what RFC 7523
//! has a server check beyond it, so that a client that leaves it out is found here.

use super::world::Application;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;

pub(crate) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// PingOne refuses an assertion that ends later than this from now (D).
const LONGEST: i64 = 3600;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Claims {
    iss: String,
    pub(crate) sub: String,
    aud: String,
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
    pub(crate) jti: String,
}

/// What the signature stands under.
pub(crate) struct Assertion<'a> {
    header: Header,
    pub(crate) claims: Claims,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Assertion<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        Some(Self {
            header: serde_json::from_slice(&decoded(header)?).ok()?,
            claims: serde_json::from_slice(&decoded(claims)?).ok()?,
            signed,
            signature: decoded(signature)?,
        })
    }

    /// What is wrong with it but the signature; `audiences` are the token endpoint and the issuer, `now` is in seconds.
    pub(crate) fn fault(&self, audiences: &[String], now: i64) -> Option<&'static str> {
        let (header, claims) = (&self.header, &self.claims);
        let is_jwt = header.typ.as_deref().is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"));
        let cases = [
            (header.alg == "RS256" && is_jwt, "Unsupported JWT header"),
            (claims.iss == claims.sub, "Invalid iss claim"),
            (audiences.contains(&claims.aud), "Invalid aud claim"),
            (claims.exp > now && claims.exp <= now + LONGEST, "Invalid exp claim"),
            (claims.nbf.is_none_or(|nbf| nbf <= now), "Invalid nbf claim"),
            (claims.iat.is_none_or(|iat| iat <= now + 60), "Invalid iat claim"),
            (!claims.jti.is_empty(), "Invalid jti claim"),
        ];
        cases.iter().find(|(holds, _)| !holds).map(|(_, fault)| *fault)
    }

    /// The number of the application's key that signed it. Its `kid`, where it has one, must be that key's.
    pub(crate) fn signer(&self, application: &Application) -> Option<u64> {
        let number = application.number_of(|pem| self.is_signed_by(pem))?;
        let named = self.header.kid.as_ref();
        named.is_none_or(|kid| *kid == key_id(number)).then_some(number)
    }

    fn is_signed_by(&self, pem: &str) -> bool {
        let Ok(der) = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()) else {
            return false;
        };
        let Ok(pair) = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()) else {
            return false;
        };
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
        public.verify(self.signed.as_bytes(), &self.signature).is_ok()
    }
}

/// The `kid` of an application's key in its JWKS.
pub(crate) fn key_id(number: u64) -> String {
    format!("key-{number}")
}

/// A new RSA key in PEM form, as an application keeps it.
pub fn private_key() -> String {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048);
    key.map(|key| key.serialize_pem()).unwrap_or_default()
}
