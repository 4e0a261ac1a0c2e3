//! Scopes of roles and bindings as resources (access-model.md §6), in the model `scope-binding` alone.

use uuid::Uuid;

use super::display_name;
use crate::model::{
    APPLICATION, ENVIRONMENT, GROUP, ORGANIZATION, OTHER_SCOPE, POPULATION, ROLE, ROLE_ASSIGNMENT, USER, binding_id,
};
use crate::sync::scope::{RoleInfo, Scope};
use baton::model::{
    AppTrait, BindingTrait, DESCRIPTION_MAX_BYTES, DISPLAY_NAME_MAX_BYTES, Entitlement, EntitlementId, GroupTrait,
    Profile, Resource, ResourceId, ResourceTrait, ResourceType, cut,
};
use pingone::types::Environment;

/// An environment; `parent` is its organization, where that is in the file.
pub(crate) fn environment(environment: &Environment, parent: Option<ResourceId>) -> Resource {
    let id = environment.id.to_string();
    let mut profile = Profile::default();
    profile.text("id", Some(id.clone()));
    profile.text("name", environment.name.clone());
    profile.text("type", environment.environment_type.clone());
    profile.text("region", environment.region.clone());
    let organization = environment.organization.as_ref();
    profile.text(
        "organization_id",
        organization.map(|organization| organization.id.to_string()),
    );
    let name = display_name([environment.name.as_deref(), Some(id.as_str())]);
    Resource {
        profile,
        parent,
        ..Resource::new(ResourceId::new(ENVIRONMENT, id), &name, ResourceTrait::None)
    }
}

/// An organization, by its id where its name is not ours to read.
pub(crate) fn organization(id: Uuid, name: Option<&str>) -> Resource {
    let id = id.to_string();
    let mut profile = Profile::default();
    profile.text("id", Some(id.clone()));
    profile.text("name", name);
    let name = display_name([name, Some(id.as_str())]);
    Resource {
        profile,
        ..Resource::new(ResourceId::new(ORGANIZATION, id), &name, ResourceTrait::None)
    }
}

/// What a binding names and nothing else describes, so that the binding does not point nowhere.
pub(crate) fn placeholder(id: ResourceId, name: Option<&str>, parent: Option<ResourceId>) -> Resource {
    let mut profile = Profile::default();
    profile.text("id", Some(id.id.clone()));
    profile.text("name", name);
    profile.flag("placeholder", Some(true));
    let name = display_name([name, Some(id.id.as_str())]);
    let of_type = placeholder_trait(id.resource_type);
    Resource {
        profile,
        parent,
        ..Resource::new(id, &name, of_type)
    }
}

fn placeholder_trait(kind: ResourceType) -> ResourceTrait {
    if kind == POPULATION || kind == GROUP {
        ResourceTrait::Group(GroupTrait::default())
    } else if kind == APPLICATION {
        ResourceTrait::App(AppTrait {
            source_type: "other",
            raw_source_type: "-/-".to_owned(),
            ..AppTrait::default()
        })
    } else {
        ResourceTrait::None
    }
}

/// A scope of a type that this program does not know; `verbatim` as PingOne writes it.
pub(crate) fn other_scope(id: Uuid, verbatim: &str, parent: Option<ResourceId>) -> Resource {
    let id = id.to_string();
    let mut profile = Profile::default();
    profile.text("id", Some(id.clone()));
    profile.text("scope_type", Some(verbatim));
    Resource {
        profile,
        parent,
        ..Resource::new(ResourceId::new(OTHER_SCOPE, &id), &id, ResourceTrait::None)
    }
}

/// A role over a scope.
#[derive(Debug)]
pub(crate) struct Pair<'a> {
    pub(crate) role: &'a RoleInfo,
    pub(crate) scope: &'a Scope,
    /// The scope's type as PingOne writes it.
    pub(crate) verbatim: &'a str,
    /// The scope's name.
    pub(crate) name: &'a str,
}

impl Pair<'_> {
    /// The binding, held by so many; `None` where that is not known.
    pub(crate) fn binding(&self, holders: Option<u64>) -> Resource {
        let scope = ResourceId::new(self.scope.resource_type(), self.scope.id);
        let mut profile = Profile::default();
        profile.text("role_id", Some(self.role.id.to_string()));
        profile.text("role_name", Some(self.role.name.as_str()));
        profile.text("scope_type", Some(self.verbatim));
        profile.text("scope_id", Some(scope.id.as_str()));
        profile.text("scope_name", Some(self.name));
        profile.count("holder_count", holders);
        let name = self.display_name();
        Resource {
            profile,
            parent: Some(scope.clone()),
            ..Resource::new(
                ResourceId::new(ROLE_ASSIGNMENT, binding_id(self.role.id.0, self.scope.id)),
                &name,
                ResourceTrait::Binding(BindingTrait {
                    role: ResourceId::new(ROLE, self.role.id),
                    scope,
                }),
            )
        }
    }

    fn display_name(&self) -> String {
        let text = format!("{} on {}", self.role.name, self.name);
        cut(&text, DISPLAY_NAME_MAX_BYTES).into_owned()
    }

    /// Its one entitlement. C1 has the slug fixed.
    pub(crate) fn entitlement(&self, id: EntitlementId, immutable: Option<&'static str>) -> Entitlement {
        let description = format!("Holds {} on {}", self.role.name, self.name);
        Entitlement {
            description: cut(&description, DESCRIPTION_MAX_BYTES).into_owned(),
            immutable,
            ..Entitlement::new(id, &self.display_name(), "Assigned".to_owned(), &[USER, GROUP])
        }
    }
}
