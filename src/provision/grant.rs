//! Grant (connector-model.md §7.1): membership of groups, roles over scopes.

mod membership;
mod role;

pub(super) use role::is_there;

use super::error::Failure;
use super::target::{Target, target};
use super::work::Work;
use crate::task::{GrantReply, GrantRequest};

/// Gives a principal an entitlement; "already there" is success with its annotation.
pub(crate) async fn grant(work: &Work, request: &GrantRequest) -> Result<GrantReply, Failure> {
    match target(&request.entitlement)? {
        Target::Group(group) => membership::grant(work, group, &request.principal).await,
        Target::Role { role, scope } => role::grant(work, role, scope, &request.principal).await,
    }
}
