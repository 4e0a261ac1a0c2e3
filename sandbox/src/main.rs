//! Program form of the stand-ins.

use clap::{CommandFactory as _, Parser, Subcommand};
use sandbox::pingone;
use std::io::Write as _;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const PINGONE_HELP: &str = r#"The sandbox's own paths on the API listener:
  GET  /sandbox/requests          what was asked, by method, path shape and status
  POST /sandbox/requests/reset    count anew
  GET  /sandbox/state             sizes, and the least calls of a sync
  GET  /sandbox/state?full=true   every row of the true state as JSON lines
  GET  /sandbox/faults            the planned faults, and how many requests each has hit
  POST /sandbox/faults            replace the planned faults by a JSON array
  POST /sandbox/changes           {"count":200,"seed":7,"kinds":["move-user"],"silent":false}: changes by others, drawn at random
  POST /sandbox/sign-ons          {"count":9}: activities of people who sign on to applications
  POST /sandbox/tokens/expire     make every token unknown
  POST /sandbox/secret            {"keep_old":true}: a new secret of the worker, the old one beside it
  POST /sandbox/secret/retire     refuse older secrets and tokens made with them

A fault: {"method":"GET","path":"*/users","query":"limit","nth":3,"times":1,"action":{"status":{"status":503,"retry_after":"2"}}}
times 0 means all from the n-th on. The actions are in the table of `sandbox knobs`."#;

/// Stand-ins for PingOne and C1.
#[derive(Parser)]
#[command(version)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A strict fake of PingOne; prints one line of JSON with its addresses, ids and secrets, then serves until it is stopped.
    #[command(after_long_help = PINGONE_HELP)]
    Pingone(Box<pingone::Options>),
    /// A C1 that hands out the tasks it is given and keeps a log of what it receives.
    C1(sandbox::c1::Program),
    /// Print the table of every knob
    #[command(hide = true)]
    Knobs,
}

fn main() -> anyhow::Result<()> {
    let options = match Line::parse().command {
        Command::Pingone(options) => options,
        Command::C1(program) => return program.run(),
        Command::Knobs => {
            write!(std::io::stdout(), "{}", sandbox::knobs::table(&Line::command()))?;
            return Ok(());
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.listen.threads.max(1))
        .enable_all()
        .build()?;
    runtime.block_on(serve_pingone(*options))
}

async fn serve_pingone(options: pingone::Options) -> anyhow::Result<()> {
    let file = options.listen.credentials_file.clone();
    let mut server = pingone::start(options).await?;
    let line = announcement(&server);
    if let Some(file) = file {
        write_private(&file, &format!("{line}\n"))?;
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    drop(out);
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        () = server.wait() => {}
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    server.shutdown().await;
    Ok(())
}

/// Addresses, ids and secrets.
fn announcement(server: &pingone::Server) -> serde_json::Value {
    let (foreign_id, foreign_secret) = server.foreign_client();
    serde_json::json!({
        "api_url": server.api_url(), "auth_url": server.auth_url(), "environment_id": server.environment_id(),
        "client_id": server.client_id(), "client_secret": server.client_secret(),
        "other_environment_id": server.other_environment_id(), "organization_id": server.organization_id(),
        "foreign_client_id": foreign_id, "foreign_client_secret": foreign_secret,
    })
}

/// Writes a file that only its owner can read, whole or not at all.
fn write_private(path: &std::path::Path, text: &str) -> anyhow::Result<()> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(std::path::Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_lists_every_knob_as_it_is() {
        let table = sandbox::knobs::table(&Line::command());
        assert!(
            include_str!("../README.md").contains(&table),
            "put what `cargo run -p sandbox -- knobs` prints in place of the table in sandbox/README.md"
        );
    }

    #[tokio::test]
    async fn addresses_and_credentials_are_announced_in_a_private_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("credentials");
        let arguments = ["sandbox", "pingone", "--threads", "1", "--preset", "empty"];
        let addresses = [
            "--api-addr",
            "127.0.0.2:0",
            "--auth-addr",
            "127.0.0.3:0",
            "--credentials-file",
        ];
        let all = arguments.iter().chain(&addresses).map(std::ffi::OsStr::new);
        let Command::Pingone(options) = Line::parse_from(all.chain([file.as_os_str()])).command else {
            panic!("another command");
        };
        assert_eq!(options.listen.threads, 1);
        assert_eq!(options.listen.credentials_file.as_deref(), Some(file.as_path()));
        let server = pingone::start(*options).await.unwrap();
        let line = announcement(&server);
        assert!(
            line["api_url"].as_str().unwrap().starts_with("http://127.0.0.2:"),
            "{line}"
        );
        assert!(
            line["auth_url"].as_str().unwrap().starts_with("http://127.0.0.3:"),
            "{line}"
        );
        write_private(&file, &line.to_string()).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
