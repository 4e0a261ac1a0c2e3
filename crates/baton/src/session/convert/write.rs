//! Payloads of the kinds that write.

use prost::Message as _;

use super::{bounded, invalid, json, malformed, resource_id, resource_ref};
use crate::model::{DESCRIPTION_MAX_BYTES, cut};
use crate::proto::c1::connector::v2 as cv2;
use crate::proto::c1::connectorapi::baton::v1::task as pb;
use crate::task::{
    AccountInfo, CreateAccountRequest, CreateResourceRequest, CredentialOptions, DeleteResourceRequest, Email,
    EncryptedSecret, EncryptionTarget, EntitlementRef, GrantRequest, IssueCredentialRequest, JsonObject, Password,
    PasswordRule, Payload, ResourceRef, RevokeRequest, RotateCredentialsRequest, TaskError,
};
use crate::wire::stored::StoredBinding;

const MAX_RECIPIENT_BYTES: usize = 4096;
const MAX_TYPE_BYTES: usize = 1024;
const PASSWORD_LENGTHS: std::ops::RangeInclusive<i64> = 8..=64;

pub(super) fn grant(task: pb::GrantTask) -> Payload<GrantRequest> {
    let (Some(entitlement), Some(principal)) = (task.entitlement, task.principal) else {
        return Err(malformed("grant"));
    };
    Ok(GrantRequest {
        entitlement: entitlement_ref(entitlement)?,
        principal: resource_ref("principal", principal)?,
    })
}

pub(super) fn revoke(task: pb::RevokeTask) -> Payload<RevokeRequest> {
    let grant = task
        .grant
        .ok_or_else(|| TaskError::new(crate::task::Code::Unknown, "invalid task type"))?;
    bounded("grant.id", &grant.id)?;
    let metadata = grant.annotations.iter().find_map(grant_metadata);
    let entitlement = grant.entitlement.ok_or_else(|| invalid("grant has no entitlement"))?;
    let principal = grant.principal.ok_or_else(|| invalid("grant has no principal"))?;
    Ok(RevokeRequest {
        grant_id: grant.id,
        entitlement: entitlement_ref(entitlement)?,
        principal: resource_ref("principal", principal)?,
        metadata,
    })
}

/// The metadata that a sync put on the grant. One that cannot be read is no hint.
fn grant_metadata(any: &prost_types::Any) -> Option<JsonObject> {
    let name = any.type_url.rsplit('/').next()?;
    if name != "c1.connector.v2.GrantMetadata" {
        return None;
    }
    let metadata = cv2::GrantMetadata::decode(any.value.as_slice()).ok()?;
    metadata.metadata.map(json::object)
}

fn entitlement_ref(entitlement: cv2::Entitlement) -> Result<EntitlementRef, TaskError> {
    let resource = entitlement
        .resource
        .ok_or_else(|| invalid("entitlement has no resource"))?;
    bounded("entitlement.id", &entitlement.id)?;
    let binding = resource.annotations.iter().find_map(binding).transpose()?;
    Ok(EntitlementRef {
        id: entitlement.id,
        slug: entitlement.slug,
        description: cut(&entitlement.description, DESCRIPTION_MAX_BYTES).into_owned(),
        resource: resource_ref("entitlement", resource)?,
        binding,
    })
}

/// The trait that says which role over which scope a resource is.
fn binding(any: &prost_types::Any) -> Option<Result<StoredBinding, TaskError>> {
    if any.type_url.rsplit('/').next()? != "c1.connector.v2.ScopeBindingTrait" {
        return None;
    }
    let message = cv2::ScopeBindingTrait::decode(any.value.as_slice());
    Some(match message {
        Ok(message) => Ok(message.into()),
        Err(_) => Err(invalid("entitlement: the resource's ScopeBindingTrait does not read")),
    })
}

pub(super) fn create_account(task: pb::CreateAccountTask) -> Payload<CreateAccountRequest> {
    let account = task.account_info.ok_or_else(|| malformed("create account"))?;
    if task.resource_type_id.len() > MAX_TYPE_BYTES {
        return Err(invalid(format!(
            "resource_type_id is longer than {MAX_TYPE_BYTES} bytes"
        )));
    }
    Ok(CreateAccountRequest {
        account: AccountInfo {
            emails: account.emails.into_iter().map(email).collect(),
            login: account.login,
            login_aliases: account.login_aliases,
            profile: json::object(account.profile.unwrap_or_default()),
        },
        credentials: task.credential_options.map(credential_options).transpose()?,
        encryption: encryption_targets(task.encryption_configs)?,
        resource_type_id: task.resource_type_id,
    })
}

fn email(email: cv2::account_info::Email) -> Email {
    Email {
        address: email.address,
        is_primary: email.is_primary,
    }
}

