//! Populations (connector-model.md §3.4): containers whose membership reviewers see. It is provisioned only where a setting
//! says so, and then a grant is a move (access-model.md §7).

use super::{description, display_name};
use crate::model::{POPULATION, USER, immutable};
use std::sync::Arc;

use baton::model::{
    DESCRIPTION_MAX_BYTES, DISPLAY_NAME_MAX_BYTES, Entitlement, EntitlementId, ExclusionGroup, GrantImmutable,
    GroupTrait, Profile, Resource, ResourceId, ResourceTrait, cut,
};
use pingone::types::Population;
use uuid::Uuid;

/// Most entitlements of one exclusion group; more fail the file (access-model.md §0.1, I5 of c1z.md §10.2).
const EXCLUSIVE_MOST: usize = 50;

/// How memberships of populations are offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Membership {
    /// They are shown and not changed.
    Shown,
    /// A grant is a move.
    Moved {
        /// C1 is told that a user is in one population at a time.
        exclusive: bool,
        /// The environment's default, where exactly one calls itself so.
        default: Option<Uuid>,
    },
}

impl Membership {
    /// For all populations of the environment.
    pub(crate) fn of(populations: &[Population], provisioning: bool) -> Self {
        if !provisioning {
            return Self::Shown;
        }
        let exclusive = populations.len() <= EXCLUSIVE_MOST;
        if !exclusive {
            tracing::warn!(
                populations = populations.len(),
                "C1 takes at most 50 entitlements that exclude each other, so it is not told that a user is in one \
                 population at a time; grants still move"
            );
        }
        let mut defaults = populations.iter().filter(|population| population.default == Some(true));
        let default = match (defaults.next(), defaults.next()) {
            (Some(one), None) => Some(one.id),
            (None, _) => None,
            (Some(_), Some(_)) => {
                tracing::warn!("several populations call themselves the default; C1 is told of none");
                None
            }
        };
        Self::Moved { exclusive, default }
    }

    /// For populations that turned up later, of this many in all.
    #[must_use]
    pub(crate) const fn late(self, all: usize) -> Self {
        match self {
            Self::Shown => Self::Shown,
            Self::Moved { exclusive, default } => Self::Moved {
                exclusive: exclusive && all <= EXCLUSIVE_MOST,
                default,
            },
        }
    }

    const fn immutable(self) -> Option<&'static str> {
        match self {
            Self::Shown => Some(immutable::POPULATION),
            Self::Moved { .. } => None,
        }
    }

    /// Why a grant cannot be revoked.
    pub(crate) fn grant(self) -> Option<Arc<GrantImmutable>> {
        self.immutable().map(|source_id| {
            Arc::new(GrantImmutable {
                source_id,
                metadata: None,
            })
        })
    }
}

/// A population as a resource.
pub(crate) fn population(population: &Population, membership: Membership) -> Resource {
    let id = population.id.to_string();
    let mut profile = Profile::default();
    profile.text("id", Some(id.clone()));
    profile.text("name", population.name.clone());
    profile.text("description", population.description.clone());
    profile.flag("is_default", population.default);
    profile.count("user_count", population.user_count);
    profile.text("password_policy_id", population.password_policy_id());
    profile.text("preferred_language", population.preferred_language.clone());
    profile.list("alternative_identifiers", population.alternative_identifiers.clone());
    profile.text("environment_id", population.environment_id());
    profile.text("created_at", population.created_at.map(|at| at.to_string()));
    profile.text("updated_at", population.updated_at.map(|at| at.to_string()));
    Resource {
        display_name: display_name([population.name.as_deref(), Some(id.as_str())]),
        id: ResourceId::new(POPULATION, id),
        parent: None,
        description: description(population.description.as_deref()),
        profile,
        status: None,
        created_at: population.created_at,
        resource_trait: ResourceTrait::Group(GroupTrait {
            source_type: "native",
            raw_source_type: String::new(),
        }),
        immutable: membership.immutable(),
    }
}

/// What a grant takes away.
const MOVES: &str = " (moving a user here removes it from groups of its former population)";

