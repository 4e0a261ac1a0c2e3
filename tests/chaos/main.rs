//! The real program between both stand-ins while everything goes wrong, by seeded schedules; an oracle compares what C1
//! and PingOne ended with against what the schedule asked for. `make chaos` runs many; here are a few. A seed that once
//! failed becomes a test of its own.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::large_futures,
    reason = "test code"
)]

mod canary;
#[path = "../it/dice.rs"]
mod dice;
#[path = "../it/knobs/oracle.rs"]
mod facts;
mod kills;
mod oracle;
mod planted;
#[path = "../it/port.rs"]
mod port;
mod resume;
mod run;
mod schedule;
#[path = "../it/knobs/small.rs"]
mod small;
mod world;

use std::sync::Arc;
use std::time::{Duration, Instant};

use run::Report;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Schedules of the quick run.
const QUICK: u64 = 24;
/// Schedules side by side: they mostly wait.
const LANES: usize = 8;

/// The number in a variable of the environment.
#[expect(clippy::disallowed_methods, reason = "how make hands its arguments over")]
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// Runs schedules one after the other in lanes, a line for each, until `limit` is over.
async fn runs(seeds: impl Iterator<Item = u64>, limit: Duration) -> (Report, Vec<String>) {
    let (room, started) = (Arc::new(Semaphore::new(LANES)), Instant::now());
    let mut lanes = JoinSet::new();
    for seed in seeds {
        let permit = Arc::clone(&room).acquire_owned().await.unwrap();
        if started.elapsed() > limit {
            println!("the time is over before seed {seed}");
            break;
        }
        lanes.spawn(async move {
            let outcome = run::run(seed).await;
            drop(permit);
            println!("seed {seed}: {}", outcome.line());
            (seed, outcome)
        });
    }
    let (mut total, mut faults) = (Report::default(), Vec::new());
    while let Some(ended) = lanes.join_next().await {
        let (seed, report) = ended.unwrap();
        faults.extend(report.broken.iter().map(|rule| format!("seed {seed}: {rule}")));
        total.add(&report);
    }
    println!("{}", total.summary(started.elapsed()));
    (total, faults)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_dozen_schedules_leave_nothing_wrong_nothing_twice_and_nothing_lost() {
    let (total, faults) = runs(1..=QUICK, Duration::from_mins(10)).await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // Schedules in which nothing happens prove nothing.
    assert!(total.kills > 2 && total.stops > 2 && total.faults > 80, "{total:?}");
    assert!(total.done > 60 && total.writes > 40, "{total:?}");
}

/// `make chaos SEED=… RUNS=… MINUTES=…`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn many_schedules() {
    let first = number("CHAOS_SEED", 1);
    let minutes = number("CHAOS_MINUTES", 60);
    let seeds = first..first + number("CHAOS_RUNS", 1_000);
    let (_, faults) = runs(seeds, Duration::from_mins(minutes)).await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
