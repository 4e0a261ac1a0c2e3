//! Users and their state (pingone-api.md §6.4, §6.5).

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{JSON, Operation, WriteBody, WriteCall};

/// Create with a password.
pub const IMPORT: &str = "application/vnd.pingidentity.user.import+json";
const SEND_VERIFICATION: &str = "application/vnd.pingidentity.user.sendVerificationCode+json";
const LOCK: &str = "application/vnd.pingidentity.account.lock+json";
const UNLOCK: &str = "application/vnd.pingidentity.account.unlock+json";

/// Creates a user without a password: `body` is of type JSON. With a password it is a secret body of type [`IMPORT`].
pub fn create(environment: &str, username: &str, body: WriteBody) -> WriteCall {
    WriteCall::new(Operation::CreateUser, environment, Method::POST, &["users"])
        .with(body)
        .showing("/username", username)
}

/// Changes attributes: absent stays, null clears.
pub fn update(user: Uuid, changes: &Value) -> WriteCall {
    let path = ["users", &user.to_string()];
    WriteCall::new(Operation::UpdateUser, user, Method::PATCH, &path)
        .with(WriteBody::typed(JSON, changes))
        .showing("/id", user.to_string())
}

/// Deletes a user.
pub fn delete(user: Uuid) -> WriteCall {
    let path = ["users", &user.to_string()];
    WriteCall::new(Operation::DeleteUser, user, Method::DELETE, &path)
}

/// Enables or disables a user.
pub fn set_enabled(user: Uuid, enabled: bool) -> WriteCall {
    let path = ["users", &user.to_string(), "enabled"];
    WriteCall::new(Operation::SetEnabled, user, Method::PUT, &path)
        .with(WriteBody::json(&json!({ "enabled": enabled })))
        .showing("/enabled", enabled)
}

/// Moves a user to another population.
pub fn set_population(user: Uuid, population: Uuid) -> WriteCall {
    let path = ["users", &user.to_string(), "population"];
    WriteCall::new(Operation::SetPopulation, user, Method::PUT, &path)
        .with(WriteBody::json(&json!({ "id": population.to_string() })))
        .showing("/id", population.to_string())
}

/// Switches MFA on or off.
pub fn set_mfa(user: Uuid, enabled: bool) -> WriteCall {
    let path = ["users", &user.to_string(), "mfaEnabled"];
    WriteCall::new(Operation::SetMfa, user, Method::PUT, &path)
        .with(WriteBody::json(&json!({ "mfaEnabled": enabled })))
        .showing("/mfaEnabled", enabled)
}

/// Sets where a user signs on. The id is whatever PingOne listed.
pub fn set_identity_provider(user: Uuid, provider: &str) -> WriteCall {
    let path = ["users", &user.to_string(), "identityProvider"];
    WriteCall::new(Operation::SetIdentityProvider, user, Method::PUT, &path)
        .with(WriteBody::json(&json!({ "id": provider })))
        .showing("/id", provider)
}

/// Locks an account.
pub fn lock(user: Uuid) -> WriteCall {
    post(Operation::LockUser, user, LOCK).showing("/account/status", "LOCKED")
}

/// Locks an account until a time: some environments ignore a lock without an end (pingone-api.md §6.5).
pub fn lock_until(user: Uuid, end: jiff::Timestamp) -> WriteCall {
    let path = ["users", &user.to_string()];
    let body = json!({ "unlockAt": format!("{end:.3}") });
    WriteCall::new(Operation::LockUser, user, Method::POST, &path)
        .with(WriteBody::typed(LOCK, &body))
        .showing("/id", user.to_string())
        .showing("/account/status", "LOCKED")
}

/// Unlocks an account.
pub fn unlock(user: Uuid) -> WriteCall {
    post(Operation::UnlockUser, user, UNLOCK).showing("/account/status", "OK")
}

/// Sends the user a verification code, which makes the user one who must verify.
pub fn send_verification(user: Uuid) -> WriteCall {
    post(Operation::SendVerification, user, SEND_VERIFICATION).showing("/lifecycle/status", "VERIFICATION_REQUIRED")
}

fn post(operation: Operation, user: Uuid, content_type: &'static str) -> WriteCall {
    let path = ["users", &user.to_string()];
    WriteCall::new(operation, user, Method::POST, &path)
        .with(WriteBody::empty(content_type))
        .showing("/id", user.to_string())
}
