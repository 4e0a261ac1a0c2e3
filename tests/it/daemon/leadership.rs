//! Who holds the Lease talks to C1, and nobody else.

use std::time::Duration;

use sandbox::c1::proto::baton::task::{SyncFullTask, TaskType::SyncFull};
use serde_json::json;

use super::rig::{CLIENT_ID, Daemon, World, soon};

/// Who leads goes on leading, although the machine may hold it up for a while.
pub const FLAGS: [&str; 5] = flags(
    "--leader-election-lease-duration=60s",
    "--leader-election-renew-deadline=40s",
);

const fn flags(duration: &'static str, deadline: &'static str) -> [&'static str; 5] {
    [
        "--leader-election=true",
        "--leader-election-lease-name=leader",
        duration,
        deadline,
        "--leader-election-retry-period=200ms",
    ]
}

fn start(world: &World, flags: &[&str]) -> Daemon {
    let mut env = world.pingone_values().to_vec();
    env.push(("BATON_CLIENT_ID", CLIENT_ID.to_owned()));
    env.push(("BATON_CLIENT_SECRET", world.c1_secret.clone()));
    world.start(flags, &env)
}

/// Somebody else holds the Lease and renews it.
fn held_by_another(world: &World) {
    world.kube.put_lease(&json!({
        "holderIdentity": "pod-b_1", "leaseDurationSeconds": 3, "leaseTransitions": 7,
        "renewTime": "2026-01-01T00:00:00.000000Z",
    }));
    world.kube.data().renews = true;
}

/// Waits until the program has looked at the Lease so many times more.
async fn looked(world: &World, times: usize) {
    let is_look = |request: &&String| request.starts_with("get /apis/coordination");
    let before = world.kube.count("get /apis/coordination");
    soon(
        world
            .kube
            .until(|data| data.requests.iter().filter(is_look).count() >= before + times),
    )
    .await;
}

/// Nobody holds it: a leader gave it back.
pub fn given_back(world: &World) {
    world.kube.put_lease(&json!({
        "holderIdentity": "", "leaseDurationSeconds": 1, "leaseTransitions": 7,
        "acquireTime": "2026-01-01T00:00:00.000000Z", "renewTime": "2026-01-01T00:00:00.000000Z",
    }));
}

#[tokio::test]
async fn a_standby_is_ready_and_silent_and_takes_over_when_the_leader_is_gone() {
    let world = World::new().await;
    held_by_another(&world);
    let short = flags(
        "--leader-election-lease-duration=5s",
        "--leader-election-renew-deadline=4s",
    );
    let daemon = start(&world, &short);
    daemon.ready().await;
    daemon.metric("baton_ping_one_leader 0").await;
    // As long as the other one renews: for longer than the Lease lasts.
    looked(&world, 30).await;
    daemon.metric("baton_ping_one_standby 1").await;
    // It proves its credentials, and that is all.
    assert!(world.c1.count("Token") <= 1 && world.c1.count("Hello") + world.c1.count("GetTask") == 0);
    assert!(daemon.get("/").await.unwrap().1.contains("pod-b_1 leads"));
    world.kube.data().renews = false;
    soon(world.c1.wait_for("Hello", 1)).await;
    daemon.metric("baton_ping_one_leader 1").await;
    daemon.metric("baton_ping_one_standby 0").await;
    assert!(world.kube.holder().unwrap().starts_with("pod-a_"));
    soon(
        world
            .kube
            .until(|data| data.events.iter().any(|event| event["reason"] == "LeaderElected")),
    )
    .await;
    // On the way out the Lease is given back, after the work has stopped.
    let (status, log) = daemon.stop().await;
    assert!(status.success(), "{log}");
    assert_eq!(world.kube.holder().as_deref().unwrap_or_default(), "", "{log}");
}

#[tokio::test]
async fn a_leader_that_lost_its_lease_falls_silent_and_lives_on() {
    let world = World::new().await;
    given_back(&world);
    let daemon = start(&world, &FLAGS);
    soon(world.c1.wait_for("GetTask", 2)).await;
    daemon.metric("baton_ping_one_leader 1").await;
    held_by_another(&world);
    daemon.metric("baton_ping_one_leader 0").await;
    // What was under way ends at C1.
    looked(&world, 2).await;
    let said = world.c1.log().len();
    looked(&world, 6).await;
    assert_eq!(world.c1.log().len(), said, "it went on talking");
    daemon.ready().await;
    assert_eq!(daemon.get("/livez").await.unwrap().0, 200);
}

