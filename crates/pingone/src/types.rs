//! PingOne's objects as they come over the wire (pingone-api.md §6, §7). Ids are strict, everything else is lenient:
//! unknown members and values are carried or ignored, null is absent.

mod activity;
mod admin;
mod application;
mod group_document;
mod machine;
mod placement;
mod role;
mod user;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::Deserializer;
use uuid::Uuid;

pub use user::{Account, Address, IdentityProvider, LastSignOn, Lifecycle, Name, Photo, User};

pub use activity::{Activity, ActivityParty, ActivityResource, Holder};
pub use admin::{PasswordLength, PasswordPolicy};
pub use application::{AccessControl, Application, GroupCondition, HoldsRoles};
pub use group_document::GroupDocument;
pub use machine::{Gateway, GatewayCredential, Key};
pub use placement::Placement;
pub use role::{Permission, Role, RoleAssignment, Scope};

use super::lenient::{count, flag, object, text, texts, time};

/// A reference to another object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
pub struct Reference {
    /// Its id.
    #[serde(deserialize_with = "id")]
    pub id: Uuid,
}

/// An id: a UUID, or the body is corrupt.
pub(crate) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
    struct Id;

    impl serde::de::Visitor<'_> for Id {
        type Value = Uuid;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a UUID")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Uuid, E> {
            Uuid::try_parse(text).map_err(|_| safe("an id is not a UUID"))
        }
    }

    deserializer.deserialize_str(Id)
}

/// Marks a text of ours in an error of the parser. Its own texts can quote values and are never shown.
pub(crate) const SAFE: char = '\u{1}';

/// An error whose text may be shown.
pub(crate) fn safe<E: serde::de::Error>(what: impl std::fmt::Display) -> E {
    E::custom(format_args!("{SAFE}{what}{SAFE}"))
}

fn filter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Option::deserialize(deserializer)? {
        None => Ok(None),
        Some(serde_json::Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(safe("the filter of a group is no text")),
    }
}

/// An object of which only the id is kept.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct IdOnly {
    #[serde(deserialize_with = "id")]
    pub(crate) id: Uuid,
    #[serde(default, deserialize_with = "object")]
    pub(crate) environment: Option<Reference>,
}

/// An environment (pingone-api.md §6.1).
#[derive(Debug, Clone, Deserialize)]
pub struct Environment {
    /// Its id.
    #[serde(deserialize_with = "id")]
    pub id: Uuid,
    /// Its name.
    #[serde(default, deserialize_with = "text")]
    pub name: Option<String>,
    /// `PRODUCTION`, `SANDBOX`, or anything new.
    #[serde(default, rename = "type", deserialize_with = "text")]
    pub environment_type: Option<String>,
    /// The region's code, an open set.
    #[serde(default, deserialize_with = "text")]
    pub region: Option<String>,
    /// `ACTIVE`, `DELETE_PENDING`, or absent.
    #[serde(default, deserialize_with = "text")]
    pub status: Option<String>,
    /// The licence that it is on.
    #[serde(default, deserialize_with = "object")]
    pub license: Option<Reference>,
    /// The organization that owns it.
    #[serde(default, deserialize_with = "object")]
    pub organization: Option<Reference>,
}

/// Something of which only the name matters: an organization, an application.
#[derive(Debug, Clone, Deserialize)]
pub struct Named {
    /// Its id.
    #[serde(deserialize_with = "id")]
    pub id: Uuid,
    /// Its name.
    #[serde(default, deserialize_with = "text")]
    pub name: Option<String>,
}

/// What the licence allows (pingone-api.md §5).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// Rate limits and other quantities by name.
    #[serde(default, deserialize_with = "object")]
    pub license_quantities: Option<std::collections::BTreeMap<String, serde_json::Value>>,
}

impl Capabilities {
    /// The rates of the licence. Of the directory's groups the smallest counts, because no document says which endpoint is
    /// in which (pingone-api.md §11 Q1).
    pub fn rates(&self) -> LicenceRates {
        LicenceRates {
            directory: self.rate("rlgDir"),
            configuration: self.rate("rlgConfig"),
            audit: self.rate("rlgAudit"),
        }
    }

    /// The smallest of the rates whose names begin so, in requests per second.
    fn rate(&self, prefix: &str) -> Option<f64> {
        self.license_quantities
            .iter()
            .flatten()
            .filter(|(name, _)| name.starts_with(prefix))
            .filter_map(|(name, quantity)| {
                let limit = quantity.get("limit")?.as_f64().filter(|limit| *limit > 0.0)?;
                Some(if name.ends_with("Rpm") { limit / 60.0 } else { limit })
            })
            .reduce(f64::min)
    }
}

/// Requests a second that a licence allows, by rate group; what it does not tell is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LicenceRates {
    /// Users, groups and members.
    pub directory: Option<f64>,
    /// Roles, populations, environments, applications.
    pub configuration: Option<f64>,
    /// Audit activities.
    pub audit: Option<f64>,
}

