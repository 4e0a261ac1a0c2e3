//! Calls that change the directory, as values: built by pure functions, shown by a dry run, sent by
//! [`Client::write`]. A write is never repeated blindly: PingOne has no idempotency key (pingone-api.md §3.7), so a
//! call whose outcome is unknown fails with [`PingOneError::outcome_unknown`] and its caller reads the state first.
//!
//! A status of 2xx alone proves nothing, because a proxy may have answered. What does is in `write::answer`.

mod answer;
pub mod devices;
pub mod groups;
pub mod membership;
pub mod passwords;
pub mod roles;
pub mod users;

use std::fmt;

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::client::{Call, Client};
use super::error::{PingOneError, RateInfo};
use super::operation::Operation;
use super::parse::corrupt;
pub use super::write_body::{JSON, WriteBody};

/// One call that changes the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteCall {
    /// What it does.
    pub operation: Operation,
    /// The id of what it changes.
    pub object: String,
    /// What else error texts name, such as the group that the user joins.
    within: Option<String>,
    /// The HTTP method.
    pub method: Method,
    /// The path under the configured environment.
    pub path: Vec<String>,
    /// The body.
    pub body: Option<WriteBody>,
    /// What the object in the answer holds if the change was made; nothing where PingOne answers without content.
    shows: Vec<(&'static str, Value)>,
}

impl WriteCall {
    /// A call on `path`, segments under the environment.
    #[expect(clippy::needless_pass_by_value, reason = "callers hand ids over as they have them")]
    pub fn new(operation: Operation, object: impl ToString, method: Method, path: &[&str]) -> Self {
        Self {
            operation,
            object: object.to_string(),
            within: None,
            method,
            path: path.iter().map(|segment| (*segment).to_owned()).collect(),
            body: None,
            shows: Vec::new(),
        }
    }

    /// The same call with a body.
    #[must_use]
    pub fn with(mut self, body: WriteBody) -> Self {
        self.body = Some(body);
        self
    }

    /// The same call, whose error texts also name this.
    fn within(mut self, within: String) -> Self {
        self.within = Some(within);
        self
    }

    /// What it changes, for error texts.
    pub fn subject(&self) -> String {
        match &self.within {
            Some(within) => format!("{} ({within})", self.object),
            None => self.object.clone(),
        }
    }

    /// The same call, whose answer holds `value` at a JSON pointer. Texts are compared without case.
    #[must_use]
    pub fn showing(mut self, pointer: &'static str, value: impl Into<Value>) -> Self {
        self.shows.push((pointer, value.into()));
        self
    }
}

impl WriteCall {
    /// Method, path, and of the body only the names of its members, with ids and truth values: no personal data.
    pub fn outline(&self) -> String {
        let head = format!("{} /{}", self.method, self.path.join("/"));
        let value = self.body.as_ref().and_then(WriteBody::value);
        value.map_or_else(|| head.clone(), |value| format!("{head} {}", outlined(&value)))
    }

    /// The objects that the path names, and the group that somebody is joined to.
    fn touches(&self) -> Vec<uuid::Uuid> {
        let value = self.body.as_ref().and_then(WriteBody::value);
        let joined = value.as_ref().and_then(|value| value.get("id")?.as_str());
        let ids = self.path.iter().map(String::as_str).chain(joined);
        ids.filter_map(|id| uuid::Uuid::try_parse(id).ok()).collect()
    }
}

/// Names, ids and truth values of a JSON value.
fn outlined(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let outlined = members.iter().map(|(name, value)| {
                let value = outlined(value);
                if value.is_empty() {
                    name.clone()
                } else {
                    format!("{name}: {value}")
                }
            });
            let mut members: Vec<String> = outlined.collect();
            members.sort_unstable();
            format!("{{{}}}", members.join(", "))
        }
        Value::Bool(value) => value.to_string(),
        Value::String(text) => uuid::Uuid::try_parse(text).map(|id| id.to_string()).unwrap_or_default(),
        _ => String::new(),
    }
}

impl fmt::Display for WriteCall {
    /// As a dry run shows it: method, path under the environment, media type and body without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} /{}", self.method, self.path.join("/"))?;
        match &self.body {
            Some(body) => write!(f, " {} {}", body.content_type(), body.shown()),
            None => Ok(()),
        }
    }
}

