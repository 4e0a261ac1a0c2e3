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
