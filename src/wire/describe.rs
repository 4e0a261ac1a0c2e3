//! What the connector says of itself: capabilities (connector-model.md §8.5).

use std::collections::BTreeSet;

use prost::Message;
use serde_json::{Map, Value};

use super::encode::{permissions_message, resource_type_message};
use super::json::{self, JsonError};
use crate::model::{Capability, ResourceType};
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

/// The capabilities of these types: what the binary can do, whatever is switched on.
pub(crate) fn capabilities(types: &[ResourceType]) -> pb::ConnectorCapabilities {
    let mut all: BTreeSet<i32> = [pb::Capability::Actions, pb::Capability::ServiceModeTargetedSync]
        .map(Into::into)
        .into();
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
    if let Value::Object(members) = json::bytes(CAPABILITIES, &capabilities(types).encode_to_vec())? {
        object.extend(members);
    }
    Ok(Value::Object(object))
}
