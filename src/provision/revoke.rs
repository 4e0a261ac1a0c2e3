//! Not built yet.

use super::error::Failure;
use super::work::Work;
use crate::task::{Code, RevokeReply, RevokeRequest};

pub(crate) async fn revoke(_work: &Work, _request: &RevokeRequest) -> Result<RevokeReply, Failure> {
    Err(Failure::refused(Code::Unimplemented, "not built yet"))
}
