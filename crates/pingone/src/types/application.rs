//! Applications (access-model.md §1). Only what is named here is decoded: certificates, redirect addresses, keys and
//! signing members of the row are passed over.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::super::lenient::{flag, object, text, texts, time};
use super::{Identified, Reference, id};

/// A row of the list of applications, or a single one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    /// Its id, which is its OAuth client id as well. A row may come without one.
    #[serde(default, deserialize_with = "optional_id")]
    pub id: Option<Uuid>,
    /// Its name.
    #[serde(default, deserialize_with = "text")]
    pub name: Option<String>,
    /// Its description.
    #[serde(default, deserialize_with = "text")]
    pub description: Option<String>,
    /// Nobody signs on to one that is not.
    #[serde(default, deserialize_with = "flag")]
    pub enabled: Option<bool>,
    /// `WEB_APP`, `WORKER` and so on, an open set.
    #[serde(default, rename = "type", deserialize_with = "text")]
    pub application_type: Option<String>,
    /// `OPENID_CONNECT`, `SAML`, `WS_FED`, `EXTERNAL_LINK`, an open set.
    #[serde(default, deserialize_with = "text")]
    pub protocol: Option<String>,
    /// Its tile is hidden; access stays.
    #[serde(default, deserialize_with = "flag")]
    pub hidden_from_app_portal: Option<bool>,
    /// Who may sign on.
    #[serde(default)]
    pub access_control: AccessControl,
    /// OAuth grant types, an open set.
    #[serde(default, deserialize_with = "texts")]
    pub grant_types: Option<Vec<String>>,
    /// How it signs in at the token endpoint.
    #[serde(default, deserialize_with = "text")]
    pub token_endpoint_auth_method: Option<String>,
    /// Tags.
    #[serde(default, deserialize_with = "texts")]
    pub tags: Option<Vec<String>>,
    /// Its picture.
    #[serde(default, deserialize_with = "object")]
    pub icon: Option<Icon>,
    /// Its environment.
    #[serde(default, deserialize_with = "object")]
    pub environment: Option<Reference>,
    /// Creation time.
    #[serde(default, deserialize_with = "time")]
    pub created_at: Option<Timestamp>,
    /// Time of the last change.
    #[serde(default, deserialize_with = "time")]
    pub updated_at: Option<Timestamp>,
    /// Its links.
    #[serde(default, rename = "_links", deserialize_with = "object")]
    pub links: Option<Links>,
}

/// A picture.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Icon {
    /// Its address.
    #[serde(default, deserialize_with = "text")]
    pub href: Option<String>,
}

/// Of an application's links the one that tells whether it may hold roles.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Links {
    /// Where its role assignments are.
    #[serde(default, deserialize_with = "is_there")]
    pub role_assignments: bool,
}

/// Whether an application may hold roles (access-model.md §3.2, S).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldsRoles {
    /// It links to its assignments.
    Yes,
    /// It has no links at all: its assignments tell, or their refusal does.
    Maybe,
    /// It cannot.
    No,
}

impl Application {
    /// One of PingOne's own: console, portal, self-service.
    pub fn is_system(&self) -> bool {
        self.application_type
            .as_deref()
            .is_some_and(|kind| kind.starts_with("PING_ONE_"))
    }

    /// A worker application.
    pub fn is_worker(&self) -> bool {
        self.application_type.as_deref() == Some("WORKER")
    }

    /// Whether it may hold roles.
    pub fn holds_roles(&self) -> HoldsRoles {
        match &self.links {
            Some(links) if links.role_assignments => HoldsRoles::Yes,
            None if self.protocol.as_deref() == Some("OPENID_CONNECT") && !self.is_system() => HoldsRoles::Maybe,
            _ => HoldsRoles::No,
        }
    }
}

/// A single read names its id, or it is no answer to it.
impl Identified for Application {
    fn id(&self) -> Uuid {
        self.id.unwrap_or_default()
    }
}

fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<IgnoredAny>::deserialize(deserializer)?.is_some())
}

fn optional_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uuid>, D::Error> {
    struct Strict(Uuid);

    impl<'de> Deserialize<'de> for Strict {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            id(deserializer).map(Self)
        }
    }

    Ok(Option::<Strict>::deserialize(deserializer)?.map(|id| id.0))
}

/// An application's access condition: everything that is set must hold (access-model.md §1.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessControl {
    /// `role.type`.
    pub role: Option<String>,
    /// The condition by groups.
    pub group: Option<GroupCondition>,
    /// What of it is not as documented, in a word for people; a condition that is not understood must not read as none.
    pub strange: Option<String>,
}

/// A condition by groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupCondition {
    /// `ANY_GROUP`, `ALL_GROUPS`, or anything new.
    pub kind: Option<String>,
    /// The groups, each once, by id.
    pub groups: BTreeSet<Uuid>,
}

impl<'de> Deserialize<'de> for AccessControl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(&Value::deserialize(deserializer)?))
    }
}

impl AccessControl {
    fn of(value: &Value) -> Self {
        let mut this = Self::default();
        let Some(members) = this.members("accessControl", value).cloned() else {
            return this;
        };
        for (name, value) in &members {
            match name.as_str() {
                _ if value.is_null() || name.starts_with('_') => {}
                "role" => this.role = this.condition("role", value).map(|(kind, _)| kind.unwrap_or_default()),
                "group" => {
                    if let Some((kind, members)) = this.condition("group", value) {
                        let groups = this.groups(members.get("groups"));
                        this.group = Some(GroupCondition { kind, groups });
                    }
                }
                other => this.strange = Some(other.to_owned()),
            }
        }
        let untyped = this
            .group
            .as_ref()
            .is_some_and(|group| group.kind.is_none() && !group.groups.is_empty());
        if untyped || this.role.as_ref().is_some_and(String::is_empty) {
            this.strange.get_or_insert_with(|| "without a type".to_owned());
        }
        this
    }

