//! Rows of a store, decoded and held against their keys.

use super::key;
use super::version::Refused;
use crate::wire::fields::Malformed;
use crate::wire::record;
use crate::wire::stored::{self, StoredEntitlement, StoredGrant, StoredResource, StoredResourceType};

/// What a row is decoded to, once its key is known to say the same.
pub(super) type Decode<T> = fn(&[u8], &[u8]) -> Result<T, Refused>;

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
