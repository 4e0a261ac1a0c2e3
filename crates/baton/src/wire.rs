//! `model` to the messages of `c1.connector.v2`, as bytes. Nothing else knows how a resource, an entitlement or a
//! grant looks on the wire. Encoding is deterministic: fields ascend, maps are sorted, so two syncs of the same
//! directory give the same bytes (c1z.md §4.1).

pub mod config;
pub mod describe;
mod encode;
pub(crate) mod fields;
mod grant;
pub mod json;
pub(crate) mod record;
pub mod stored;

pub use encode::{entitlement, resource, resource_type};
pub use grant::{EncodedGrant, GrantEncoder, grant};
