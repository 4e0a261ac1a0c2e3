//! Random operations with random faults, against the stand-in and a model of what should be: no access given or left
//! that the model does not have, no account made twice, no password where it can be read. Each planted fault must be
//! caught by the same run. Seeded: a failure names its seed and step.

mod fault;
mod model;
mod perform;
mod planted;
mod run;

use std::thread;

use planted::Plant;
use run::{Report, Run};

/// Operations of the whole run.
const STEPS: u32 = 10_000;
/// Runs that share them, each with its own seed and its own answers where PingOne's are not certain.
const SEEDS: u32 = 10;
/// Most operations until a planted fault must show.
const PLANTED_STEPS: u32 = 700;

/// One run on a runtime of its own, in paused time.
fn run(seed: u32, steps: u32, plant: Option<Plant>) -> Result<Report, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async { Run::new(seed, plant).await.steps(steps).await })
}

fn side_by_side(plant: Option<Plant>, seeds: u32, steps: u32) -> Vec<Result<Report, String>> {
    let lanes = 2;
    let threads: Vec<_> = (0..lanes)
        .map(|lane| {
            thread::spawn(move || {
                let seeds = (0..seeds).filter(|seed| seed % lanes == lane);
                seeds.map(|seed| run(seed, steps, plant)).collect::<Vec<_>>()
            })
        })
        .collect();
    threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
}

#[test]
fn ten_thousand_random_operations_do_what_the_model_says() {
    let mut total = Report::default();
    for report in side_by_side(None, SEEDS, STEPS / SEEDS) {
        total.add(&report.unwrap_or_else(|fault| panic!("{fault}")));
    }
    println!("{total:?}");
    // A run in which nothing happens proves nothing.
    assert_eq!(total.steps, STEPS);
    assert!(total.faults * 4 > STEPS && total.changed * 5 > STEPS, "{total:?}");
    assert!(
        total.already > 100 && total.refused > 100 && total.undecided > 20,
        "{total:?}"
    );
}

fn caught(plant: Plant) {
    for seed in 0..4 {
        if let Err(fault) = run(seed, PLANTED_STEPS, Some(plant)) {
            println!("{plant:?}: {fault}");
            return;
        }
    }
    panic!("{plant:?} was not caught");
}

#[test]
fn a_write_repeated_after_a_lost_answer_is_caught() {
    caught(Plant::RepeatsBlindly);
}

#[test]
fn a_404_taken_as_revoked_is_caught() {
    caught(Plant::TakesMissingAsRevoked);
}

#[test]
fn already_exists_without_a_read_is_caught() {
    caught(Plant::TakesRefusalAsExists);
}

#[test]
fn a_dropped_scope_is_caught() {
    caught(Plant::DropsScope);
}

#[test]
fn a_wrong_principal_type_is_caught() {
    caught(Plant::MixesPrincipals);
}

#[test]
fn a_password_in_a_log_is_caught() {
    caught(Plant::LogsPassword);
}
