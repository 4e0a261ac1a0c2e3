//! Program entry.

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A C1 that hands out the tasks it is given and keeps a log of what it receives.
    C1(sandbox::c1::Program),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::C1(program) => program.run(),
    }
}