fn credential_options(options: cv2::CredentialOptions) -> Result<CredentialOptions, TaskError> {
    use cv2::credential_options::Options;
    let password = match options.options.ok_or_else(|| invalid("invalid credential options"))? {
        Options::NoPassword(_) => Password::None,
        Options::Sso(sso) => Password::Sso {
            provider: sso.sso_provider,
        },
        Options::RandomPassword(random) => {
            let length = Some(random.length).filter(|length| PASSWORD_LENGTHS.contains(length));
            let length = length.and_then(|length| u32::try_from(length).ok());
            Password::Random {
                length: length.ok_or_else(|| invalid("the password's length must be 8 to 64"))?,
                rules: random.constraints.into_iter().map(password_rule).collect(),
            }
        }
        Options::EncryptedPassword(encrypted) => {
            if encrypted.encrypted_passwords.is_empty() {
                return Err(invalid("encrypted_passwords is empty"));
            }
            Password::Encrypted(
                encrypted
                    .encrypted_passwords
                    .into_iter()
                    .map(encrypted_secret)
                    .collect(),
            )
        }
    };
    Ok(CredentialOptions {
        password,
        force_change_at_next_login: options.force_change_at_next_login,
    })
}

fn password_rule(rule: cv2::PasswordConstraint) -> PasswordRule {
    PasswordRule {
        char_set: rule.char_set,
        min_count: rule.min_count,
    }
}

#[expect(deprecated, reason = "the old key id is passed on")]
fn encrypted_secret(data: cv2::EncryptedData) -> EncryptedSecret {
    EncryptedSecret {
        provider: data.provider,
        key_id: data.key_id,
        name: data.name,
        description: data.description,
        schema: data.schema,
        bytes: data.encrypted_bytes,
        key_ids: data.key_ids,
    }
}

fn encryption_targets(configs: Vec<cv2::EncryptionConfig>) -> Result<Vec<EncryptionTarget>, TaskError> {
    use cv2::encryption_config::Config;
    let target = |config: cv2::EncryptionConfig| {
        let (jwk, age_recipient) = match config.config {
            None => (None, None),
            Some(Config::JwkPublicKeyConfig(jwk)) => (Some(jwk.pub_key), None),
            Some(Config::AgeRecipientConfig(age)) => (None, Some(age.recipient)),
        };
        if age_recipient
            .as_ref()
            .is_some_and(|text| text.is_empty() || text.len() > MAX_RECIPIENT_BYTES)
        {
            return Err(invalid(format!("recipient must have 1 to {MAX_RECIPIENT_BYTES} bytes")));
        }
        Ok(EncryptionTarget {
            provider: config.provider,
            jwk,
            age_recipient,
        })
    };
    configs.into_iter().map(target).collect()
}

pub(super) fn create_resource(task: pb::CreateResourceTask) -> Payload<CreateResourceRequest> {
    let resource = task.resource.ok_or_else(|| malformed("create resource"))?;
    let id = resource.id.unwrap_or_default();
    // The id may be empty: it is the connector that gives one.
    Ok(CreateResourceRequest {
        resource: ResourceRef {
            resource_type: id.resource_type,
            id: id.resource,
            parent: super::parent(resource.parent_resource_id),
            display_name: resource.display_name,
        },
    })
}

pub(super) fn delete_resource(task: pb::DeleteResourceTask) -> Payload<DeleteResourceRequest> {
    let id = task
        .resource_id
        .filter(|id| !id.resource_type.is_empty() && !id.resource.is_empty())
        .ok_or_else(|| malformed("delete resource"))?;
    let (resource_type, id) = resource_id("resource", Some(id))?;
    Ok(DeleteResourceRequest {
        resource: ResourceRef {
            resource_type,
            id,
            parent: super::parent(task.parent_resource_id),
            display_name: String::new(),
        },
    })
}

pub(super) fn rotate_credentials(task: pb::RotateCredentialsTask) -> Payload<RotateCredentialsRequest> {
    let id = task.resource_id.ok_or_else(|| malformed("rotate credentials"))?;
    Ok(RotateCredentialsRequest {
        resource: plain_ref(id)?,
        credentials: task.credential_options.map(credential_options).transpose()?,
        encryption: encryption_targets(task.encryption_configs)?,
    })
}

pub(super) fn issue_credential(task: pb::IssueCredentialTask) -> Payload<IssueCredentialRequest> {
    let Some(identity) = task.identity_id else {
        return Err(malformed("issue credential"));
    };
    if task.credential_options.is_none() || task.encryption_configs.is_empty() {
        return Err(malformed("issue credential"));
    }
    Ok(IssueCredentialRequest {
        identity: plain_ref(identity)?,
    })
}

fn plain_ref(id: cv2::ResourceId) -> Result<ResourceRef, TaskError> {
    let (resource_type, id) = resource_id("resource", Some(id))?;
    Ok(ResourceRef {
        resource_type,
        id,
        ..ResourceRef::default()
    })
}
