//! `sign_out_user`: there is no call for all sessions at once, and a listing shows ten (pingone-api.md §6.5).

use std::collections::BTreeSet;

use uuid::Uuid;

use super::settle::settle;
use super::{complete, failed, live};
use crate::pingone::Client;
use crate::pingone::write::devices::end_session;
use crate::provision::error::Failure;
use crate::provision::work::{Told, Work};
use crate::task::ActionOutcome;

/// Listings at most: ten sessions each.
const ROUNDS: usize = 20;

/// Ends every session.
pub(super) async fn end_all(work: &Work, id: Uuid) -> Result<ActionOutcome, Failure> {
    live(work, id).await?;
    let mut ended = BTreeSet::new();
    for _ in 0..ROUNDS {
        let listed = match work.read(work.client().session_ids(id)).await {
            Ok(listed) => listed,
            Err(failure) => return after(&ended, id, failure),
        };
        // One that is listed again was ended a moment ago: PingOne's listings lag.
        let fresh: Vec<String> = listed.into_iter().filter(|session| !ended.contains(session)).collect();
        if fresh.is_empty() {
            return Ok(complete(match ended.len() {
                0 => format!("Account {id} had no session"),
                1 => format!("1 session of account {id} has been ended"),
                n => format!("{n} sessions of account {id} have been ended"),
            }));
        }
        for session in fresh {
            if let Err(failure) = end(work, id, &session).await {
                return after(&ended, id, failure);
            }
            ended.insert(session);
        }
    }
    Ok(failed(format!(
        "{} sessions of account {id} have been ended and there are more; disable the account first, so that no new ones \
         begin",
        ended.len()
    )))
}

/// One that is gone already is ended.
async fn end(work: &Work, id: Uuid, session: &str) -> Result<(), Failure> {
    let call = end_session(id, session);
    let told = Told {
        object: &format!("session of user {id}"),
        before: "open",
        after: "ended",
    };
    let gone = |client: Client| async move { Ok(!client.session_ids(id).await?.iter().any(|known| known == session)) };
    match settle(work, &call, told, gone).await {
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
