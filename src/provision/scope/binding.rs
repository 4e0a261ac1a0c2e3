//! What a binding is held over (access-model.md §6): C1 says it, or leaves only the binding's id.

use uuid::Uuid;

use super::Wanted;
use crate::model::OTHER_SCOPE;
use crate::provision::context::TaskContext;
use crate::provision::error::Failure;
use pingone::PingOneError;

/// What a role is to be held over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Over {
    /// The configured environment.
    Home,
    /// Type in lower case, and id, as the entitlement of a role says.
    Named(String, Uuid),
    /// Id of a binding's scope, and its resource type where C1 says that.
    Binding(Option<String>, Uuid),
}

impl Over {
    pub(crate) const fn is_bound(&self) -> bool {
        matches!(self, Self::Binding(..))
    }
}

/// The request of a binding that cannot be understood.
pub(crate) fn names_no_scope(role: &str) -> Failure {
    Failure::invalid(format!(
        "the request names no scope for role {role}: select the role_assignment type in C1 and sync once."
    ))
}

impl Wanted {
    /// The role over that. Where only an id is given, its type is looked up.
    pub(crate) async fn over(task: &TaskContext, role: Uuid, over: &Over) -> Result<Self, Failure> {
        let scope = match over {
            Over::Home => None,
            Over::Binding(Some(kind), id) if kind == OTHER_SCOPE.id() => {
                Some((task.memory().scope_kind(*id).unwrap_or_else(|| kind.clone()), *id))
            }
            Over::Named(kind, id) | Over::Binding(Some(kind), id) => Some((kind.clone(), *id)),
            Over::Binding(None, id) => {
                let kind = kind_of(task, *id).await?;
                Some((kind.ok_or_else(|| names_no_scope(&role.to_string()))?, *id))
            }
        };
        Ok(Self::new(role, scope, task.environment_id()?))
    }
}

/// The type of a scope by its id alone, in lower case.
async fn kind_of(task: &TaskContext, id: Uuid) -> Result<Option<String>, Failure> {
    if id == task.environment_id()? {
        return Ok(Some("environment".to_owned()));
    }
    let organization = task.environment().await?.organization;
    if organization.is_some_and(|organization| organization.id == id) {
        return Ok(Some("organization".to_owned()));
    }
    let hidden = |error: &PingOneError| error.is_gone() || error.is_right_missing();
    match task.read(task.client().population(id)).await {
        Ok(_) => return Ok(Some("population".to_owned())),
        Err(failure) if failure.pingone().is_some_and(hidden) => {}
        Err(failure) => return Err(failure),
    }
    let mut listed = task.options().writable_scopes.exact();
    let listed = listed.find(|(_, entry)| *entry == id).map(|(kind, _)| kind.to_owned());
    Ok(listed.or_else(|| task.memory().scope_kind(id)))
}
