//! Grants to bytes: one by one, or many of one entitlement without building a message each time.

use prost::Message;
use prost_types::Any;

use super::encode::{any, profile_message, resource_id_message};
use crate::model::{EntitlementId, Expandable, Grant, GrantImmutable, Profile, ResourceType, grant_id};
use crate::proto::c1::connector::v2 as pb;

/// A grant as the file stores it: `GrantExpandable` travels beside the message, never in it (c1z.md §4.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedGrant {
    /// The grant's id.
    pub id: String,
    /// `c1.connector.v2.Grant`
    pub data: Vec<u8>,
    /// `GrantExpandable`, if the grant is expandable.
    pub expansion: Option<Vec<u8>>,
}

/// Encodes one grant. Entitlement and principal are references (c1z.md §4.1).
pub fn grant(grant: &Grant) -> EncodedGrant {
    let entitlement = grant.entitlement.to_string();
    let id = grant_id(&entitlement, grant.principal.resource_type.id(), &grant.principal.id);
    let message = pb::Grant {
        entitlement: Some(entitlement_reference(&grant.entitlement, entitlement)),
        principal: Some(pb::Resource {
            id: Some(resource_id_message(&grant.principal)),
            ..Default::default()
        }),
        id: id.clone(),
        annotations: annotations(grant.immutable.as_ref(), grant.metadata.as_ref()),
        ..Default::default()
    };
    EncodedGrant {
        id,
        data: message.encode_to_vec(),
        expansion: grant.expandable.as_ref().map(expansion),
    }
}

fn entitlement_reference(id: &EntitlementId, text: String) -> pb::Entitlement {
    pb::Entitlement {
        resource: Some(pb::Resource {
            id: Some(resource_id_message(&id.resource)),
            ..Default::default()
        }),
        id: text,
        ..Default::default()
    }
}

fn annotations(immutable: Option<&GrantImmutable>, metadata: Option<&Profile>) -> Vec<Any> {
    let mut annotations = Vec::new();
    if let Some(immutable) = immutable {
        let message = pb::GrantImmutable {
            source_id: immutable.source_id.to_owned(),
            metadata: immutable.metadata.as_ref().map(profile_message),
        };
        annotations.push(any("GrantImmutable", &message));
    }
    if let Some(metadata) = metadata.map(profile_message) {
        annotations.push(any(
            "GrantMetadata",
            &pb::GrantMetadata {
                metadata: Some(metadata),
            },
        ));
    }
    annotations
}

fn expansion(expandable: &Expandable) -> Vec<u8> {
    pb::GrantExpandable {
        entitlement_ids: expandable.entitlement_ids.iter().map(ToString::to_string).collect(),
        shallow: false,
        resource_type_ids: expandable.principal_types.iter().map(|t| t.id().to_owned()).collect(),
    }
    .encode_to_vec()
}

/// Encodes many grants of one entitlement that differ only in their principal: the bytes before and after it are
/// made once. Gives the same bytes as [`grant`].
#[derive(Debug)]
pub struct GrantEncoder {
    entitlement: String,
    head: Vec<u8>,
    middle: pb::Grant,
    tail: Vec<u8>,
    data: Vec<u8>,
}

