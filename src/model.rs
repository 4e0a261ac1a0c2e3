//! What the connector shows C1: resource types, resources, entitlements and grants in our own types
//! (connector-model.md §2–6). Pure data and pure functions: no I/O, no async, no protobuf, no other module of ours.
//! The identifiers made here are a public API (connector-model.md §1 point 1): they never change once released.

mod entitlement;
mod grant;
mod id;
mod profile;
mod resource;
mod resource_type;

pub use entitlement::{Entitlement, EntitlementId, Immutable, Slug};
pub use grant::{Expandable, Grant, GrantImmutable, GrantMetadata, grant_id};
pub use id::{ApplicationId, EnvironmentId, GroupId, OrganizationId, PopulationId, RoleId, UserId};
pub use profile::{Profile, Value};
pub use resource::{
    AccountType, AppTrait, DESCRIPTION_MAX_BYTES, DISPLAY_NAME_MAX_BYTES, GroupTrait, Resource, ResourceId,
    ResourceTrait, RoleTrait, Status, StatusKind, StructuredName, UserTrait, cut,
};
pub use resource_type::{Capability, ResourceType, Trait};
