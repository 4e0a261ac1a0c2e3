//! What can be changed (pingone-api.md §6.4 to §6.10): one call each, no policy. Nothing here is repeated once PingOne may
//! have taken it; [`PingOneError::is_outcome_unknown`] says when a caller must read back first.

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::call::Call;
use super::{Client, Principal};
use crate::pingone::error::PingOneError;
use crate::pingone::operation::Operation;
use crate::pingone::types::{PasswordState, RoleAssignment, Switches, User};

const JSON: &str = "application/json";
const IMPORT: &str = "application/vnd.pingidentity.user.import+json";
const LOCK: &str = "application/vnd.pingidentity.account.lock+json";
const UNLOCK: &str = "application/vnd.pingidentity.account.unlock+json";
const SEND_VERIFICATION: &str = "application/vnd.pingidentity.user.sendVerificationCode+json";
const PASSWORD_SET: &str = "application/vnd.pingidentity.password.set+json";
const PASSWORD_FORCE_CHANGE: &str = "application/vnd.pingidentity.password.forceChange";
const PASSWORD_UNLOCK: &str = "application/vnd.pingidentity.password.unlock+json";
const PASSWORD_RECOVERY: &str = "application/vnd.pingidentity.password.sendRecoveryCode+json";
/// Room for a body with a secret, so that the buffer is not copied about while it grows.
const SECRET_BODY: usize = 20 * 1024;

/// A password for a user.
#[derive(Debug, Clone)]
pub struct NewPassword {
    /// The password.
    pub value: SecretString,
    /// It must be changed at the next sign-on.
    pub force_change: bool,
}

/// A user to be created.
#[derive(Debug, Clone, Default)]
pub struct NewUser {
    /// Attributes by PingOne's names: `username`, `email`, `name`, `population` … (pingone-api.md §6.4).
    pub attributes: Map<String, Value>,
    /// With a password the user is imported; without one, created plainly.
    pub password: Option<NewPassword>,
    /// `lifecycle.status` at the start: `ACCOUNT_OK` or `VERIFICATION_REQUIRED`, which mails a code. Imports the user.
    pub lifecycle: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PasswordBody<'a> {
    value: &'a str,
    force_change: bool,
}

impl<'a> PasswordBody<'a> {
    fn of(password: &'a NewPassword) -> Self {
        Self {
            value: password.value.expose_secret(),
            force_change: password.force_change,
        }
    }
}

#[derive(Serialize)]
struct LifecycleBody<'a> {
    status: &'a str,
}

#[derive(Serialize)]
struct ImportBody<'a> {
    #[serde(flatten)]
    attributes: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<PasswordBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifecycle: Option<LifecycleBody<'a>>,
}

impl Client {
    /// Creates a user. Duplicate user names are `AlreadyExists` (pingone-api.md §6.4).
    pub async fn create_user(&self, user: &NewUser) -> Result<User, PingOneError> {
        let plain = user.password.is_none() && user.lifecycle.is_none();
        let body = ImportBody {
            attributes: &user.attributes,
            password: user.password.as_ref().map(PasswordBody::of),
            lifecycle: user.lifecycle.as_deref().map(|status| LifecycleBody { status }),
        };
        let call = Call {
            operation: Operation::CreateUser,
            object: "",
            method: Method::POST,
            url: self.url(&["users"]),
            body: Some((if plain { JSON } else { IMPORT }, bytes(&body))),
        };
        self.object(&call).await
    }

    /// Changes attributes of a user: what is absent stays, `null` clears, a list is replaced whole. PingOne ignores names
    /// that it does not know: compare with the answer.
    pub async fn update_user(&self, user: Uuid, changes: &Map<String, Value>) -> Result<User, PingOneError> {
        let id = user.to_string();
        let call = with_body(
            Operation::UpdateUser,
            &id,
            Method::PATCH,
            self.url(&["users", &id]),
            JSON,
            changes,
        );
        self.object(&call).await
    }

    /// Deletes a user. One that is not there is `NotFound`.
    pub async fn delete_user(&self, user: Uuid) -> Result<(), PingOneError> {
        let id = user.to_string();
        self.delete(Operation::DeleteUser, &id, self.url(&["users", &id])).await
    }

