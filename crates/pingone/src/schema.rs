//! What an environment's users may have: attributes of the schema, identity providers (pingone-api.md §6.13).

use serde::Deserialize;

use super::client::Client;
use super::client::Pages;
use super::error::PingOneError;
use super::lenient::{flag, text};
use super::operation::Operation;

/// An attribute of the schema `User`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SchemaAttribute {
    /// Its name, with its case.
    pub name: String,
    /// `STRING`, `BOOLEAN`, `COMPLEX`, `JSON`, or anything new.
    #[serde(default, rename = "type", deserialize_with = "text")]
    pub attribute_type: Option<String>,
    /// Switched off ones are as unknown as missing ones.
    #[serde(default, deserialize_with = "flag")]
    pub enabled: Option<bool>,
    /// Its value is a list.
    #[serde(default, deserialize_with = "flag")]
    pub multi_valued: Option<bool>,
}

/// An identity provider.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ProviderInfo {
    pub id: String,
    /// Its name.
    #[serde(default, deserialize_with = "text")]
    pub name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Schema {
    id: String,
    #[serde(default, deserialize_with = "text")]
    name: Option<String>,
}

impl Client {
    /// The attributes of the environment's users: those of the schema that is named `User`, or of the only one.
    pub async fn user_attributes(&self) -> Result<Vec<SchemaAttribute>, PingOneError> {
        let environment = self.environment_id();
        let url = self.url(&["schemas"]);
        let schemas = Pages::<Schema>::new(self.clone(), Operation::ListSchemas, environment, "schemas", url)
            .all_by(|schema| Some(schema.id.clone()))
            .await?;
        let named = schemas.iter().find(|schema| schema.name.as_deref() == Some("User"));
        let Some(schema) = named.or(schemas.first()) else {
            return Ok(Vec::new());
        };
        let url = self.url(&["schemas", &schema.id, "attributes"]);
        let operation = Operation::ListSchemaAttributes;
        Pages::new(self.clone(), operation, schema.id.clone(), "attributes", url)
            .all_by(|attribute: &SchemaAttribute| Some(attribute.name.clone()))
            .await
    }

    /// The identity providers.
    pub async fn identity_providers(&self) -> Result<Vec<ProviderInfo>, PingOneError> {
        let url = self.url(&["identityProviders"]);
        let operation = Operation::ListIdentityProviders;
        Pages::new(self.clone(), operation, self.environment_id(), "identityProviders", url)
            .all_by(|provider: &ProviderInfo| Some(provider.id.clone()))
            .await
    }
}
