//! Wiring only: builds the parts, hands each its dependencies, prints results. Knows every module; no module knows it.

mod abilities;
mod board;
mod client_key;
mod connect;
mod context;
mod credentials;
mod daemon;
mod diff;
mod doctor;
mod handover;
mod history;
mod inspect;
mod leader;
mod man;
mod observations;
mod observe;
mod one_shot;
mod one_shot_events;
mod one_shot_provision;
mod proof;
pub mod report;
mod rows;
mod standalone;
mod state;
mod status;
mod syncs;
mod term;
mod terminal;
mod traces;
mod workspace;
mod writes;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::admin::{Endpoint, HealthCheck, HealthCheckError};
use crate::config::{Command, Config, ConfigError, Invocation, LogSettings, OneShot, SyncApplications, command_line};
use crate::feed::AuditFeed;
use crate::manifest;
use crate::model::APPLICATION;
use baton::session::{InvalidProxy, ProxyConfig, SessionConfig, Trust};
use pingone::Client;
use process::error::io_words;
use process::telemetry::{LogConfig, LogControl, LogFormat, LogLevel};
use traces::Traces;

/// Exit code of a failure at run time.
const FAILED: u8 = 1;
/// Exit code of `diff` where it could not compare: 1 says that the files differ.
const NOT_COMPARED: u8 = 2;
/// How long the end of the process waits for the last records to be written.
const LAST_RECORDS: Duration = Duration::from_secs(1);
/// Of the shutdown's budget: for the reports of cancelled work.
const REPORTS: Duration = Duration::from_secs(5);

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
    let text = chain(error.as_ref());
    let text = text.strip_prefix("baton-ping-one: ").unwrap_or(&text);
    writeln!(io::stderr(), "baton-ping-one: {text}").ok();
}

fn run(invocation: Invocation) -> anyhow::Result<u8> {
    let config = invocation.config;
    let print = |text: &[u8]| {
        let printed = io::stdout().lock().write_all(text).context("print the result");
        rows::unless_pipe_is_closed(printed)
    };
    match invocation.command {
        Command::Config => print(manifest::config_document().as_bytes())?,
        Command::Capabilities => print(manifest::capabilities_document()?.as_bytes())?,
        Command::Inspect(inspect) => return Ok(u8::from(!inspect::show(&inspect, &config.temp_dir)?)),
        Command::State(command) => return observations::command(command, config.state_dir.as_deref()),
        Command::Completion(shell) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command_line(), "baton-ping-one", &mut script);
            print(&script)?;
        }
        Command::Man(of) => print(&man::page(command_line(), of.as_deref())?)?,
        Command::HealthCheck { endpoint, timeout } => return health_check(&config, &endpoint, timeout),
        Command::Diff(asked) => {
            return Ok(match diff::show(&asked, &config.temp_dir) {
                Ok(differ) => u8::from(differ),
                Err(error) => {
                    complain(&error);
                    NOT_COMPARED
                }
            });
        }
        Command::Doctor(doctor) => {
            let runtime = runtime()?;
            let code = runtime.block_on(doctor::run(&config, &doctor));
            runtime.shutdown_background();
            return code;
        }
        Command::Status => return runtime()?.block_on(status::show(&config)),
        Command::Run => {
            let runtime = runtime()?;
            let traces = {
                let _inside = runtime.enter();
                config.traces.as_ref().map(Traces::start).transpose()?
            };
            let log = daemon::start_logging(&config, traces.as_ref())?;
            let code = runtime.block_on(work(config, log.clone()));
            if let Some(traces) = traces {
                traces.end();
            }
            // Whoever reads the log may have stopped: the end does not wait for them.
            log.flush(LAST_RECORDS);
            // A name that is still being looked up must not hold the end up.
            runtime.shutdown_background();
            return code;
        }
    }
    Ok(0)
}

/// Silent when the daemon is well; its own exit codes otherwise (c1-protocol.md §7.6).
fn health_check(config: &Config, endpoint: &str, timeout: std::time::Duration) -> anyhow::Result<u8> {
    let endpoint = match Endpoint::parse(endpoint) {
        Ok(endpoint) => endpoint,
        Err(error) => return Ok(unhealthy(error)),
    };
    let check = HealthCheck {
        address: config.admin.address.to_string(),
        port: config.admin.port,
        endpoint,
        timeout,
    };
    match runtime()?.block_on(check.run()) {
        Ok(()) => Ok(0),
        Err(error) => Ok(unhealthy(error)),
    }
}