    /// Enables or disables a user; answers what PingOne says is in force now.
    pub async fn set_enabled(&self, user: Uuid, enabled: bool) -> Result<Option<bool>, PingOneError> {
        let body = json!({ "enabled": enabled });
        let found: Switches = self.put_part(Operation::SetEnabled, user, "enabled", &body).await?;
        Ok(found.enabled)
    }

    /// Switches MFA on or off; answers what PingOne says is in force now.
    pub async fn set_mfa_enabled(&self, user: Uuid, enabled: bool) -> Result<Option<bool>, PingOneError> {
        let body = json!({ "mfaEnabled": enabled });
        let found: Switches = self.put_part(Operation::SetMfa, user, "mfaEnabled", &body).await?;
        Ok(found.mfa_enabled)
    }

    /// Moves a user to a population. Memberships in groups of the old one are lost.
    pub async fn set_population(&self, user: Uuid, population: Uuid) -> Result<(), PingOneError> {
        let body = json!({ "id": population });
        self.put_part::<serde::de::IgnoredAny>(Operation::SetPopulation, user, "population", &body)
            .await
            .map(drop)
    }

    /// Sets where a user signs on.
    pub async fn set_identity_provider(&self, user: Uuid, provider: Uuid) -> Result<(), PingOneError> {
        let body = json!({ "id": provider });
        self.put_part::<serde::de::IgnoredAny>(Operation::SetIdentityProvider, user, "identityProvider", &body)
            .await
            .map(drop)
    }

    async fn put_part<T: for<'de> serde::Deserialize<'de>>(
        &self,
        operation: Operation,
        user: Uuid,
        part: &str,
        body: &Value,
    ) -> Result<T, PingOneError> {
        let id = user.to_string();
        let url = self.url(&["users", &id, part]);
        let call = with_body(operation, &id, Method::PUT, url, JSON, body);
        self.object(&call).await
    }

    /// Locks an account, until a moment if one is given. Refused with 415 for a moment after the account was enabled
    /// (pingone-api.md §6.5, S).
    pub async fn lock_user(&self, user: Uuid, until: Option<Timestamp>) -> Result<User, PingOneError> {
        let body = until.map_or_else(|| json!({}), |until| json!({ "unlockAt": until.to_string() }));
        let id = user.to_string();
        let url = self.url(&["users", &id]);
        let call = with_body(Operation::SetLock, &id, Method::POST, url, LOCK, &body);
        self.object(&call).await
    }

    /// Unlocks an account.
    pub async fn unlock_user(&self, user: Uuid) -> Result<User, PingOneError> {
        let id = user.to_string();
        let url = self.url(&["users", &id]);
        self.object(&post(Operation::SetLock, &id, url, UNLOCK)).await
    }

    /// Mails the user a code to verify the account; its state becomes `VERIFICATION_REQUIRED`.
    pub async fn send_verification_code(&self, user: Uuid) -> Result<(), PingOneError> {
        let id = user.to_string();
        let url = self.url(&["users", &id]);
        self.call(&post(Operation::SendVerificationCode, &id, url, SEND_VERIFICATION))
            .await
            .map(drop)
    }

    /// Sets a password, which is checked against the policy.
    pub async fn set_password(&self, user: Uuid, password: &NewPassword) -> Result<PasswordState, PingOneError> {
        let id = user.to_string();
        let url = self.url(&["users", &id, "password"]);
        let body = PasswordBody::of(password);
        let call = with_body(Operation::SetPassword, &id, Method::PUT, url, PASSWORD_SET, &body);
        self.object(&call).await
    }

    /// Makes the user change the password at the next sign-on. Unlocks it, too.
    pub async fn force_password_change(&self, user: Uuid) -> Result<(), PingOneError> {
        self.password(Operation::SetPassword, user, PASSWORD_FORCE_CHANGE).await
    }

    /// Unlocks a password.
    pub async fn unlock_password(&self, user: Uuid) -> Result<(), PingOneError> {
        self.password(Operation::SetPassword, user, PASSWORD_UNLOCK).await
    }

    /// Mails the user a code to recover the password; refused for a disabled user and for one without a password or locked
    /// out.
    pub async fn send_recovery_code(&self, user: Uuid) -> Result<(), PingOneError> {
        self.password(Operation::SendRecoveryCode, user, PASSWORD_RECOVERY)
            .await
    }

