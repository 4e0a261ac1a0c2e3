//! Passwords (pingone-api.md §6.5).

use bytes::Bytes;
use reqwest::Method;
use uuid::Uuid;

use super::{Operation, WriteBody, WriteCall};

const SET: &str = "application/vnd.pingidentity.password.set+json";
const FORCE_CHANGE: &str = "application/vnd.pingidentity.password.forceChange";
const MUST_CHANGE: &str = "MUST_CHANGE_PASSWORD";
const SEND_RECOVERY: &str = "application/vnd.pingidentity.password.sendRecoveryCode+json";

/// Sets a password by an administrator's right; `body` is `{"value", "forceChange"}` in zeroizing memory.
pub fn set(user: Uuid, body: Bytes, force_change: bool) -> WriteCall {
    let path = ["users", &user.to_string(), "password"];
    WriteCall::new(Operation::SetPassword, user, Method::PUT, &path)
        .with(WriteBody::secret(SET, body))
        .showing("/user/id", user.to_string())
        .showing("/status", if force_change { MUST_CHANGE } else { "OK" })
}

/// Makes the password one that must be changed at the next sign-on.
pub fn force_change(user: Uuid) -> WriteCall {
    post(Operation::ForcePasswordChange, user, FORCE_CHANGE).showing("/status", MUST_CHANGE)
}

/// Mails the user a recovery code.
pub fn send_recovery(user: Uuid) -> WriteCall {
    post(Operation::SendRecovery, user, SEND_RECOVERY)
}

fn post(operation: Operation, user: Uuid, content_type: &'static str) -> WriteCall {
    let path = ["users", &user.to_string(), "password"];
    WriteCall::new(operation, user, Method::POST, &path)
        .with(WriteBody::empty(content_type))
        .showing("/user/id", user.to_string())
}
