//! Gateways and keys (access-model.md §3.3, §3.4). Of a gateway's row only what is named here is decoded: a RADIUS gateway's
//! seems to carry its shared secrets.

use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::super::lenient::{count, flag, list, object, text, time};
use super::{Identified, Reference, id};

/// A gateway.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gateway {
    /// Its id.
    #[serde(deserialize_with = "id")]
    pub id: Uuid,
    /// Its environment.
    #[serde(default, deserialize_with = "object")]
    pub environment: Option<Reference>,
    /// Its name.
    #[serde(default, deserialize_with = "text")]
    pub name: Option<String>,
    /// Its description.
    #[serde(default, deserialize_with = "text")]
    pub description: Option<String>,
    /// `PING_FEDERATE`, `LDAP` and so on, an open set.
    #[serde(default, rename = "type", deserialize_with = "text")]
    pub gateway_type: Option<String>,
    /// It is in use.
    #[serde(default, deserialize_with = "flag")]
    pub enabled: Option<bool>,
    /// What it signs in with, where the row has it; never a value.
    #[serde(default, deserialize_with = "list")]
    pub credentials: Option<Vec<GatewayCredential>>,
}

impl Gateway {
    /// Whether it may hold roles. An unknown type may.
    pub fn holds_roles(&self) -> bool {
        !matches!(
            self.gateway_type.as_deref(),
            Some("LDAP" | "RADIUS" | "PING_INTELLIGENCE")
        )
    }
}

/// A credential of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayCredential {
    /// Its id.
    #[serde(deserialize_with = "id")]
    pub id: Uuid,
    /// Creation time.
    #[serde(default, deserialize_with = "time")]
    pub created_at: Option<Timestamp>,
    /// When it was used last.
    #[serde(default, deserialize_with = "time")]
    pub last_used_at: Option<Timestamp>,
}

/// A key pair without its private part. Its serial number may exceed 64 bits and is passed over.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// Its id.
    #[serde(deserialize_with = "id")]
    pub id: Uuid,
    /// Its environment.
    #[serde(default, deserialize_with = "object")]
    pub environment: Option<Reference>,
    /// Its name.
    #[serde(default, deserialize_with = "text")]
    pub name: Option<String>,
    /// `ENCRYPTION`, `SIGNING`, `SSL/TLS` and so on, an open set.
    #[serde(default, deserialize_with = "text")]
    pub usage_type: Option<String>,
    /// `VALID`, `EXPIRED` and so on, an open set.
    #[serde(default, deserialize_with = "text")]
    pub status: Option<String>,
    /// `RSA`, `EC` and so on.
    #[serde(default, deserialize_with = "text")]
    pub algorithm: Option<String>,
    /// In bits.
    #[serde(default, deserialize_with = "count")]
    pub key_length: Option<u64>,
    /// It is the environment's default for its use.
    #[serde(default, deserialize_with = "flag")]
    pub default: Option<bool>,
    /// Whose it is.
    #[serde(default, rename = "subjectDN", deserialize_with = "text")]
    pub subject_dn: Option<String>,
    /// Who signed its certificate.
    #[serde(default, rename = "issuerDN", deserialize_with = "text")]
    pub issuer_dn: Option<String>,
    /// From when on it is valid.
    #[serde(default, deserialize_with = "time")]
    pub starts_at: Option<Timestamp>,
    /// Until when it is valid.
    #[serde(default, deserialize_with = "time")]
    pub expires_at: Option<Timestamp>,
    /// Creation time.
    #[serde(default, deserialize_with = "time")]
    pub created_at: Option<Timestamp>,
}

impl Identified for Gateway {
    fn id(&self) -> Uuid {
        self.id
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_keeps_nothing_secret_and_what_is_malformed_is_left_out() {
        let id = "e4a1c7b0-21d3-4a7e-8f6d-0ddba11c0de1";
        let gateway: Gateway = serde_json::from_value(json!({
            "id": id, "type": "RADIUS", "defaultSharedSecret": "marker", "radiusClients": [{"sharedSecret": "marker"}],
            "credentials": [{"id": id, "token": "marker", "lastUsedAt": "never"}, {"id": "x"}, 7]
        }))
        .unwrap();
        assert!(!format!("{gateway:?}").contains("marker"));
        assert_eq!(gateway.credentials.as_ref().map(Vec::len), Some(1));
        assert!(!gateway.holds_roles());
        let other: Gateway = serde_json::from_value(json!({"id": id, "type": "TUNNEL"})).unwrap();
        assert!(other.holds_roles());
        let key: Key = serde_json::from_str(&format!(
            r#"{{"id": "{id}", "keyLength": "2048", "serialNumber": 340282366920938463463, "privateKey": "marker"}}"#
        ))
        .unwrap();
        assert!(key.key_length == Some(2_048) && !format!("{key:?}").contains("marker"));
    }
}