impl GrantEncoder {
    /// An encoder for grants of `entitlement` to principals of `principal_type`, all with the same reason for
    /// being immutable.
    pub fn new(entitlement: &EntitlementId, principal_type: ResourceType, immutable: Option<&GrantImmutable>) -> Self {
        let text = entitlement.to_string();
        let head = pb::Grant {
            entitlement: Some(entitlement_reference(entitlement, text.clone())),
            ..Default::default()
        };
        let tail = pb::Grant {
            annotations: annotations(immutable, None),
            ..Default::default()
        };
        let principal = pb::Resource {
            id: Some(pb::ResourceId {
                resource_type: principal_type.id().to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        Self {
            entitlement: text,
            head: head.encode_to_vec(),
            middle: pb::Grant {
                principal: Some(principal),
                ..Default::default()
            },
            tail: tail.encode_to_vec(),
            data: Vec::new(),
        }
    }

    /// The entitlement's id.
    pub fn entitlement_id(&self) -> &str {
        &self.entitlement
    }

    /// Encodes the grant of one principal and answers its id and its bytes, valid until the next call.
    pub fn encode(&mut self, principal_id: &str) -> (&str, &[u8]) {
        if let Some(id) = self
            .middle
            .principal
            .as_mut()
            .and_then(|principal| principal.id.as_mut())
        {
            id.resource.clear();
            id.resource.push_str(principal_id);
            self.middle.id.clear();
            for part in [
                self.entitlement.as_str(),
                ":",
                id.resource_type.as_str(),
                ":",
                principal_id,
            ] {
                self.middle.id.push_str(part);
            }
        }
        self.data.clear();
        self.data.extend_from_slice(&self.head);
        self.middle.encode(&mut self.data).ok(); // a Vec always has room
        self.data.extend_from_slice(&self.tail);
        (&self.middle.id, &self.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ResourceId;
    use crate::model::sample::{GROUP as GROUP_TYPE, USER as USER_TYPE};

    const GROUP: &str = "e4a1c7b0-21d3-4a7e-8f6d-0ddba11c0de1";
    const USER: &str = "7c2e1d94-55a0-4a34-9a1b-c0ffee001001";

    #[test]
    fn the_encoder_gives_the_bytes_of_a_single_grant() {
        let mut filter = Profile::default();
        filter.text("user_filter", Some("type eq \"Employee\""));
        for immutable in [
            None,
            Some(GrantImmutable {
                source_id: "dynamic-group",
                metadata: Some(filter),
            }),
        ] {
            let entitlement = EntitlementId::member(GROUP_TYPE, GROUP);
            let mut encoder = GrantEncoder::new(&entitlement, USER_TYPE, immutable.as_ref());
            encoder.encode("b1c9f6de-0f3a-4a5d-8c11-5d6a2a9be402");
            let (id, data) = encoder.encode(USER);
            let single = grant(&Grant {
                entitlement,
                principal: ResourceId::new(USER_TYPE, USER),
                immutable,
                expandable: None,
                metadata: None,
            });
            assert_eq!((id, data), (single.id.as_str(), single.data.as_slice()));
            assert_eq!(id, format!("group:{GROUP}:member:user:{USER}"));
        }
    }

    #[test]
    fn a_grant_says_what_it_follows_from() {
        let (mut groups, mut words) = (Profile::default(), Profile::default());
        groups.list("group_ids", Some(vec!["a".to_owned(), "b".to_owned()]));
        words.text("access_mode", Some("all_groups"));
        let encoded = grant(&Grant {
            entitlement: EntitlementId::member(GROUP_TYPE, GROUP),
            principal: ResourceId::new(USER_TYPE, USER),
            immutable: Some(GrantImmutable {
                source_id: "all-groups",
                metadata: Some(groups.clone()),
            }),
            expandable: None,
            metadata: Some(words.clone()),
        });
        let message = pb::Grant::decode(encoded.data.as_slice()).unwrap();
        let urls: Vec<_> = message.annotations.iter().map(|any| any.type_url.as_str()).collect();
        assert_eq!(
            urls,
            [
                "type.googleapis.com/c1.connector.v2.GrantImmutable",
                "type.googleapis.com/c1.connector.v2.GrantMetadata"
            ]
        );
        let told = pb::GrantImmutable::decode(message.annotations[0].value.as_slice()).unwrap();
        assert_eq!(told.source_id, "all-groups");
        assert_eq!(told.metadata, Some(profile_message(&groups)));
        let list = &told.metadata.unwrap().fields["group_ids"].kind;
        let Some(prost_types::value::Kind::ListValue(list)) = list else {
            panic!("{list:?}")
        };
        assert_eq!(list.values.len(), 2);
        let told = pb::GrantMetadata::decode(message.annotations[1].value.as_slice()).unwrap();
        assert_eq!(told.metadata, Some(profile_message(&words)));
        assert_eq!(encoded.expansion, None);
    }

    #[test]
    fn expansion_travels_beside_the_message() {
        let encoded = grant(&Grant {
            entitlement: EntitlementId::member(GROUP_TYPE, GROUP),
            principal: ResourceId::new(GROUP_TYPE, USER),
            immutable: None,
            expandable: Some(Expandable {
                entitlement_ids: vec![EntitlementId::member(GROUP_TYPE, USER)],
                principal_types: &[USER_TYPE],
            }),
            metadata: None,
        });
        let message = pb::Grant::decode(encoded.data.as_slice()).unwrap();
        assert!(message.annotations.is_empty());
        assert!(message.sources.is_none());
        let expansion = pb::GrantExpandable::decode(encoded.expansion.unwrap().as_slice()).unwrap();
        assert_eq!(expansion.entitlement_ids, [format!("group:{USER}:member")]);
        assert_eq!(expansion.resource_type_ids, ["user"]);
        assert!(!expansion.shallow);
    }
}