fn unhealthy(error: HealthCheckError) -> u8 {
    let code = error.exit_code();
    complain(&anyhow::Error::new(error));
    code
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

/// The event feed. Its sign-ons name applications where each sync has all of them.
fn audit_feed(config: &Config, client: &Client) -> AuditFeed {
    let types = &config.sync.resource_types;
    let synced = types.is_empty() || types.iter().any(|kind| kind == APPLICATION.id());
    let all = config.sync.access.applications == SyncApplications::All;
    AuditFeed::new(client).naming_applications(all && synced)
}

/// What the session takes of the settings.
fn session_config(config: &Config) -> SessionConfig {
    let grace = config.schedule.shutdown_grace;
    let reports = REPORTS.min(grace / 2);
    SessionConfig {
        api_host: config.c1_api_host.clone(),
        host_id: config.host_id.clone(),
        batched: config.schedule.get_tasks,
        task_concurrency: config.schedule.task_concurrency,
        token_limit: config.pingone.timeout,
        user_agent_suffix: config.user_agent_suffix.clone(),
        trust: Trust::System,
        reports,
        drain_limit: grace.saturating_sub(reports),
    }
}

fn proxy(config: &Config) -> Result<ProxyConfig, InvalidProxy> {
    ProxyConfig::new(config.https_proxy.as_deref(), config.no_proxy.as_deref())
}

/// An error with its causes in one line; causes that the text already tells, in whichever words, are not repeated.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        let in_words = cause.downcast_ref::<io::Error>().map(io_words);
        if !text.contains(&more) && !in_words.is_some_and(|words| text.contains(&words)) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}

/// The exit code of settings that cannot be worked with (style: 64, bad configuration).
const REFUSED: u8 = 64;

async fn work(config: Config, log: LogControl) -> anyhow::Result<u8> {
    if let Err(error) = tempfile::tempfile_in(&config.temp_dir) {
        let dir = config.temp_dir.display();
        writeln!(
            io::stderr(),
            "baton-ping-one: files cannot grow in {dir}: {error}. Set --c1z-temp-dir (BATON_C1Z_TEMP_DIR) to a directory \
             that exists and may be written"
        )
        .ok();
        return Ok(REFUSED);
    }
    if daemon::is_wanted(&config)
        && let Err(problem) = credentials::fixed(&config)
    {
        writeln!(io::stderr(), "baton-ping-one: {problem}").ok();
        return Ok(REFUSED);
    }
    if config.keep_previous_sync {
        tracing::warn!(
            "keep-previous-sync-c1z has no effect: no sync of baton-ping-one takes over rows of the one before"
        );
    }
    if config.pingone.insecure {
        tracing::warn!(
            "insecure is on: PingOne is reached without proof of who answers; whoever is in between can read the client \
             secret and change what is synced"
        );
    }
    if daemon::is_wanted(&config) {
        return Box::pin(daemon::serve(config, log)).await;
    }
    let cancel = CancellationToken::new();
    let ended = CancellationToken::new();
    let _signals = process::runtime::spawn::spawn(stop_on_signal(cancel.clone(), ended.clone()));
    let outcome = tokio::select! {
        biased;
        outcome = Box::pin(one_shot(config, cancel)) => Some(outcome),
        () = ended.cancelled() => None,
    };
    let Some(outcome) = outcome else {
        // What was dropped in the middle of a write leaves its audit line, and a password file that holds nothing goes.
        tokio::time::sleep(DROPPED).await;
        let text = "baton-ping-one: ended by a second signal; what was under way may be done or not. Run it again";
        writeln!(io::stderr(), "{text}").ok();
        std::process::exit(i32::from(FAILED));
    };
    outcome
}

/// What is done without C1.
async fn one_shot(config: Config, cancel: CancellationToken) -> anyhow::Result<u8> {
    if let OneShot::EventFeed { .. } = config.one_shot {
        return one_shot_events::run(&config, cancel).await;
    }
    if one_shot_provision::is_wanted(&config.one_shot) {
        return Box::pin(one_shot_provision::run(config, cancel).instrument(one_shot_span())).await;
    }
    Box::pin(one_shot::sync(config, cancel).instrument(one_shot_span())).await
}

/// What is done without C1 is one task, too.
fn one_shot_span() -> tracing::Span {
    tracing::debug_span!("task", task_type = "one_shot")
}

/// Time for what is dropped to end.
const DROPPED: Duration = Duration::from_millis(100);

/// The first SIGINT or SIGTERM ends the work in order, the second drops it. Where even that does not end it, the process does.
async fn stop_on_signal(cancel: CancellationToken, ended: CancellationToken) {
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
    ended.cancel();
    tokio::time::sleep(DROPPED.saturating_mul(10)).await;
    std::process::exit(i32::from(FAILED));
}
