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
    let said = String::from_utf8_lossy(&done.stderr);
    let out = String::from_utf8_lossy(&done.stdout).into_owned();
    ensure!(
        done.status.success(),
        "{program} {}: {}: {said}{out}",
        arguments.join(" "),
        done.status
    );
    Ok(out)
}
