//! Messages of a file back to plain data: what `inspect` shows and what expansion works on.

use std::collections::{BTreeMap, BTreeSet};

use prost::{DecodeError, Message};
use serde_json::{Map, Value, json};

use super::encode::any;
use crate::proto::c1::connector::v2 as pb;

/// A resource type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResourceType {
    pub id: String,
    pub display_name: String,
    /// Names of its traits.
    pub traits: Vec<&'static str>,
    /// Names of its annotations, that of a type of children with the type.
    pub annotations: Vec<String>,
}

/// A resource.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredResource {
    pub resource_type: String,
    pub id: String,
    /// Type and id of what it is part of.
    pub parent: Option<(String, String)>,
    pub display_name: String,
    pub description: String,
    /// Its status, such as `enabled`; empty where it has none.
    pub status: String,
    pub profile: Value,
    /// Another connector syncs it (annotation `BatonID`): it is not ours to change.
    pub foreign: bool,
    /// The role and the scope that it joins, where it is a binding.
    pub binding: Option<StoredBinding>,
}

/// `ScopeBindingTrait`; what is not given is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredBinding {
    /// Type and id of the role.
    pub role: (String, String),
    /// Type and id of what it is held over.
    pub scope: (String, String),
}

impl From<pb::ScopeBindingTrait> for StoredBinding {
    fn from(message: pb::ScopeBindingTrait) -> Self {
        Self {
            role: pair(message.role_id),
            scope: pair(message.scope_resource_id),
        }
    }
}

fn pair(id: Option<pb::ResourceId>) -> (String, String) {
    let id = id.unwrap_or_default();
    (id.resource_type, id.resource)
}

/// An entitlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntitlement {
    pub id: String,
    /// Type of the resource that offers it.
    pub resource_type: String,
    pub resource_id: String,
    pub display_name: String,
    pub description: String,
    pub slug: String,
    /// Types that it can be granted to.
    pub grantable_to: Vec<String>,
    /// Why it cannot be changed, empty where it can.
    pub immutable: String,
}

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredGrant {
    pub id: String,
    /// What is held.
    pub entitlement_id: String,
    /// Type of the resource that it is held on.
    pub resource_type: String,
    /// Type of the holder.
    pub principal_type: String,
    /// Id of the holder.
    pub principal_id: String,
    /// Entitlements that it comes from; empty for a plain direct grant.
    pub sources: Vec<String>,
    /// Why it cannot be revoked, `expanded` for one that expansion made, empty where it can.
    pub immutable: String,
}

fn annotation<M: Message + Default>(annotations: &[prost_types::Any], name: &str) -> Option<M> {
    let found = annotations
        .iter()
        .find(|any| any.type_url.rsplit('/').next() == Some(&format!("c1.connector.v2.{name}")))?;
    M::decode(found.value.as_slice()).ok()
}

/// Decodes a resource type.
pub fn resource_type(data: &[u8]) -> Result<StoredResourceType, DecodeError> {
    let message = pb::ResourceType::decode(data)?;
    let traits = message
        .traits
        .iter()
        .filter_map(|t| pb::resource_type::Trait::try_from(*t).ok());
    let traits = traits.map(|t| t.as_str_name()).collect();
    let annotations = message.annotations.iter().map(|any| {
        let name = any.type_url.rsplit(['/', '.']).next().unwrap_or_default();
        match pb::ChildResourceType::decode(any.value.as_slice()) {
            Ok(child) if name == "ChildResourceType" => format!("{name} {}", child.resource_type_id),
            _ => name.to_owned(),
        }
    });
    let annotations = annotations.collect();
    Ok(StoredResourceType {
        id: message.id,
        display_name: message.display_name,
        traits,
        annotations,
    })
}

/// Decodes a resource.
pub fn resource(data: &[u8]) -> Result<StoredResource, DecodeError> {
    let message = pb::Resource::decode(data)?;
    let foreign = annotation::<pb::BatonId>(&message.annotations, "BatonID").is_some();
    let binding = annotation::<pb::ScopeBindingTrait>(&message.annotations, "ScopeBindingTrait");
    let parent = message.parent_resource_id.filter(|id| !id.resource.is_empty());
    let id = message.id.unwrap_or_default();
    let status = message
        .status
        .and_then(|status| pb::status::ResourceStatus::try_from(status.status).ok());
    Ok(StoredResource {
        resource_type: id.resource_type,
        id: id.resource,
        parent: parent.map(|id| (id.resource_type, id.resource)),
        display_name: message.display_name,
        description: message.description,
        status: match status {
            Some(pb::status::ResourceStatus::Enabled) => "enabled",
            Some(pb::status::ResourceStatus::Disabled) => "disabled",
            Some(pb::status::ResourceStatus::Deleted) => "deleted",
            Some(pb::status::ResourceStatus::Unspecified) => "unknown",
            None => "",
        }
        .to_owned(),
        profile: message.profile.map_or(Value::Null, |profile| object(&profile.fields)),
        foreign,
        binding: binding.map(StoredBinding::from),
    })
}

fn object(fields: &BTreeMap<String, prost_types::Value>) -> Value {
    Value::Object(
        fields
            .iter()
            .map(|(key, value)| (key.clone(), json_value(value)))
            .collect::<Map<_, _>>(),
    )
}

