//! Values and images that cannot work, and what is said about them.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus};
use serde_json::json;

use super::{Outcome, SYNC, clean};
use crate::daemon::Daemon;
use crate::wait;
use crate::world::World;

/// Time for a pod to fail.
const FAILED: Duration = Duration::from_mins(1);

/// Refused by the chart, each with a sentence that names the value; what the cluster lacks and no replicas at all are no errors.
pub async fn values(world: &World) -> anyhow::Result<Outcome> {
    let daemon = Daemon::prepare(world, "bad-values").await?;
    let helm = &world.options.helm;
    let monitor =
        |mode: &str| json!({"replicaCount": 0, "metrics": {"serviceMonitor": {"enabled": true, "renderMode": mode}}});
    let refused = [
        (json!({"replicas": 3}), "replicas"),
        (
            json!({"leaderElection": {"enabled": false}}),
            "leaderElection.enabled false",
        ),
        (
            json!({"config": {"pingone-client-secret": "x"}}),
            "does not belong in a ConfigMap",
        ),
        (json!({"config": {"pingone-regio": "eu"}}), "pingone-regio"),
        (json!({"enabled": false}), "parent charts"),
        (monitor("failIfMissing"), "the cluster has no kind ServiceMonitor"),
    ];
    for (values, says) in &refused {
        let said = match daemon.helm_at_once(helm, "install", values).await {
            Ok(()) => anyhow::bail!("installed with {values}"),
            Err(error) => format!("{error:#}"),
        };
        ensure!(said.contains(says), "{values} was refused, but not with {says}: {said}");
    }
    // Without the kind the monitor is left out, and no replicas are a pause.
    daemon.helm(helm, "install", &monitor("skipIfMissing")).await?;
    ensure!(daemon.pods().await?.is_empty(), "a pod in spite of replicaCount 0");
    daemon.helm(helm, "upgrade", &json!({"replicaCount": 1})).await?;
    daemon.sync(SYNC).await?;
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}

/// The pod's status says what is wrong, without a look at the log.
pub async fn starts(world: &World) -> anyhow::Result<Outcome> {
    let daemon = Daemon::prepare(world, "bad-start").await?;
    let helm = &world.options.helm;
    // The schema knows the settings' names, so one that only the program can judge.
    let wrong = json!({"replicaCount": 1, "config": {"pingone-region": "europe"}});
    daemon.helm_at_once(helm, "install", &wrong).await?;
    ended(&daemon, "pingone-region", |state| state.terminated?.message).await?;
    let missing = json!({"replicaCount": 1, "image": {"tag": "none-such", "pullPolicy": "Never"}});
    daemon.helm_at_once(helm, "upgrade", &missing).await?;
    ended(&daemon, "none-such", |state| state.waiting?.message).await?;
    daemon.helm(helm, "upgrade", &json!({"replicaCount": 1})).await?;
    daemon.sync(SYNC).await?;
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}

/// Waits for a container's state whose message holds the text.
async fn ended(
    daemon: &Daemon<'_>,
    text: &str,
    message: impl Fn(ContainerState) -> Option<String>,
) -> anyhow::Result<()> {
    let states = |status: ContainerStatus| [status.state, status.last_state].into_iter().flatten();
    let (_, ()) = wait::until(&format!("a pod whose status says {text}"), FAILED, || async {
        let pods = daemon.pods().await?;
        let statuses = pods
            .into_iter()
            .filter_map(|pod| pod.status?.container_statuses)
            .flatten();
        let mut messages = statuses.flat_map(states).filter_map(&message);
        Ok(wait::when(messages.any(|message| message.contains(text))))
    })
    .await
    .context("the status of the pod")?;
    Ok(())
}
