//! The signed assertion that a token is asked for with (c1-protocol.md §3.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::key::C1Credentials;

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    nonce: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
    nbf: i64,
    iat: i64,
}

/// The assertion (c1-protocol.md §3.1): members in this order and no others.
pub(super) fn assertion(credentials: &C1Credentials, now: i64, nonce: &[u8; 16]) -> serde_json::Result<String> {
    let header = Header {
        alg: "EdDSA",
        kid: credentials.key.kid(),
        nonce: nonce
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(hex_digit)
            .collect(),
    };
    let client_id = &credentials.client_id;
    let claims = Claims {
        iss: client_id.as_str(),
        sub: client_id.as_str(),
        aud: client_id.audience(),
        exp: now.saturating_add(120),
        nbf: now.saturating_sub(120),
        iat: now,
    };
    let header = serde_json::to_vec(&header)?;
    let claims = serde_json::to_vec(&claims)?;
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = credentials.key.sign(signed.as_bytes());
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::key::SigningKey;

    fn credentials(kid: Option<&str>) -> C1Credentials {
        let mut seed = [0u8; 32];
        for (byte, value) in seed.iter_mut().zip(0..) {
            *byte = value;
        }
        C1Credentials {
            client_id: "blue-fox-12345@acme.conductor.one/baton".parse().unwrap(),
            key: SigningKey::from_seed(&seed, kid.map(str::to_owned)).unwrap(),
        }
    }

    fn nonce() -> [u8; 16] {
        let mut nonce = [0u8; 16];
        for (byte, value) in nonce.iter_mut().zip(0..) {
            *byte = value;
        }
        nonce
    }

    #[test]
    fn the_assertion_is_the_vector_of_the_contract_byte_for_byte() {
        let made = assertion(&credentials(None), 1_700_000_000, &nonce()).unwrap();
        assert_eq!(
            made,
            "eyJhbGciOiJFZERTQSIsIm5vbmNlIjoiMDAwMTAyMDMwNDA1MDYwNzA4MDkwYTBiMGMwZDBlMGYifQ.eyJpc3MiOiJibHVlLWZveC0xMjM0NUBhY21lLmNvbmR1Y3Rvci5vbmUvYmF0b24iLCJzdWIiOiJibHVlLWZveC0xMjM0NUBhY21lLmNvbmR1Y3Rvci5vbmUvYmF0b24iLCJhdWQiOiJhY21lLmNvbmR1Y3Rvci5vbmUiLCJleHAiOjE3MDAwMDAxMjAsIm5iZiI6MTY5OTk5OTg4MCwiaWF0IjoxNzAwMDAwMDAwfQ.6O6_Xnz_dbaZIaPI233DwlP0hEL5_COYd5zZ1h_OjxDF5mM94SvQzfnvSoubQh6EKSUY-L4lJmFxWmKbEi5IAg"
        );
    }

    #[test]
    fn a_kid_goes_between_alg_and_nonce() {
        let made = assertion(&credentials(Some("k1")), 0, &nonce()).unwrap();
        let header = URL_SAFE_NO_PAD.decode(made.split('.').next().unwrap()).unwrap();
        let header = String::from_utf8(header).unwrap();
        assert!(
            header.starts_with(r#"{"alg":"EdDSA","kid":"k1","nonce":"0001"#),
            "{header}"
        );
    }
}
