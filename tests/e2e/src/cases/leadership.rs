//! Two replicas, and everything that happens to the one that leads. C1's log is the judge.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::DeleteParams;
use serde_json::json;

use super::{Outcome, SYNC, clean};
use crate::cluster::Control;
use crate::daemon::{Daemon, RELEASE, TAKEOVER, one_session};
use crate::wait;
use crate::world::World;

const FOREIGN: &str = "it needs the node, and the cluster is not ours (--cluster)";

/// Two replicas with a leader that has a session, that leader, and how much C1 had seen by then.
async fn two<'a>(world: &'a World, case: &str) -> anyhow::Result<(Daemon<'a>, String, usize)> {
    let before = world.sandboxes.seen(world).await?.len();
    let daemon = Daemon::install(world, case, &json!({})).await?;
    let (_, leader) = daemon.wait_hello(before, "").await?;
    ensure!(daemon.wait_leader().await? == leader, "the session is not the leader's");
    daemon.sync(SYNC).await?;
    let since = world.sandboxes.seen(world).await?.len();
    Ok((daemon, leader, since))
}

/// Another pod gets the session within the time, and there never were two.
async fn taken_over(
    world: &World,
    daemon: &Daemon<'_>,
    leader: &str,
    since: usize,
    begun: Instant,
    what: &str,
) -> anyhow::Result<()> {
    let (_, next) = daemon.wait_hello(since, leader).await?;
    world.time(what, begun.elapsed(), TAKEOVER)?;
    ensure!(next != leader, "the old leader is the new one");
    daemon.sync(SYNC).await?;
    one_session(&world.sandboxes.seen(world).await?, since)
}

/// The pod is deleted with grace 0.
pub async fn killed(world: &World) -> anyhow::Result<Outcome> {
    let (daemon, leader, since) = two(world, "leader-killed").await?;
    let now = DeleteParams::default().grace_period(0);
    let begun = Instant::now();
    world.api::<Pod>(&daemon.namespace).delete(&leader, &now).await?;
    taken_over(world, &daemon, &leader, since, begun, "leader killed, next Hello").await?;
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}

/// SIGSTOP, the lease runs out, another takes over, SIGCONT.
pub async fn frozen(world: &World) -> anyhow::Result<Outcome> {
    let Some(control) = &world.control else {
        return Ok(Outcome::Skipped(FOREIGN));
    };
    // A frozen process does not answer its probes; the kubelet must not end it before it wakes.
    let patient = json!({"probes": {"liveness": {"failureThreshold": 30}}});
    let before = world.sandboxes.seen(world).await?.len();
    let daemon = Daemon::install(world, "leader-frozen", &patient).await?;
    let (_, leader) = daemon.wait_hello(before, "").await?;
    daemon.sync(SYNC).await?;
    let since = world.sandboxes.seen(world).await?.len();
    let container = daemon.container(&leader).await?;
    let begun = Instant::now();
    control.signal(&container, "SIGSTOP").await?;
    let taken = taken_over(world, &daemon, &leader, since, begun, "leader frozen, next Hello").await;
    control.signal(&container, "SIGCONT").await?;
    taken?;
    // The old leader says that it lost the lease, says nothing to C1, and stays as a standby.
    let (_, ()) = wait::until("the woken pod to stand by", Duration::from_secs(30), || async {
        let metrics = daemon.metrics(&leader).await?;
        Ok(wait::when(metrics.lines().any(|line| {
            line.starts_with("baton_ping_one_leader") && line.ends_with(" 0")
        })))
    })
    .await?;
    daemon.sync(SYNC).await?;
    one_session(&world.sandboxes.seen(world).await?, since)?;
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}

/// Somebody deletes the Lease; whoever leads next, there is one session at a time.
pub async fn lease_deleted(world: &World) -> anyhow::Result<Outcome> {
    let (daemon, _, since) = two(world, "lease-deleted").await?;
    let begun = Instant::now();
    let name = format!("{RELEASE}-leader");
    world
        .api::<Lease>(&daemon.namespace)
        .delete(&name, &DeleteParams::default())
        .await?;
    daemon.wait_hello(since, "").await?;
    world.time("Lease deleted, next Hello", begun.elapsed(), TAKEOVER)?;
    daemon.sync(SYNC).await?;
    one_session(&world.sandboxes.seen(world).await?, since)?;
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}

/// From one replica, which has no Lease, to two and back: the pods before end before others begin, and C1 has one session at a
/// time. An upgrade that leaves the Lease alone replaces pods one by one again.
pub async fn one_to_two(world: &World) -> anyhow::Result<Outcome> {
    let before = world.sandboxes.seen(world).await?.len();
    let one = json!({"replicaCount": 1, "leaderElection": {"enabled": false}});
    let two = json!({"replicaCount": 2});
    let daemon = Daemon::install(world, "one-to-two", &one).await?;
    let (_, mut holder) = daemon.wait_hello(before, "").await?;
    daemon.sync(SYNC).await?;
    for (values, strategy) in [(&two, "Recreate"), (&two, "RollingUpdate"), (&one, "Recreate")] {
        let since = world.sandboxes.seen(world).await?.len();
        daemon.helm(&world.options.helm, "upgrade", values).await?;
        let deployment = world.api::<Deployment>(&daemon.namespace).get(RELEASE).await?;
        let have = deployment.spec.and_then(|spec| spec.strategy?.type_);
        ensure!(
            have.as_deref() == Some(strategy),
            "{values}: {have:?}, expected {strategy}"
        );
        if strategy == "Recreate" {
            holder = daemon.wait_hello(since, &holder).await?.1;
        }
        daemon.sync(SYNC).await?;
        one_session(&world.sandboxes.seen(world).await?, before)?;
    }
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}

/// The API server is stopped for a minute: the leader's lease runs out, nobody has a session until it is back.
pub async fn api_server_stopped(world: &World) -> anyhow::Result<Outcome> {
    let Some(control) = &world.control else {
        return Ok(Outcome::Skipped(FOREIGN));
    };
    let (daemon, _, since) = two(world, "apiserver").await?;
    let service = world.api::<Service>("default").get("kubernetes").await?;
    let address = service
        .spec
        .and_then(|spec| spec.cluster_ip)
        .context("the API server's Service")?;
    stop_for(control, Duration::from_mins(1)).await?;
    // That the node's proxy finds it again takes its own time.
    wait::until(
        "the API server under its Service's address",
        Duration::from_mins(2),
        || async { Ok(wait::when(control.serves(&address).await)) },
    )
    .await?;
    let begun = Instant::now();
    daemon
        .wait_hello(since, "")
        .await
        .context("after the API server came back")?;
    world.time("API server back, next Hello", begun.elapsed(), TAKEOVER)?;
    // The session may move once more until both pods have found the API server; a task of that moment is handed back.
    let synced = async || daemon.sync(SYNC).await.map(Some);
    wait::until("a sync after the API server came back", Duration::from_mins(3), synced).await?;
    one_session(&world.sandboxes.seen(world).await?, since)?;
    clean(world, &daemon, 0).await?;
    Ok(Outcome::Passed)
}

/// The pause is what is tested; there is no API to ask meanwhile.
async fn stop_for(control: &Control, pause: Duration) -> anyhow::Result<()> {
    control.stop("apiserver").await?;
    tokio::time::sleep(pause).await;
    control.start("apiserver").await
}
