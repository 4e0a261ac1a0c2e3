//! Not built yet.

use super::error::Failure;
use super::work::Work;
use crate::task::{Code, GrantReply, GrantRequest};

pub(crate) async fn grant(_work: &Work, _request: &GrantRequest) -> Result<GrantReply, Failure> {
    Err(Failure::refused(Code::Unimplemented, "not built yet"))
}
