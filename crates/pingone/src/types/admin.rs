//! What provisioning and reports need beside the directory (pingone-api.md §6.1, §6.5, §6.8, §6.13).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::Deserializer;
use uuid::Uuid;

use super::super::lenient::{count, flag, object, text};
use super::id;

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
}
