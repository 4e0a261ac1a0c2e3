//! Password policies (pingone-api.md §6.13). An absent rule is off.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::client::Client;
use super::error::PingOneError;
use super::lenient::{count, flag, object};
use super::operation::Operation;
use super::page::Pages;

/// Bounds of a password's length, in characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct LengthRule {
    /// At least.
    #[serde(default, deserialize_with = "count")]
    pub min: Option<u64>,
    /// At most.
    #[serde(default, deserialize_with = "count")]
    pub max: Option<u64>,
}

/// What passwords must be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PasswordPolicy {
    /// Its id.
    pub id: String,
    /// The policy of whoever has no other.
    #[serde(default, deserialize_with = "flag")]
    pub default: Option<bool>,
    /// Bounds of the length.
    #[serde(default, deserialize_with = "object")]
    pub length: Option<LengthRule>,
    /// Sets of characters, and how many of each there must be.
    #[serde(default, deserialize_with = "object")]
    pub min_characters: Option<BTreeMap<String, u64>>,
    /// How many different characters there must be.
    #[serde(default, deserialize_with = "count")]
    pub min_unique_characters: Option<u64>,
    /// How often a character may be repeated.
    #[serde(default, deserialize_with = "count")]
    pub max_repeated_characters: Option<u64>,
    /// No part of the user's profile.
    #[serde(default, deserialize_with = "flag")]
    pub excludes_profile_data: Option<bool>,
}

impl Client {
    /// The environment's password policies.
    pub async fn password_policies(&self) -> Result<Vec<PasswordPolicy>, PingOneError> {
        let url = self.url(&["passwordPolicies"]);
        let operation = Operation::ListPasswordPolicies;
        Pages::new(self.clone(), operation, self.environment_id(), "passwordPolicies", url)
            .all()
            .await
    }
}
