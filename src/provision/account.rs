//! Not built yet.

use super::error::Failure;
use super::work::Work;
use crate::task::{AccountCreated, Code, CreateAccountRequest};

pub(crate) async fn create(_work: &Work, _request: &CreateAccountRequest) -> Result<AccountCreated, Failure> {
    Err(Failure::refused(Code::Unimplemented, "not built yet"))
}
