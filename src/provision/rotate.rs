//! Not built yet.

use super::error::Failure;
use super::work::Work;
use crate::task::{Code, RotateCredentialsRequest, Rotated};

pub(crate) async fn rotate(_work: &Work, _request: &RotateCredentialsRequest) -> Result<Rotated, Failure> {
    Err(Failure::refused(Code::Unimplemented, "not built yet"))
}