    async fn password(&self, operation: Operation, user: Uuid, media_type: &'static str) -> Result<(), PingOneError> {
        let id = user.to_string();
        let url = self.url(&["users", &id, "password"]);
        self.call(&post(operation, &id, url, media_type)).await.map(drop)
    }

    /// Adds a user to a group by hand. A user who is in it already may be an error (pingone-api.md §6.6, G).
    pub async fn add_member(&self, user: Uuid, group: Uuid) -> Result<(), PingOneError> {
        let id = user.to_string();
        let url = self.url(&["users", &id, "memberOfGroups"]);
        let body = json!({ "id": group });
        let call = with_body(Operation::AddMember, &id, Method::POST, url, JSON, &body);
        self.call(&call).await.map(drop)
    }

    /// Takes a user out of a group.
    pub async fn remove_member(&self, user: Uuid, group: Uuid) -> Result<(), PingOneError> {
        let id = user.to_string();
        let url = self.url(&["users", &id, "memberOfGroups", &group.to_string()]);
        self.delete(Operation::RemoveMember, &id, url).await
    }

    /// Assigns a role over a scope. PingOne may answer a duplicate with an error or a second assignment: list first.
    pub async fn create_role_assignment(
        &self,
        principal: Principal,
        role: Uuid,
        scope_type: &str,
        scope: Uuid,
    ) -> Result<RoleAssignment, PingOneError> {
        let (kind, id) = principal.path();
        let id = id.to_string();
        let url = self.url(&[kind, &id, "roleAssignments"]);
        let scope_type = scope_type.to_uppercase();
        let body = json!({ "role": { "id": role }, "scope": { "id": scope, "type": scope_type } });
        let call = with_body(Operation::CreateRoleAssignment, &id, Method::POST, url, JSON, &body);
        self.object(&call).await
    }

    /// Removes a role assignment. A fresh one may be read only for some seconds (pingone-api.md §6.10, S).
    pub async fn delete_role_assignment(&self, principal: Principal, assignment: Uuid) -> Result<(), PingOneError> {
        let (kind, id) = principal.path();
        let id = id.to_string();
        let url = self.url(&[kind, &id, "roleAssignments", &assignment.to_string()]);
        self.delete(Operation::DeleteRoleAssignment, &id, url).await
    }

    /// Ends a session of a user.
    pub async fn delete_session(&self, user: Uuid, session: &str) -> Result<(), PingOneError> {
        let id = user.to_string();
        let url = self.url(&["users", &id, "sessions", session]);
        self.delete(Operation::DeleteSession, &id, url).await
    }

    /// Removes an MFA device of a user.
    pub async fn delete_device(&self, user: Uuid, device: &str) -> Result<(), PingOneError> {
        let id = user.to_string();
        let url = self.url(&["users", &id, "devices", device]);
        self.delete(Operation::DeleteDevice, &id, url).await
    }

    async fn delete(&self, operation: Operation, object: &str, url: Url) -> Result<(), PingOneError> {
        let call = Call {
            operation,
            object,
            method: Method::DELETE,
            url,
            body: None,
        };
        self.call(&call).await.map(drop)
    }
}

fn with_body<'a>(
    operation: Operation,
    object: &'a str,
    method: Method,
    url: Url,
    media_type: &'static str,
    body: &impl Serialize,
) -> Call<'a> {
    Call {
        operation,
        object,
        method,
        url,
        body: Some((media_type, bytes(body))),
    }
}

/// A POST whose media type says what is to be done.
fn post<'a>(operation: Operation, object: &'a str, url: Url, media_type: &'static str) -> Call<'a> {
    Call {
        operation,
        object,
        method: Method::POST,
        url,
        body: Some((media_type, Ok(Bytes::new()))),
    }
}

/// A body that is wiped when it is dropped: it may hold a password.
fn bytes(body: &impl Serialize) -> Result<Bytes, serde_json::Error> {
    let mut buffer = Zeroizing::new(Vec::with_capacity(SECRET_BODY));
    serde_json::to_writer(&mut *buffer, body)?;
    Ok(Bytes::from_owner(buffer))
}
