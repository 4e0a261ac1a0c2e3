//! `lock_user`, `unlock_user` (pingone-api.md §6.5: 415 right after enabling and for disabled accounts; a lock without
//! an end is ignored by some environments).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{complete, live};
use crate::provision::context::{AuditEntry, TaskContext};
use crate::provision::error::Failure;
use crate::provision::sure::sure;
use crate::provision::write::{Rules, Write, apply_state};
use baton::task::ActionOutcome;
use pingone::types::User;
use pingone::write::users;
use pingone::{Client, PingOneError, WriteCall, Written};

/// Waits before PingOne is asked again after a 415.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// How long a lock lasts where PingOne wants an end: ten years.
const LOCK_TIME: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);

/// Whether the account is locked; `None` where PingOne does not say how it stands. A lock that has lapsed is none.
fn locked(user: &User) -> Option<bool> {
    let lapsed =
        user.enabled == Some(true) && user.account.as_ref().and_then(|account| account.can_authenticate) == Some(true);
    Some(user.account_status()? == "LOCKED" && !lapsed)
}

const fn word(locked: Option<bool>) -> &'static str {
    match locked {
        Some(true) => "locked",
        Some(false) => "unlocked",
        None => "unknown",
    }
}

/// Locks the account.
pub(super) async fn lock(task: &TaskContext, id: Uuid) -> Result<ActionOutcome, Failure> {
    let user = sure(task, || live(task, id), |user| locked(user) == Some(true)).await?;
    if locked(&user) == Some(true) {
        return Ok(complete(format!("Account {id} was already locked")));
    }
    // Sent once: an environment that ignores a lock without an end ignores the next one, too.
    let open = Rules {
        sends: 1,
        ..Rules::STATE
    };
    match change(task, &user, &users::lock(id), true, open).await {
        Ok(()) => return Ok(complete(format!("Account {id} has been locked"))),
        Err(failure @ Failure::Unknown { .. }) => {
            // Only an account that is shown as not locked tells that the lock was ignored.
            let now = live(task, id).await.ok().and_then(|user| locked(&user));
            match now {
                Some(false) => {}
                Some(true) => return Ok(complete(format!("Account {id} has been locked"))),
                None => return Err(failure),
            }
        }
        Err(failure) => return Err(failure),
    }
    let end = Timestamp::now().checked_add(LOCK_TIME).unwrap_or(Timestamp::MAX);
    change(task, &user, &users::lock_until(id, end), true, Rules::STATE).await?;
    Ok(complete(format!(
        "Account {id} has been locked until {}, because PingOne locks without an end only for a moment here",
        end.strftime("%F")
    )))
}

/// Unlocks the account.
pub(super) async fn unlock(task: &TaskContext, id: Uuid) -> Result<ActionOutcome, Failure> {
    let user = sure(task, || live(task, id), |user| locked(user) == Some(false)).await?;
    if locked(&user) == Some(false) {
        return Ok(complete(format!("Account {id} was already unlocked")));
    }
    change(task, &user, &users::unlock(id), false, Rules::STATE).await?;
    Ok(complete(format!("Account {id} has been unlocked")))
}

async fn change(task: &TaskContext, user: &User, call: &WriteCall, wanted: bool, rules: Rules) -> Result<(), Failure> {
    let id = user.id;
    let object = format!("user {id}");
    let entry = AuditEntry {
        object: &object,
        before: word(locked(user)),
        after: word(Some(wanted)),
    };
    let write = Write::new(call, entry, rules);
    let write = if wanted { write.accepting(shows_locked) } else { write };
    let holds = |client: Client| async move { Ok::<_, PingOneError>(locked(&client.user(id).await?) == Some(wanted)) };
    let mut pauses = PAUSES.into_iter();
    loop {
        match apply_state(task, write, holds).await {
            Err(failure) if is_415(&failure) => {
                if user.enabled == Some(false) {
                    return Err(Failure::precondition(format!(
                        "account {id} is disabled, and PingOne locks and unlocks enabled accounts only; enable it first"
                    )));
                }
                match pauses.next() {
                    Some(pause) if task.wait(pause).await? => {}
                    _ => return Err(failure),
                }
            }
            outcome => return outcome.map(drop),
        }
    }
}

fn shows_locked(call: &WriteCall, written: &Written) -> bool {
    written.json::<User>(call).is_ok_and(|user| locked(&user) == Some(true))
}

fn is_415(failure: &Failure) -> bool {
    failure.pingone().and_then(PingOneError::status) == Some(415)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_lock_that_has_lapsed_is_none_and_where_nothing_is_said_none_is_known() {
        for (enabled, account, is) in [
            (true, json!({"status": "LOCKED", "canAuthenticate": false}), Some(true)),
            (true, json!({"status": "LOCKED"}), Some(true)),
            (true, json!({"status": "LOCKED", "canAuthenticate": true}), Some(false)),
            (false, json!({"status": "LOCKED", "canAuthenticate": false}), Some(true)),
            (true, json!({"status": "OK", "canAuthenticate": true}), Some(false)),
            (true, json!({}), None),
        ] {
            let id = "7c2e1d94-55a0-4a34-9a1b-c0ffee001001";
            let user = json!({"id": id, "enabled": enabled, "account": account});
            assert_eq!(locked(&serde_json::from_value(user.clone()).unwrap()), is, "{user}");
        }
    }
}
