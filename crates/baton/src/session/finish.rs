//! `FinishTask`: the same content until C1 takes it, inside one budget (c1-protocol.md §8, DEV-9).

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::{Instant, sleep_until, timeout};
use tonic::Code;

use super::client::{Client, FINISH};
use super::error::RpcError;
use super::retry_delay;
use crate::proto::c1::connectorapi::baton::v1::BatonServiceFinishTaskRequest;
use process::error::ErrorClass;

/// The budget of all attempts together, tokens included.
pub(super) const BUDGET: Duration = Duration::from_secs(30);
/// An attempt that has no answer by then stays open, and a second one is sent beside it.
const HEDGE_AFTER: Duration = Duration::from_secs(10);
const MAX_OPEN: usize = 2;

enum Ended {
    Attempt(Result<(), RpcError>),
    /// The connection was put to the proof.
    Proof,
}

/// Sends until taken. Only `UNAVAILABLE` and `DEADLINE_EXCEEDED` are followed by another attempt.
pub(super) async fn send(client: &Client, request: &BatonServiceFinishTaskRequest) -> Result<(), RpcError> {
    let sending = Box::pin(until_taken(client, request));
    timeout(BUDGET, sending).await.unwrap_or(Err(RpcError::Deadline {
        method: FINISH,
        limit: BUDGET,
    }))
}

async fn until_taken(client: &Client, request: &BatonServiceFinishTaskRequest) -> Result<(), RpcError> {
    let mut open: FuturesUnordered<BoxFuture<'_, Ended>> = FuturesUnordered::new();
    let (mut attempts, mut failures) = (0usize, 0u32);
    let mut next = Instant::now();
    let mut refused = None;
    loop {
        tokio::select! {
            biased;
            Some(ended) = open.next() => {
                let error = match ended {
                    Ended::Proof => continue,
                    Ended::Attempt(Ok(())) => return Ok(()),
                    Ended::Attempt(Err(error)) => error,
                };
                attempts = attempts.saturating_sub(1);
                failures = failures.saturating_add(1);
                if !is_retryable(&error) {
                    // An attempt that is still open may be the one that was taken.
                    refused = refused.or(Some(error));
                } else if attempts == 0 && refused.is_none() {
                    next = later(retry_delay::finish_pause(failures, retry_delay::chance()));
                    tracing::warn!(attempt = failures, error = error.chain(), "finish not taken yet");
                }
                if attempts == 0 && let Some(error) = refused.take() {
                    return Err(error);
                }
            }
            () = sleep_until(next), if attempts < MAX_OPEN && refused.is_none() => {
                if attempts > 0 {
                    tracing::warn!("finish not answered yet; it is sent once more beside the first");
                    open.push(Box::pin(async {
                        client.prove_or_cut().await;
                        Ended::Proof
                    }));
                }
                open.push(Box::pin(async { Ended::Attempt(client.finish_task(request.clone(), BUDGET).await) }));
                attempts = attempts.saturating_add(1);
                next = later(HEDGE_AFTER);
            }
        }
    }
}

fn later(wait: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(wait).unwrap_or(now)
}

fn is_retryable(error: &RpcError) -> bool {
    match error {
        RpcError::Token { source, .. } => source.class() != ErrorClass::Auth,
        _ => matches!(error.code(), Code::Unavailable | Code::DeadlineExceeded),
    }
}
