//! Actions: their schemas, and how a started one stands (c1-protocol.md §9.6, connector-model.md §7.7).

use serde_json::{Map, Value};

/// Arguments and results.
pub type JsonObject = Map<String, Value>;

/// What an action is for (`c1.connector.v2.ActionType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionType {
    /// 1
    Dynamic,
    /// 2
    Account,
    /// 3
    AccountUpdateProfile,
    /// 4
    AccountDisable,
    /// 5
    AccountEnable,
    /// 6
    ResourceCreate,
    /// 7
    ResourceDelete,
    /// 8
    ResourceEnable,
    /// 9
    ResourceDisable,
}

/// The type of an argument or result (`c1.config.v1.Field`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionFieldKind {
    /// A text.
    String,
    /// A truth value.
    Bool {
        default: bool,
    },
    /// A whole number.
    Int,
    /// A list of texts.
    StringSlice,
    /// A map of texts.
    StringMap,
    /// A resource's id, of one of these types.
    ResourceId {
        /// Type ids.
        allowed_types: &'static [&'static str],
    },
    /// A list of resource ids.
    ResourceIdSlice,
    Resource,
}

/// One argument or result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionField {
    /// Its key.
    pub name: &'static str,
    /// For people.
    pub display_name: &'static str,
    /// For people.
    pub description: &'static str,
    /// Must be given.
    pub required: bool,
    /// Its type.
    pub kind: ActionFieldKind,
}

/// A rule over arguments (`c1.config.v1.ConstraintKind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConstraintKind {
    /// All or none.
    RequiredTogether,
    AtLeastOne,
    /// One at most.
    MutuallyExclusive,
    /// If one of the first, then all of the second.
    DependentOn,
}

/// A rule over an action's arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// Which rule.
    pub kind: ConstraintKind,
    /// The arguments.
    pub fields: &'static [&'static str],
    /// What the first depend on.
    pub secondary_fields: &'static [&'static str],
}

impl Constraint {
    /// Whether the arguments keep the rule; a null counts as absent.
    pub fn holds(&self, args: &JsonObject) -> bool {
        let given = |name: &&&str| args.get(**name).is_some_and(|value| !value.is_null());
        let count = self.fields.iter().filter(given).count();
        match self.kind {
            ConstraintKind::RequiredTogether => count == 0 || count == self.fields.len(),
            ConstraintKind::AtLeastOne => count >= 1,
            ConstraintKind::MutuallyExclusive => count <= 1,
            ConstraintKind::DependentOn => count == 0 || self.secondary_fields.iter().all(|name| given(&name)),
        }
    }
}

/// What C1 is told of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionSchema {
    /// The name, part of the contract with C1.
    pub name: &'static str,
    /// For people.
    pub display_name: &'static str,
    /// For people.
    pub description: &'static str,
    /// Set on resource-scoped actions; `None` is global.
    pub resource_type_id: Option<&'static str>,
    /// What it is for.
    pub action_types: &'static [ActionType],
    pub arguments: Vec<ActionField>,
    /// Results.
    pub return_types: Vec<ActionField>,
    /// Rules over the arguments.
    pub constraints: Vec<Constraint>,
}

/// The actions that are there. Served with provisioning on and off.
pub trait ActionCatalog: Send + Sync {
    /// All schemas; fixed for the life of the process.
    fn schemas(&self) -> &[ActionSchema];

    /// The arguments of a call under the names of its schema, where the source also knows other names for them.
    fn spelled(&self, _: &ActionSchema, args: JsonObject) -> JsonObject {
        args
    }
}

impl ActionCatalog for Vec<ActionSchema> {
    fn schemas(&self) -> &[ActionSchema] {
        self
    }
}

/// How an action stands (`c1.connector.v2.BatonActionStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionStatus {
    /// 2
    Pending,
    /// 3
    Running,
    /// 4
    Complete,
    /// 5
    Failed,
}

/// A started action.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionState {
    /// Its id, 27 letters and digits.
    pub id: String,
    /// The action's name.
    pub name: String,
    /// How it stands.
    pub status: ActionStatus,
    /// The result, or `error` with the reason.
    pub response: JsonObject,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_over_arguments_hold_or_not() {
        let rule = |kind| Constraint {
            kind,
            fields: &["a", "b"],
            secondary_fields: &["c"],
        };
        for (kind, good, bad) in [
            (
                ConstraintKind::RequiredTogether,
                json!({"a": 1, "b": 2}),
                json!({"a": 1, "b": null}),
            ),
            (ConstraintKind::AtLeastOne, json!({"b": 2}), json!({"a": null})),
            (
                ConstraintKind::MutuallyExclusive,
                json!({"a": 1}),
                json!({"a": 1, "b": 2}),
            ),
            (ConstraintKind::DependentOn, json!({"a": 1, "c": 1}), json!({"a": 1})),
        ] {
            assert!(rule(kind).holds(good.as_object().unwrap()), "{kind:?}");
            assert!(!rule(kind).holds(bad.as_object().unwrap()), "{kind:?}");
        }
    }
}
