//! What the connector says of itself at Hello (connector-model.md §8.1, §8.5).

use baton::model::{Profile, ResourceType};
use baton::wire::describe::{self, AccountField, AccountFieldKind, Capabilities, CredentialOption};

use crate::config::RoleModel;
use crate::model::running_types;

/// What the binary can do (connector-model.md §8.5).
pub const fn capabilities(event_feed: bool, types: &'static [ResourceType]) -> Capabilities {
    Capabilities {
        types,
        event_feed,
        actions: true,
        account_options: &[
            CredentialOption::NoPassword,
            CredentialOption::RandomPassword,
            CredentialOption::Sso,
            CredentialOption::EncryptedPassword,
        ],
        rotation_options: &[CredentialOption::RandomPassword, CredentialOption::EncryptedPassword],
    }
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
    /// How roles are shown.
    pub role_model: RoleModel,
    /// `all`, `candidates` or `groups-and-workers`.
    pub role_scan: &'static str,
    /// The event feed is on.
    pub event_feed: bool,
    /// Memberships of populations are changed.
    pub population_provisioning: bool,
}

const fn field(
    key: &'static str,
    display_name: &'static str,
    required: bool,
    kind: AccountFieldKind,
    description: &'static str,
) -> AccountField {
    AccountField {
        key,
        display_name,
        required,
        kind,
        description,
    }
}

/// The fields of a new account in order (connector-model.md §7.3).
const ACCOUNT_FIELDS: [AccountField; 20] = [
    field(
        "username",
        "Username",
        true,
        AccountFieldKind::Text,
        "Unique in the environment",
    ),
    field("email", "Email", true, AccountFieldKind::Text, "E-mail address"),
    field("given_name", "Given name", false, AccountFieldKind::Text, "First name"),
    field("family_name", "Family name", false, AccountFieldKind::Text, "Last name"),
    field(
        "population",
        "Population",
        false,
        AccountFieldKind::Text,
        "Id or exact name; without it the default population",
    ),
    field(
        "formatted_name",
        "Formatted name",
        false,
        AccountFieldKind::Text,
        "The whole name",
    ),
    field("nickname", "Nickname", false, AccountFieldKind::Text, "Nickname"),
    field("title", "Title", false, AccountFieldKind::Text, "Title"),
    field("type", "Type", false, AccountFieldKind::Text, "Type of user"),
    field(
        "external_id",
        "External ID",
        false,
        AccountFieldKind::Text,
        "Id in another system",
    ),
    field(
        "primary_phone",
        "Primary phone",
        false,
        AccountFieldKind::Text,
        "Primary phone",
    ),
    field(
        "mobile_phone",
        "Mobile phone",
        false,
        AccountFieldKind::Text,
        "Mobile phone",
    ),
    field("locale", "Locale", false, AccountFieldKind::Text, "Locale"),
    field(
        "preferred_language",
        "Preferred language",
        false,
        AccountFieldKind::Text,
        "Preferred language",
    ),
    field(
        "timezone",
        "Time zone",
        false,
        AccountFieldKind::Text,
        "Such as Europe/Stockholm",
    ),
    field(
        "create_disabled",
        "Create disabled",
        false,
        AccountFieldKind::Flag(Some(false)),
        "Create the account disabled",
    ),
    field(
        "require_verification",
        "Require verification",
        false,
        AccountFieldKind::Flag(Some(false)),
        "The user must verify the account",
    ),
    field(
        "mfa_enabled",
        "MFA enabled",
        false,
        AccountFieldKind::Flag(None),
        "Without it the environment decides",
    ),
    field(
        "identity_provider_id",
        "Identity provider ID",
        false,
        AccountFieldKind::Text,
        "For users who sign on elsewhere",
    ),
    field(
        "additional_attributes",
        "Additional attributes",
        false,
        AccountFieldKind::Map,
        "Any other attribute of the schema",
    ),
];

