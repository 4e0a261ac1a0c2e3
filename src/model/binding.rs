//! Ids of role bindings (access-model.md §6). C1 composes the same id for a pair that it has not seen yet.

use baton::model::ResourceType;
use uuid::Uuid;

use super::{APPLICATION, ENVIRONMENT, GROUP, ORGANIZATION, OTHER_SCOPE, POPULATION};

/// `<role uuid>-<scope uuid>`. Never with `::` in it: C1 splits there.
pub fn binding_id(role: Uuid, scope: Uuid) -> String {
    format!("{role}-{scope}")
}

/// Role and scope of a binding's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindingIds {
    pub role: Uuid,
    pub scope: Uuid,
}

impl BindingIds {
    /// Reads an id back: two UUIDs of 36 characters, joined by `-`. Anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let uuid = |text: &str| Uuid::try_parse(text).ok().filter(|_| text.len() == 36);
        Some(Self {
            role: uuid(text.get(..36)?)?,
            scope: uuid(text.get(36..)?.strip_prefix('-')?)?,
        })
    }
}

/// The resource type of a scope; its type in lower case.
pub fn scope_resource_type(kind: &str) -> ResourceType {
    match kind {
        "organization" => ORGANIZATION,
        "environment" => ENVIRONMENT,
        "population" => POPULATION,
        "application" => APPLICATION,
        "group" => GROUP,
        _ => OTHER_SCOPE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_id_is_what_c1_composes_and_reads_back() {
        let (role, scope) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let id = binding_id(role, scope);
        assert_eq!(
            id,
            "00000000-0000-0000-0000-000000000001-00000000-0000-0000-0000-000000000002"
        );
        assert_eq!((id.len(), id.contains("::")), (73, false));
        assert_eq!(BindingIds::parse(&id), Some(BindingIds { role, scope }));
    }

    #[test]
    fn what_is_no_binding_id_is_refused() {
        let (role, scope) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for text in [
            String::new(),
            role.to_string(),
            format!("{role}-"),
            format!("{role}::{scope}"),
            format!("{role}:{scope}"),
            format!("{role}-{scope}x"),
            format!("{role}-{scope}-{scope}"),
            format!("{}-{scope}", role.simple()),
            "é".repeat(36),
        ] {
            assert_eq!(BindingIds::parse(&text), None, "{text}");
        }
    }
}
