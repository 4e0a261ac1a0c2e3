//! Resource types, resources and entitlements to bytes.
#![expect(
    deprecated,
    reason = "old readers look only at the copies in traits; connector-model.md §3.1 wants both"
)]

use std::collections::BTreeMap;

use prost::Message;
use prost_types::{Any, Struct, Timestamp};

use crate::model::{
    AccountType, CredentialKind, Entitlement, ExclusionGroup, Profile, Resource, ResourceId, ResourceTrait,
    ResourceType, SecretTrait, Status, StatusKind, Trait, UserTrait, Value,
};
use crate::proto::c1::connector::v2 as pb;

/// Packs an annotation with the type URL that readers expect (c1-protocol.md §8.6).
pub(crate) fn any<M: Message>(type_name: &str, message: &M) -> Any {
    Any {
        type_url: format!("type.googleapis.com/c1.connector.v2.{type_name}"),
        value: message.encode_to_vec(),
    }
}

/// The `ResourceType` message of a type, with its annotations (connector-model.md §2).
pub(crate) fn resource_type_message(resource_type: ResourceType) -> pb::ResourceType {
    let mut annotations = Vec::new();
    if resource_type.0.offers_nothing {
        annotations.push(any("SkipEntitlementsAndGrants", &pb::SkipEntitlementsAndGrants {}));
    }
    if resource_type.0.opt_in {
        annotations.push(any("OptInRequired", &pb::OptInRequired {}));
    }
    annotations.extend(resource_type.0.children.iter().map(|child| {
        let message = pb::ChildResourceType {
            resource_type_id: (*child).to_owned(),
        };
        any("ChildResourceType", &message)
    }));
    if !resource_type.0.permissions.is_empty() {
        annotations.push(any("CapabilityPermissions", &permissions_message(resource_type)));
    }
    pb::ResourceType {
        id: resource_type.id().to_owned(),
        display_name: resource_type.0.display_name.to_owned(),
        traits: resource_type.0.traits.iter().map(|t| trait_number(*t)).collect(),
        annotations,
        ..Default::default()
    }
}

/// The `CapabilityPermissions` of a type (connector-model.md §8.5).
pub(crate) fn permissions_message(resource_type: ResourceType) -> pb::CapabilityPermissions {
    pb::CapabilityPermissions {
        permissions: resource_type
            .0
            .permissions
            .iter()
            .map(|permission| pb::CapabilityPermission {
                permission: (*permission).to_owned(),
            })
            .collect(),
    }
}

fn trait_number(value: Trait) -> i32 {
    (match value {
        Trait::User => pb::resource_type::Trait::User,
        Trait::Group => pb::resource_type::Trait::Group,
        Trait::Role => pb::resource_type::Trait::Role,
        Trait::App => pb::resource_type::Trait::App,
        Trait::Secret => pb::resource_type::Trait::Secret,
        Trait::ScopeBinding => pb::resource_type::Trait::ScopeBinding,
    })
    .into()
}

/// Encodes a resource type.
pub fn resource_type(resource_type: ResourceType) -> Vec<u8> {
    resource_type_message(resource_type).encode_to_vec()
}

/// Encodes a resource. Profile, status and creation time are written twice, on the resource and in its trait, with
/// equal values: old readers look only at the trait (connector-model.md §3.1).
pub fn resource(resource: &Resource) -> Vec<u8> {
    resource_message(resource).encode_to_vec()
}

/// The message of a resource as a sync emits it.
pub(crate) fn resource_message(resource: &Resource) -> pb::Resource {
    let profile = profile_message(&resource.profile);
    let created_at = resource.created_at.map(timestamp);
    let mut annotations = Vec::from_iter(trait_annotation(resource, &profile, created_at));
    annotations.extend(non_human(resource));
    annotations.push(any(
        "RawId",
        &pb::RawId {
            id: resource.id.id.clone(),
        },
    ));
    if let Some(immutable) = resource.immutable {
        annotations.push(immutable_annotation(immutable, None));
    }
    pb::Resource {
        id: Some(resource_id_message(&resource.id)),
        parent_resource_id: resource.parent.as_ref().map(resource_id_message),
        display_name: resource.display_name.clone(),
        annotations,
        description: resource.description.clone(),
        profile: Some(profile),
        status: resource.status.as_ref().map(status_message),
        created_at,
        ..Default::default()
    }
}