#[tokio::test]
async fn a_process_that_was_frozen_past_its_lease_begins_nothing_when_it_wakes() {
    let world = World::new().await;
    given_back(&world);
    let short = flags(
        "--leader-election-lease-duration=3s",
        "--leader-election-renew-deadline=2s",
    );
    let daemon = start(&world, &short);
    soon(world.c1.wait_for("GetTask", 2)).await;
    daemon.signal("-STOP");
    // What was under way ends at C1.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let said = world.c1.log().len();
    tokio::time::sleep(Duration::from_secs(3)).await;
    held_by_another(&world);
    daemon.signal("-CONT");
    looked(&world, 10).await;
    assert_eq!(world.c1.log().len(), said, "it began something");
    daemon.metric("baton_ping_one_leader 0").await;
}

pub const LAST_SYNC: &str = "baton-ping-one/last-sync";
const ACCEPT_SHRINK: &str = "baton-ping-one/accept-shrink";

/// Code and message with which a whole sync ended; nothing for a good one.
async fn synced(world: &World) -> Option<(i32, String)> {
    let id = world.c1.queue(SyncFull(SyncFullTask::default()));
    let finish = soon(world.c1.finished(&id)).await.unwrap();
    finish.status.map(|status| (status.code, status.message))
}

/// Waits until the leader has seen its Lease as it is now.
pub async fn daemon_sees(world: &World) {
    let renewals = world.kube.count("update /apis/coordination");
    soon(world.kube.until(|data| {
        let updates = data
            .requests
            .iter()
            .filter(|request| request.starts_with("update /apis/coordination"));
        updates.count() > renewals + 2
    }))
    .await;
}

#[tokio::test]
async fn a_new_leader_knows_what_the_one_before_it_saw_and_asks_before_it_publishes_less() {
    let world = World::new().await;
    given_back(&world);
    let daemon = start(&world, &FLAGS);
    assert_eq!(synced(&world).await, None);
    soon(world.kube.until(|data| data.annotation(LAST_SYNC).is_some())).await;
    assert!(world.kube.data().annotation("baton-ping-one/last-success").is_some());
    let (status, log) = daemon.stop().await;
    assert!(status.success(), "{log}");
    let before = world.kube.data().annotation(LAST_SYNC).unwrap();

    // The client's role is narrowed: PingOne shows less, with status 200.
    world.pingone.revoke_worker_roles();
    world
        .pingone
        .grant_worker_role("Identity Data Admin@POPULATION:1")
        .unwrap();
    let daemon = start(&world, &FLAGS);
    // The metric goes on where the leader before left it, not at 0.
    let is_restored = |line: &str| {
        let value = line.strip_prefix("baton_ping_one_sync_last_success_timestamp_seconds ");
        value.is_some_and(|value| value.parse::<f64>().unwrap() > 1e9)
    };
    daemon.until("/metrics", |_, body| body.lines().any(is_restored)).await;
    // So do the status and the page.
    let of_another = |body: &str| {
        body.contains("another process") && body.contains("users") && !body.contains("none in this process")
    };
    for path in ["/status.json", "/"] {
        daemon.until(path, |_, body| of_another(body)).await;
    }
    let (code, message) = synced(&world).await.expect("it was published");
    assert_eq!(code, 9, "{message}");
    daemon.metric("baton_ping_one_sync_shrink_refusals_total 1").await;
    assert!(message.contains(ACCEPT_SHRINK), "{message}");
    assert_eq!(world.kube.data().annotation(LAST_SYNC).as_ref(), Some(&before));

    world.kube.annotate_lease(ACCEPT_SHRINK, "true");
    daemon_sees(&world).await;
    assert_eq!(synced(&world).await, None);
    soon(world.kube.until(|data| data.annotation(ACCEPT_SHRINK).is_none())).await;
    assert_ne!(world.kube.data().annotation(LAST_SYNC).unwrap(), before);
    assert!(world.kube.data().lease.as_ref().unwrap()["metadata"]["labels"]["kept"] == "yes");
    daemon.metric("baton_ping_one_leader 1").await;
}

#[tokio::test]
async fn counts_on_the_lease_that_do_not_read_let_nothing_through_unless_any_size_is_accepted() {
    let world = World::new().await;
    given_back(&world);
    world.kube.annotate_lease(LAST_SYNC, r#"{"environment":"#);
    let daemon = start(&world, &FLAGS);
    let (code, message) = synced(&world).await.expect("it was published");
    assert_eq!(code, 9, "{message}");
    assert!(
        message.contains(LAST_SYNC) && message.contains(ACCEPT_SHRINK),
        "{message}"
    );

    world.kube.annotate_lease(ACCEPT_SHRINK, "true");
    daemon_sees(&world).await;
    assert_eq!(synced(&world).await, None);
    soon(world.kube.until(|data| data.annotation(ACCEPT_SHRINK).is_none())).await;
    let counts: serde_json::Value = serde_json::from_str(&world.kube.data().annotation(LAST_SYNC).unwrap()).unwrap();
    assert!(counts["counts"]["users"].as_u64().unwrap() > 0, "{counts}");
    daemon.metric("baton_ping_one_leader 1").await;
}
