//! Other programs.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Longest time that any program may take.
const LONGEST: Duration = Duration::from_mins(6);

/// Runs a program to its end; its standard output, or an error with what it said.
pub async fn output(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    with_input(program, arguments, "").await
}

/// As [`output`], with text on its standard input.
pub async fn with_input(program: &str, arguments: &[&str], input: &str) -> anyhow::Result<String> {
    let done = to_its_end(program, arguments, input).await?;
    ensure!(
        done.succeeded,
        "{program} {}: failed: {}{}",
        arguments.join(" "),
        done.err,
        done.out
    );
    Ok(done.out)
}

/// How a program ended and what it said.
#[derive(Debug)]
pub struct Done {
    /// Its exit status is 0.
    pub succeeded: bool,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

/// Runs a program to its end, whatever its exit status is.
pub async fn to_its_end(program: &str, arguments: &[&str], input: &str) -> anyhow::Result<Done> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{program} cannot be started"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).await?;
    }
    let done = tokio::time::timeout(LONGEST, child.wait_with_output())
        .await
        .with_context(|| format!("{program} {} takes too long", arguments.join(" ")))??;
    Ok(Done {
        succeeded: done.status.success(),
        out: String::from_utf8_lossy(&done.stdout).into_owned(),
        err: String::from_utf8_lossy(&done.stderr).into_owned(),
    })
}
