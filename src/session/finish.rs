//! `FinishTask`: the same content until C1 takes it, inside a budget (c1-protocol.md §8, DEV-9).

use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

use super::client::Client;
use super::error::RpcError;
use super::pace;
use crate::error::ErrorClass;
use crate::proto::c1::connectorapi::baton::v1::BatonServiceFinishTaskRequest;

/// The budget of all attempts together.
pub(super) const BUDGET: Duration = Duration::from_secs(30);
/// One attempt; a lost answer must leave time for another.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(10);

/// Sends until answered. Repeats only on `UNAVAILABLE` and `DEADLINE_EXCEEDED`.
pub(super) async fn send(client: &Client, request: BatonServiceFinishTaskRequest) -> Result<(), RpcError> {
    let started = Instant::now();
    let mut failures = 0u32;
    loop {
        let left = BUDGET.saturating_sub(started.elapsed());
        let error = match client.finish_task(request.clone(), left.min(ATTEMPT_LIMIT)).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        failures = failures.saturating_add(1);
        let pause = pace::finish_pause(failures, pace::chance());
        let retryable = match &error {
            RpcError::Token { source, .. } => source.class() != ErrorClass::Auth,
            _ => matches!(error.code(), Code::Unavailable | Code::DeadlineExceeded),
        };
        if !retryable || started.elapsed().saturating_add(pause) >= BUDGET {
            return Err(error);
        }
        tracing::warn!(attempt = failures, error = error.chain(), "finish not taken yet");
        tokio::time::sleep(pause).await;
    }
}
