//! Wiring only: builds the parts, hands each its dependencies, prints results. Knows every module; no module knows it.

mod connect;
mod inspect;
mod one_shot;
pub mod report;
mod state;
mod terminal;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use crate::config::{Command, Config, ConfigError, Invocation, LogSettings, OneShot, command_line};
use crate::manifest;
use crate::telemetry::{LogConfig, LogFormat, LogLevel};

/// Exit code of a failure at run time.
const FAILED: u8 = 1;

/// Runs the program; answers its exit code (style: 0 clean, 1 failure, 64 bad configuration).
pub fn main() -> u8 {
    let invocation = match Invocation::of_process() {
        Ok(invocation) => invocation,
        Err(error) => return refused(&error),
    };
    match run(invocation) {
        Ok(code) => code,
        Err(error) => {
            complain(&error);
            FAILED
        }
    }
}

fn refused(error: &ConfigError) -> u8 {
    match error {
        // Knows itself whether it is help for stdout or a complaint for stderr, and whether colours are wanted.
        ConfigError::CommandLine(error) => error.print().ok(),
        other => writeln!(io::stderr(), "baton-ping-one: {other}").ok(),
    };
    error.exit_code()
}

/// One line: what failed and why. Causes that the text already holds are not repeated.
fn complain(error: &anyhow::Error) {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.contains(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    writeln!(io::stderr(), "baton-ping-one: {text}").ok();
}

fn run(invocation: Invocation) -> anyhow::Result<u8> {
    let config = invocation.config;
    let print = |text: &str| {
        io::stdout()
            .lock()
            .write_all(text.as_bytes())
            .context("print the result")
    };
    match invocation.command {
        Command::Config => print(&manifest::config_document())?,
        Command::Capabilities => print(&manifest::capabilities_document()?)?,
        Command::Inspect(inspect) => inspect::show(&inspect, &config.temp_dir)?,
        Command::Completion(shell) => {
            clap_complete::generate(shell, &mut command_line(), "baton-ping-one", &mut io::stdout());
        }
        Command::HealthCheck { .. } => anyhow::bail!("health-check is not there before the daemon is"),
        Command::Run => {
            log_config(&config.log).install().context("set up logging")?;
            return runtime()?.block_on(work(config));
        }
    }
    Ok(0)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")
}

fn log_config(settings: &LogSettings) -> LogConfig {
    let console = match settings.format.as_str() {
        "" => io::stdout().is_terminal(),
        format => format == "console",
    };
    LogConfig {
        // A level that is not known is info, as C1's other connectors have it (c1-protocol.md §12.2).
        level: settings.level.parse().unwrap_or(LogLevel::Info),
        format: if console { LogFormat::Console } else { LogFormat::Json },
        paths: settings.paths.iter().map(PathBuf::from).collect(),
    }
}

async fn work(config: Config) -> anyhow::Result<u8> {
    let cancel = CancellationToken::new();
    let _signals = crate::runtime::spawn::spawn(stop_on_signal(cancel.clone()));
    anyhow::ensure!(
        config.c1.is_none() && config.schedule.sync_interval.is_none(),
        "serving C1 is not there yet: leave client-id and sync-interval out"
    );
    match config.one_shot {
        OneShot::Sync => one_shot::sync(config, cancel).await,
        _ => anyhow::bail!("one-shot provisioning is not there yet"),
    }
}

/// The first SIGINT or SIGTERM ends the work in order, the second ends the process.
async fn stop_on_signal(cancel: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    for round in 0..2 {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if round == 0 {
            tracing::info!("a signal asked to stop");
            cancel.cancel();
        }
    }
    std::process::exit(i32::from(FAILED));
}
