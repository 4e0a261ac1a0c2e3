//! Rows from the model, one object at a time. Who has many grants of one entitlement encodes them together
//! ([`crate::wire::GrantEncoder`]).

use super::{C1zError, EntitlementRow, GrantRow, ResourceRow, ResourceTypeRow, Writer};
use crate::model::{Entitlement, Grant, Resource, ResourceType};
use crate::wire;

impl Writer {
    /// Adds a resource type.
    pub fn add_resource_type(&mut self, resource_type: ResourceType) -> Result<(), C1zError> {
        self.put_resource_type(&ResourceTypeRow {
            id: resource_type.id(),
            data: &wire::resource_type(resource_type),
        })
    }

    /// Adds a resource. Types come in the order of their ids.
    pub fn add_resource(&mut self, resource: &Resource) -> Result<(), C1zError> {
        self.put_resource(&ResourceRow {
            resource_type_id: resource.id.resource_type.id(),
            resource_id: &resource.id.id,
            parent: resource
                .parent
                .as_ref()
                .map(|parent| (parent.resource_type.id(), parent.id.as_str())),
            data: &wire::resource(resource),
        })
    }

    /// Adds an entitlement.
    pub fn add_entitlement(&mut self, entitlement: &Entitlement) -> Result<(), C1zError> {
        self.put_entitlement(&EntitlementRow {
            resource_type_id: entitlement.id.resource.resource_type.id(),
            resource_id: &entitlement.id.resource.id,
            id: &entitlement.id.to_string(),
            data: &wire::entitlement(entitlement),
        })
    }

    /// Adds a grant, at most one for each entitlement and principal.
    pub fn add_grant(&mut self, grant: &Grant) -> Result<(), C1zError> {
        let encoded = wire::grant(grant);
        self.put_grant(&GrantRow {
            resource_type_id: grant.entitlement.resource.resource_type.id(),
            resource_id: &grant.entitlement.resource.id,
            entitlement_id: &grant.entitlement.to_string(),
            principal_type_id: grant.principal.resource_type.id(),
            principal_id: &grant.principal.id,
            id: &encoded.id,
            expansion: encoded.expansion.as_deref(),
            data: &encoded.data,
        })
    }
}
