//! Grant, revoke, account creation and deletion, credential rotation, actions: idempotent, decided from live state.

mod action;

pub use action::action_schemas;
