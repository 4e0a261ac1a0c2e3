//! Grant (connector-model.md §7.1): membership of groups, roles over scopes.

mod membership;
mod population;
mod role;

pub(super) use role::is_there;

use super::context::TaskContext;
use super::error::Failure;
use super::target::{Target, target};
use baton::task::{GrantReply, GrantRequest};

/// Gives a principal an entitlement; "already there" is success with its annotation.
pub(crate) async fn grant(task: &TaskContext, request: &GrantRequest) -> Result<GrantReply, Failure> {
    match target(&request.entitlement)? {
        Target::Group(group) => membership::grant(task, group, &request.principal).await,
        Target::Population(population) => population::grant(task, population, &request.principal).await,
        Target::Role { role, over } => role::grant(task, role, &over, &request.principal).await,
    }
}
