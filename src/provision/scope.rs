//! Over what a role is granted (connector-model.md §6.1, access-model.md §5): the configured environment, its organization,
//! its populations, and what `writable-role-scopes` names.

mod binding;
mod check;
mod listed;

pub(super) use binding::{Over, names_no_scope};
pub(super) use listed::foreign_entry;

use crate::model::{OTHER_SCOPE, ROLE, ROLE_ASSIGNMENT, Slug, binding_id, scope_resource_type};
use uuid::Uuid;

use super::error::{Failure, shown};
use baton::model::{EntitlementId, ResourceId};
use pingone::types::{Role, RoleAssignment};

/// A role over a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The role.
    pub(crate) role: Uuid,
    /// The scope's type in lower case.
    pub(crate) kind: String,
    /// The scope's id.
    pub(crate) id: Uuid,
    /// It is the configured environment.
    home: bool,
}

impl Wanted {
    /// A role over a scope as an entitlement names it; none is the configured environment.
    pub(crate) fn new(role: Uuid, scope: Option<(String, Uuid)>, environment: Uuid) -> Self {
        let (kind, id) = scope.unwrap_or_else(|| ("environment".to_owned(), environment));
        let home = kind == "environment" && id == environment;
        Self { role, kind, id, home }
    }

    /// Whether an assignment is this role over this scope; the type's case is not significant.
    pub(crate) fn is(&self, assignment: &RoleAssignment) -> bool {
        let kind = assignment.scope.scope_type.to_lowercase();
        // C1 has one type for all scopes that we do not know.
        let unknown = self.kind == OTHER_SCOPE.id() && scope_resource_type(&kind) == OTHER_SCOPE;
        assignment.role.id == self.role && assignment.scope.id == self.id && (kind == self.kind || unknown)
    }

    /// The entitlement, as a sync of either model emits it.
    pub(crate) fn entitlement(&self, bound: bool) -> EntitlementId {
        if bound {
            return EntitlementId {
                resource: ResourceId::new(ROLE_ASSIGNMENT, binding_id(self.role, self.id)),
                slug: Slug::Assigned.into(),
            };
        }
        let slug = if self.home {
            Slug::Assigned
        } else {
            Slug::AssignedScope {
                scope_type: self.kind.clone(),
                scope_id: self.id.to_string(),
            }
        };
        EntitlementId {
            resource: ResourceId::new(ROLE, self.role),
            slug: slug.into(),
        }
    }

    /// Refuses a scope type that the role does not apply to. A role that does not say is tried.
    pub(crate) fn refuse_unfit(&self, role: &Role) -> Result<(), Failure> {
        let fits = role.applicable_to.iter().any(|kind| kind.to_lowercase() == self.kind);
        if fits || role.applicable_to.is_empty() {
            return Ok(());
        }
        Err(Failure::invalid(format!(
            "assign role {}: \"{}\" cannot be assigned to a scope of type {}, only to {}",
            self.role,
            role.name.as_deref().unwrap_or_default(),
            shown(&self.kind),
            role.applicable_to.join(", ")
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: Uuid = Uuid::from_u128(1);
    const HOME: Uuid = Uuid::from_u128(2);
    const OTHER: Uuid = Uuid::from_u128(3);

    #[test]
    fn the_configured_environment_is_the_plain_entitlement_however_it_is_named() {
        for scope in [None, Some(("environment".to_owned(), HOME))] {
            let wanted = Wanted::new(ROLE, scope, HOME);
            assert_eq!(wanted.entitlement(false).slug, "assigned");
        }
        let other = Wanted::new(ROLE, Some(("environment".to_owned(), OTHER)), HOME);
        assert_eq!(
            other.entitlement(false).to_string(),
            format!("role:{ROLE}:assigned-environment-{OTHER}")
        );
    }

    #[test]
    fn an_assignment_matches_by_role_scope_and_type_without_case() {
        let wanted = Wanted::new(ROLE, Some(("population".to_owned(), OTHER)), HOME);
        for (role, kind, scope, expected) in [
            (ROLE, "POPULATION", OTHER, true),
            (ROLE, "population", OTHER, true),
            (ROLE, "ENVIRONMENT", OTHER, false),
            (ROLE, "POPULATION", HOME, false),
            (HOME, "POPULATION", OTHER, false),
        ] {
            let assignment: RoleAssignment = serde_json::from_value(serde_json::json!({
                "id": OTHER, "role": {"id": role}, "scope": {"id": scope, "type": kind}
            }))
            .unwrap();
            assert_eq!(wanted.is(&assignment), expected, "{kind}");
        }
    }

    #[test]
    fn a_role_is_refused_for_a_scope_type_that_it_does_not_apply_to() {
        let role = |kinds: &[&str]| Role {
            applicable_to: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            ..Role::default()
        };
        let wanted = Wanted::new(ROLE, Some(("population".to_owned(), OTHER)), HOME);
        assert!(wanted.refuse_unfit(&role(&["ENVIRONMENT", "Population"])).is_ok());
        assert!(wanted.refuse_unfit(&role(&[])).is_ok());
        let refused = wanted.refuse_unfit(&role(&["ORGANIZATION"])).unwrap_err().into_task();
        assert_eq!(refused.code, baton::task::Code::InvalidArgument);
    }
}
