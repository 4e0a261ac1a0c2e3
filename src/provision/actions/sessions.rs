//! `sign_out_user`: there is no call for all sessions at once, and a listing shows ten (pingone-api.md §6.5).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use uuid::Uuid;

use super::{complete, failed, live};
use crate::provision::context::{AuditEntry, TaskContext};
use crate::provision::error::Failure;
use crate::provision::sure::sure;
use crate::provision::write::{Rules, SETTLE, Write, apply_state};
use baton::task::ActionOutcome;
use pingone::Client;
use pingone::write::devices::end_session;

/// Sessions in one listing; one that is shorter shows all that there are (pingone-api.md §6.5).
const PAGE: usize = 10;
/// How often the end of one session is asked for.
const MOST_SENDS: u32 = 3;
/// Listings at most, and those in a row without a session that could be ended.
const ROUNDS: usize = 20;
const IDLE_ROUNDS: usize = 6;

/// Ends every session. A full listing may hide others behind those that were ended a moment ago, and PingOne may not find to
/// end what it still lists, so only a listing without any ends the work.
pub(super) async fn end_all(task: &TaskContext, id: Uuid) -> Result<ActionOutcome, Failure> {
    live(task, id).await?;
    let (mut seen, mut ended, mut absent) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let (mut left, mut idle) = (0, 0);
    let (mut tries, mut open) = (BTreeMap::new(), None);
    // One listing alone may be behind.
    let list = || task.read(task.client().session_ids(id));
    let mut listing = sure(task, list, Vec::is_empty).await;
    for _ in 0..ROUNDS {
        let listed = match listing {
            Ok(listed) => listed,
            Err(failure) => return after(&ended, id, failure),
        };
        seen.extend(listed.iter().cloned());
        let is_whole = listed.len() < PAGE;
        let before = ended.len() + absent.len();
        for session in &listed {
            let times = tries.entry(session.clone()).or_insert(0_u32);
            if ended.contains(session) || absent.contains(session) || *times == MOST_SENDS {
                continue;
            }
            *times += 1;
            match end(task, id, session).await {
                Ok(Ending::Ended) => _ = ended.insert(session.clone()),
                Ok(Ending::Absent) => _ = absent.insert(session.clone()),
                Ok(Ending::Listed) => {}
                // The others are ended all the same; a listing decides.
                Err(failure) if failure.outcome_unknown() => open = Some(failure),
                Err(failure) => return after(&ended, id, failure),
            }
        }
        idle = if ended.len() + absent.len() > before {
            0
        } else {
            idle + 1
        };
        // Of a whole listing only what PingOne does not find may be left; a full one may hide more.
        left = listed.iter().filter(|session| !absent.contains(*session)).count();
        if listed.is_empty() || left == 0 && is_whole || task.is_dry_run() {
            return Ok(complete(match seen.difference(&absent).count() {
                0 => format!("Account {id} had no session"),
                1 => format!("1 session of account {id} has been ended"),
                n => format!("{n} sessions of account {id} have been ended"),
            }));
        }
        match task.wait(if idle > 0 { SETTLE } else { Duration::ZERO }).await {
            Ok(true) if idle < IDLE_ROUNDS => listing = list().await,
            Ok(_) => break,
            Err(failure) => return after(&ended, id, failure),
        }
    }
    if let Some(failure) = open {
        return after(&ended, id, failure);
    }
    Ok(failed(left_over(ended.len(), id, left, idle < IDLE_ROUNDS)))
}

/// What is told where sessions stay listed. `new_ones`: others came as fast as these were ended.
fn left_over(ended: usize, id: Uuid, left: usize, new_ones: bool) -> String {
    let remedy = if new_ones {
        "Disable the account first, so that no new ones begin, and try again"
    } else {
        "PingOne does not find them to end. Try again in a minute; if they stay, report it to Ping Identity"
    };
    format!(
        "{ended} sessions of account {id} have been ended and there may be more: PingOne still lists {left}. {remedy}"
    )
}

/// How ending one session went.
enum Ending {
    /// It is not listed any more.
    Ended,
    /// PingOne finds it neither to end nor to read and lists it all the same: one that has expired (pingone-api.md §6.5).
    Absent,
    /// PingOne does not find it to end, and shows it.
    Listed,
}

async fn end(task: &TaskContext, id: Uuid, session: &str) -> Result<Ending, Failure> {
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
        Ok(_) => Ok(Ending::Ended),
        Err(failure) if failure.is_not_found() => {
            let there = task.read(task.client().has_session(id, session)).await?;
            Ok(if there { Ending::Listed } else { Ending::Absent })
        }
        Err(failure) => Err(failure),
    }
}

fn after(ended: &BTreeSet<String>, id: Uuid, failure: Failure) -> Result<ActionOutcome, Failure> {
    if ended.is_empty() {
        return Err(failure);
    }
    let message = failure.told();
    Ok(failed(format!(
        "{} sessions of account {id} have been ended, the others not: {message}",
        ended.len()
    )))
}
