//! Memory.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::{Outcome, SYNC, clean, finished};
use crate::daemon::Daemon;
use crate::wait;
use crate::world::World;

/// Time for a sync of 50,000 users.
const LARGE: Duration = Duration::from_mins(5);
/// Working set that an idle pod may have, in bytes.
const IDLE: f64 = 15_000_000.0;

/// A full sync of 50,000 users inside the default limit.
pub async fn fifty_thousand_users(world: &World) -> anyhow::Result<Outcome> {
    let (values, config) = world.sandboxes.another(world, "pingone-50k", "bench-50k").await?;
    let daemon = Daemon::prepare(world, "memory").await?;
    daemon.store_beside_c1(values).await?;
    daemon
        .helm(
            &world.options.helm,
            "install",
            &json!({"replicaCount": 1, "config": config}),
        )
        .await?;
    let idle = working_set(world, &daemon).await?;
    ensure!(idle <= IDLE, "an idle pod holds {:.1} MB", idle / 1e6);
    let took = daemon.sync(LARGE).await?;
    world.time("sync of 50,000 users inside the default memory limit", took, LARGE)?;
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}

/// The working set of the only pod, as its node counts it and `kubectl top` shows it, in bytes.
async fn working_set(world: &World, daemon: &Daemon<'_>) -> anyhow::Result<f64> {
    let pod = daemon.pods().await?.into_iter().next().context("a pod")?;
    let node = pod.spec.and_then(|spec| spec.node_name).context("its node")?;
    let uri = format!("/api/v1/nodes/{node}/proxy/stats/summary");
    let (_, bytes) = wait::until("the pod's memory", SYNC, || async {
        let request = http::Request::get(&uri).body(Vec::new())?;
        let summary: Value = serde_json::from_str(&world.kube.request_text(request).await?)?;
        let pods = summary["pods"].as_array().cloned().unwrap_or_default();
        let ours = pods
            .iter()
            .find(|pod| pod["podRef"]["namespace"] == daemon.namespace.as_str());
        let container = ours.and_then(|pod| pod["containers"][0]["memory"]["workingSetBytes"].as_f64());
        Ok(container.filter(|bytes| *bytes > 0.0))
    })
    .await?;
    crate::report::say(&format!("note  an idle pod holds {:.1} MB", bytes / 1e6));
    Ok(bytes)
}

/// A limit that is too low for a sync: the pod is killed; with the limit back it comes up clean and syncs.
pub async fn out_of_memory(world: &World) -> anyhow::Result<Outcome> {
    let (values, config) = world.sandboxes.another(world, "pingone-oom", "bench-50k").await?;
    let daemon = Daemon::prepare(world, "oom").await?;
    daemon.store_beside_c1(values).await?;
    let limited = |memory: &str| {
        json!({"replicaCount": 1, "config": config, "resources": {
        "requests": {"memory": "16Mi"}, "limits": {"memory": memory}}})
    };
    daemon.helm(&world.options.helm, "install", &limited("20Mi")).await?;
    let uploads = world.sandboxes.uploads(world).await?;
    let task = world.sandboxes.task(world, &json!({"syncFull": {}})).await?;
    wait::until("a pod to be killed for its memory", LARGE, || async {
        let pods = daemon.pods().await?;
        let statuses = pods
            .iter()
            .filter_map(|pod| pod.status.as_ref()?.container_statuses.as_ref())
            .flatten();
        let reasons: Vec<_> = statuses
            .filter_map(|status| status.last_state.as_ref()?.terminated.as_ref()?.reason.clone())
            .collect();
        Ok(wait::when(reasons.iter().any(|reason| reason == "OOMKilled")))
    })
    .await
    .context("the limit was too high for the case, or the daemon too small")?;
    daemon.helm(&world.options.helm, "upgrade", &limited("256Mi")).await?;
    // While the old pod leads it takes the task, and may be killed with it.
    wait::until("the new pod to lead", SYNC, || async {
        let (pods, leader) = (daemon.pods().await?, daemon.leader().await?);
        let leads = |pod: &Pod| pod.metadata.name == leader;
        Ok(wait::when(
            leader.is_some() && pods.len() == 1 && pods.iter().all(leads),
        ))
    })
    .await?;
    // C1 hands the task out again; it is done and reported once.
    world.sandboxes.requeue(world).await?;
    daemon.wait_upload(uploads, LARGE).await?;
    finished(world, &task, SYNC).await?;
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}
