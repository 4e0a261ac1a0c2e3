//! Revoke (connector-model.md §7.2): what decides is the live membership or assignment, never what the request says of
//! it. "Not there" is claimed only after a read.

mod membership;
mod role;

use super::error::Failure;
use super::target::{Target, target};
use super::work::Work;
use crate::task::{Annotation, RevokeReply, RevokeRequest};

/// Takes a grant back; "not there" is success with its annotation.
pub(crate) async fn revoke(work: &Work, request: &RevokeRequest) -> Result<RevokeReply, Failure> {
    match target(&request.entitlement)? {
        Target::Group(group) => membership::revoke(work, group, &request.principal).await,
        Target::Role { role, scope } => role::revoke(work, role, scope, &request.principal).await,
    }
}

fn revoked(work: &Work) -> RevokeReply {
    RevokeReply {
        annotations: work.annotations(),
    }
}

fn already_revoked(work: &Work) -> RevokeReply {
    let mut annotations = work.annotations();
    annotations.insert(0, Annotation::GrantAlreadyRevoked);
    RevokeReply { annotations }
}
