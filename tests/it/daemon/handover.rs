//! A pod that does not share its volume goes on from what the leader before it left.

use baton_ping_one::sync::observations::{discard, folder, was_dropped};
use sandbox::c1::proto::baton::task::{SyncFullTask, TaskType::SyncFull};
use sandbox::pingone::{ChangeKind, Changes};

use super::leadership::{FLAGS, given_back};
use super::rig::{CLIENT_ID, Daemon, World, soon};

fn start(world: &World, dir: &str) -> Daemon {
    let dir = world.path(dir);
    std::fs::create_dir_all(&dir).unwrap();
    let state_dir = format!("--state-dir={}", dir.display());
    let mut flags = FLAGS.to_vec();
    flags.extend(["--incremental=true", "--observations-configmap=left", &state_dir]);
    let mut env = world.pingone_values().to_vec();
    env.push(("BATON_CLIENT_ID", CLIENT_ID.to_owned()));
    env.push(("BATON_CLIENT_SECRET", world.c1_secret.clone()));
    world.start(&flags, &env)
}

/// Syncs, and answers how many principals were asked for their roles.
async fn sync(world: &World) -> u64 {
    world.pingone.reset_requests();
    let id = world.c1.queue(SyncFull(SyncFullTask::default()));
    let finish = soon(world.c1.finished(&id)).await.unwrap();
    assert!(finish.status.is_none(), "{finish:?}");
    let counts = world.pingone.requests().counts;
    let roles = counts.iter().filter(|count| count.path.ends_with("/roleAssignments"));
    roles.map(|count| count.count).sum()
}

#[tokio::test]
async fn a_new_leader_without_the_volume_asks_for_few_roles() {
    let world = World::new().await;
    world.pingone.change(&Changes::of(ChangeKind::UpdateUser, 1));
    given_back(&world);
    let first = start(&world, "a");
    let all = sync(&world).await;
    assert!(all > 200, "{all}");
    first.stop().await;
    assert!(world.kube.data().config_maps.contains_key("left-0"));
    let second = start(&world, "b");
    let few = sync(&world).await;
    assert!(few * 10 < all, "{few} of {all}\n{}", second.log());
    second.stop().await;
    // What is left is not to be had, or is nothing: that is no failure.
    world
        .kube
        .data()
        .forbidden
        .extend(["get configmaps", "update configmaps"]);
    let third = start(&world, "c");
    assert_eq!(sync(&world).await, all);
    assert!(third.log().contains("was not handed on") || third.log().contains("were not handed on"));
    third.stop().await;
    world.kube.data().forbidden.clear();
    world.kube.change(|data, _| {
        data.config_maps
            .insert("left-0".to_owned(), serde_json::json!({"metadata": {"name": "left-0"}}));
    });
    let fourth = start(&world, "d");
    assert_eq!(sync(&world).await, all);
    fourth.stop().await;
}

#[tokio::test]
async fn what_was_dropped_is_taken_back_and_nobody_takes_it_up() {
    let world = World::new().await;
    world.pingone.change(&Changes::of(ChangeKind::UpdateUser, 1));
    given_back(&world);
    let first = start(&world, "a");
    let all = sync(&world).await;
    first.stop().await;
    let is_left = || world.kube.data().config_maps["left-0"]["binaryData"].is_object();
    assert!(is_left());
    let kept = folder(&world.path("a"), world.pingone.environment_id());
    assert!(discard(&kept).unwrap() && was_dropped(&kept));
    let second = start(&world, "a");
    assert_eq!(sync(&world).await, all, "{}", second.log());
    second.stop().await;
    assert!(is_left() && !was_dropped(&kept), "it is left anew");

    // Neither does a pod that has no folder yet when somebody drops what there is.
    std::fs::create_dir_all(world.path("b")).unwrap();
    let dropped = tokio::process::Command::new(env!("CARGO_BIN_EXE_baton-ping-one"))
        .args(["state", "drop", "--state-dir"])
        .arg(world.path("b"))
        .env_clear()
        .output();
    let dropped = soon(dropped).await.unwrap();
    assert!(dropped.status.success(), "{dropped:?}");
    let third = start(&world, "b");
    assert_eq!(sync(&world).await, all, "{}", third.log());
    third.stop().await;
    let left = folder(&world.path("b"), world.pingone.environment_id());
    assert!(is_left() && !was_dropped(&left), "it is left anew");
}
