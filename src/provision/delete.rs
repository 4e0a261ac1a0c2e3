//! Not built yet.

use super::error::Failure;
use super::work::Work;
use crate::task::{Annotation, Code, DeleteResourceRequest};

pub(crate) async fn delete(_work: &Work, _request: &DeleteResourceRequest) -> Result<Vec<Annotation>, Failure> {
    Err(Failure::refused(Code::Unimplemented, "not built yet"))
}
