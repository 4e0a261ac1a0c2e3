//! `reset_password`: never sets, reads or returns a password (connector-model.md §7.7).

use uuid::Uuid;

use super::args::flag;
use super::schema::SEND_RECOVERY;
use super::{complete, failed, live};
use crate::provision::context::{AuditEntry, TaskContext};
use crate::provision::error::Failure;
use crate::provision::sure::sure;
use crate::provision::write::{Rules, Write, apply, apply_state};
use baton::task::{ActionOutcome, JsonObject};
use pingone::write::passwords;
use pingone::{Client, PasswordState, PingOneError};

const MUST_CHANGE: &str = "MUST_CHANGE_PASSWORD";

/// Marks the password as to be changed; with `send_recovery` it starts PingOne's recovery mail, too.
pub(super) async fn reset(task: &TaskContext, id: Uuid, args: &JsonObject) -> Result<ActionOutcome, Failure> {
    let send = flag(args, SEND_RECOVERY, true)?;
    let user = live(task, id).await?;
    let elsewhere = user.identity_provider_type().filter(|kind| *kind != "PING_ONE");
    if let Some(kind) = elsewhere {
        return Err(Failure::precondition(format!(
            "user {id} signs on with another identity provider ({}); the password is reset there",
            super::args::shown(kind)
        )));
    }
    let read = || task.read(task.client().password_state(id));
    let is_marked = |state: &PasswordState| state.status == MUST_CHANGE;
    let state = sure(task, read, is_marked).await?;
    let status = state.status.as_str();
    match status {
        "NO_PASSWORD" => {
            return Err(Failure::precondition(format!(
                "user {id} has no password (NO_PASSWORD): there is nothing to reset, and PingOne sends no recovery mail"
            )));
        }
        "EXTERNAL" => {
            return Err(Failure::precondition(format!(
                "the password of user {id} is kept in another directory (EXTERNAL) and is reset there"
            )));
        }
        _ => {}
    }
    let marked = if status == MUST_CHANGE {
        format!("The password of account {id} was already to be changed at the next sign-on")
    } else {
        mark(task, id, status).await?;
        format!("The password of account {id} must be changed at the next sign-on")
    };
    if !send {
        return Ok(complete(marked));
    }
    Ok(match recover(task, id).await {
        Ok(()) => complete(format!("{marked}; PingOne's recovery mail was started")),
        Err(Failure::Cancelled) => failed(format!(
            "{marked}; the recovery mail was not started: the task was cancelled"
        )),
        Err(failure) if failure.outcome_unknown() => failed(format!(
            "{marked}; PingOne's answer was lost or does not show it, so it is not known whether the recovery mail was \
             started, and it was not asked for again"
        )),
        Err(failure) => {
            let why = match (user.enabled, failure.pingone().and_then(PingOneError::status)) {
                (Some(false), Some(400..500)) => "the account is disabled".to_owned(),
                _ => failure.told(),
            };
            failed(format!("{marked}; the recovery mail was not started: {why}"))
        }
    })
}

async fn mark(task: &TaskContext, id: Uuid, status: &str) -> Result<(), Failure> {
    let call = passwords::force_change(id);
    let object = format!("user {id}");
    let entry = AuditEntry {
        object: &object,
        before: status,
        after: MUST_CHANGE,
    };
    let holds =
        |client: Client| async move { Ok::<_, PingOneError>(client.password_state(id).await?.status == MUST_CHANGE) };
    let write = Write::new(&call, entry, Rules::STATE);
    apply_state(task, write, holds).await.map(drop)
}

/// A mail is no state that could be read back: an answer that does not show it leaves it open, and it is sent once.
async fn recover(task: &TaskContext, id: Uuid) -> Result<(), Failure> {
    let call = passwords::send_recovery(id);
    let object = format!("user {id}");
    let entry = AuditEntry {
        object: &object,
        before: "no recovery asked for",
        after: "recovery started",
    };
    let rules = Rules {
        read_back: false,
        ..Rules::STATE
    };
    let write = Write::new(&call, entry, rules);
    let unreadable = |_: Client| async { Err(Failure::precondition("a mail cannot be read back")) };
    apply::<(), _>(task, write, unreadable).await.map(drop)
}
