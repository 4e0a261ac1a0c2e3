//! Revoke (connector-model.md §7.2): what decides is the live membership or assignment, never what the request says of
//! it. "Not there" is claimed only after a read.

mod membership;
mod population;
mod role;

use super::context::TaskContext;
use super::error::Failure;
use super::target::{Target, target};
use baton::task::{Annotation, RevokeReply, RevokeRequest};

/// Takes a grant back; "not there" is success with its annotation.
pub(crate) async fn revoke(task: &TaskContext, request: &RevokeRequest) -> Result<RevokeReply, Failure> {
    match target(&request.entitlement)? {
        Target::Group(group) => membership::revoke(task, group, &request.principal).await,
        Target::Population(population) => population::revoke(task, population, &request.principal).await,
        Target::Role { role, over } => role::revoke(task, role, &over, &request.principal).await,
    }
}

fn revoked(task: &TaskContext) -> RevokeReply {
    RevokeReply {
        annotations: task.annotations(),
    }
}

fn already_revoked(task: &TaskContext) -> RevokeReply {
    let mut annotations = task.annotations();
    annotations.insert(0, Annotation::GrantAlreadyRevoked);
    RevokeReply { annotations }
}
