//! What belongs to one user beside the user object: password state, sessions, devices (pingone-api.md §6.5, §6.13).

use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::client::Client;
use super::client::Pages;
use super::error::{PingOneError, Reason};
use super::lenient::{object, text, time};
use super::operation::Operation;

/// How a user's password stands.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PasswordState {
    /// `OK`, `NO_PASSWORD`, `PASSWORD_EXPIRED`, `PASSWORD_LOCKED_OUT`, `MUST_CHANGE_PASSWORD`, `EXTERNAL`, or one that is newer
    /// than these (pingone-api.md §3.2).
    pub status: String,
    /// When the password was set; absent without a password.
    #[serde(default, deserialize_with = "time")]
    pub last_changed_at: Option<Timestamp>,
    /// The policy that holds for it.
    #[serde(default, deserialize_with = "object")]
    pub password_policy: Option<PolicyId>,
    #[serde(default, deserialize_with = "object")]
    user: Option<Named>,
    #[serde(default, deserialize_with = "object")]
    environment: Option<Named>,
    #[serde(default, rename = "_links", deserialize_with = "object")]
    links: Option<Links>,
}

/// What an answer says that it is about.
#[derive(Debug, Clone, Deserialize)]
struct Named {
    #[serde(default, deserialize_with = "text")]
    id: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Links {
    #[serde(default, rename = "self", deserialize_with = "object")]
    itself: Option<Link>,
}

#[derive(Debug, Clone, Deserialize)]
struct Link {
    #[serde(default, deserialize_with = "text")]
    href: Option<String>,
}

impl PasswordState {
    /// There is a password of PingOne's own, by a status of the full set (pingone-api.md §6.5) and the time of its change.
    pub fn is_set(&self) -> bool {
        let set = ["OK", "PASSWORD_EXPIRED", "PASSWORD_LOCKED_OUT", "MUST_CHANGE_PASSWORD"];
        set.contains(&self.status.as_str()) && self.last_changed_at.is_some()
    }

    /// It is this user's: it names the user, or links to itself under the user, and names no other environment. Only
    /// `environment.id` is promised, the user's id is in the sample (pingone-api.md §6.5), so an answer that has neither a
    /// user nor a link must name the environment.
    fn is_of(&self, user: &str, environment: &str) -> bool {
        let id = |named: &Named| named.id.as_ref().map(|id| id.to_ascii_lowercase());
        let link = || {
            Some(
                self.links
                    .as_ref()?
                    .itself
                    .as_ref()?
                    .href
                    .as_ref()?
                    .to_ascii_lowercase(),
            )
        };
        let of_user = match self.user.as_ref().and_then(id) {
            Some(named) => Some(named == user.to_ascii_lowercase()),
            None => link().map(|link| link.contains(&user.to_ascii_lowercase())),
        };
        let here = self.environment.as_ref().and_then(id);
        let is_here = here.map(|named| named == environment.to_ascii_lowercase());
        match of_user {
            Some(of_user) => of_user && is_here != Some(false),
            None => is_here == Some(true),
        }
    }
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
    /// How a user's password stands. An answer that is not about this user, or has no status, is an error.
    pub async fn password_state(&self, user: Uuid) -> Result<PasswordState, PingOneError> {
        let user = user.to_string();
        let url = self.url(&["users", &user, "password"]);
        let state: PasswordState = self.read(Operation::ReadPasswordState, &user, url).await?;
        if state.is_of(&user, self.environment_id()) {
            return Ok(state);
        }
        let what = "the answer does not say that it is about this user".to_owned();
        Err(PingOneError::new(
            Operation::ReadPasswordState,
            user,
            Reason::Corrupt { what },
        ))
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
