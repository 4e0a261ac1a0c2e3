//! Populations (connector-model.md §3.4): containers whose membership reviewers see and nobody provisions.

use super::{description, display_name};
use crate::model::{
    DESCRIPTION_MAX_BYTES, DISPLAY_NAME_MAX_BYTES, Entitlement, EntitlementId, GroupTrait, Immutable, Profile,
    Resource, ResourceId, ResourceTrait, ResourceType, cut,
};
use crate::pingone::types::Population;

/// A population as a resource.
pub(crate) fn population(population: &Population) -> Resource {
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
        id: ResourceId::new(ResourceType::Population, id),
        description: description(population.description.as_deref()),
        profile,
        status: None,
        created_at: population.created_at,
        resource_trait: ResourceTrait::Group(GroupTrait {
            source_type: "native",
            raw_source_type: String::new(),
        }),
        immutable: Some(Immutable::Population),
    }
}

/// The `member` entitlement of a population.
pub(crate) fn population_entitlement(resource: &Resource) -> Entitlement {
    let name = &resource.display_name;
    Entitlement {
        id: EntitlementId::member(ResourceType::Population, &resource.id.id),
        resource_display_name: name.clone(),
        display_name: cut(&format!("{name} Population Member"), DISPLAY_NAME_MAX_BYTES).into_owned(),
        description: cut(
            &format!("User account held in the {name} population in PingOne"),
            DESCRIPTION_MAX_BYTES,
        )
        .into_owned(),
        grantable_to: &[ResourceType::User],
        immutable: Some(Immutable::Population),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Value;

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
        let resource = population(&pingone);
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
        let entitlement = population_entitlement(&resource);
        assert_eq!(entitlement.display_name, "Employees Population Member");
        assert_eq!(
            entitlement.description,
            "User account held in the Employees population in PingOne"
        );
        assert_eq!(
            (resource.immutable, entitlement.immutable),
            (Some(Immutable::Population), Some(Immutable::Population))
        );
    }
}