fn trait_annotation(resource: &Resource, profile: &Struct, created_at: Option<Timestamp>) -> Option<Any> {
    Some(match &resource.resource_trait {
        ResourceTrait::User(user) => any(
            "UserTrait",
            &user_trait(user, resource.status.as_ref(), profile.clone(), created_at),
        ),
        ResourceTrait::Group(group) => any(
            "GroupTrait",
            &pb::GroupTrait {
                profile: Some(profile.clone()),
                group_source_type: group.source_type.to_owned(),
                raw_group_source_type: group.raw_source_type.clone(),
                ..Default::default()
            },
        ),
        ResourceTrait::Role(_) => any(
            "RoleTrait",
            &pb::RoleTrait {
                profile: Some(profile.clone()),
                ..Default::default()
            },
        ),
        ResourceTrait::App(app) => any(
            "AppTrait",
            &pb::AppTrait {
                profile: Some(profile.clone()),
                flags: app
                    .flags
                    .iter()
                    .filter_map(|flag| pb::app_trait::AppFlag::from_str_name(flag))
                    .map(Into::into)
                    .collect(),
                app_source_type: app.source_type.to_owned(),
                raw_app_source_type: app.raw_source_type.clone(),
                ..Default::default()
            },
        ),
        ResourceTrait::Secret(secret) => any("SecretTrait", &secret_trait(secret, profile.clone(), created_at)),
        ResourceTrait::Binding(binding) => any(
            "ScopeBindingTrait",
            &pb::ScopeBindingTrait {
                role_id: Some(resource_id_message(&binding.role)),
                scope_resource_id: Some(resource_id_message(&binding.scope)),
            },
        ),
        ResourceTrait::None => return None,
    })
}

fn secret_trait(secret: &SecretTrait, profile: Struct, created_at: Option<Timestamp>) -> pb::SecretTrait {
    pb::SecretTrait {
        profile: Some(profile),
        created_at,
        expires_at: secret.expires_at.map(timestamp),
        last_used_at: secret.last_used_at.map(timestamp),
        identity_id: secret.identity.as_ref().map(resource_id_message),
        credential_type: (match secret.kind {
            CredentialKind::StaticSecret => pb::secret_trait::CredentialType::StaticSecret,
            CredentialKind::AsymmetricKey => pb::secret_trait::CredentialType::AsymmetricKey,
        })
        .into(),
        credential_detail: secret.detail.clone(),
        ..Default::default()
    }
}

/// The `NonHumanIdentityTrait` of what signs on by itself.
fn non_human(resource: &Resource) -> Option<Any> {
    let ResourceTrait::App(app) = &resource.resource_trait else {
        return None;
    };
    let message = pb::NonHumanIdentityTrait {
        nhi_type: pb::non_human_identity_trait::NhiType::AppRegistration.into(),
        nhi_detail: app.non_human.clone()?,
    };
    Some(any("NonHumanIdentityTrait", &message))
}

fn user_trait(
    user: &UserTrait,
    status: Option<&Status>,
    profile: Struct,
    created_at: Option<Timestamp>,
) -> pb::UserTrait {
    pb::UserTrait {
        emails: user
            .email
            .iter()
            .map(|address| pb::user_trait::Email {
                address: address.clone(),
                is_primary: true,
            })
            .collect(),
        status: status.map(|status| pb::user_trait::Status {
            status: (match status.kind {
                StatusKind::Unspecified => pb::user_trait::status::Status::Unspecified,
                StatusKind::Enabled => pb::user_trait::status::Status::Enabled,
                StatusKind::Disabled => pb::user_trait::status::Status::Disabled,
            })
            .into(),
            details: status.details.clone(),
        }),
        profile: Some(profile),
        account_type: (match user.account_type {
            AccountType::Human => pb::user_trait::AccountType::Human,
            AccountType::Service => pb::user_trait::AccountType::Service,
        })
        .into(),
        login: user.login.clone().unwrap_or_default(),
        login_aliases: user.login_aliases.clone(),
        employee_ids: user.employee_ids.clone(),
        created_at,
        last_login: user.last_login.map(timestamp),
        mfa_status: user
            .mfa_enabled
            .map(|mfa_enabled| pb::user_trait::MfaStatus { mfa_enabled }),
        sso_status: user
            .sso_enabled
            .map(|sso_enabled| pb::user_trait::SsoStatus { sso_enabled }),
        structured_name: user
            .structured_name
            .as_ref()
            .map(|name| pb::user_trait::StructuredName {
                given_name: name.given.clone().unwrap_or_default(),
                family_name: name.family.clone().unwrap_or_default(),
                middle_names: name.middle.iter().cloned().collect(),
                prefix: name.prefix.clone().unwrap_or_default(),
                suffix: name.suffix.clone().unwrap_or_default(),
            }),
        ..Default::default()
    }
}

