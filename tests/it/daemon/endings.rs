//! Signals to the program at the worst moments: each task is finished once or honestly failed, nothing is left.

use std::time::Duration;

use sandbox::c1::{Rpc, Step};
use sandbox::pingone::{Fault, FaultAction};

use super::rig::{CLIENT_ID, Daemon, World, soon};
use crate::service::script::sync;

fn values(world: &World) -> Vec<(&'static str, String)> {
    let mut values = world.pingone_values().to_vec();
    values.push(("BATON_CLIENT_ID", CLIENT_ID.to_owned()));
    values.push(("BATON_CLIENT_SECRET", world.c1_secret.clone()));
    values
}

/// Everything in the directory for temporary files, at any depth.
fn files(world: &World) -> Vec<String> {
    let (mut found, mut dirs) = (Vec::new(), vec![world.path("tmp")]);
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            if entry.path().is_dir() {
                dirs.push(entry.path());
            }
            found.push(entry.file_name().into_string().unwrap());
        }
    }
    found
}

fn uploads_under_way(world: &World) -> usize {
    let found = files(world);
    found
        .iter()
        .filter(|name| name.starts_with("baton-sdk-sync-upload"))
        .count()
}

/// Waits until the file of a sync is there and its upload has begun.
async fn uploading(world: &World, daemon: &Daemon) {
    daemon
        .until("/metrics", |_, body| {
            body.lines()
                .any(|line| line.starts_with("baton_ping_one_sync_objects") && !line.ends_with(" 0"))
        })
        .await;
    assert_eq!(uploads_under_way(world), 1, "{:?}", files(world));
}

fn codes(world: &World, id: &str) -> Vec<i32> {
    let finishes = world.c1.finishes(id).into_iter();
    finishes
        .map(|finish| finish.status.map_or(0, |status| status.code))
        .collect()
}

fn slow_pages() -> Fault {
    Fault {
        method: Some("GET".to_owned()),
        path: "*/users".to_owned(),
        query: None,
        nth: 1,
        times: 0,
        action: FaultAction::Hang,
    }
}

#[tokio::test]
async fn killed_in_an_upload_again_and_again_it_leaves_one_directory_and_the_next_removes_it() {
    let world = World::new().await;
    let env = values(&world);
    // Another one that lives in the same directory keeps its files.
    let other = world.start(
        &[
            "--sync-interval=1h",
            &format!("--file={}", world.path("other.c1z").display()),
        ],
        &world.pingone_values(),
    );
    other.ready().await;
    let id = world.c1.queue(sync());
    for _ in 0..3 {
        world.c1.plan(Rpc::UploadAsset, [Step::StallAfter(0)]);
        let mut daemon = world.start(&[], &env);
        uploading(&world, &daemon).await;
        daemon.signal("-KILL");
        assert!(!daemon.ended().await.success());
        assert_eq!(uploads_under_way(&world), 1, "{:?}", files(&world));
        assert!(codes(&world, &id).is_empty());
        // Killed before its upload began, it has left the stall to the next one.
        world.c1.clear_plan(Rpc::UploadAsset);
        world.c1.requeue_unfinished();
    }
    let daemon = world.start(&[], &env);
    soon(world.c1.finished(&id)).await;
    assert_eq!(codes(&world, &id), [0]);
    let whole = world
        .c1
        .uploads(&id)
        .iter()
        .filter(|upload| upload.file.is_some())
        .count();
    assert_eq!(whole, 1, "nothing of a partial sync");
    let (status, log) = daemon.stop().await;
    assert!(status.success(), "{log}");
    assert!(log.contains("of a process that was killed were removed"), "{log}");
    assert_eq!(files(&world).len(), 2, "the other one's: {:?}", files(&world));
    assert!(other.stop().await.0.success());
    assert_eq!(files(&world), [""; 0]);
    assert!(world.c1.violations().is_empty(), "{:?}", world.c1.violations());
}

#[tokio::test]
async fn sigterm_while_idle_ends_well() {
    let world = World::new().await;
    let daemon = world.start(&[], &values(&world));
    daemon.ready().await;
    soon(world.c1.wait_for("GetTask", 2)).await;
    let (status, log) = daemon.stop().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert_eq!(files(&world), [""; 0]);
}

#[tokio::test]
async fn sigterm_in_the_middle_of_a_page_cancels_the_sync_and_reports_it() {
    let world = World::new().await;
    world.pingone.set_faults(vec![slow_pages()]);
    let daemon = world.start(&[], &values(&world));
    let id = world.c1.queue(sync());
    let asked = async {
        while world.pingone.requests().of("GET", "/environments/{id}/users") == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon(asked).await;
    let (status, log) = daemon.stop().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert_eq!(codes(&world, &id), [1]);
    assert!(world.c1.uploads(&id).is_empty());
    assert_eq!(files(&world), [""; 0]);
}

#[tokio::test]
async fn sigterm_in_an_upload_cancels_it_and_reports_it() {
    let world = World::new().await;
    world.c1.plan(Rpc::UploadAsset, [Step::StallAfter(0)]);
    let daemon = world.start(&[], &values(&world));
    let id = world.c1.queue(sync());
    uploading(&world, &daemon).await;
    let (status, log) = daemon.stop().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert_eq!(codes(&world, &id), [1]);
    assert!(world.c1.uploads(&id).iter().all(|upload| upload.file.is_none()));
    assert_eq!(files(&world), [""; 0]);
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    for second in ["-TERM", "-INT"] {
        let world = World::new().await;
        world.pingone.set_faults(vec![slow_pages()]);
        // The report of the cancelled sync never gets through.
        world.c1.plan(Rpc::FinishTask, vec![Step::Hang; 9]);
        let mut daemon = world.start(&[], &values(&world));
        let id = world.c1.queue(sync());
        soon(world.c1.wait_for("Heartbeat", 1)).await;
        daemon.signal("-TERM");
        soon(world.c1.wait_for("FinishTask", 1)).await;
        daemon.signal(second);
        let status = daemon.ended().await;
        assert_eq!(status.code(), Some(143), "{}", daemon.log());
        assert!(
            world.c1.count("FinishTask") == 1,
            "it did not wait for the next attempt"
        );
        assert!(codes(&world, &id).len() <= 1);
        // What it left goes with the next start.
        let next = world.start(&[], &values(&world));
        next.ready().await;
        assert!(next.stop().await.0.success());
        assert_eq!(files(&world), [""; 0]);
    }
}