/// The `member` entitlement of a population.
pub(crate) fn population_entitlement(resource: &Resource, membership: Membership) -> Entitlement {
    let name = &resource.display_name;
    let (note, exclusion) = match membership {
        Membership::Shown => ("", None),
        Membership::Moved { exclusive, default } => {
            let is_default = default.is_some_and(|default| default.to_string() == resource.id.id);
            let exclusion = exclusive.then_some(ExclusionGroup {
                id: "population",
                is_default,
            });
            (MOVES, exclusion)
        }
    };
    Entitlement {
        id: EntitlementId::member(POPULATION, &resource.id.id),
        resource_display_name: name.clone(),
        display_name: cut(&format!("{name} Population Member"), DISPLAY_NAME_MAX_BYTES).into_owned(),
        description: cut(
            &format!("User account held in the {name} population in PingOne{note}"),
            DESCRIPTION_MAX_BYTES,
        )
        .into_owned(),
        grantable_to: &[USER],
        immutable: membership.immutable(),
        immutable_metadata: None,
        exclusion,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use baton::model::Value;

    #[test]
    fn a_population_keeps_what_pingone_says_and_nobody_provisions_it() {
        let pingone: Population = serde_json::from_value(json!({
            "id": "b1c9f6de-0f3a-4a5d-8c11-5d6a2a9be402",
            "environment": {"id": "5f0c6a52-6a1e-4f0b-9a43-2f9a1c0d7e11"},
            "name": "Employees", "description": "All staff", "userCount": 4182, "default": true,
            "passwordPolicy": {"id": "2a0c4cf8-4b0a-4a22-b6fa-1f0e5a7d3c90"},
            "preferredLanguage": "en", "alternativeIdentifiers": ["staff"],
            "createdAt": "2024-05-06T08:02:00.000Z", "updatedAt": "2025-12-01T10:00:00.000Z",
        }))
        .unwrap();
        let resource = population(&pingone, Membership::Shown);
        let texts = [
            ("id", "b1c9f6de-0f3a-4a5d-8c11-5d6a2a9be402"),
            ("name", "Employees"),
            ("description", "All staff"),
            ("password_policy_id", "2a0c4cf8-4b0a-4a22-b6fa-1f0e5a7d3c90"),
            ("preferred_language", "en"),
            ("environment_id", "5f0c6a52-6a1e-4f0b-9a43-2f9a1c0d7e11"),
            ("created_at", "2024-05-06T08:02:00Z"),
            ("updated_at", "2025-12-01T10:00:00Z"),
        ];
        for (key, expected) in texts {
            assert_eq!(
                resource.profile.get(key),
                Some(&Value::String(expected.to_owned())),
                "{key}"
            );
        }
        assert_eq!(resource.profile.get("is_default"), Some(&Value::Bool(true)));
        assert_eq!(resource.profile.get("user_count"), Some(&Value::Number(4182.0)));
        assert_eq!(
            resource.profile.get("alternative_identifiers"),
            Some(&Value::List(vec![Value::String("staff".to_owned())]))
        );
        assert_eq!(resource.profile.0.len(), texts.len() + 3);
        let entitlement = population_entitlement(&resource, Membership::Shown);
        assert_eq!(entitlement.display_name, "Employees Population Member");
        assert_eq!(
            entitlement.description,
            "User account held in the Employees population in PingOne"
        );
        assert_eq!(
            (resource.immutable, entitlement.immutable),
            (Some(immutable::POPULATION), Some(immutable::POPULATION))
        );
    }

    fn populations(count: u128, defaults: u128) -> Vec<Population> {
        let one = |n| {
            serde_json::from_value(json!({"id": Uuid::from_u128(n), "name": n.to_string(), "default": n < defaults}))
        };
        (0..count).map(|n| one(n).unwrap()).collect()
    }

    /// Points 127: what C1 would refuse in a file is not written.
    #[test]
    fn where_a_grant_is_a_move_populations_exclude_each_other_up_to_fifty() {
        for (count, defaults, exclusive, is_default) in [
            (1, 1, true, true),
            (49, 0, true, false),
            (50, 1, true, true),
            (50, 2, true, false),
            (51, 1, false, true),
        ] {
            let all = populations(count, defaults);
            let membership = Membership::of(&all, true);
            let resource = population(&all[0], membership);
            let entitlement = population_entitlement(&resource, membership);
            let expected = exclusive.then_some(ExclusionGroup {
                id: "population",
                is_default,
            });
            assert_eq!(entitlement.exclusion, expected, "{count} {defaults}");
            assert!(entitlement.description.ends_with(MOVES));
            assert_eq!((resource.immutable, entitlement.immutable), (None, None));
            assert!(membership.grant().is_none());
            assert_eq!(Membership::of(&all, false), Membership::Shown);
        }
        assert!(Membership::Shown.grant().is_some());
    }
}
