//! `reset_password`: never sets, reads or returns a password (connector-model.md §7.7).

use uuid::Uuid;

use super::args::flag;
use super::schema::SEND_RECOVERY;
use super::settle::settle;
use super::{complete, failed, live};
use crate::pingone::write::passwords;
use crate::pingone::{Client, PingOneError};
use crate::provision::audit::ChangeOutcome;
use crate::provision::error::Failure;
use crate::provision::work::{Told, Work};
use crate::task::{ActionOutcome, JsonObject};

const MUST_CHANGE: &str = "MUST_CHANGE_PASSWORD";

/// Marks the password as to be changed; with `send_recovery` it starts PingOne's recovery mail, too.
pub(super) async fn reset(work: &Work, id: Uuid, args: &JsonObject) -> Result<ActionOutcome, Failure> {
    let send = flag(args, SEND_RECOVERY, true)?;
    let user = live(work, id).await?;
    let elsewhere = user.identity_provider_type().filter(|kind| *kind != "PING_ONE");
    if let Some(kind) = elsewhere {
        return Err(Failure::precondition(format!(
            "user {id} signs on with another identity provider ({}); the password is reset there",
            super::args::shown(kind)
        )));
    }
    let state = work.read(work.client().password_state(id)).await?;
    let status = state.status.as_deref().unwrap_or("unknown");
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
        let told = Told {
            object: &format!("user {id}"),
            before: status,
            after: MUST_CHANGE,
        };
        let holds = |client: Client| async move {
            Ok::<_, PingOneError>(client.password_state(id).await?.status.as_deref() == Some(MUST_CHANGE))
        };
        settle(work, &passwords::force_change(id), told, holds).await?;
        format!("The password of account {id} must be changed at the next sign-on")
    };
    if !send {
        return Ok(complete(marked));
    }
    Ok(match recover(work, id).await {
        Ok(()) => complete(format!("{marked}; PingOne's recovery mail was started")),
        Err(Failure::Cancelled) => failed(format!(
            "{marked}; the recovery mail was not started: the task was cancelled"
        )),
        Err(failure) if failure.outcome_unknown() => failed(format!(
            "{marked}; PingOne's answer was lost, so it is not known whether the recovery mail was started, and it was \
             not asked for again"
        )),
        Err(failure) => {
            let why = match (user.enabled, failure.pingone().and_then(PingOneError::status)) {
                (Some(false), Some(400..500)) => "the account is disabled".to_owned(),
                _ => failure.into_task().message,
            };
            failed(format!("{marked}; the recovery mail was not started: {why}"))
        }
    })
}

/// A mail is no state that could be read back: sent once, whatever becomes of the answer.
async fn recover(work: &Work, id: Uuid) -> Result<(), Failure> {
    let call = passwords::send_recovery(id);
    let told = Told {
        object: &format!("user {id}"),
        before: "",
        after: "recovery started",
    };
    let outcome = work.write(&call, told).await;
    if outcome.as_ref().is_err_and(Failure::outcome_unknown) {
        work.decided(&call, told, ChangeOutcome::Unknown);
    }
    outcome.map(drop)
}
