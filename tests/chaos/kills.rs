//! SIGKILL at many points of a sync and of each change: the next life uploads what an undisturbed one would, changes
//! nothing a second time, and clears away what the dead one left.

use std::time::Duration;

use sandbox::c1::Step;
use tokio::time::Instant;

use crate::dice::Dice;
use crate::number;
use crate::run::{Report, Run};
use crate::schedule::Op;
use crate::small::small;
use crate::world::World;

/// One world: each of `ops` is killed once at a random point of its work, then done by the next life.
async fn killed(seed: u64, ops: &[Op]) -> Report {
    let mut options = small();
    options.directory.seed = 1 + seed % 5;
    // A call takes long enough to be killed in.
    options.timing.latency_ms = 5;
    let mut dice = Dice::new(u32::try_from(seed).unwrap());
    let world = World::new(options, 3_600, false).await;
    let mut run = Run::new(world, Duration::ZERO);
    run.start();
    run.world.c1.wait_for("Hello", 1).await;
    for op in ops {
        if *op == Op::Sync && dice.one_in(3) {
            // In the upload.
            run.world
                .c1
                .plan(sandbox::c1::Rpc::UploadAsset, [Step::StallAfter(dice.below(2))]);
        }
        let Some(id) = run.queue(*op) else { continue };
        // The task is out, and its work begins.
        run.world.c1.wait_until(|c1| !c1.is_queued(&id)).await;
        let most = if *op == Op::Sync { 1_000 } else { 150 };
        let point = Instant::now() + Duration::from_millis(u64::try_from(dice.below(most)).unwrap());
        run.until(point).await;
        run.world.kill().await;
        run.world.c1.clear_plan(sandbox::c1::Rpc::UploadAsset);
        run.start();
        run.world.c1.requeue_unfinished();
        run.all_finished().await;
    }
    run.finish().await
}

async fn all(worlds: u64, first: u64) -> (Report, Vec<String>) {
    let (mut total, mut faults, started) = (Report::default(), Vec::new(), Instant::now());
    for seed in first..first + worlds {
        let report = killed(seed, &Op::ALL).await;
        println!("kills {seed}: {}", report.line());
        faults.extend(report.broken.iter().map(|rule| format!("kills {seed}: {rule}")));
        total.add(&report);
    }
    println!("kills: {}", total.summary(started.elapsed()));
    (total, faults)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_each_kind_of_work_it_is_done_once_by_the_next_life() {
    let (total, faults) = all(1, 1).await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(total.kills >= 7, "{total:?}");
}

/// `make chaos MODE=kills RUNS=…`: eight kills each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos MODE=kills"]
async fn many_kills() {
    let (_, faults) = all(number("CHAOS_RUNS", 50), number("CHAOS_SEED", 1)).await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