    /// The members of an object; nothing of null. Anything else is strange.
    fn members<'a>(&mut self, name: &str, value: &'a Value) -> Option<&'a Map<String, Value>> {
        if !value.is_null() && !value.is_object() {
            self.strange = Some(name.to_owned());
        }
        value.as_object()
    }

    /// A condition's type and members.
    fn condition<'a>(&mut self, name: &str, value: &'a Value) -> Option<(Option<String>, &'a Map<String, Value>)> {
        let members = self.members(name, value)?;
        let kind = match members.get("type") {
            None | Some(Value::Null) => None,
            Some(Value::String(kind)) => Some(kind.clone()),
            Some(_) => {
                self.strange = Some(name.to_owned());
                None
            }
        };
        Some((kind, members))
    }

    /// The groups of a condition. One that cannot be read may not be left out: of an intersection that would widen it.
    fn groups(&mut self, list: Option<&Value>) -> BTreeSet<Uuid> {
        let items = match list {
            None | Some(Value::Null) => return BTreeSet::new(),
            Some(Value::Array(items)) => items.as_slice(),
            Some(_) => &[],
        };
        let read = items
            .iter()
            .map(|item| Uuid::try_parse(item.get("id")?.as_str()?).ok())
            .collect::<Option<BTreeSet<Uuid>>>();
        if read.is_none() || !list.is_some_and(Value::is_array) {
            self.strange = Some("groups".to_owned());
        }
        read.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GROUP: &str = "e4a1c7b0-21d3-4a7e-8f6d-0ddba11c0de1";

    fn access(value: &Value) -> AccessControl {
        let application: Application = serde_json::from_value(json!({"accessControl": value})).unwrap();
        application.access_control
    }

    #[test]
    fn no_condition_is_none_and_one_that_is_not_understood_is_strange() {
        for open in [
            json!(null),
            json!({}),
            json!({"role": null, "group": null, "_links": {}}),
        ] {
            assert_eq!(access(&open), AccessControl::default(), "{open}");
        }
        for strange in [
            json!("x"),
            json!([]),
            json!(true),
            json!({"role": "x"}),
            json!({"role": {}}),
            json!({"role": {"type": 7}}),
            json!({"device": {"type": "MANAGED"}}),
            json!({"group": []}),
            json!({"group": {"type": {}, "groups": []}}),
            json!({"group": {"groups": [{"id": GROUP}]}}),
            json!({"group": {"type": "ANY_GROUP", "groups": {"id": GROUP}}}),
            json!({"group": {"type": "ALL_GROUPS", "groups": [{"id": GROUP}, {"id": "x"}]}}),
            json!({"group": {"type": "ALL_GROUPS", "groups": [{"id": GROUP}, {}]}}),
            json!({"group": {"type": "ALL_GROUPS", "groups": [{"id": GROUP}, 7]}}),
        ] {
            assert!(access(&strange).strange.is_some(), "{strange}");
        }
    }

    #[test]
    fn a_group_that_is_named_twice_counts_once() {
        let found = access(&json!({
            "role": {"type": "ADMIN_USERS_ONLY"},
            "group": {"type": "ANY_GROUP", "groups": [{"id": GROUP}, {"id": GROUP.to_uppercase()}]}
        }));
        let group = found.group.unwrap();
        assert_eq!((group.kind.as_deref(), group.groups.len()), (Some("ANY_GROUP"), 1));
        assert_eq!((found.role.as_deref(), found.strange), (Some("ADMIN_USERS_ONLY"), None));
    }

    #[test]
    fn a_row_may_lack_everything_and_an_id_that_is_no_uuid_spoils_it() {
        for body in [
            json!({}),
            json!({"id": null, "name": {"x": 1}, "_links": 7, "grantTypes": "x", "icon": []}),
        ] {
            assert_eq!(
                serde_json::from_value::<Application>(body).unwrap(),
                Application::default()
            );
        }
        assert!(serde_json::from_value::<Application>(json!({"id": "x"})).is_err());
        assert!(serde_json::from_value::<Application>(json!({"id": 7})).is_err());
    }

    #[test]
    fn the_link_decides_who_may_hold_roles() {
        let holds = |body: Value| serde_json::from_value::<Application>(body).unwrap().holds_roles();
        let link = json!({"roleAssignments": {"href": "x"}});
        assert_eq!(holds(json!({"type": "AI_AGENT", "_links": link})), HoldsRoles::Yes);
        assert_eq!(
            holds(json!({"type": "WORKER", "protocol": "OPENID_CONNECT", "_links": {}})),
            HoldsRoles::No
        );
        assert_eq!(
            holds(json!({"type": "WORKER", "protocol": "OPENID_CONNECT"})),
            HoldsRoles::Maybe
        );
        assert_eq!(holds(json!({"type": "WEB_APP", "protocol": "SAML"})), HoldsRoles::No);
        assert_eq!(
            holds(json!({"type": "PING_ONE_PORTAL", "protocol": "OPENID_CONNECT"})),
            HoldsRoles::No
        );
    }
}