/// A write that PingOne says it carried out.
#[derive(Debug, Clone)]
pub struct Written {
    /// HTTP status.
    pub status: u16,
    /// The answer's body, often empty.
    body: Vec<u8>,
    /// The body holds the object that was asked for, as it was asked for.
    shown: bool,
    /// PingOne's correlation id.
    pub request_id: Option<String>,
    /// What the rate headers said.
    pub rate: Option<RateInfo>,
}

impl Written {
    /// The answer of a call that a dry run did not send.
    pub const fn planned() -> Self {
        Self {
            status: 0,
            body: Vec::new(),
            shown: false,
            request_id: None,
            rate: None,
        }
    }

    /// A dry run's answer: there is no body to read.
    pub const fn is_planned(&self) -> bool {
        self.status == 0
    }

    /// The answer holds the object that was asked for, as it was asked for. Otherwise (204) a read must tell.
    pub const fn is_shown(&self) -> bool {
        self.shown
    }

    /// The body. A failure is a write of unknown outcome.
    #[expect(clippy::result_large_err, reason = "an error is as large as what it says, and rare")]
    pub fn json<T: DeserializeOwned>(&self, call: &WriteCall) -> Result<T, PingOneError> {
        serde_json::from_slice(&self.body).map_err(|error| PingOneError {
            request_id: self.request_id.clone(),
            ..PingOneError::new(call.operation, call.subject(), corrupt(&error))
        })
    }
}

impl Client {
    /// Sends one call. Repeated only where PingOne surely did not carry it out: it limited our rate, refused a token
    /// that is renewed, or no connection came about. Anything else that leaves the outcome open is an error for which
    /// [`PingOneError::outcome_unknown`] is true.
    pub async fn write(&self, call: &WriteCall) -> Result<Written, PingOneError> {
        let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
        let subject = call.subject();
        let request = Call {
            operation: call.operation,
            object: &subject,
            method: call.method.clone(),
            url: self.url(&path),
            body: call.body.as_ref(),
            token: None,
        };
        let touched = call.touches();
        self.stats().wrote(&touched);
        let answered = self.call(&request).await;
        // However long it took: its activity counts from here at the latest.
        self.stats().wrote(&touched);
        let answer = answered?;
        let judged = answer::judge(
            call,
            self.environment_id(),
            answer.status,
            answer.media_type.as_deref(),
            &answer.body,
        );
        let shown = judged.map_err(|reason| PingOneError {
            request_id: answer.request_id.clone(),
            ..PingOneError::new(call.operation, call.subject(), reason)
        })?;
        Ok(Written {
            status: answer.status,
            body: answer.body.to_vec(),
            shown,
            request_id: answer.request_id,
            rate: answer.rate,
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_write_touches_what_its_path_names_and_the_group_that_it_joins() {
        let (user, group) = (uuid::Uuid::from_u128(7), uuid::Uuid::from_u128(8));
        let path = ["users", &user.to_string(), "memberOfGroups"];
        let join = WriteCall::new(Operation::ALL[0], user, Method::POST, &path);
        assert_eq!(join.touches(), [user]);
        let join = join.with(WriteBody::json(&json!({"id": group, "population": {"id": user}})));
        assert_eq!(join.touches(), [user, group]);
        let stats = crate::Stats::default();
        stats.wrote(&join.touches());
        let mut found = stats.written_within(std::time::Duration::from_mins(2));
        found.sort_unstable();
        assert_eq!(found, [user, group]);
    }

    #[test]
    fn an_outline_holds_names_and_ids_and_nothing_of_a_person() {
        let id = uuid::Uuid::from_u128(7);
        let body = json!({"username": "mara", "name": {"given": "Mara"}, "population": {"id": id}, "mfaEnabled": true,
            "tags": ["secret"], "note": null});
        let call = users::create("e", "mara", WriteBody::json(&body));
        let outline = call.outline();
        assert_eq!(
            outline,
            format!(
                "POST /users {{mfaEnabled: true, name: {{given}}, note, population: {{id: {id}}}, tags, username}}"
            )
        );
        let password = passwords::set(id, Bytes::from_static(b"{\"value\":\"x\"}"), false);
        assert_eq!(password.outline(), format!("PUT /users/{id}/password"));
    }
}
