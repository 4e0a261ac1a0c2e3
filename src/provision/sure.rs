//! What is said to be so already although nothing was written: a read may come from a node that is behind
//! (pingone-api.md §3.7), so two of them must say it, the second after the time in which changes settle.

use std::future::Future;

use super::context::TaskContext;
use super::error::Failure;
use super::write::SETTLE;
use baton::task::Code;

/// The state as a read shows it. One that shows that it is so already is made once more, and the second one holds.
pub(crate) async fn sure<T, F>(
    task: &TaskContext,
    read: impl Fn() -> F,
    is_so: impl Fn(&T) -> bool,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let first = read().await?;
    if !is_so(&first) {
        return Ok(first);
    }
    catch_up(task).await?;
    read().await
}

/// Gives nodes that are behind the time to catch up. A dry run, which only says what it would do, does not wait.
pub(crate) async fn catch_up(task: &TaskContext) -> Result<(), Failure> {
    if task.is_dry_run() || task.wait(SETTLE).await? {
        return Ok(());
    }
    Err(Failure::refused(
        Code::Unavailable,
        "one read shows that it is so already, and there was no time left for the second that proves it. Try again.",
    ))
}
