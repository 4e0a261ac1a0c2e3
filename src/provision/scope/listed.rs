//! What `writable-role-scopes` names (access-model.md §5).

use uuid::Uuid;

use super::Wanted;
use crate::model::{WRITABLE_TYPES, WritableScopes};
use crate::provision::context::TaskContext;
use crate::provision::error::Failure;
use pingone::{Client, PingOneError};

impl Wanted {
    /// A setting makes the scope writable.
    pub(super) fn is_listed(&self, task: &TaskContext) -> bool {
        task.options().writable_scopes.allows(&self.kind, self.id)
    }

    /// An entry of the setting could make it so.
    pub(super) fn may_be_listed(&self) -> bool {
        WRITABLE_TYPES.contains(&self.kind.as_str())
    }

    /// The name of a scope elsewhere; `None` where the type has no name to ask for, or it is not ours to read.
    pub(super) async fn foreign_name(&self, task: &TaskContext) -> Result<Option<String>, Failure> {
        let client = task.client();
        let read = match self.kind.as_str() {
            "environment" => task
                .read(client.environment_by_id(self.id))
                .await
                .map(|found| found.name),
            "application" => task.read(client.application(self.id)).await.map(|found| found.name),
            "group" => task.read(client.group(self.id)).await.map(|found| found.name),
            "population" => task.read(client.population(self.id)).await.map(|found| found.name),
            _ => return Ok(None),
        };
        match read {
            Err(failure) if failure.pingone().is_some_and(is_hidden) => Ok(None),
            other => other,
        }
    }
}

/// Not ours to see, or not there.
fn is_hidden(error: &PingOneError) -> bool {
    error.is_gone() || error.is_right_missing()
}

/// The first entry of the setting that belongs to another organization, with the remedy. An environment that may not be
/// read cannot be told apart and is let through: PingOne decides about each assignment over it.
pub(crate) async fn foreign_entry(client: &Client, scopes: &WritableScopes) -> Result<Option<String>, PingOneError> {
    let home = Uuid::try_parse(client.environment_id()).ok();
    let mut environments = Vec::new();
    for (kind, id) in scopes.exact() {
        if kind == "environment" && Some(id) != home {
            environments.push(id);
        }
    }
    let mut organizations = scopes.organizations().peekable();
    if environments.is_empty() && organizations.peek().is_none() {
        return Ok(None);
    }
    let own = client
        .environment()
        .await?
        .organization
        .map(|organization| organization.id);
    if let Some(other) = organizations.find(|id| own != Some(*id)) {
        return Ok(Some(foreign("organization", other)));
    }
    for id in environments {
        let of = match client.environment_by_id(id).await {
            Ok(found) => found.organization.map(|organization| organization.id),
            Err(error) if is_hidden(&error) => continue,
            Err(error) => return Err(error),
        };
        if of.is_some() && of != own {
            return Ok(Some(foreign("environment", id)));
        }
    }
    Ok(None)
}

fn foreign(kind: &str, id: Uuid) -> String {
    format!(
        "writable-role-scopes names {kind}:{id}, which is of another organization than the environment of \
         pingone-environment-id. Take the entry out"
    )
}