/// Something that has an id, which an answer to a read of one object must repeat.
pub trait Identified {
    /// The id; nil where it names none.
    fn id(&self) -> Uuid;
}

macro_rules! identified {
    ($($name:ident),+) => {
        $(impl Identified for $name {
            fn id(&self) -> Uuid {
                self.id
            }
        })+
    };
}

identified!(
    Environment,
    Named,
    Population,
    Group,
    User,
    PasswordPolicy,
    Role,
    RoleAssignment,
    Membership,
    GatewayCredential
);

/// A population (pingone-api.md §6.2).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Population {
    /// Its id.
    #[serde(deserialize_with = "id")]
    pub id: Uuid,
    /// Its name.
    #[serde(default, deserialize_with = "text")]
    pub name: Option<String>,
    /// Its description.
    #[serde(default, deserialize_with = "text")]
    pub description: Option<String>,
    /// How many users it holds, possibly stale.
    #[serde(default, deserialize_with = "count")]
    pub user_count: Option<u64>,
    /// New users without a population go here.
    #[serde(default, deserialize_with = "flag")]
    pub default: Option<bool>,
    /// Its password policy.
    #[serde(default, deserialize_with = "object")]
    pub password_policy: Option<Reference>,
    /// Its environment.
    #[serde(default, deserialize_with = "object")]
    pub environment: Option<Reference>,
    /// Language of messages.
    #[serde(default, deserialize_with = "text")]
    pub preferred_language: Option<String>,
    /// Other names of the population.
    #[serde(default, deserialize_with = "texts")]
    pub alternative_identifiers: Option<Vec<String>>,
    /// Creation time.
    #[serde(default, deserialize_with = "time")]
    pub created_at: Option<Timestamp>,
    /// Time of the last change.
    #[serde(default, deserialize_with = "time")]
    pub updated_at: Option<Timestamp>,
}

impl Population {
    /// Id of its password policy.
    pub fn password_policy_id(&self) -> Option<String> {
        self.password_policy.map(|policy| policy.id.to_string())
    }

    /// Id of its environment.
    pub fn environment_id(&self) -> Option<String> {
        self.environment.map(|environment| environment.id.to_string())
    }
}

/// Counts of members (pingone-api.md §6.7).
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct MemberCounts {
    /// Users.
    #[serde(default, deserialize_with = "count")]
    pub users: Option<u64>,
    /// Groups.
    #[serde(default, deserialize_with = "count")]
    pub groups: Option<u64>,
}

/// A group (pingone-api.md §6.7).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Its id.
    #[serde(deserialize_with = "id")]
    pub id: Uuid,
    /// Its name; not a key.
    #[serde(default, deserialize_with = "text")]
    pub name: Option<String>,
    /// Equals the name for internal groups.
    #[serde(default, deserialize_with = "text")]
    pub display_name: Option<String>,
    /// Its description.
    #[serde(default, deserialize_with = "text")]
    pub description: Option<String>,
    /// The customer's id.
    #[serde(default, deserialize_with = "text")]
    pub external_id: Option<String>,
    /// Its environment.
    #[serde(default, deserialize_with = "object")]
    pub environment: Option<Reference>,
    /// Present: a group of one population.
    #[serde(default, deserialize_with = "object")]
    pub population: Option<Reference>,
    /// Present: a dynamic group. One that is no text must not read as none.
    #[serde(default, deserialize_with = "filter")]
    pub user_filter: Option<String>,
    /// Present: an external group.
    #[serde(default, deserialize_with = "text")]
    pub source_type: Option<String>,
    /// Id of the source.
    #[serde(default, deserialize_with = "text")]
    pub source_id: Option<String>,
    /// Members added by hand, groups nested directly.
    #[serde(default, deserialize_with = "object")]
    pub direct_member_counts: Option<MemberCounts>,
    /// All members; only on a single read that asks for them.
    #[serde(default, deserialize_with = "object")]
    pub total_member_counts: Option<MemberCounts>,
    /// Customer data.
    #[serde(default)]
    pub custom_data: Option<serde_json::Value>,
    /// Creation time.
    #[serde(default, deserialize_with = "time")]
    pub created_at: Option<Timestamp>,
    /// Time of the last change.
    #[serde(default, deserialize_with = "time")]
    pub updated_at: Option<Timestamp>,
}

/// How a group gets its members (pingone-api.md §6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupSource<'a> {
    /// By hand, and through nested groups.
    Hand,
    /// Through this filter, and by hand.
    Filter(&'a str),
    /// From a source outside PingOne.
    External,
}

impl Group {
    /// How it gets its members. A blank filter is none.
    pub fn source(&self) -> GroupSource<'_> {
        if self.source_type.is_some() || self.source_id.is_some() {
            return GroupSource::External;
        }
        let filter = self.user_filter.as_deref().filter(|filter| !filter.trim().is_empty());
        filter.map_or(GroupSource::Hand, GroupSource::Filter)
    }

    /// The population that it is bound to.
    pub fn population_id(&self) -> Option<Uuid> {
        self.population.map(|population| population.id)
    }
}

