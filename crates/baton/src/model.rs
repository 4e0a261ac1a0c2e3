//! What the connector shows C1: resource types, resources, entitlements and grants in our own types
//! (connector-model.md §2–6). Pure data and pure functions: no I/O, no async, no protobuf, no other module of ours.

mod entitlement;
mod grant;
mod profile;
mod resource;
mod resource_type;

pub use entitlement::{Entitlement, EntitlementId, ExclusionGroup};
pub use grant::{Expandable, Grant, GrantImmutable, grant_id};
pub use profile::{Profile, Value};
pub use resource::{
    AccountType, AppTrait, BindingTrait, CredentialKind, DESCRIPTION_MAX_BYTES, DISPLAY_NAME_MAX_BYTES, GroupTrait,
    Resource, ResourceId, ResourceTrait, RoleTrait, SecretTrait, Status, StatusKind, StructuredName, UserTrait, cut,
};
pub use resource_type::{Capability, ResourceType, ResourceTypeSpec, Trait};

/// Resource types for tests.
#[cfg(test)]
pub(crate) mod sample {
    use super::{ResourceType, ResourceTypeSpec, Trait};

    macro_rules! types {
        ($($name:ident $id:literal $display_name:literal $kind:ident;)+) => {$(
            pub(crate) const $name: ResourceType = ResourceType(&ResourceTypeSpec {
                id: $id,
                display_name: $display_name,
                traits: &[Trait::$kind],
                offers_nothing: false,
                opt_in: false,
                children: &[],
                permissions: &[],
                capabilities: &[],
            });
        )+};
    }

    types! {
        GROUP "group" "Group" Group;
        USER "user" "User" User;
    }
}
