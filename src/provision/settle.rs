//! A write whose answer may be lost, carried to a certain end: the state is read before anything is repeated
//! (connector-model.md §9), and a right that may only not have spread yet is tried once more (§7.1).

use std::future::Future;

use super::audit::ChangeOutcome;
use super::error::Failure;
use super::work::{SETTLE, Told, Work};
use crate::pingone::{Client, PingOneError, WriteCall, Written};

/// Most times that one write is sent.
const MOST_WRITES: u32 = 3;

/// How a write ended well.
#[derive(Debug)]
pub(crate) enum Landed<T> {
    /// PingOne said so.
    Done(Written),
    /// The answer was lost; a read shows that it took effect.
    Seen(T),
}

/// Writes until the outcome is certain. `look` reads whether the write took effect: `Some` if so. It is asked only
/// after a lost answer, at once and again after [`SETTLE`], since PingOne's reads may lag behind its writes.
pub(crate) async fn settle<T, L, F>(
    work: &Work,
    call: &WriteCall,
    told: Told<'_>,
    look: L,
) -> Result<Landed<T>, Failure>
where
    L: Fn(Client) -> F,
    F: Future<Output = Result<Option<T>, Failure>>,
{
    settle_or(work, call, told, look, |_| None).await
}

/// The same where some refusal of a repetition proves that the lost one took effect.
pub(crate) async fn settle_or<T, L, F>(
    work: &Work,
    call: &WriteCall,
    told: Told<'_>,
    look: L,
    proof: impl Fn(&Failure) -> Option<T>,
) -> Result<Landed<T>, Failure>
where
    L: Fn(Client) -> F,
    F: Future<Output = Result<Option<T>, Failure>>,
{
    let mut tried_right_again = false;
    let mut tried_conflict_again = false;
    let mut lost = false;
    let mut writes = 0;
    // What fails for certain after a lost answer leaves open what the lost one did.
    let given_up = |lost: bool, failure: Failure| {
        if lost {
            work.decided(call, told, ChangeOutcome::Unknown);
        }
        Err(failure)
    };
    loop {
        writes += 1;
        let failure = match work.write(call, told).await {
            Ok(written) => return Ok(Landed::Done(written)),
            Err(failure) => failure,
        };
        if let Some(proven) = proof(&failure).filter(|_| lost) {
            work.decided(call, told, ChangeOutcome::Confirmed);
            return Ok(Landed::Seen(proven));
        }
        let unknown = failure.outcome_unknown();
        if unknown || lost {
            lost = true;
            match decide(work, &look, unknown).await {
                Ok(Some(seen)) => {
                    work.decided(call, told, ChangeOutcome::Confirmed);
                    return Ok(Landed::Seen(seen));
                }
                Ok(None) => {}
                Err(undecided) if unknown => return given_up(lost, undecided),
                Err(_) => return given_up(lost, failure),
            }
        }
        if unknown {
            // It surely did not happen, as far as reads can tell: it may be sent again.
            match may_repeat(work, &failure, writes).await {
                Ok(true) => continue,
                Ok(false) => return given_up(lost, failure),
                Err(cancelled) => return given_up(lost, cancelled),
            }
        }
        // Somebody else changed it at the same time: what is there now decides (connector-model.md §9).
        if is_conflict(call, &failure) && !tried_conflict_again {
            tried_conflict_again = true;
            match look(work.deciding()).await {
                Ok(Some(seen)) => return Ok(Landed::Seen(seen)),
                Ok(None) => continue,
                Err(undecided) => return given_up(lost, undecided),
            }
        }
        match right_may_come(work, &failure, &mut tried_right_again).await {
            Ok(true) => {}
            Ok(false) => return given_up(lost, failure),
            Err(cancelled) => return given_up(lost, cancelled),
        }
    }
}

/// Waits once for a right that may only not have spread yet.
pub(super) async fn right_may_come(work: &Work, failure: &Failure, tried: &mut bool) -> Result<bool, Failure> {
    let missing = failure.pingone().is_some_and(PingOneError::is_right_missing);
    let first = missing && !std::mem::replace(tried, *tried || missing);
    Ok(first && work.wait(SETTLE).await?)
}

/// Whether there is an attempt and time left for another one, after the wait that PingOne asked for.
pub(super) async fn may_repeat(work: &Work, failure: &Failure, writes: u32) -> Result<bool, Failure> {
    if writes >= MOST_WRITES || work.client().time_left().is_zero() {
        return Ok(false);
    }
    waited_as_asked(work, failure).await
}

/// A conflict that says nothing of what is there. Those who grant read its meaning themselves.
fn is_conflict(call: &WriteCall, failure: &Failure) -> bool {
    let plain =
        |error: &PingOneError| error.status() == Some(409) && error.detail_code() != Some("UNIQUENESS_VIOLATION");
    !call.operation.grants() && failure.pingone().is_some_and(plain)
}

/// Waits as long as PingOne asked for; `false` if the task's time does not reach so far.
async fn waited_as_asked(work: &Work, failure: &Failure) -> Result<bool, Failure> {
    match failure.pingone().and_then(|error| error.retry_after) {
        Some(asked) => work.wait(asked).await,
        None => Ok(true),
    }
}

/// Whether a write of unknown outcome took effect. Not ended by cancelling: somebody must know. `twice`: what is not
/// seen at once is looked for again a little later.
async fn decide<T, L, F>(work: &Work, look: &L, twice: bool) -> Result<Option<T>, Failure>
where
    L: Fn(Client) -> F,
    F: Future<Output = Result<Option<T>, Failure>>,
{
    let client = work.deciding();
    let seen = look(client.clone()).await?;
    if seen.is_some() || !twice {
        return Ok(seen);
    }
    tokio::time::sleep(SETTLE).await;
    look(client).await
}
