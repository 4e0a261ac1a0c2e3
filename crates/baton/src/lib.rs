//! What a connector to C1 needs, whatever directory it joins: the session and its tasks, the model of resources,
//! entitlements and grants, the sync file, and the encryption of credentials.
//!
//! ```text
//! session → task → (the connector's syncs and writes) → model → wire → c1z → upload
//! ```

pub mod c1z;
pub mod crypto;
pub mod model;
pub mod proto;
pub mod schedule;
pub mod session;
pub mod task;
pub mod wire;
