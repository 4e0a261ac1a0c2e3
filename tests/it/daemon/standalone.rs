//! Without C1: syncs on its own schedule.

use std::time::Duration;

use baton::c1z::{Limits, Reader};

use super::rig::{World, soon};

fn sync_id(world: &World) -> Option<String> {
    let reader = Reader::open(&world.path("sync.c1z"), &world.path("tmp"), Limits::default()).ok()?;
    Some(reader.run().sync_id.clone())
}

#[tokio::test]
async fn the_file_is_replaced_at_each_run_and_nothing_else_is_left() {
    let world = World::new().await;
    let file = format!("--file={}", world.path("sync.c1z").display());
    let daemon = world.start(&[&file, "--sync-interval=2s"], &world.pingone_values());
    daemon.ready().await;
    let waiting = async {
        let mut seen = Vec::new();
        while seen.len() < 2 {
            if let Some(id) = sync_id(&world)
                && !seen.contains(&id)
            {
                seen.push(id);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon(waiting).await;
    // A run that fails leaves the last good file.
    world.pingone.revoke_worker_roles();
    let has_failed = |line: &str| {
        let count = line.strip_prefix("baton_ping_one_sync_duration_seconds_count{outcome=\"error\"} ");
        count.is_some_and(|count| count != "0")
    };
    daemon.until("/metrics", |_, body| body.lines().any(has_failed)).await;
    assert!(sync_id(&world).is_some());
    let (status, log) = daemon.stop().await;
    assert!(status.success(), "{log}");
    assert!(log.contains("the file of the last good one stays"), "{log}");
    assert_eq!(
        std::fs::read_dir(world.path("tmp")).unwrap().count(),
        0,
        "files are left"
    );
    assert_eq!(world.c1.log().len(), 0);
}
