//! Whether a scope is one that we write, and what it is called.

use super::Wanted;
use crate::provision::context::TaskContext;
use crate::provision::error::{Failure, found};

impl Wanted {
    /// By its name where the setting is in use; without it nothing more is asked.
    async fn not_writable(&self, task: &TaskContext) -> Failure {
        let name = if task.options().writable_scopes.is_empty() {
            None
        } else {
            self.foreign_name(task).await.ok().flatten()
        };
        let id = self.id.to_string();
        let name = baton::model::cut(name.as_deref().unwrap_or(&id), 256);
        let kind: String = self.kind.chars().filter(|c| !c.is_control()).take(64).collect();
        let remedy = if self.may_be_listed() {
            format!("Add {kind}:{id} to writable-role-scopes to allow it.")
        } else {
            "Change it in PingOne.".to_owned()
        };
        Failure::precondition(format!(
            "change assignments of role {}: this connector does not change roles on {kind} {name}. {remedy}",
            self.role
        ))
    }

    /// Refuses a scope outside of what we write, without asking whether a population is still there.
    pub(crate) async fn refuse_foreign(&self, task: &TaskContext) -> Result<(), Failure> {
        match self.kind.as_str() {
            _ if self.home || self.is_listed(task) => Ok(()),
            "organization" => {
                let organization = task.environment().await?.organization;
                match organization.filter(|organization| organization.id == self.id) {
                    Some(_) => Ok(()),
                    None => Err(self.not_writable(task).await),
                }
            }
            "population" => Ok(()),
            _ => Err(self.not_writable(task).await),
        }
    }

    /// The scope's name, for the grant's metadata; refuses one that we do not write or that is not there.
    pub(crate) async fn name(&self, task: &TaskContext) -> Result<String, Failure> {
        self.refuse_foreign(task).await?;
        if !self.home && self.is_listed(task) {
            return Ok(self.foreign_name(task).await?.unwrap_or_else(|| self.id.to_string()));
        }
        let name = match self.kind.as_str() {
            "population" => match found(task.read(task.client().population(self.id)).await)? {
                Some(population) => population.name,
                None => return Err(self.not_writable(task).await),
            },
            "organization" => task.organization_name(self.id).await?,
            _ => task.environment().await?.name,
        };
        Ok(name.unwrap_or_else(|| self.id.to_string()))
    }
}
