//! `reset_mfa` (pingone-api.md §6.13).

use std::collections::BTreeSet;

use uuid::Uuid;

use super::schema::{DEVICES_DELETED, DEVICES_FOUND};
use super::{complete, failed, live};
use crate::provision::context::{AuditEntry, TaskContext};
use crate::provision::error::{Failure, task_error_with};
use crate::provision::sure::sure;
use crate::provision::write::{Rules, SETTLE, Write, apply_state};
use baton::task::ActionOutcome;
use pingone::Client;
use pingone::write::devices::delete_device;

const SERVICE_OFF: &str =
    "The MFA service is not enabled in this environment; enable it in PingOne or leave the action out.";

/// Listings until one shows no device.
const ROUNDS: usize = 3;

/// Deletes every MFA device. Only a listing that shows none says that all are deleted: PingOne may not find to delete what
/// it still lists, and one listing alone may be behind.
pub(super) async fn delete_all(task: &TaskContext, id: Uuid) -> Result<ActionOutcome, Failure> {
    live(task, id).await?;
    let list = || async { task.read(task.client().device_ids(id)).await.map_err(named) };
    let mut listed = sure(task, list, Vec::is_empty).await?;
    let (mut found, mut deleted, mut open) = (BTreeSet::new(), BTreeSet::new(), None);
    for round in 0..ROUNDS {
        if listed.is_empty() {
            break;
        }
        found.extend(listed.iter().cloned());
        for device in listed {
            if deleted.contains(&device) {
                continue;
            }
            match delete(task, id, &device).await {
                Ok(true) => _ = deleted.insert(device),
                Ok(false) => {}
                // The others are deleted all the same; a listing decides.
                Err(failure) if failure.outcome_unknown() => open = Some(failure),
                Err(failure) => return after(&found, &deleted, id, failure),
            }
        }
        if task.is_dry_run() {
            listed = Vec::new();
            break;
        }
        listed = match list().await {
            Ok(listed) => listed,
            Err(failure) => return after(&found, &deleted, id, failure),
        };
        if listed.is_empty() || round + 1 == ROUNDS {
            break;
        }
        match task.wait(SETTLE).await {
            Ok(true) => {}
            Ok(false) => break,
            Err(failure) => return after(&found, &deleted, id, failure),
        }
    }
    if let Some(failure) = open.filter(|_| !listed.is_empty()) {
        return after(&found, &deleted, id, failure);
    }
    if !listed.is_empty() {
        found.extend(listed.iter().cloned());
        let gone = found.iter().filter(|device| !listed.contains(device)).count();
        let message = format!(
            "{gone} of {} devices of account {id} have been deleted and PingOne still lists {}. Try again in a minute; if \
             they stay, report it to Ping Identity",
            found.len(),
            listed.len()
        );
        return Ok(counted(failed(message), found.len(), gone));
    }
    let message = match found.len() {
        0 => format!("Account {id} had no MFA device"),
        1 => format!("1 MFA device of account {id} has been deleted"),
        n => format!("{n} MFA devices of account {id} have been deleted"),
    };
    Ok(counted(complete(message), found.len(), found.len()))
}

/// Deletes one. `false`: PingOne does not find it to delete and still lists it.
async fn delete(task: &TaskContext, id: Uuid, device: &str) -> Result<bool, Failure> {
    let call = delete_device(id, device);
    let entry = AuditEntry {
        object: &format!("MFA device of user {id}"),
        before: "enrolled",
        after: "deleted",
    };
    let gone = |client: Client| async move { Ok(!client.device_ids(id).await?.iter().any(|known| known == device)) };
    match apply_state(task, Write::new(&call, entry, Rules::DELETION), gone).await {
        Ok(_) => Ok(true),
        Err(failure) if failure.is_not_found() => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// What is told when it does not go on.
fn after(
    found: &BTreeSet<String>,
    deleted: &BTreeSet<String>,
    id: Uuid,
    failure: Failure,
) -> Result<ActionOutcome, Failure> {
    if deleted.is_empty() {
        return Err(named(failure));
    }
    let (found, deleted) = (found.len(), deleted.len());
    let message = named(failure).told();
    let message = format!("{deleted} of {found} devices of account {id} have been deleted: {message}");
    Ok(counted(failed(message), found, deleted))
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
