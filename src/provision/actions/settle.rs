//! A write that leaves one state: where its answer is lost, a read of the user tells whether that state is there.

use std::future::Future;

use crate::pingone::{Client, PingOneError, WriteCall, Written};
use crate::provision::error::Failure;
use crate::provision::settle::{Landed, settle as land};
use crate::provision::work::{Told, Work};

/// Sends `call` until its outcome is certain; `holds` reads whether the state that it makes is there. `None`: the
/// answer was lost, and the state is there.
pub(super) async fn settle<F>(
    work: &Work,
    call: &WriteCall,
    told: Told<'_>,
    holds: impl Fn(Client) -> F,
) -> Result<Option<Written>, Failure>
where
    F: Future<Output = Result<bool, PingOneError>>,
{
    let look = |client: Client| {
        let held = holds(client);
        async move { Ok(held.await?.then_some(())) }
    };
    Ok(match land(work, call, told, look).await? {
        Landed::Done(written) => Some(written),
        Landed::Seen(()) => None,
    })
}