fn json_value(value: &prost_types::Value) -> Value {
    use prost_types::value::Kind;
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => json!(value),
        Some(Kind::NumberValue(value)) => json!(value),
        Some(Kind::StringValue(value)) => json!(value),
        Some(Kind::ListValue(list)) => Value::Array(list.values.iter().map(json_value).collect()),
        Some(Kind::StructValue(fields)) => object(&fields.fields),
    }
}

/// Decodes an entitlement.
pub fn entitlement(data: &[u8]) -> Result<StoredEntitlement, DecodeError> {
    let message = pb::Entitlement::decode(data)?;
    let resource = message.resource.unwrap_or_default().id.unwrap_or_default();
    let immutable = annotation::<pb::EntitlementImmutable>(&message.annotations, "EntitlementImmutable");
    Ok(StoredEntitlement {
        description: message.description,
        id: message.id,
        resource_type: resource.resource_type,
        resource_id: resource.resource,
        display_name: message.display_name,
        slug: message.slug,
        grantable_to: message.grantable_to.into_iter().map(|t| t.id).collect(),
        immutable: immutable.map(|immutable| immutable.source_id).unwrap_or_default(),
    })
}

/// Decodes a grant.
pub fn grant(data: &[u8]) -> Result<StoredGrant, DecodeError> {
    let message = pb::Grant::decode(data)?;
    let principal = message.principal.unwrap_or_default().id.unwrap_or_default();
    let immutable = annotation::<pb::GrantImmutable>(&message.annotations, "GrantImmutable");
    let immutable = immutable.map(|immutable| immutable.source_id);
    let immutable = immutable.map(|source| {
        if source.is_empty() {
            "expanded".to_owned()
        } else {
            source
        }
    });
    let entitlement = message.entitlement.unwrap_or_default();
    let resource = entitlement.resource.unwrap_or_default().id.unwrap_or_default();
    Ok(StoredGrant {
        id: message.id,
        entitlement_id: entitlement.id,
        resource_type: resource.resource_type,
        principal_type: principal.resource_type,
        principal_id: principal.resource,
        sources: message.sources.unwrap_or_default().sources.into_keys().collect(),
        immutable: immutable.unwrap_or_default(),
    })
}

/// What an expandable grant says (c1z.md §11.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredExpandable {
    /// Source entitlements, blank ones left out.
    pub entitlement_ids: Vec<String>,
    /// Only direct holders hand it on.
    pub shallow: bool,
    /// Types of principals that it hands on; empty is all.
    pub resource_type_ids: BTreeSet<String>,
}

/// Decodes a `GrantExpandable`.
pub fn expandable(data: &[u8]) -> Result<StoredExpandable, DecodeError> {
    let message = pb::GrantExpandable::decode(data)?;
    Ok(StoredExpandable {
        entitlement_ids: message
            .entitlement_ids
            .into_iter()
            .filter(|id| !id.trim().is_empty())
            .collect(),
        shallow: message.shallow,
        resource_type_ids: message.resource_type_ids.into_iter().collect(),
    })
}

/// A contribution to a grant: the source entitlement, and whether it is held directly there.
pub type Source<'a> = (&'a str, bool);

fn sources_message<'a>(sources: impl IntoIterator<Item = Source<'a>>) -> pb::GrantSources {
    let sources = sources.into_iter();
    pb::GrantSources {
        sources: sources
            .map(|(id, is_direct)| (id.to_owned(), pb::grant_sources::GrantSource { is_direct }))
            .collect(),
    }
}

/// The grant again with these sources merged in (c1z.md §11.4): missing keys are added, a false turns to true where
/// the contribution is direct, nothing else changes. A grant without sources is direct on its own entitlement first.
pub fn with_sources<'a>(data: &[u8], sources: impl IntoIterator<Item = Source<'a>>) -> Result<Vec<u8>, DecodeError> {
    let mut message = pb::Grant::decode(data)?;
    let own = message
        .entitlement
        .as_ref()
        .map(|entitlement| entitlement.id.clone())
        .unwrap_or_default();
    let known = message.sources.get_or_insert_with(pb::GrantSources::default);
    if known.sources.is_empty() {
        known
            .sources
            .insert(own, pb::grant_sources::GrantSource { is_direct: true });
    }
    for (id, is_direct) in sources {
        known.sources.entry(id.to_owned()).or_default().is_direct |= is_direct;
    }
    Ok(message.encode_to_vec())
}

/// A grant that expansion makes: references, sources and an empty `GrantImmutable`, nothing else (c1z.md §11.4).
pub fn expanded_grant<'a>(
    id: &str,
    entitlement: (&str, &str, &str),
    principal: (&str, &str),
    sources: impl IntoIterator<Item = Source<'a>>,
) -> Vec<u8> {
    let reference = |resource_type: &str, resource: &str| pb::ResourceId {
        resource_type: resource_type.to_owned(),
        resource: resource.to_owned(),
        ..Default::default()
    };
    let (entitlement_id, resource_type, resource_id) = entitlement;
    pb::Grant {
        entitlement: Some(pb::Entitlement {
            resource: Some(pb::Resource {
                id: Some(reference(resource_type, resource_id)),
                ..Default::default()
            }),
            id: entitlement_id.to_owned(),
            ..Default::default()
        }),
        principal: Some(pb::Resource {
            id: Some(reference(principal.0, principal.1)),
            ..Default::default()
        }),
        id: id.to_owned(),
        sources: Some(sources_message(sources)),
        annotations: vec![any("GrantImmutable", &pb::GrantImmutable::default())],
    }
    .encode_to_vec()
}
