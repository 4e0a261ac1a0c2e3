//! A write that leaves one state, sent until that state is there: a lost answer is decided by a read, and only a read
//! that shows the old state lets the write go out again (connector-model.md §9).

use std::future::Future;

use crate::pingone::{Client, PingOneError, WriteCall, Written};
use crate::provision::audit::ChangeOutcome;
use crate::provision::error::Failure;
use crate::provision::work::{Told, Work};

/// How often a write goes out at most, each time after a read that showed that it did not happen.
const ROUNDS: u32 = 3;

/// How a write ended.
#[derive(Debug)]
pub(super) enum Settled {
    /// PingOne answered.
    Written(Written),
    /// The answer was lost; a read showed that it happened.
    Confirmed,
}

/// Sends `call` until `holds`, a read with a budget of its own, shows the state that the call makes.
pub(super) async fn settle<F>(
    work: &Work,
    call: &WriteCall,
    told: Told<'_>,
    holds: impl Fn(Client) -> F,
) -> Result<Settled, Failure>
where
    F: Future<Output = Result<bool, PingOneError>>,
{
    let mut round = 1;
    loop {
        let failure = match work.write(call, told).await {
            Ok(written) => return Ok(Settled::Written(written)),
            Err(failure) if failure.outcome_unknown() => failure,
            Err(failure) => return Err(failure),
        };
        match holds(work.deciding()).await {
            Ok(true) => {
                work.decided(call, told, ChangeOutcome::Confirmed);
                return Ok(Settled::Confirmed);
            }
            Ok(false) if round < ROUNDS && !work.client().time_left().is_zero() => round += 1,
            Ok(false) => return Err(failure),
            Err(_) => {
                work.decided(call, told, ChangeOutcome::Unknown);
                return Err(failure);
            }
        }
    }
}
