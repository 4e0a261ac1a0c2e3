//! Heartbeats of a sync (c1-protocol.md §7.5): one before the work, then a loop that runs until the handler returns.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::error::RpcError;
use super::retry_delay::heartbeat_interval;
use crate::proto::c1::connectorapi::baton::v1::BatonServiceHeartbeatResponse;
use process::telemetry::Metrics;

/// After so many failures in a row the task is given up.
const MAX_FAILURES: u32 = 9;

/// Why the loop ended the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// C1 said so.
    Cancelled,
    /// C1 did not answer.
    Silent,
}

/// What one heartbeat says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    /// Go on; the next is due after this time.
    Next(Duration),
    /// The task is cancelled.
    Cancelled,
}

fn read(task_id: &str, answer: &BatonServiceHeartbeatResponse) -> Beat {
    // Our own id in the list counts as well (DEV-7).
    if answer.cancelled || answer.cancelled_task_ids.iter().any(|id| id == task_id) {
        return Beat::Cancelled;
    }
    Beat::Next(heartbeat_interval(answer.next_heartbeat))
}

/// One heartbeat.
pub(super) async fn once(client: &Client, task_id: &str) -> Result<Beat, RpcError> {
    Ok(read(task_id, &client.heartbeat(task_id).await?))
}

/// Beats until the task is lost, cancels it and says why; else runs on until it is dropped.
pub(super) async fn run(
    client: &Client,
    metrics: &Metrics,
    task_id: &str,
    first: Duration,
    task: &CancellationToken,
) -> Lost {
    let mut interval = first;
    let mut failures = 0;
    let lost = loop {
        if failures >= MAX_FAILURES {
            tracing::error!(failures, "task given up: heartbeats were not answered");
            break Lost::Silent;
        }
        tokio::time::sleep(interval).await;
        match once(client, task_id).await {
            Ok(Beat::Next(next)) => {
                failures = 0;
                interval = next;
            }
            Ok(Beat::Cancelled) => {
                tracing::info!("task cancelled by C1");
                break Lost::Cancelled;
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                metrics.heartbeat_failures.inc();
                tracing::warn!(failures, error = error.chain(), "heartbeat failed");
            }
        }
    };
    task.cancel();
    lost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_cancellation_count_and_others_ids_do_not() {
        let answer = |cancelled, ids: &[&str]| BatonServiceHeartbeatResponse {
            cancelled,
            cancelled_task_ids: ids.iter().map(ToString::to_string).collect(),
            ..BatonServiceHeartbeatResponse::default()
        };
        assert_eq!(read("a", &answer(true, &[])), Beat::Cancelled);
        assert_eq!(read("a", &answer(false, &["b", "a"])), Beat::Cancelled);
        assert_eq!(read("a", &answer(false, &["b"])), Beat::Next(Duration::from_secs(30)));
    }
}
