//! Rows of a store, decoded and held against their keys.

use super::key;
use super::version::Refused;
use crate::wire::fields::{Malformed, fields};
use crate::wire::record;
use crate::wire::stored::{self, StoredEntitlement, StoredGrant, StoredResource, StoredResourceType};

/// What a row is decoded to, once its key is known to say the same.
pub(super) type Decode<T> = fn(&[u8], &[u8]) -> Result<T, Refused>;

/// Rows of one kind.
#[derive(Debug)]
pub(in crate::c1z) struct Family<T> {
    /// What their keys begin with.
    pub(super) prefix: [u8; 3],
    pub(super) decode: Decode<T>,
    /// Number of the field that says when the row was read.
    discovered_at: u32,
}

pub(in crate::c1z) const RESOURCE_TYPES: Family<StoredResourceType> = Family {
    prefix: [3, 1, 0],
    decode: resource_type,
    discovered_at: 6,
};
pub(in crate::c1z) const RESOURCES: Family<StoredResource> = Family {
    prefix: [3, 2, 0],
    decode: resource,
    discovered_at: 8,
};
pub(in crate::c1z) const ENTITLEMENTS: Family<StoredEntitlement> = Family {
    prefix: [3, 3, 0],
    decode: entitlement,
    discovered_at: 8,
};
pub(in crate::c1z) const GRANTS: Family<StoredGrant> = Family {
    prefix: [3, 4, 0],
    decode: grant,
    discovered_at: 5,
};

impl<T> Family<T> {
    /// Whether two values with the same key say the same, as far as that shows without decoding them.
    pub(super) fn is_same(&self, one: &[u8], other: &[u8]) -> bool {
        let said = |value| {
            fields(value).filter(|field| !field.as_ref().is_ok_and(|(number, _)| *number == self.discovered_at))
        };
        let (mut one, mut other) = (said(one), said(other));
        loop {
            match (one.next(), other.next()) {
                (None, None) => return true,
                (Some(Ok(one)), Some(Ok(other))) if one == other => {}
                // What is no message is told by who decodes it.
                _ => return false,
            }
        }
    }
}

impl From<Malformed> for Refused {
    fn from(_: Malformed) -> Self {
        Self::Damaged("a row does not decode")
    }
}

impl From<prost::DecodeError> for Refused {
    fn from(_: prost::DecodeError) -> Self {
        Self::Damaged("a row does not decode")
    }
}

/// Such a row makes the SDK's readers loop for ever (c1z-v3.md §0, T7).
const ANOTHER: Refused = Refused::Damaged("a row names another object than its key");

fn same(key: &[u8], expected: &[u8]) -> Result<(), Refused> {
    if key == expected { Ok(()) } else { Err(ANOTHER) }
}

pub(super) fn resource_type(key: &[u8], value: &[u8]) -> Result<StoredResourceType, Refused> {
    let item = stored::resource_type(&record::to_resource_type(value)?)?;
    let mut expected = key::RESOURCE_TYPES.to_vec();
    key::push(&mut expected, &item.id);
    same(key, &expected)?;
    Ok(item)
}

pub(super) fn resource(key: &[u8], value: &[u8]) -> Result<StoredResource, Refused> {
    let item = stored::resource(&record::to_resource(value)?)?;
    same(
        key,
        &key::of(&key::RESOURCES, &key::pair(&item.resource_type, &item.id)),
    )?;
    Ok(item)
}

pub(super) fn entitlement(key: &[u8], value: &[u8]) -> Result<StoredEntitlement, Refused> {
    let item = stored::entitlement(&record::to_entitlement(value)?)?;
    let parts = key::entitlement(&item.resource_type, &item.resource_id, &item.id);
    same(key, &key::of(&key::ENTITLEMENTS, &parts))?;
    Ok(item)
}

pub(super) fn grant(key: &[u8], value: &[u8]) -> Result<StoredGrant, Refused> {
    let item = stored::grant(&record::to_grant(value)?)?;
    let mut principal = vec![0];
    principal.extend_from_slice(&key::pair(&item.principal_type, &item.principal_id));
    if key.ends_with(&principal) {
        Ok(item)
    } else {
        Err(ANOTHER)
    }
}
