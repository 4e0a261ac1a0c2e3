//! Grant, revoke, account creation and deletion, credential rotation, actions: idempotent, decided from live state.
