//! What provisioning and reports need beside the directory (pingone-api.md §6.1, §6.5, §6.8, §6.13).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::Deserializer;
use uuid::Uuid;

use super::super::lenient::{count, flag, object, text, texts, time};
use super::{Reference, id};

/// An application; only workers matter (pingone-api.md §6.8).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    /// Its id, which is its client id too.
    #[serde(deserialize_with = "id")]
    pub id: Uuid,
    /// Its name.
    #[serde(default, deserialize_with = "text")]
    pub name: Option<String>,
    /// Its description.
    #[serde(default, deserialize_with = "text")]
    pub description: Option<String>,
    /// It is switched on.
    #[serde(default, deserialize_with = "flag")]
    pub enabled: Option<bool>,
    /// `WORKER`, or an open set.
    #[serde(default, rename = "type", deserialize_with = "text")]
    pub application_type: Option<String>,
    /// `OPENID_CONNECT`, `SAML`, or anything new.
    #[serde(default, deserialize_with = "text")]
    pub protocol: Option<String>,
    /// Creation time.
    #[serde(default, deserialize_with = "time")]
    pub created_at: Option<Timestamp>,
    /// Time of the last change.
    #[serde(default, deserialize_with = "time")]
    pub updated_at: Option<Timestamp>,
}

impl Application {
    /// It acts for itself rather than for users.
    pub fn is_worker(&self) -> bool {
        let kind = self.application_type.as_deref();
        kind.is_some_and(|kind| kind.eq_ignore_ascii_case("WORKER"))
    }
}

/// A licence (pingone-api.md §6.1).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Licence {
    /// Its id.
    #[serde(deserialize_with = "id")]
    pub id: Uuid,
    /// Its name.
    #[serde(default, deserialize_with = "text")]
    pub name: Option<String>,
    /// The package that was bought.
    #[serde(default, deserialize_with = "text")]
    pub package: Option<String>,
    /// `ACTIVE`, `EXPIRED`, `FUTURE`, `TERMINATED`, or anything new.
    #[serde(default, deserialize_with = "text")]
    pub status: Option<String>,
    /// When it ends.
    #[serde(default, deserialize_with = "time")]
    pub expires_at: Option<Timestamp>,
}

/// The state of a password (pingone-api.md §6.5).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PasswordState {
    /// `OK`, `NO_PASSWORD`, `PASSWORD_EXPIRED`, `PASSWORD_LOCKED_OUT`, `MUST_CHANGE_PASSWORD`, `EXTERNAL`, or anything new.
    #[serde(default, deserialize_with = "text")]
    pub status: Option<String>,
    /// The policy that it must follow.
    #[serde(default, deserialize_with = "object")]
    pub password_policy: Option<Reference>,
    /// When it was last changed.
    #[serde(default, deserialize_with = "time")]
    pub last_changed_at: Option<Timestamp>,
    /// How long it stays locked.
    #[serde(default, deserialize_with = "count")]
    pub seconds_until_unlock: Option<u64>,
}

/// A user's session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Its id.
    #[serde(default, deserialize_with = "text")]
    pub id: Option<String>,
    /// When it ends or ended.
    #[serde(default, deserialize_with = "time")]
    pub expires_at: Option<Timestamp>,
}

/// A user's MFA device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Device {
    /// Its id.
    #[serde(default, deserialize_with = "text")]
    pub id: Option<String>,
    /// `SMS`, `TOTP`, and so on, an open set.
    #[serde(default, rename = "type", deserialize_with = "text")]
    pub device_type: Option<String>,
    /// `ACTIVE`, `ACTIVATION_REQUIRED`, or anything new.
    #[serde(default, deserialize_with = "text")]
    pub status: Option<String>,
}

/// An identity provider of the environment.
#[derive(Debug, Clone, Deserialize)]
pub struct IdentityProviderSummary {
    /// Its id.
    #[serde(deserialize_with = "id")]
    pub id: Uuid,
    /// Its name.
    #[serde(default, deserialize_with = "text")]
    pub name: Option<String>,
    /// `SAML`, `OPENID_CONNECT`, and so on, an open set.
    #[serde(default, rename = "type", deserialize_with = "text")]
    pub provider_type: Option<String>,
    /// It is switched on.
    #[serde(default, deserialize_with = "flag")]
    pub enabled: Option<bool>,
}

