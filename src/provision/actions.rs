//! Not built yet.

use super::error::Failure;
use super::work::Work;
use crate::task::{ActionCall, ActionOutcome, Code};

pub(crate) async fn run(_work: &Work, _call: &ActionCall) -> Result<ActionOutcome, Failure> {
    Err(Failure::refused(Code::Unimplemented, "not built yet"))
}
