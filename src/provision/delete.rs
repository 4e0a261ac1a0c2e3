//! `DeleteResource` of a user in the three modes of `deprovision-mode` (connector-model.md §7.4).

use uuid::Uuid;

use super::context::{AuditEntry, TaskContext};
use super::error::{Failure, found, shown, task_error_with};
use super::protect::refuse_user;
use super::settings::Deprovision;
use super::sure::sure;
use super::target::uuid;
use super::write::{Applied, Reaction, Rules, SETTLE, Write, apply, apply_state};
use baton::task::{Annotation, Code, DeleteResourceRequest};
use pingone::Client;
use pingone::types::User;
use pingone::write::users;

/// Reads until a user that PingOne does not find must not be shown any more.
const LATE_READS: u32 = 5;

/// Whether there was a user to deprovision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Was {
    There,
    Gone,
}

/// Deletes or disables the account, as the mode says. One that is not there is success with an annotation.
pub(crate) async fn delete(task: &TaskContext, request: &DeleteResourceRequest) -> Result<Vec<Annotation>, Failure> {
    let resource = &request.resource;
    if resource.resource_type != "user" {
        return Err(Failure::invalid(format!(
            "only users are deleted, not resources of type {}",
            shown(&resource.resource_type)
        )));
    }
    let id = uuid("the user's id", &resource.id)?;
    refuse_user(task, id)?;
    let _lock = task.lock(id).await?;
    let was = match task.options().deprovision {
        Deprovision::Delete => remove(task, id).await?,
        Deprovision::Disable => disable(task, id).await?,
        Deprovision::DisableThenDelete => match disable(task, id).await? {
            Was::Gone => Was::Gone,
            Was::There => {
                task.carry_on();
                remove(task, id).await.map_err(half_done)?;
                Was::There
            }
        },
    };
    let mut annotations = task.annotations();
    if was == Was::Gone {
        annotations.insert(0, Annotation::ResourceDoesNotExist);
    }
    Ok(annotations)
}

/// The deletion failed after the disabling.
fn half_done(failure: Failure) -> Failure {
    let remedy = "The user is disabled and still there; delete it again.";
    match failure.pingone() {
        Some(error) => task_error_with(error, None, remedy).into(),
        None => failure,
    }
}

/// How a user is enabled, for audit lines.
pub(crate) const fn enabled_word(enabled: Option<bool>) -> &'static str {
    match enabled {
        Some(true) => "enabled",
        Some(false) => "disabled",
        None => "unknown",
    }
}

/// Deletes the user. PingOne answers that without content, so a read shows that the user is gone.
pub(crate) async fn remove(task: &TaskContext, id: Uuid) -> Result<Was, Failure> {
    let before = found(task.read(task.client().user(id)).await)?;
    if task.is_dry_run() && before.is_none() {
        return Ok(Was::Gone);
    }
    let call = users::delete(id);
    let object = format!("user {id}");
    let entry = AuditEntry {
        object: &object,
        before: before.as_ref().map_or("not found", |user| enabled_word(user.enabled)),
        after: "deleted",
    };
    let applied = apply(task, Write::new(&call, entry, Rules::DELETION), |client| async move {
        let read = client.user(id).await.map_err(Failure::from);
        Ok(found(read)?.is_none().then_some(()))
    });
    match applied.await {
        Ok(Applied::Already(())) => Ok(Was::Gone),
        Ok(_) => Ok(Was::There),
        Err(failure) if failure.is_not_found() => gone_by_now(task, id).await,
        Err(failure) => Err(failure),
    }
}

/// PingOne did not find the user for a write: he is gone when no read shows him any more.
async fn gone_by_now(task: &TaskContext, id: Uuid) -> Result<Was, Failure> {
    for _ in 0..LATE_READS {
        if found(task.read(task.client().user(id)).await)?.is_none() {
            return Ok(Was::Gone);
        }
        if !task.wait(SETTLE).await? {
            break;
        }
    }
    let message = format!(
        "deprovision user {id}: PingOne does not find the user for that and still shows it, so nothing was changed. Try \
         again in a minute; if it stays, report it to Ping Identity."
    );
    Err(Failure::refused(Code::Unavailable, message))
}

/// Disables the user and keeps the record. One that is gone or disabled already, by two reads, is left as it is.
async fn disable(task: &TaskContext, id: Uuid) -> Result<Was, Failure> {
    let read = || async { found(task.read(task.client().user(id)).await) };
    let is_so = |user: &Option<User>| user.as_ref().is_none_or(|user| user.enabled == Some(false));
    let Some(user) = sure(task, read, is_so).await? else {
        return Ok(Was::Gone);
    };
    if user.enabled == Some(false) {
        return Ok(Was::There);
    }
    match set_enabled(task, &user, false).await {
        Ok(()) => Ok(Was::There),
        Err(failure) if failure.is_not_found() => gone_by_now(task, id).await,
        Err(failure) => Err(failure),
    }
}

/// Enables or disables a user.
pub(crate) async fn set_enabled(task: &TaskContext, user: &User, enabled: bool) -> Result<(), Failure> {
    let id = user.id;
    let object = format!("user {id}");
    let entry = AuditEntry {
        object: &object,
        before: enabled_word(user.enabled),
        after: enabled_word(Some(enabled)),
    };
    let call = users::set_enabled(id, enabled);
    let holds = |client: Client| async move { Ok(client.user(id).await?.enabled == Some(enabled)) };
    // An account that was just made may not be found for a moment.
    let rules = Rules {
        absent: Reaction::Again,
        ..Rules::STATE
    };
    apply_state(task, Write::new(&call, entry, rules), holds)
        .await
        .map(drop)
}
