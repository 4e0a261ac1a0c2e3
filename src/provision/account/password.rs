//! A password that is set by its own call. It cannot be read back, but the time of its change can.

use jiff::Timestamp;
use uuid::Uuid;

use super::credential::Secret;
use super::submit::{password_body, struck};
use crate::provision::audit::ChangeOutcome;
use crate::provision::context::{AuditEntry, TaskContext};
use crate::provision::error::Failure;
use crate::provision::since::{Made, Since};
use crate::provision::write::{Applied, Reaction, Rules, SETTLE, Write, apply};
use baton::task::{Code, TaskError};
use pingone::write::passwords;
use pingone::{Client, PasswordState};

/// Reads until one bears out what PingOne's answer says; reads lag for 10 s at most.
const READS: u32 = 6;

/// Sets a password. `before`: the status, and when the former one was set.
pub(crate) async fn set_password(
    task: &TaskContext,
    id: Uuid,
    before: (&str, Option<Timestamp>),
    secret: &Secret,
) -> Result<(), Failure> {
    let call = passwords::set(id, password_body(secret)?, secret.force_change);
    let object = format!("user {id}");
    let (after, status) = if secret.force_change {
        ("password set, to be changed", "MUST_CHANGE_PASSWORD")
    } else {
        ("password set", "OK")
    };
    let (before, former) = before;
    let entry = AuditEntry {
        object: &object,
        before,
        after,
    };
    // What PingOne's answer shows is read back below: a read that fails says nothing against it.
    let rules = Rules {
        // An account that was just made may not be found for a moment.
        absent: Reaction::Again,
        read_back: false,
        ..Rules::STATE
    };
    let since = Since::now(task);
    // A password cannot be read back; the time of its change can. Somebody else may have set another meanwhile.
    let changed = |client: Client| async move {
        let now = client.password_state(id).await?;
        if !is_later(&now, former) {
            return Ok(None);
        }
        if since.judge(now.last_changed_at) == Made::Since && now.status == status {
            return Ok(Some(()));
        }
        Err(Failure::refused(
            Code::Unavailable,
            "the password may be somebody else's",
        ))
    };
    let write = Write::new(&call, entry, rules).audited_by_caller();
    let (outcome, request_id) = match apply(task, write, changed).await {
        Ok(Applied::Planned) => return Ok(()),
        Ok(Applied::Answered(written)) if !is_read(task, id, former).await => {
            task.audit(&call, entry, ChangeOutcome::Unknown, written.request_id);
            return Err(not_known(id, "PingOne says that it was set, and no read shows it"));
        }
        Ok(Applied::Answered(written)) => (ChangeOutcome::Done, written.request_id),
        Ok(Applied::Seen(())) => (ChangeOutcome::Confirmed, None),
        Ok(Applied::Already(())) => {
            return Err(not_known(
                id,
                "PingOne refused it, and another one was set at the same time",
            ));
        }
        Err(Failure::Unknown { .. }) => return Err(not_known(id, "the answer was lost")),
        Err(failure) => return Err(struck(failure, Some(secret))),
    };
    task.audit(&call, entry, outcome, request_id);
    task.memory().has_other_password(id);
    Ok(())
}

/// There is a password, and it was set after the former one.
fn is_later(now: &PasswordState, former: Option<Timestamp>) -> bool {
    now.is_set() && now.last_changed_at > former
}

/// Whether reads bear out PingOne's answer. They may lag; one that fails takes nothing from the answer, unless it says that the
/// user is gone.
async fn is_read(task: &TaskContext, id: Uuid, former: Option<Timestamp>) -> bool {
    let mut failed = None;
    for look in 0..READS {
        if look > 0 {
            tokio::time::sleep(SETTLE).await;
        }
        failed = match task.deciding().password_state(id).await {
            Ok(now) if is_later(&now, former) => return true,
            Ok(_) => None,
            Err(error) => Some(error),
        };
    }
    if let Some(error) = &failed {
        tracing::warn!(user = %id, %error, "PingOne says that the password was set, and it could not be read back");
    }
    failed.is_some_and(|error| !error.is_gone())
}

fn not_known(id: Uuid, why: &str) -> Failure {
    let message =
        format!("set the password of user {id}: {why}, and it is not known which password holds. Rotate again.");
    Failure::Unknown {
        error: Box::new(TaskError::new(Code::Unavailable, message)),
        cause: None,
        shown: None,
    }
}
