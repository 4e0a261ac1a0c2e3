//! `lock_user`, `unlock_user` (pingone-api.md §6.5: 415 right after enabling and for disabled accounts; a lock without
//! an end is ignored by some environments).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::settle::settle;
use super::{complete, live};
use crate::pingone::types::User;
use crate::pingone::write::users;
use crate::pingone::{Client, PingOneError, WriteCall};
use crate::provision::error::Failure;
use crate::provision::work::{Told, Work};
use crate::task::ActionOutcome;

/// Waits before PingOne is asked again after a 415.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// How long a lock lasts where PingOne wants an end: ten years.
const LOCK_TIME: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);

/// A lock that has lapsed is none.
fn locked(user: &User) -> bool {
    let lapsed =
        user.enabled == Some(true) && user.account.as_ref().and_then(|account| account.can_authenticate) == Some(true);
    user.account_status() == Some("LOCKED") && !lapsed
}

const fn word(locked: bool) -> &'static str {
    if locked { "locked" } else { "unlocked" }
}

/// Locks the account.
pub(super) async fn lock(work: &Work, id: Uuid) -> Result<ActionOutcome, Failure> {
    let user = live(work, id).await?;
    if locked(&user) {
        return Ok(complete(format!("Account {id} was already locked")));
    }
    if change(work, &user, &users::lock(id), true).await? {
        return Ok(complete(format!("Account {id} has been locked")));
    }
    let end = Timestamp::now().checked_add(LOCK_TIME).unwrap_or(Timestamp::MAX);
    if change(work, &user, &users::lock_until(id, end), true).await? {
        return Ok(complete(format!(
            "Account {id} has been locked until {}, because PingOne locks without an end only for a moment here",
            end.strftime("%F")
        )));
    }
    Err(Failure::precondition(format!(
        "PingOne took the lock of account {id} and did not lock it; disable the account instead"
    )))
}

/// Unlocks the account.
pub(super) async fn unlock(work: &Work, id: Uuid) -> Result<ActionOutcome, Failure> {
    let user = live(work, id).await?;
    if !locked(&user) {
        return Ok(complete(format!("Account {id} was already unlocked")));
    }
    if change(work, &user, &users::unlock(id), false).await? {
        return Ok(complete(format!("Account {id} has been unlocked")));
    }
    Err(Failure::precondition(format!(
        "PingOne took the unlocking of account {id} and did not unlock it"
    )))
}

/// Whether the account is as wanted after the call.
async fn change(work: &Work, user: &User, call: &WriteCall, wanted: bool) -> Result<bool, Failure> {
    let id = user.id;
    let told = Told {
        object: &format!("user {id}"),
        before: word(locked(user)),
        after: word(wanted),
    };
    let holds = |client: Client| async move { Ok::<_, PingOneError>(locked(&client.user(id).await?) == wanted) };
    let mut pauses = PAUSES.into_iter();
    let settled = loop {
        match settle(work, call, told, holds).await {
            Err(failure) if is_415(&failure) => {
                if user.enabled == Some(false) {
                    return Err(Failure::precondition(format!(
                        "account {id} is disabled, and PingOne locks and unlocks enabled accounts only; enable it first"
                    )));
                }
                match pauses.next() {
                    Some(pause) if work.wait(pause).await? => {}
                    _ => return Err(failure),
                }
            }
            other => break other?,
        }
    };
    match settled {
        None => Ok(true),
        Some(written) if written.is_planned() => Ok(true),
        Some(written) => match written.json::<User>(call) {
            Ok(after) => Ok(locked(&after) == wanted),
            Err(_) => work.read(holds(work.client().clone())).await,
        },
    }
}

fn is_415(failure: &Failure) -> bool {
    failure.pingone().and_then(PingOneError::status) == Some(415)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_lock_that_has_lapsed_is_none() {
        for (enabled, account, is) in [
            (true, json!({"status": "LOCKED", "canAuthenticate": false}), true),
            (true, json!({"status": "LOCKED"}), true),
            (true, json!({"status": "LOCKED", "canAuthenticate": true}), false),
            (false, json!({"status": "LOCKED", "canAuthenticate": false}), true),
            (true, json!({"status": "OK", "canAuthenticate": true}), false),
            (true, json!({}), false),
        ] {
            let id = "7c2e1d94-55a0-4a34-9a1b-c0ffee001001";
            let user = json!({"id": id, "enabled": enabled, "account": account});
            assert_eq!(locked(&serde_json::from_value(user.clone()).unwrap()), is, "{user}");
        }
    }
}
