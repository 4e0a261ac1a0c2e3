//! What the connector says of itself: capabilities (connector-model.md §8.5) and metadata (§8.1).

use std::collections::BTreeSet;

use prost::Message;
use serde_json::{Map, Value};

use super::encode::{any, permissions_message, profile_message, resource_type_message};
use super::json::{self, JsonError};
use crate::model::{Capability, Profile, ResourceType};
use crate::proto::c1::connector::v2 as pb;
use pb::CapabilityDetailCredentialOption as CredentialOption;

/// Full name of the message.
const CAPABILITIES: &str = "c1.connector.v2.ConnectorCapabilities";

fn number(capability: Capability) -> pb::Capability {
    match capability {
        Capability::Sync => pb::Capability::Sync,
        Capability::TargetedSync => pb::Capability::TargetedSync,
        Capability::Provision => pb::Capability::Provision,
        Capability::AccountProvisioning => pb::Capability::AccountProvisioning,
        Capability::ResourceDelete => pb::Capability::ResourceDelete,
        Capability::CredentialRotation => pb::Capability::CredentialRotation,
    }
}

/// The capabilities of these types: what the binary can do, whatever is switched on. Only the event feed is named where
/// it is on alone: C1 asks whoever has it.
pub(crate) fn capabilities(types: &[ResourceType], event_feed: bool) -> pb::ConnectorCapabilities {
    let mut all: BTreeSet<i32> = [pb::Capability::Actions, pb::Capability::ServiceModeTargetedSync]
        .map(Into::into)
        .into();
    if event_feed {
        all.insert(pb::Capability::EventFeedV2.into());
    }
    let resource_type_capabilities = types
        .iter()
        .map(|resource_type| {
            let capabilities: Vec<i32> = resource_type.capabilities().iter().map(|c| number(*c).into()).collect();
            all.extend(&capabilities);
            pb::ResourceTypeCapability {
                resource_type: Some(resource_type_message(*resource_type)),
                capabilities,
                permissions: Some(permissions_message(*resource_type)),
                ..Default::default()
            }
        })
        .collect();
    let options = |options: &[CredentialOption]| options.iter().map(|option| (*option).into()).collect();
    pb::ConnectorCapabilities {
        resource_type_capabilities,
        connector_capabilities: all.into_iter().collect(),
        credential_details: Some(pb::CredentialDetails {
            capability_account_provisioning: Some(pb::CredentialDetailsAccountProvisioning {
                supported_credential_options: options(&[
                    CredentialOption::NoPassword,
                    CredentialOption::RandomPassword,
                    CredentialOption::Sso,
                    CredentialOption::EncryptedPassword,
                ]),
                preferred_credential_option: CredentialOption::NoPassword.into(),
            }),
            capability_credential_rotation: Some(pb::CredentialDetailsCredentialRotation {
                supported_credential_options: options(&[
                    CredentialOption::RandomPassword,
                    CredentialOption::EncryptedPassword,
                ]),
                preferred_credential_option: CredentialOption::RandomPassword.into(),
            }),
        }),
    }
}

/// The capabilities as JSON with their `@type`.
pub fn capabilities_json(types: &[ResourceType]) -> Result<Value, JsonError> {
    let mut object = Map::new();
    object.insert(
        "@type".to_owned(),
        Value::String(format!("type.googleapis.com/{CAPABILITIES}")),
    );
    if let Value::Object(members) = json::bytes(CAPABILITIES, &capabilities(types, false).encode_to_vec())? {
        object.extend(members);
    }
    Ok(Value::Object(object))
}

/// What the metadata says beyond what the binary is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The configured environment.
    pub environment_id: String,
    /// Its name, where it could be read.
    pub environment_name: Option<String>,
    /// Top-level domain of the region.
    pub region: String,
    /// The organization, where it could be read.
    pub organization_id: Option<String>,
    /// `entitlements`
    pub role_model: &'static str,
    /// `all`, `candidates` or `groups-and-workers`.
    pub role_scan: &'static str,
    /// The event feed is on.
    pub event_feed: bool,
}

/// The kind of value that an account field takes.
#[derive(Debug, Clone, Copy)]
enum FieldKind {
    Text,
    Flag(Option<bool>),
    Map,
}

