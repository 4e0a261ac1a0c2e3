//! Sessions and devices of a user (pingone-api.md §6.5, §6.13).

use reqwest::Method;
use uuid::Uuid;

use super::{Operation, WriteCall};

/// Ends one session. Its id is whatever PingOne listed.
pub fn end_session(user: Uuid, session: &str) -> WriteCall {
    let path = ["users", &user.to_string(), "sessions", session];
    WriteCall::new(Operation::EndSession, user, Method::DELETE, &path)
}

/// Removes one device.
pub fn delete_device(user: Uuid, device: &str) -> WriteCall {
    let path = ["users", &user.to_string(), "devices", device];
    WriteCall::new(Operation::DeleteDevice, user, Method::DELETE, &path)
}
