//! `sign_out_user`: there is no call for all sessions at once, and a listing shows ten (pingone-api.md §6.5).

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{complete, failed, live};
use crate::provision::context::{AuditEntry, TaskContext};
use crate::provision::error::Failure;
use crate::provision::write::{Rules, SETTLE, Write, apply_state};
use baton::task::ActionOutcome;
use pingone::Client;
use pingone::write::devices::end_session;

/// Sessions in one listing; one that is shorter shows all that there are (pingone-api.md §6.5).
const PAGE: usize = 10;
/// Listings at most.
const ROUNDS: usize = 20;

/// Ends every session. A full listing may hide others behind those that were ended a moment ago, so only a short one ends
/// the work.
pub(super) async fn end_all(task: &TaskContext, id: Uuid) -> Result<ActionOutcome, Failure> {
    live(task, id).await?;
    let mut ended = BTreeSet::new();
    for _ in 0..ROUNDS {
        let listed = match task.read(task.client().session_ids(id)).await {
            Ok(listed) => listed,
            Err(failure) => return after(&ended, id, failure),
        };
        let is_short = listed.len() < PAGE;
        let fresh: Vec<String> = listed.into_iter().filter(|session| !ended.contains(session)).collect();
        if fresh.is_empty() && is_short {
            return Ok(complete(match ended.len() {
                0 => format!("Account {id} had no session"),
                1 => format!("1 session of account {id} has been ended"),
                n => format!("{n} sessions of account {id} have been ended"),
            }));
        }
        if fresh.is_empty() && !task.wait(SETTLE).await? {
            break;
        }
        for session in fresh {
            if let Err(failure) = end(task, id, &session).await {
                return after(&ended, id, failure);
            }
            ended.insert(session);
        }
    }
    Ok(failed(format!(
        "{} sessions of account {id} have been ended and there may be more: PingOne still lists {PAGE}. Disable the \
         account first, so that no new ones begin, and try again",
        ended.len()
    )))
}

/// One that is gone already is ended.
async fn end(task: &TaskContext, id: Uuid, session: &str) -> Result<(), Failure> {
    let call = end_session(id, session);
    let entry = AuditEntry {
        object: &format!("session of user {id}"),
        before: "listed",
        after: "ended",
    };
    // One that a full listing does not show may stand behind those that it does.
    let gone = |client: Client| async move {
        let listed = client.session_ids(id).await?;
        if listed.iter().any(|known| known == session) {
            return Ok(false);
        }
        Ok(listed.len() < PAGE || !client.has_session(id, session).await?)
    };
    match apply_state(task, Write::new(&call, entry, Rules::DELETION), gone).await {
        Ok(_) => Ok(()),
        Err(failure) if failure.is_not_found() => Ok(()),
        Err(failure) => Err(failure),
    }
}

fn after(ended: &BTreeSet<String>, id: Uuid, failure: Failure) -> Result<ActionOutcome, Failure> {
    if ended.is_empty() {
        return Err(failure);
    }
    let message = failure.into_task().message;
    Ok(failed(format!(
        "{} sessions of account {id} have been ended, the others not: {message}",
        ended.len()
    )))
}