/// The `EntitlementImmutable` annotation.
pub(crate) fn immutable_annotation(source_id: &str, metadata: Option<&Profile>) -> Any {
    any(
        "EntitlementImmutable",
        &pb::EntitlementImmutable {
            source_id: source_id.to_owned(),
            metadata: metadata.map(profile_message),
        },
    )
}

fn exclusion_annotation(group: ExclusionGroup) -> Any {
    any(
        "EntitlementExclusionGroup",
        &pb::EntitlementExclusionGroup {
            exclusion_group_id: group.id.to_owned(),
            is_default: group.is_default,
            ..Default::default()
        },
    )
}

fn status_message(status: &Status) -> pb::Status {
    pb::Status {
        status: (match status.kind {
            StatusKind::Unspecified => pb::status::ResourceStatus::Unspecified,
            StatusKind::Enabled => pb::status::ResourceStatus::Enabled,
            StatusKind::Disabled => pb::status::ResourceStatus::Disabled,
        })
        .into(),
        details: status.details.clone(),
    }
}

/// The id message of a resource.
pub(crate) fn resource_id_message(id: &ResourceId) -> pb::ResourceId {
    pb::ResourceId {
        resource_type: id.resource_type.id().to_owned(),
        resource: id.id.clone(),
        ..Default::default()
    }
}

pub(crate) fn timestamp(at: jiff::Timestamp) -> Timestamp {
    let (mut seconds, mut nanos) = (at.as_second(), at.subsec_nanosecond());
    if nanos < 0 {
        seconds -= 1;
        nanos += 1_000_000_000;
    }
    Timestamp { seconds, nanos }
}

/// A profile as `google.protobuf.Struct`.
pub(crate) fn profile_message(profile: &Profile) -> Struct {
    Struct {
        fields: object_fields(&profile.0),
    }
}

fn object_fields(object: &BTreeMap<String, Value>) -> BTreeMap<String, prost_types::Value> {
    object
        .iter()
        .map(|(key, value)| (key.clone(), value_message(value)))
        .collect()
}

fn value_message(value: &Value) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(value) => Kind::NumberValue(*value),
        Value::String(value) => Kind::StringValue(value.clone()),
        Value::List(values) => Kind::ListValue(prost_types::ListValue {
            values: values.iter().map(value_message).collect(),
        }),
        Value::Object(object) => Kind::StructValue(Struct {
            fields: object_fields(object),
        }),
    };
    prost_types::Value { kind: Some(kind) }
}

/// Encodes an entitlement. Its `resource` is a reference: id and display name, no traits and no profile
/// (c1z.md §4.1).
pub fn entitlement(entitlement: &Entitlement) -> Vec<u8> {
    pb::Entitlement {
        resource: Some(pb::Resource {
            id: Some(resource_id_message(&entitlement.id.resource)),
            display_name: entitlement.resource_display_name.clone(),
            ..Default::default()
        }),
        id: entitlement.id.to_string(),
        display_name: entitlement.display_name.clone(),
        description: entitlement.description.clone(),
        grantable_to: entitlement
            .grantable_to
            .iter()
            .map(|t| resource_type_message(*t))
            .collect(),
        annotations: entitlement
            .immutable
            .map(|source_id| immutable_annotation(source_id, entitlement.immutable_metadata.as_ref()))
            .into_iter()
            .chain(entitlement.exclusion.map(exclusion_annotation))
            .collect(),
        purpose: pb::entitlement::PurposeValue::Assignment.into(),
        slug: entitlement.id.slug.to_string(),
    }
    .encode_to_vec()
}

#[cfg(test)]
mod tests;