/// The fields of a new account in order: key, display name, required, kind, description (connector-model.md §7.3).
const ACCOUNT_FIELDS: [(&str, &str, bool, FieldKind, &str); 20] = [
    (
        "username",
        "Username",
        true,
        FieldKind::Text,
        "Unique in the environment",
    ),
    ("email", "Email", true, FieldKind::Text, "E-mail address"),
    ("given_name", "Given name", false, FieldKind::Text, "First name"),
    ("family_name", "Family name", false, FieldKind::Text, "Last name"),
    (
        "population",
        "Population",
        false,
        FieldKind::Text,
        "Id or exact name; without it the default population",
    ),
    (
        "formatted_name",
        "Formatted name",
        false,
        FieldKind::Text,
        "The whole name",
    ),
    ("nickname", "Nickname", false, FieldKind::Text, "Nickname"),
    ("title", "Title", false, FieldKind::Text, "Title"),
    ("type", "Type", false, FieldKind::Text, "Type of user"),
    (
        "external_id",
        "External ID",
        false,
        FieldKind::Text,
        "Id in another system",
    ),
    (
        "primary_phone",
        "Primary phone",
        false,
        FieldKind::Text,
        "Primary phone",
    ),
    ("mobile_phone", "Mobile phone", false, FieldKind::Text, "Mobile phone"),
    ("locale", "Locale", false, FieldKind::Text, "Locale"),
    (
        "preferred_language",
        "Preferred language",
        false,
        FieldKind::Text,
        "Preferred language",
    ),
    (
        "timezone",
        "Time zone",
        false,
        FieldKind::Text,
        "Such as Europe/Stockholm",
    ),
    (
        "create_disabled",
        "Create disabled",
        false,
        FieldKind::Flag(Some(false)),
        "Create the account disabled",
    ),
    (
        "require_verification",
        "Require verification",
        false,
        FieldKind::Flag(Some(false)),
        "The user must verify the account",
    ),
    (
        "mfa_enabled",
        "MFA enabled",
        false,
        FieldKind::Flag(None),
        "Without it the environment decides",
    ),
    (
        "identity_provider_id",
        "Identity provider ID",
        false,
        FieldKind::Text,
        "For users who sign on elsewhere",
    ),
    (
        "additional_attributes",
        "Additional attributes",
        false,
        FieldKind::Map,
        "Any other attribute of the schema",
    ),
];

fn account_field(
    order: usize,
    row: &(&str, &str, bool, FieldKind, &str),
) -> pb::connector_account_creation_schema::Field {
    use pb::connector_account_creation_schema as schema;
    let (_, display_name, required, kind, description) = *row;
    schema::Field {
        display_name: display_name.to_owned(),
        required,
        description: description.to_owned(),
        order: i32::try_from(order + 1).unwrap_or_default(),
        field: Some(match kind {
            FieldKind::Text => schema::field::Field::StringField(schema::StringField::default()),
            FieldKind::Flag(default_value) => schema::field::Field::BoolField(schema::BoolField { default_value }),
            FieldKind::Map => schema::field::Field::MapField(schema::MapField::default()),
        }),
        ..Default::default()
    }
}

/// The encoded `ConnectorMetadata`.
pub fn metadata(facts: &Metadata) -> Vec<u8> {
    let mut profile = Profile::default();
    profile.text("environment_id", Some(facts.environment_id.as_str()));
    profile.text("environment_name", facts.environment_name.as_deref());
    profile.text("region", Some(facts.region.as_str()));
    profile.text("organization_id", facts.organization_id.as_deref());
    profile.text("role_model", Some(facts.role_model));
    profile.text("role_scan", Some(facts.role_scan));
    let console = format!("https://console.pingone.{}/?env={}", facts.region, facts.environment_id);
    let fields = ACCOUNT_FIELDS
        .iter()
        .enumerate()
        .map(|(n, row)| (row.0.to_owned(), account_field(n, row)));
    pb::ConnectorMetadata {
        display_name: "PingOne".to_owned(),
        help_url: "https://www.conductorone.com/docs/baton/ping-one".to_owned(),
        profile: Some(profile_message(&profile)),
        annotations: vec![any("ExternalLink", &pb::ExternalLink { url: console })],
        description: "Users, groups, populations and administrator roles of a PingOne environment".to_owned(),
        capabilities: Some(capabilities(&ResourceType::ALL, facts.event_feed)),
        account_creation_schema: Some(pb::ConnectorAccountCreationSchema {
            field_map: fields.collect(),
        }),
        ..Default::default()
    }
    .encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_said_with_and_without_what_pingone_knows() {
        for name in [None, Some("Workforce".to_owned())] {
            let facts = Metadata {
                environment_id: "5f0c6a52-6a1e-4f0b-9a43-2f9a1c0d7e11".to_owned(),
                environment_name: name.clone(),
                region: "com.au".to_owned(),
                organization_id: None,
                role_model: "entitlements",
                role_scan: "all",
                event_feed: name.is_some(),
            };
            let message = pb::ConnectorMetadata::decode(metadata(&facts).as_slice()).unwrap();
            let profile = message.profile.unwrap().fields;
            assert_eq!(profile.contains_key("environment_name"), name.is_some());
            let capabilities = message.capabilities.unwrap().connector_capabilities;
            assert!(capabilities.is_sorted());
            let feed = i32::from(pb::Capability::EventFeedV2);
            assert_eq!(capabilities.contains(&feed), facts.event_feed);
            let schema = message.account_creation_schema.unwrap().field_map;
            assert_eq!(schema.len(), 20);
            assert!(schema["username"].required && schema["username"].order == 1);
            let orders: BTreeSet<i32> = schema.values().map(|field| field.order).collect();
            assert_eq!(orders, (1..=20).collect());
            let link = pb::ExternalLink::decode(message.annotations[0].value.as_slice()).unwrap();
            assert_eq!(
                link.url,
                "https://console.pingone.com.au/?env=5f0c6a52-6a1e-4f0b-9a43-2f9a1c0d7e11"
            );
        }
    }
}