/// The encoded `ConnectorMetadata`.
pub fn metadata(facts: &Metadata) -> Vec<u8> {
    let bound = facts.role_model == RoleModel::ScopeBinding;
    let types = running_types(bound, facts.population_provisioning);
    let mut profile = Profile::default();
    profile.text("environment_id", Some(facts.environment_id.as_str()));
    profile.text("environment_name", facts.environment_name.as_deref());
    profile.text("region", Some(facts.region.as_str()));
    profile.text("organization_id", facts.organization_id.as_deref());
    profile.text("role_model", Some(facts.role_model.as_str()));
    profile.text("role_scan", Some(facts.role_scan));
    describe::metadata(&describe::Metadata {
        display_name: "PingOne",
        help_url: "https://www.conductorone.com/docs/baton/ping-one",
        description: "Users, groups, populations and administrator roles of a PingOne environment",
        console_url: Some(format!(
            "https://console.pingone.{}/?env={}",
            facts.region, facts.environment_id
        )),
        profile,
        capabilities: capabilities(facts.event_feed, types),
        account_fields: &ACCOUNT_FIELDS,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use baton::proto::c1::connector::v2 as pb;
    use prost::Message as _;

    use super::*;

    #[test]
    fn metadata_is_said_with_and_without_what_pingone_knows() {
        for name in [None, Some("Workforce".to_owned())] {
            let facts = Metadata {
                environment_id: "5f0c6a52-6a1e-4f0b-9a43-2f9a1c0d7e11".to_owned(),
                environment_name: name.clone(),
                region: "com.au".to_owned(),
                organization_id: None,
                role_model: RoleModel::Entitlements,
                role_scan: "all",
                event_feed: name.is_some(),
                population_provisioning: name.is_some(),
            };
            let message = pb::ConnectorMetadata::decode(metadata(&facts).as_slice()).unwrap();
            let profile = message.profile.unwrap().fields;
            assert_eq!(profile.contains_key("environment_name"), name.is_some());
            let capabilities = message.capabilities.unwrap();
            let of_types = capabilities.resource_type_capabilities;
            let capabilities = capabilities.connector_capabilities;
            assert!(capabilities.is_sorted());
            let feed = i32::from(pb::Capability::EventFeedV2);
            assert_eq!(capabilities.contains(&feed), facts.event_feed);
            let types = of_types.iter().filter(|kind| {
                let id = &kind.resource_type.as_ref().unwrap().id;
                id == "population" && kind.capabilities.contains(&pb::Capability::Provision.into())
            });
            assert_eq!(types.count() == 1, facts.population_provisioning);
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

    /// A type with its annotations' names and whether C1 has to select it.
    fn types(role_model: RoleModel) -> BTreeMap<String, (BTreeSet<String>, bool)> {
        let facts = Metadata {
            environment_id: "5f0c6a52-6a1e-4f0b-9a43-2f9a1c0d7e11".to_owned(),
            environment_name: None,
            region: "eu".to_owned(),
            organization_id: None,
            role_model,
            role_scan: "all",
            event_feed: false,
            population_provisioning: false,
        };
        let message = pb::ConnectorMetadata::decode(metadata(&facts).as_slice()).unwrap();
        let of_types = message.capabilities.unwrap().resource_type_capabilities.into_iter();
        let told = of_types.map(|kind| {
            let of = kind.resource_type.unwrap();
            let names = of.annotations.iter().filter_map(|any| any.type_url.rsplit('.').next());
            (of.id, (names.map(str::to_owned).collect(), kind.opt_in_required))
        });
        told.collect()
    }

    #[test]
    fn types_of_bindings_are_told_in_their_model_alone() {
        let (plain, bound) = (types(RoleModel::Entitlements), types(RoleModel::ScopeBinding));
        for id in ["role_assignment", "environment", "organization", "other_scope"] {
            assert!(!plain.contains_key(id), "{id}");
            let (names, opt_in) = &bound[id];
            assert!(*opt_in && names.contains("OptInRequired"), "{id}: {names:?}");
        }
        for id in ["user", "group", "population", "role"] {
            for told in [&plain[id], &bound[id]] {
                assert!(!told.1 && !told.0.contains("OptInRequired"), "{id}: {told:?}");
            }
        }
        // What roles offer stands on their bindings there.
        let offers_nothing = |types: &BTreeMap<String, (BTreeSet<String>, bool)>, id: &str| {
            types[id].0.contains("SkipEntitlementsAndGrants")
        };
        assert!(!offers_nothing(&plain, "role") && offers_nothing(&bound, "role"));
        assert!(!offers_nothing(&bound, "role_assignment"));
        assert_eq!(bound.len(), plain.len() + 4);
    }
}