/// An attribute of the user schema.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SchemaAttribute {
    /// Its name, as it stands in a user.
    #[serde(default, deserialize_with = "text")]
    pub name: Option<String>,
    /// `STRING`, `BOOLEAN`, `COMPLEX`, `JSON`, or anything new.
    #[serde(default, rename = "type", deserialize_with = "text")]
    pub attribute_type: Option<String>,
    /// `CORE`, `STANDARD`, `CUSTOM`, or anything new.
    #[serde(default, deserialize_with = "text")]
    pub schema_type: Option<String>,
    /// It can be used.
    #[serde(default, deserialize_with = "flag")]
    pub enabled: Option<bool>,
    /// A user must have it.
    #[serde(default, deserialize_with = "flag")]
    pub required: Option<bool>,
    /// No two users may have the same value.
    #[serde(default, deserialize_with = "flag")]
    pub unique: Option<bool>,
    /// It holds a list.
    #[serde(default, deserialize_with = "flag")]
    pub multi_valued: Option<bool>,
}

/// A password policy (pingone-api.md §6.13); a rule that is absent is off.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PasswordPolicy {
    /// Its id.
    #[serde(deserialize_with = "id")]
    pub id: Uuid,
    /// Its name.
    #[serde(default, deserialize_with = "text")]
    pub name: Option<String>,
    /// It holds for populations that name none.
    #[serde(default, deserialize_with = "flag")]
    pub default: Option<bool>,
    /// Shortest and longest password.
    #[serde(default, deserialize_with = "object")]
    pub length: Option<PasswordLength>,
    /// How many characters of each of these sets there must be.
    #[serde(default, deserialize_with = "counts")]
    pub min_characters: BTreeMap<String, u64>,
    /// How many different characters there must be.
    #[serde(default, deserialize_with = "count")]
    pub min_unique_characters: Option<u64>,
    /// The least measure of complexity.
    #[serde(default, deserialize_with = "count")]
    pub min_complexity: Option<u64>,
    /// How often a character may follow itself.
    #[serde(default, deserialize_with = "count")]
    pub max_repeated_characters: Option<u64>,
    /// Nothing of the user's profile may be in it.
    #[serde(default, deserialize_with = "flag")]
    pub excludes_profile_data: Option<bool>,
    /// It must not be a common one.
    #[serde(default, deserialize_with = "flag")]
    pub excludes_commonly_used: Option<bool>,
}

/// Lengths of a password.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct PasswordLength {
    /// Shortest.
    #[serde(default, deserialize_with = "count")]
    pub min: Option<u64>,
    /// Longest.
    #[serde(default, deserialize_with = "count")]
    pub max: Option<u64>,
}

fn counts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, u64>, D::Error> {
    let values: Option<BTreeMap<String, serde_json::Value>> = object(deserializer)?;
    let counts = values
        .into_iter()
        .flatten()
        .filter_map(|(set, value)| Some((set, value.as_u64()?)));
    Ok(counts.collect())
}

/// A user with the groups that a single read can add.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct GroupIds {
    #[serde(default, rename = "memberOfGroupIDs", deserialize_with = "texts")]
    pub(crate) ids: Option<Vec<String>>,
}

/// A schema, of which the name decides.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Schema {
    #[serde(default, deserialize_with = "text")]
    pub(crate) id: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(crate) name: Option<String>,
}

/// The state of a user's part that is one truth value.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Switches {
    #[serde(default, deserialize_with = "flag")]
    pub(crate) enabled: Option<bool>,
    #[serde(default, deserialize_with = "flag")]
    pub(crate) mfa_enabled: Option<bool>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_password_policy_is_read_and_absent_rules_are_off() {
        let found: PasswordPolicy = serde_json::from_value(json!({
            "id": "2a0c4cf8-4b0a-4a22-b6fa-1f0e5a7d3c90", "name": "Standard", "default": true,
            "length": {"min": 8, "max": 255}, "minCharacters": {"0123456789": 1, "abc": "many"},
            "minUniqueCharacters": 5, "maxRepeatedCharacters": 2, "excludesProfileData": true
        }))
        .unwrap();
        let length = PasswordLength {
            min: Some(8),
            max: Some(255),
        };
        assert_eq!(found.length, Some(length));
        assert_eq!(found.min_characters, BTreeMap::from([("0123456789".to_owned(), 1)]));
        assert_eq!((found.min_unique_characters, found.min_complexity), (Some(5), None));
    }

    #[test]
    fn workers_are_told_from_other_applications() {
        for (kind, worker) in [(json!("WORKER"), true), (json!("WEB_APP"), false), (json!(null), false)] {
            let body = json!({"id": "a7c01e5d-1f0b-4c60-9e5c-11aa22bb33cc", "type": kind});
            assert_eq!(serde_json::from_value::<Application>(body).unwrap().is_worker(), worker);
        }
    }
}
