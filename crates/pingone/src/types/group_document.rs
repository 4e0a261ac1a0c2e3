//! A group as PingOne shows it, for a PUT that replaces it whole.

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Identified, id};

/// What PingOne keeps itself, and what a PUT must not carry (pingone-api.md §6.7).
const KEPT_BY_PINGONE: [&str; 9] = [
    "_embedded",
    "_links",
    "createdAt",
    "directMemberCounts",
    "environment",
    "sourceId",
    "sourceType",
    "totalMemberCounts",
    "updatedAt",
];

/// What PingOne takes as it is sent.
const TAKEN_BY_PINGONE: [&str; 4] = ["customData", "externalId", "population", "userFilter"];

/// A group with every member of its object, those that we do not know among them.
#[derive(Clone, Deserialize)]
pub struct GroupDocument {
    /// The group.
    #[serde(deserialize_with = "id")]
    pub id: Uuid,
    #[serde(flatten)]
    members: Map<String, Value>,
}

/// Customer data is nobody's business.
impl fmt::Debug for GroupDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, members: _ } = self;
        f.debug_struct("GroupDocument").field("id", id).finish_non_exhaustive()
    }
}

impl Identified for GroupDocument {
    fn id(&self) -> Uuid {
        self.id
    }
}

impl GroupDocument {
    /// A member that is a text and not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        let text = self.members.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    }

    /// Members of `sent` that the group lacks or, where PingOne takes them from us, has with another value.
    pub fn lacks<'a>(&self, sent: &'a Value) -> Vec<&'a str> {
        let lost = |name: &str, value: &Value| match self.members.get(name) {
            None | Some(Value::Null) => !value.is_null(),
            Some(now) => now != value && TAKEN_BY_PINGONE.contains(&name),
        };
        let sent = sent.as_object().into_iter().flatten();
        let lost = sent.filter(|(name, value)| lost(name, value));
        let mut lost: Vec<_> = lost.map(|(name, _)| name.as_str()).collect();
        lost.sort_unstable();
        lost
    }

    /// The same group under another name and description, without what PingOne keeps itself. Everything else is carried over as
    /// it is.
    pub fn replaced(&self, name: &str, description: Option<&str>) -> Value {
        let mut members = self.members.clone();
        members.retain(|name, _| !KEPT_BY_PINGONE.contains(&name.as_str()));
        if self.text("displayName") == self.text("name") {
            members.remove("displayName");
        }
        members.insert("name".to_owned(), name.into());
        match description.filter(|text| !text.is_empty()) {
            Some(text) => members.insert("description".to_owned(), text.into()),
            None => members.remove("description"),
        };
        Value::Object(members)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_replacement_carries_over_what_we_do_not_know() {
        let group: GroupDocument = serde_json::from_value(json!({
            "id": Uuid::from_u128(7), "_links": {"self": {"href": "x"}}, "environment": {"id": Uuid::from_u128(8)},
            "name": "Finance", "displayName": "Finance", "description": "Staff", "externalId": "40",
            "population": {"id": Uuid::from_u128(9)}, "customData": {"owner": "somebody"}, "userFilter": "title pr",
            "directMemberCounts": {"users": 1}, "createdAt": "2024-06-01T09:00:00.000Z", "future": [1, {"a": null}],
        }))
        .unwrap();
        assert_eq!(
            group.replaced("Money", None),
            json!({
                "name": "Money", "externalId": "40", "population": {"id": Uuid::from_u128(9)},
                "customData": {"owner": "somebody"}, "userFilter": "title pr", "future": [1, {"a": null}],
            })
        );
        assert_eq!(group.replaced("Finance", Some("New"))["description"], "New");
        let sent = group.replaced("Money", None);
        assert!(group.lacks(&sent).is_empty());
        let now = json!({"id": Uuid::from_u128(7), "name": "Finance", "customData": {}, "population": null, "userFilter": "title pr"});
        let now: GroupDocument = serde_json::from_value(now).unwrap();
        assert_eq!(now.lacks(&sent), ["customData", "externalId", "future", "population"]);
        assert!(!format!("{group:?}").contains("somebody"));
    }
}