/// A membership in a group, or a group's nesting in another (pingone-api.md §6.6): `id` is the group's.
#[derive(Debug, Clone, Deserialize)]
pub struct Membership {
    /// The group.
    #[serde(deserialize_with = "id")]
    pub id: Uuid,
    /// `DIRECT`, `INDIRECT`, or absent.
    #[serde(default, rename = "type", deserialize_with = "text")]
    pub membership_type: Option<String>,
    /// The group's name.
    #[serde(default, deserialize_with = "text")]
    pub name: Option<String>,
}

impl Membership {
    /// PingOne says that it was made by hand.
    pub fn is_said_direct(&self) -> bool {
        self.membership_type
            .as_ref()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("DIRECT"))
    }

    /// It comes from nesting or a filter. An absent type is direct.
    pub fn is_indirect(&self) -> bool {
        self.membership_type
            .as_ref()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("INDIRECT"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_smallest_directory_rate_counts_and_minutes_are_divided() {
        let cases = [
            (
                json!({"licenseQuantities": {"rlgDirAccessRps": {"limit": 300}, "rlgDirBulkRps": {"limit": 100}}}),
                Some(100.0),
            ),
            (
                json!({"licenseQuantities": {"rlgDirFixedRpm": {"limit": 600}, "rlgAuditRps": {"limit": 1}}}),
                Some(10.0),
            ),
            (
                json!({"licenseQuantities": {"rlgDirAccessRps": {"limit": 0}, "rlgDirBulkRps": 7}}),
                None,
            ),
            (json!({"licenseQuantities": []}), None),
            (json!({"canAssignUsersRoles": true}), None),
        ];
        for (body, expected) in cases {
            let found: Capabilities = serde_json::from_value(body.clone()).unwrap();
            assert_eq!(found.rates().directory, expected, "{body}");
        }
        let told = json!({"licenseQuantities": {"rlgConfigRpm": {"limit": 600}, "rlgAuditRps": {"limit": 2}}});
        let rates = serde_json::from_value::<Capabilities>(told).unwrap().rates();
        assert_eq!(
            (rates.directory, rates.configuration, rates.audit),
            (None, Some(10.0), Some(2.0))
        );
    }

    #[test]
    fn an_optional_member_of_a_wrong_type_does_not_spoil_the_object() {
        let group: Group = serde_json::from_value(json!({
            "id": "E4A1C7B0-21D3-4A7E-8F6D-0DDBA11C0DE1", "name": 7, "description": {"x": [1]}, "population": "p",
            "directMemberCounts": 3, "createdAt": false, "userFilter": null
        }))
        .unwrap();
        assert_eq!(group.id.to_string(), "e4a1c7b0-21d3-4a7e-8f6d-0ddba11c0de1");
        assert_eq!(group.name.as_deref(), Some("7"));
        assert!(group.description.is_none() && group.population.is_none() && group.direct_member_counts.is_none());
        assert!(group.created_at.is_none() && group.user_filter.is_none());
    }

    #[test]
    fn an_id_that_is_no_uuid_spoils_it() {
        for id in [json!("x"), json!(7), json!(null)] {
            assert!(serde_json::from_value::<Group>(json!({"id": id, "name": "n"})).is_err());
            assert!(serde_json::from_value::<User>(json!({"id": id, "username": "n"})).is_err());
        }
        assert!(serde_json::from_value::<Group>(json!({"name": "n"})).is_err());
        assert!(serde_json::from_value::<User>(json!({"username": "n"})).is_err());
    }

    #[test]
    fn a_member_that_stands_there_twice_spoils_the_object() {
        let id = r#""id":"c1d2e3f4-0a1b-4c2d-8e3f-5a6b7c8d9e0f""#;
        for members in [
            r#""enabled":false,"enabled":true"#,
            r#""enabled":null,"enabled":true"#,
            r#""costCentre":1,"costCentre":2"#,
            r#""name":{"given":"a","given":"b"}"#,
            id,
        ] {
            let body = format!("{{{id},{members}}}");
            assert!(serde_json::from_str::<User>(&body).is_err(), "{body}");
        }
        let body = format!("{{{id},\"name\":\"a\",\"name\":\"b\"}}");
        assert!(serde_json::from_str::<Group>(&body).is_err());
    }

    #[test]
    fn an_assignment_needs_role_and_scope() {
        let id = "c1d2e3f4-0a1b-4c2d-8e3f-5a6b7c8d9e0f";
        let good = json!({"id": id, "role": {"id": id}, "scope": {"id": id, "type": "galaxy"}, "readOnly": null});
        let found: RoleAssignment = serde_json::from_value(good.clone()).unwrap();
        assert_eq!((found.scope.scope_type.as_str(), found.read_only), ("galaxy", false));
        for member in ["id", "role", "scope"] {
            let mut bad = good.clone();
            bad.as_object_mut().unwrap().remove(member);
            assert!(serde_json::from_value::<RoleAssignment>(bad).is_err(), "{member}");
        }
    }
}
