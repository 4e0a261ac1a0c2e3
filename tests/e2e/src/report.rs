//! What is printed.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::cases::{Case, Outcome};
use crate::world::World;

/// One line to standard output.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

/// Prints the measured times with their limits.
pub fn measured(times: &[(String, Duration, Duration)]) {
    for (what, took, limit) in times {
        let verdict = if took <= limit { "within" } else { "OVER" };
        say(&format!(
            "time  {what}: {:.1} s, {verdict} {:.1} s",
            took.as_secs_f64(),
            limit.as_secs_f64()
        ));
    }
}

/// Counts outcomes.
#[derive(Debug, Default)]
pub struct Report {
    passed: usize,
    skipped: usize,
    /// Passed when they ran for the second time.
    unsteady: Vec<&'static str>,
    failed: Vec<&'static str>,
}

impl Report {
    /// Runs one case and prints its line. One that fails runs a second time: a pass then counts, and the last lines name it.
    pub async fn run(&mut self, case: &'static Case, world: &World) {
        if self.attempt(case, world).await {
            return;
        }
        say(&format!("again {}", case.name));
        if self.attempt(case, world).await {
            self.unsteady.push(case.name);
        } else {
            self.failed.push(case.name);
        }
    }

    /// Whether the case did not fail.
    async fn attempt(&mut self, case: &'static Case, world: &World) -> bool {
        let begun = Instant::now();
        let outcome = (case.run)(world).await;
        let took = begun.elapsed().as_secs_f64();
        match &outcome {
            Ok(Outcome::Passed) => {
                self.passed += 1;
                say(&format!("ok    {} ({took:.1} s)", case.name));
            }
            Ok(Outcome::Skipped(reason)) => {
                self.skipped += 1;
                say(&format!("skip  {}: {reason}", case.name));
            }
            Err(error) => say(&format!("FAIL  {} ({took:.1} s): {error:#}", case.name)),
        }
        world.clean(outcome.is_err()).await;
        outcome.is_ok()
    }

    /// The last line; an error if a case failed.
    pub fn finish(self) -> anyhow::Result<()> {
        if !self.unsteady.is_empty() {
            say(&format!(
                "UNSTEADY: {} failed once and passed again",
                self.unsteady.join(", ")
            ));
        }
        say(&format!(
            "{} passed, {} skipped, {} failed",
            self.passed,
            self.skipped,
            self.failed.len()
        ));
        ensure!(self.failed.is_empty(), "failed: {}", self.failed.join(", "));
        Ok(())
    }
}
