//! Rolling updates and drains in the middle of work.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::EvictParams;
use serde_json::json;

use super::{Ending, Outcome, SYNC, begun, clean, finished, grant, reported, slow};
use crate::daemon::{Daemon, RELEASE, one_session};
use crate::wait;
use crate::world::World;

/// `terminationGracePeriodSeconds` with the chart's defaults.
const GRACE: Duration = Duration::from_secs(40);
/// How long the slow requests take.
const SLOW: u64 = 6_000;

/// What runs when the disruption comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Grant,
    Sync,
}

/// What disrupts it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Update,
    Drain,
}

/// A rolling update while a grant runs.
pub async fn update_mid_grant(world: &World) -> anyhow::Result<Outcome> {
    disrupted(world, "update-grant", Trouble::Update, Work::Grant).await
}

/// A rolling update while a sync runs.
pub async fn update_mid_sync(world: &World) -> anyhow::Result<Outcome> {
    disrupted(world, "update-sync", Trouble::Update, Work::Sync).await
}

/// A drain while a grant runs.
pub async fn drain_mid_grant(world: &World) -> anyhow::Result<Outcome> {
    disrupted(world, "drain-grant", Trouble::Drain, Work::Grant).await
}

/// A drain while a sync runs.
pub async fn drain_mid_sync(world: &World) -> anyhow::Result<Outcome> {
    disrupted(world, "drain-sync", Trouble::Drain, Work::Sync).await
}

async fn disrupted(world: &World, case: &str, trouble: Trouble, work: Work) -> anyhow::Result<Outcome> {
    if trouble == Trouble::Drain && world.control.is_none() {
        return Ok(Outcome::Skipped(
            "a drain would evict other people's pods; it is done on our own cluster only (--cluster)",
        ));
    }
    let daemon = Daemon::install(world, case, &json!({})).await?;
    daemon.sync(SYNC).await?;
    let leader = daemon.wait_leader().await?;
    let since = world.sandboxes.seen(world).await?.len();
    let uploads = world.sandboxes.uploads(world).await?;
    world.sandboxes.forget(world).await?;
    slow(world, SLOW).await?;
    let task = match work {
        Work::Grant => grant(world).await?.0,
        Work::Sync => json!({"syncFull": {}}),
    };
    let task = world.sandboxes.task(world, &task).await?;
    wait::until("the task to be taken", SYNC, || async {
        Ok(wait::when(
            daemon.metric(&["baton_ping_one_tasks_in_flight"]).await? >= 1.0,
        ))
    })
    .await?;
    if work == Work::Sync {
        begun(world, "GET", "/populations").await?;
    }
    // Both at once: what the trouble does, and how long the old leader takes to be gone.
    let (troubled, gone) = tokio::join!(
        async {
            match trouble {
                Trouble::Update => update(world, &daemon).await,
                Trouble::Drain => drain(world, &daemon, &leader).await,
            }
        },
        gone(world, &daemon, &leader)
    );
    troubled?;
    world.time(
        &format!("{case}: the old leader from its notice to its end"),
        gone?,
        GRACE,
    )?;
    world.sandboxes.calm(world).await?;
    match work {
        Work::Grant => finished(world, &task, SYNC).await?,
        Work::Sync => sync_ended(world, &daemon, &task, uploads).await?,
    }
    one_session(&world.sandboxes.seen(world).await?, since)?;
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}

/// The sync was finished or handed back, and that was said once, by whoever had it; the next one arrives, and nobody says anything
/// of the old one again.
async fn sync_ended(world: &World, daemon: &Daemon<'_>, task: &str, uploads: usize) -> anyhow::Result<()> {
    let ended = reported(world, task, SYNC).await?;
    ensure!(
        ended == Ending::HandedBack || world.sandboxes.uploads(world).await? > uploads,
        "the sync is reported as done and was not uploaded"
    );
    daemon.sync(SYNC).await?;
    reported(world, task, SYNC).await.map(|_| ())
}

/// How long a pod takes from its notice of termination to its end.
async fn gone(world: &World, daemon: &Daemon<'_>, pod: &str) -> anyhow::Result<Duration> {
    let api = world.api::<Pod>(&daemon.namespace);
    let told = || async {
        let pod = api.get_opt(pod).await?;
        Ok(wait::when(
            pod.is_none_or(|pod| pod.metadata.deletion_timestamp.is_some()),
        ))
    };
    wait::until("the leader's pod to be told to end", GRACE * 2, told).await?;
    let ended = || async { Ok(wait::when(api.get_opt(pod).await?.is_none())) };
    let (took, ()) = wait::until("the leader's pod to end", GRACE * 2, ended).await?;
    Ok(took)
}

async fn update(world: &World, daemon: &Daemon<'_>) -> anyhow::Result<()> {
    let object = format!("deployment/{RELEASE}");
    let namespace = ["--namespace", daemon.namespace.as_str()];
    world
        .kubectl(&[&namespace[..], &["rollout", "restart", &object]].concat())
        .await?;
    let status = ["rollout", "status", &object, "--timeout=3m"];
    world.kubectl(&[&namespace[..], &status].concat()).await.map(|_| ())
}

/// Drains the only node, the leader's pod first: its eviction is done, the other's is refused by the `PodDisruptionBudget`
/// because the successor cannot be scheduled; after `uncordon` everything is Ready again.
async fn drain(world: &World, daemon: &Daemon<'_>, leader: &str) -> anyhow::Result<()> {
    let nodes = world.kubectl(&["get", "nodes", "--output", "name"]).await?;
    let node = nodes
        .lines()
        .next()
        .context("a node")?
        .trim_start_matches("node/")
        .to_owned();
    // A drain evicts in an order of its own; this is its first step with the pod that matters.
    world.kubectl(&["cordon", &node]).await?;
    let pods = world.api::<Pod>(&daemon.namespace);
    let evicted = pods.evict(leader, &EvictParams::default()).await;
    let selector = "--pod-selector=app.kubernetes.io/name=baton-ping-one";
    let drain = [
        "drain",
        &node,
        "--ignore-daemonsets",
        "--delete-emptydir-data",
        selector,
        "--timeout=45s",
    ];
    let drained = world.kubectl(&drain).await;
    let pods = daemon.pods().await;
    let back = world.kubectl(&["uncordon", &node]).await;
    let said = match drained {
        Ok(_) => anyhow::bail!("both pods were evicted at once"),
        Err(error) => format!("{error:#}"),
    };
    back?;
    evicted?;
    ensure!(
        said.contains("disruption budget"),
        "the second eviction failed for another reason: {said}"
    );
    ensure!(!pods?.is_empty(), "no pod was left");
    let status = format!("deployment/{RELEASE}");
    world
        .kubectl(&[
            "--namespace",
            &daemon.namespace,
            "rollout",
            "status",
            &status,
            "--timeout=2m",
        ])
        .await?;
    // Whichever pod went first, one of the two leads now.
    daemon.wait_leader().await.map(|_| ())
}
