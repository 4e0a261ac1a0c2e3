//! One task without C1 (c1-protocol.md §12.3): the same dispatcher, provisioner and checks as for C1's tasks; the result
//! is printed. Grants and revocations name rows of `--file`, everything else names ids.

mod answer;
mod ask;
mod secret;

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::connect;
use crate::config::{Config, OneShot, Output};
use crate::provision::{PingOneActions, PingOneProvisioner, read_error};
use answer::{Answer, Ending};
use baton::c1z::C1zError;
use baton::task::{
    ActionState, ActionStatus, Code, Dispatcher, NoEventFeed, Parts, Reply, SyncProgress, SyncRequest, SyncRun,
    SyncRunner, Task, TaskError, TaskId, TaskKind, TaskRunner, Writes,
};
use pingone::Budget;
use secret::{Delivery, Key};
use zeroize::Zeroizing;

/// Exit code of a failure.
const FAILED: u8 = 1;
/// Exit code of settings that cannot be worked with.
const UNFIT: u8 = 64;
/// Who asks, for audit lines.
const TASK_ID: &str = "one-shot";

/// Why there is nothing to run.
#[derive(Debug)]
enum Unfit {
    /// The settings are at fault: exit code 64.
    Settings(String),
    /// What they name is: exit code 1.
    Task(TaskError),
}

impl From<C1zError> for Unfit {
    fn from(error: C1zError) -> Self {
        Self::Task(TaskError::new(Code::FailedPrecondition, crate::app::chain(&error)))
    }
}

/// Does what the settings ask for and prints the result; answers the exit code.
pub(super) async fn run(config: Config, cancel: CancellationToken) -> anyhow::Result<u8> {
    let terminal = io::stdout().is_terminal();
    let operation = answer::operation(&config.one_shot);
    let key = Key::generate();
    let (client, _) = connect::pingone(&config.pingone, None)?;
    // Last, since it makes the file that a password goes to.
    let prepared = ask::task(&config, &key).and_then(|kind| Ok((kind, Delivery::prepare(&config, terminal)?)));
    let (kind, delivery) = match prepared {
        Ok(prepared) => prepared,
        Err(Unfit::Settings(message)) => {
            complain(&message);
            return Ok(UNFIT);
        }
        Err(Unfit::Task(error)) => return show(&config, &Answer::failed(operation, &error)).map(|()| FAILED),
    };
    let provisioner = Arc::new(PingOneProvisioner::new(super::writes::options(&config), client.clone()));
    match provisioner.check_settings(&client.with_budget(Budget::PROVISION)).await {
        Ok(None) => {}
        Ok(Some(unknown)) => {
            delivery.discard();
            complain(&unknown);
            return Ok(UNFIT);
        }
        Err(error) => {
            delivery.discard();
            return show(&config, &Answer::failed(operation, &read_error(&error))).map(|()| FAILED);
        }
    }
    let parts = Parts {
        syncs: Arc::new(NoSyncs),
        writes: Writes::Enabled(Arc::clone(&provisioner) as _),
        actions: Arc::new(PingOneActions::default()),
        events: Arc::new(NoEventFeed),
    };
    let dispatcher = Dispatcher::new(parts, cancel.clone());
    let outcome = carry_out(&dispatcher, kind, cancel).await;
    let answer = match (outcome, provisioner.take_plan()) {
        (_, Some(plan)) => {
            // Before the rights are asked for, which is no check.
            let checks = client.stats().by_operation();
            let rights = super::abilities::needed(&client, plan.calls()).await;
            Answer::planned(operation, &plan, &checks, &rights)
        }
        (Ok(reply), None) => Answer::of(operation, reply, |secrets| delivery.deliver(&key, secrets)),
        (Err(mut error), None) => {
            delivery.discard();
            if let OneShot::InvokeAction { name, .. } = &config.one_shot
                && error.message.ends_with(&format!("action {name} not found"))
            {
                error.message.push_str("; --list-action-schemas lists them");
            }
            Answer::failed(operation, &error)
        }
    };
    show(&config, &answer)?;
    Ok(answer.ending.exit_code())
}

/// Runs the task; an action is waited for, whatever it takes.
async fn carry_out(dispatcher: &Dispatcher, kind: TaskKind, cancel: CancellationToken) -> Result<Reply, TaskError> {
    let task = |kind| Task {
        id: TaskId::new(TASK_ID),
        kind,
    };
    let reply = dispatcher.run(task(kind), cancel.clone()).await?;
    let Reply::ActionInvoked(ActionState {
        status: ActionStatus::Pending | ActionStatus::Running,
        id,
        ..
    }) = reply
    else {
        return Ok(reply);
    };
    dispatcher.settled().await;
    match dispatcher.run(task(TaskKind::ActionStatus(Ok(id))), cancel).await? {
        Reply::ActionStatus(state) if state.status == ActionStatus::Failed => {
            let message = state.response.get("error").and_then(serde_json::Value::as_str);
            Err(TaskError::new(Code::Unknown, message.unwrap_or("action failed")))
        }
        Reply::ActionStatus(state) => Ok(Reply::ActionInvoked(state)),
        other => Ok(other),
    }
}

/// Prints the answer where its form belongs: JSON always to stdout, text for people by how it ended.
fn show(config: &Config, answer: &Answer) -> anyhow::Result<()> {
    let text = match config.output {
        Output::Json => answer.json(),
        Output::Table | Output::Csv if answer.ending == Ending::Failed => Zeroizing::default(),
        Output::Table | Output::Csv => answer.text(),
    };
    let end: &[u8] = if config.output == Output::Json { b"\n" } else { b"" };
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.write_all(end))
        .context("print the result")?;
    if answer.ending != Ending::Done {
        complain(&answer.message);
    }
    Ok(())
}

fn complain(message: &str) {
    writeln!(io::stderr(), "baton-ping-one: {message}").ok();
}

/// Nothing here asks for a sync.
struct NoSyncs;

impl SyncRunner for NoSyncs {
    fn run(&self, _: SyncRequest, _: CancellationToken, _: SyncProgress) -> SyncRun<'_> {
        Box::pin(async { Err(TaskError::new(Code::Unimplemented, "a one-shot task is no sync")) })
    }
}

/// Whether a one-shot task of this module is asked for.
pub(super) const fn is_wanted(one_shot: &OneShot) -> bool {
    !matches!(one_shot, OneShot::Sync | OneShot::EventFeed { .. })
}
