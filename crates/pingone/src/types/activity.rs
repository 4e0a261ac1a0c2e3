//! Audit activities (pingone-api.md §6.11). Their ids and those of actors need not be UUIDs.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::Deserializer;
use uuid::Uuid;

use super::super::lenient::{list, object, text, time};

/// Who did something: a client or a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivityParty {
    /// Its id; no UUID for PingOne's own clients (`adminui`).
    #[serde(default, deserialize_with = "text")]
    pub id: Option<String>,
    /// Its name.
    #[serde(default, deserialize_with = "text")]
    pub name: Option<String>,
    /// `CLIENT`, `USER`, or anything new.
    #[serde(default, rename = "type", deserialize_with = "text")]
    pub party_type: Option<String>,
}

/// What something was done to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivityResource {
    /// Its id.
    #[serde(default, deserialize_with = "text")]
    pub id: Option<String>,
    /// Its name.
    #[serde(default, deserialize_with = "text")]
    pub name: Option<String>,
    /// `USER`, `MEMBER_OF_GROUP`, or anything new.
    #[serde(default, rename = "type", deserialize_with = "text")]
    pub resource_type: Option<String>,
    /// Its address: the only place where a membership names its user.
    #[serde(default, deserialize_with = "text")]
    pub href: Option<String>,
}

/// Who belongs to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    User(Uuid),
    /// It is nested.
    Group(Uuid),
}

impl ActivityResource {
    /// Holder and group of a membership, which only the address names: `…/users/{user}/memberOfGroups/{group}`, or `groups`
    /// where a group is nested.
    pub fn membership(&self) -> Option<(Holder, Uuid)> {
        let path = self.href.as_deref()?.split(['?', '#']).next()?;
        let mut parts = path.trim_end_matches('/').rsplit('/');
        let group = Uuid::try_parse(parts.next()?).ok()?;
        if !parts.next()?.eq_ignore_ascii_case("memberOfGroups") {
            return None;
        }
        let holder = Uuid::try_parse(parts.next()?).ok()?;
        match parts.next()? {
            "users" => Some((Holder::User(holder), group)),
            "groups" => Some((Holder::Group(holder), group)),
            _ => None,
        }
    }
}

/// One activity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Activity {
    pub id: Option<String>,
    /// When it was recorded.
    pub recorded_at: Option<Timestamp>,
    /// When it happened: some milliseconds before or after.
    pub created_at: Option<Timestamp>,
    /// The request that caused it.
    pub correlation_id: Option<String>,
    /// `USER.CREATED` and so on, an open set.
    pub action_type: Option<String>,
    /// The client that did it.
    pub client: Option<ActivityParty>,
    /// The user that did it.
    pub user: Option<ActivityParty>,
    /// What it was done to.
    pub resources: Vec<ActivityResource>,
    /// `SUCCESS`, `FAILED`, or anything new.
    pub result_status: Option<String>,
    /// The result in words; the only place where a role event names its role.
    pub result_description: Option<String>,
    /// Names of the attributes that a change of a user touched.
    pub modified_attributes: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Actors {
    #[serde(default, deserialize_with = "object")]
    client: Option<ActivityParty>,
    #[serde(default, deserialize_with = "object")]
    user: Option<ActivityParty>,
}

#[derive(Default, Deserialize)]
struct Action {
    #[serde(default, rename = "type", deserialize_with = "text")]
    action_type: Option<String>,
}

#[derive(Default, Deserialize)]
struct Outcome {
    #[serde(default, deserialize_with = "text")]
    status: Option<String>,
    #[serde(default, deserialize_with = "text")]
    description: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EmbeddedParts {
    #[serde(default, deserialize_with = "list")]
    modified_attributes: Option<Vec<ModifiedAttribute>>,
}

/// A name, or an object that carries it.
#[derive(Deserialize)]
#[serde(untagged)]
enum ModifiedAttribute {
    Name(String),
    Object { name: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default, deserialize_with = "text")]
    id: Option<String>,
    #[serde(default, deserialize_with = "time")]
    recorded_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "text")]
    correlation_id: Option<String>,
    #[serde(default, deserialize_with = "object")]
    actors: Option<Actors>,
    #[serde(default, deserialize_with = "object")]
    action: Option<Action>,
    #[serde(default, deserialize_with = "list")]
    resources: Option<Vec<ActivityResource>>,
    #[serde(default, deserialize_with = "object")]
    result: Option<Outcome>,
    #[serde(default, rename = "_embedded", deserialize_with = "object")]
    embedded: Option<EmbeddedParts>,
}

impl<'de> Deserialize<'de> for Activity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        let actors = wire.actors.unwrap_or_default();
        let result = wire.result.unwrap_or_default();
        let modified = wire.embedded.and_then(|embedded| embedded.modified_attributes);
        Ok(Self {
            id: wire.id,
            recorded_at: wire.recorded_at,
            created_at: wire.created_at,
            correlation_id: wire.correlation_id,
            action_type: wire.action.and_then(|action| action.action_type),
            client: actors.client,
            user: actors.user,
            resources: wire.resources.unwrap_or_default(),
            result_status: result.status,
            result_description: result.description,
            modified_attributes: modified
                .unwrap_or_default()
                .into_iter()
                .map(|attribute| match attribute {
                    ModifiedAttribute::Name(name) | ModifiedAttribute::Object { name } => name,
                })
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_activity_is_read_from_its_nested_parts_and_may_lack_any() {
        let found: Activity = serde_json::from_value(json!({
            "id": "66aa11bb", "recordedAt": "2026-03-02T09:14:05.123Z", "internalCorrelation": {},
            "actors": {"client": {"id": "adminui", "type": "CLIENT"}, "user": null},
            "action": {"type": "MEMBER_OF_GROUP.CREATED", "description": "d"},
            "resources": [{"type": "MEMBER_OF_GROUP", "name": "Finance", "href": "https://x/users/u/memberOfGroups/g"}, 7],
            "result": {"status": "SUCCESS", "description": "words"},
            "_embedded": {"modifiedAttributes": ["title", {"name": "email"}, 3]}
        }))
        .unwrap();
        assert_eq!(found.action_type.as_deref(), Some("MEMBER_OF_GROUP.CREATED"));
        assert_eq!(found.client.unwrap().id.as_deref(), Some("adminui"));
        assert_eq!(found.user, None);
        assert_eq!(found.resources.len(), 1);
        assert_eq!(found.modified_attributes, ["title", "email"]);
        assert_eq!(
            serde_json::from_value::<Activity>(json!({})).unwrap(),
            Activity::default()
        );
    }
}
