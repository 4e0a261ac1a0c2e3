//! The chart and the image on a real cluster: installs, rotates, freezes, drains, and watches what PingOne and C1 see.
//!
//! Cases run one after the other, each in its own namespace under restricted pod security, with stand-ins for PingOne
//! and C1 that run as pods too. What needs the node (freezing a process, stopping the API server) is skipped with a reason on
//! a cluster that is not ours. The last lines are the measured times.

#![allow(
    clippy::indexing_slicing,
    reason = "an index into JSON answers null where nothing is"
)]

mod cases;
mod cluster;
mod daemon;
mod options;
mod report;
mod run;
mod sandboxes;
mod wait;
mod world;

use clap::Parser;

use crate::options::Options;
use crate::report::Report;
use crate::world::World;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if options.list {
        for case in cases::ALL {
            report::say(&format!("{}\t{}", case.name, case.shows));
        }
        return Ok(());
    }
    let missing = options.missing().await;
    anyhow::ensure!(missing.is_empty(), "cannot start:\n  - {}", missing.join("\n  - "));
    let world = World::start(options).await?;
    let mut report = Report::default();
    for case in cases::ALL.iter().filter(|case| world.options.wants(case.name)) {
        report.run(case, &world).await;
    }
    report::measured(&world.measured());
    world.end().await;
    report.finish()
}
