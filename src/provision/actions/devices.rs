//! `reset_mfa` (pingone-api.md §6.13).

use uuid::Uuid;

use super::schema::{DEVICES_DELETED, DEVICES_FOUND};
use super::{complete, failed, live};
use crate::provision::context::{AuditEntry, TaskContext};
use crate::provision::error::{Failure, task_error_with};
use crate::provision::write::{Rules, Write, apply_state};
use baton::task::ActionOutcome;
use pingone::Client;
use pingone::write::devices::delete_device;

const SERVICE_OFF: &str =
    "The MFA service is not enabled in this environment; enable it in PingOne or leave the action out.";

/// Deletes every MFA device.
pub(super) async fn delete_all(task: &TaskContext, id: Uuid) -> Result<ActionOutcome, Failure> {
    live(task, id).await?;
    let devices = task.read(task.client().device_ids(id)).await.map_err(named)?;
    let found = devices.len();
    let mut deleted = 0_usize;
    for device in devices {
        match delete(task, id, &device).await {
            Ok(()) => deleted += 1,
            Err(failure) if deleted == 0 => return Err(named(failure)),
            Err(failure) => {
                let message = named(failure).into_task().message;
                let message = format!("{deleted} of {found} devices of account {id} have been deleted: {message}");
                return Ok(counted(failed(message), found, deleted));
            }
        }
    }
    let message = match found {
        0 => format!("Account {id} had no MFA device"),
        1 => format!("1 MFA device of account {id} has been deleted"),
        n => format!("{n} MFA devices of account {id} have been deleted"),
    };
    Ok(counted(complete(message), found, deleted))
}

/// One that is gone already is deleted.
async fn delete(task: &TaskContext, id: Uuid, device: &str) -> Result<(), Failure> {
    let call = delete_device(id, device);
    let entry = AuditEntry {
        object: &format!("MFA device of user {id}"),
        before: "enrolled",
        after: "deleted",
    };
    let gone = |client: Client| async move { Ok(!client.device_ids(id).await?.iter().any(|known| known == device)) };
    match apply_state(task, Write::new(&call, entry, Rules::DELETION), gone).await {
        Ok(_) => Ok(()),
        Err(failure) if failure.is_not_found() => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// The refusal of a service that is off says so.
fn named(failure: Failure) -> Failure {
    match failure.pingone() {
        Some(error) if error.is_service_off() => task_error_with(error, None, SERVICE_OFF).into(),
        _ => failure,
    }
}

fn counted(mut outcome: ActionOutcome, found: usize, deleted: usize) -> ActionOutcome {
    let (ActionOutcome::Complete(response) | ActionOutcome::Failed { response, .. }) = &mut outcome;
    response.insert(DEVICES_FOUND.to_owned(), found.into());
    response.insert(DEVICES_DELETED.to_owned(), deleted.into());
    outcome
}
