//! Groups (connector-model.md §3.3) and what is needed of each to read its members.

use crate::model::{GROUP, USER, immutable};
use uuid::Uuid;

use super::{description, display_name, json_value};
use baton::model::{
    DESCRIPTION_MAX_BYTES, DISPLAY_NAME_MAX_BYTES, Entitlement, EntitlementId, GroupTrait, Profile, Resource,
    ResourceId, ResourceTrait, Value, cut,
};
use pingone::types::{Group, GroupSource};

/// How a group gets its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GroupKind {
    /// By hand, and through nested groups.
    Static,
    /// Through this filter, and by hand.
    Dynamic {
        /// The SCIM filter.
        filter: String,
    },
    /// From its source.
    External,
}

/// What stays in memory of a group while its members are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupPlan {
    /// The group.
    pub(crate) id: Uuid,
    /// How it gets its members.
    pub(crate) kind: GroupKind,
    /// `directMemberCounts.users`; absent means "ask".
    pub(crate) direct_users: Option<u64>,
    /// `directMemberCounts.groups`; absent means "ask".
    pub(crate) direct_groups: Option<u64>,
    /// Display name.
    pub(crate) name: String,
    /// The population that it is bound to.
    pub(crate) population: Option<Uuid>,
}

impl GroupPlan {
    pub(crate) fn of(group: &Group) -> Self {
        let kind = match group.source() {
            GroupSource::Hand => GroupKind::Static,
            GroupSource::Filter(filter) => GroupKind::Dynamic {
                filter: filter.to_owned(),
            },
            GroupSource::External => GroupKind::External,
        };
        let counts = group.direct_member_counts.as_ref();
        Self {
            id: group.id,
            kind,
            direct_users: counts.and_then(|counts| counts.users),
            direct_groups: counts.and_then(|counts| counts.groups),
            name: group_name(group),
            population: group.population_id(),
        }
    }
}

fn group_name(group: &Group) -> String {
    let id = group.id.to_string();
    display_name([group.name.as_deref(), group.display_name.as_deref(), Some(id.as_str())])
}

/// A group as a resource with its `member` entitlement. `population_name` is the name of its population, where the
/// list has it; `parents` are the groups it is nested in directly.
pub(crate) fn group(
    group: &Group,
    plan: &GroupPlan,
    population_name: Option<&str>,
    parents: &[Uuid],
    with_custom_data: bool,
) -> (Resource, Entitlement) {
    let external = plan.kind == GroupKind::External;
    let immutable = external.then_some(immutable::EXTERNAL_GROUP);
    let resource = Resource {
        id: ResourceId::new(GROUP, group.id),
        parent: None,
        display_name: plan.name.clone(),
        description: description(group.description.as_deref()),
        profile: profile(group, plan, population_name, parents, with_custom_data),
        status: None,
        created_at: group.created_at,
        resource_trait: ResourceTrait::Group(group_trait(group, &plan.kind)),
        immutable,
    };
    let mut text = format!("Member of the {} group in PingOne", plan.name);
    if let Some(population) = population_name {
        text.push_str(" (population ");
        text.push_str(population);
        text.push(')');
    }
    let entitlement = Entitlement {
        id: EntitlementId::member(GROUP, group.id),
        resource_display_name: plan.name.clone(),
        display_name: cut(&format!("{} Group Member", plan.name), DISPLAY_NAME_MAX_BYTES).into_owned(),
        description: cut(&text, DESCRIPTION_MAX_BYTES).into_owned(),
        grantable_to: &[USER],
        immutable,
        immutable_metadata: None,
        exclusion: None,
    };
    (resource, entitlement)
}

fn group_trait(group: &Group, kind: &GroupKind) -> GroupTrait {
    let (source_type, raw_source_type) = match kind {
        GroupKind::Static => ("native", "STATIC".to_owned()),
        GroupKind::Dynamic { .. } => ("dynamic", "DYNAMIC".to_owned()),
        GroupKind::External => (
            "directory_synced",
            group
                .source_type
                .as_ref()
                .map_or_else(|| "EXTERNAL".to_owned(), |kind| format!("EXTERNAL:{kind}")),
        ),
    };
    GroupTrait {
        source_type,
        raw_source_type,
    }
}

fn profile(
    group: &Group,
    plan: &GroupPlan,
    population_name: Option<&str>,
    parents: &[Uuid],
    with_custom_data: bool,
) -> Profile {
    let mut profile = Profile::default();
    let population = group.population_id();
    profile.text("id", Some(group.id.to_string()));
    profile.text("name", group.name.clone());
    profile.text("description", group.description.clone());
    profile.text("external_id", group.external_id.clone());
    profile.text("population_id", population.map(|id| id.to_string()));
    profile.text("population_name", population_name);
    profile.text(
        "scope",
        Some(if population.is_some() {
            "POPULATION"
        } else {
            "ENVIRONMENT"
        }),
    );
    profile.text("user_filter", group.user_filter.clone());
    profile.flag("is_dynamic", Some(matches!(plan.kind, GroupKind::Dynamic { .. })));
    profile.flag("is_external", Some(plan.kind == GroupKind::External));
    profile.text("source_type", group.source_type.clone());
    profile.text("source_id", group.source_id.clone());
    profile.count("direct_user_count", plan.direct_users);
    profile.count(
        "total_user_count",
        group.total_member_counts.as_ref().and_then(|counts| counts.users),
    );
    if !parents.is_empty() {
        profile.list(
            "parent_group_ids",
            Some(parents.iter().map(ToString::to_string).collect()),
        );
    }
    if let Some(custom) = group.custom_data.as_ref().filter(|_| with_custom_data)
        && let Value::Object(object) = json_value(custom)
    {
        profile.set("custom_data", Value::Object(object));
    }
    profile
}

#[cfg(test)]
mod tests;
