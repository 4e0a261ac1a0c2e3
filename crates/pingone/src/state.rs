//! What belongs to one user beside the user object: password state, sessions, devices (pingone-api.md §6.5, §6.13).

use serde::Deserialize;
use uuid::Uuid;

use super::client::Client;
use super::client::Pages;
use super::error::PingOneError;
use super::lenient::{object, text};
use super::operation::Operation;

/// How a user's password stands.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PasswordState {
    /// `OK`, `NO_PASSWORD`, `PASSWORD_EXPIRED`, `PASSWORD_LOCKED_OUT`, `MUST_CHANGE_PASSWORD`, `EXTERNAL`.
    #[serde(default, deserialize_with = "text")]
    pub status: Option<String>,
    /// When the password was set, as PingOne writes it; absent without a password.
    #[serde(default, deserialize_with = "text")]
    pub last_changed_at: Option<String>,
    /// The policy that holds for it.
    #[serde(default, deserialize_with = "object")]
    pub password_policy: Option<PolicyId>,
}

/// Which policy.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PolicyId {
    /// Its id.
    #[serde(default, deserialize_with = "text")]
    pub id: Option<String>,
}

/// Something of a user's that has an id of any form.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Owned {
    id: String,
}

impl Client {
    /// How a user's password stands.
    pub async fn password_state(&self, user: Uuid) -> Result<PasswordState, PingOneError> {
        let user = user.to_string();
        let url = self.url(&["users", &user, "password"]);
        self.read(Operation::ReadPasswordState, &user, url).await
    }

    /// Ids of a user's sessions; PingOne lists ten at most, expired ones among them.
    pub async fn session_ids(&self, user: Uuid) -> Result<Vec<String>, PingOneError> {
        self.owned(user, Operation::ListSessions, "sessions").await
    }

    /// Whether a session is there: for users with more of them than a listing shows.
    pub async fn has_session(&self, user: Uuid, session: &str) -> Result<bool, PingOneError> {
        let user = user.to_string();
        let url = self.url(&["users", &user, "sessions", session]);
        match self.read::<Owned>(Operation::ListSessions, &user, url).await {
            Ok(found) => Ok(found.id == session),
            Err(error) if error.is_gone() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Ids of a user's MFA devices.
    pub async fn device_ids(&self, user: Uuid) -> Result<Vec<String>, PingOneError> {
        self.owned(user, Operation::ListDevices, "devices").await
    }

    async fn owned(&self, user: Uuid, operation: Operation, key: &'static str) -> Result<Vec<String>, PingOneError> {
        let user = user.to_string();
        let url = self.url(&["users", &user, key]);
        let all = Pages::<Owned>::new(self.clone(), operation, user, key, url)
            .all_by(|owned| Some(owned.id.clone()))
            .await?;
        Ok(all.into_iter().map(|owned| owned.id).collect())
    }
}
