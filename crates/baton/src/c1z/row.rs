//! Rows as the tables want them (c1z.md §3.1): the message's bytes and the columns that repeat parts of it.

/// A row of `v1_resource_types`.
#[derive(Debug, Clone, Copy)]
pub struct ResourceTypeRow<'a> {
    /// `ResourceType.id`
    pub id: &'a str,
    /// `c1.connector.v2.ResourceType`
    pub data: &'a [u8],
}

/// A row of `v1_resources`.
#[derive(Debug, Clone, Copy)]
pub struct ResourceRow<'a> {
    /// `Resource.id.resource_type`
    pub resource_type_id: &'a str,
    /// `Resource.id.resource`
    pub resource_id: &'a str,
    /// The parent's type and id.
    pub parent: Option<(&'a str, &'a str)>,
    /// `c1.connector.v2.Resource`
    pub data: &'a [u8],
}

/// A row of `v1_entitlements`.
#[derive(Debug, Clone, Copy)]
pub struct EntitlementRow<'a> {
    /// Type of the resource that offers it.
    pub resource_type_id: &'a str,
    /// Id of the resource that offers it.
    pub resource_id: &'a str,
    /// `Entitlement.id`
    pub id: &'a str,
    /// `c1.connector.v2.Entitlement`
    pub data: &'a [u8],
}

/// A row of `v1_grants`.
#[derive(Debug, Clone, Copy)]
pub struct GrantRow<'a> {
    /// Type of the resource that offers the entitlement.
    pub resource_type_id: &'a str,
    /// Id of that resource.
    pub resource_id: &'a str,
    /// `Grant.entitlement.id`
    pub entitlement_id: &'a str,
    /// Type of the principal.
    pub principal_type_id: &'a str,
    /// Id of the principal.
    pub principal_id: &'a str,
    /// `Grant.id`
    pub id: &'a str,
    /// `GrantExpandable`; never empty.
    pub expansion: Option<&'a [u8]>,
    /// `c1.connector.v2.Grant` without `GrantExpandable`.
    pub data: &'a [u8],
}
