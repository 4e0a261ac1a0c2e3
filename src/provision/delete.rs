//! `DeleteResource` of a user in the three modes of `deprovision-mode` (connector-model.md §7.4).

use uuid::Uuid;

use super::error::{Failure, found, task_error_with};
use super::protect::refuse_user;
use super::settings::Deprovision;
use super::settle::{settle, settle_or};
use super::target::{shown, uuid};
use super::work::{Told, Work};
use crate::pingone::Client;
use crate::pingone::write::users;
use crate::task::{Annotation, DeleteResourceRequest};

/// Whether there was a user to deprovision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Was {
    There,
    Gone,
}

/// Deletes or disables the account, as the mode says. One that is not there is success with an annotation.
pub(crate) async fn delete(work: &Work, request: &DeleteResourceRequest) -> Result<Vec<Annotation>, Failure> {
    let resource = &request.resource;
    if resource.resource_type != "user" {
        return Err(Failure::invalid(format!(
            "only users are deleted, not resources of type {}",
            shown(&resource.resource_type)
        )));
    }
    let id = uuid("the user's id", &resource.id)?;
    refuse_user(work, id)?;
    let _turn = work.turn(id).await?;
    let was = match work.options().deprovision {
        Deprovision::Delete => remove(work, id).await?,
        Deprovision::Disable => disable(work, id).await?,
        Deprovision::DisableThenDelete => match disable(work, id).await? {
            Was::Gone => Was::Gone,
            Was::There => {
                work.carry_on();
                remove(work, id).await.map_err(half_done)?;
                Was::There
            }
        },
    };
    let mut annotations = work.annotations();
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

/// Deletes the user.
pub(crate) async fn remove(work: &Work, id: Uuid) -> Result<Was, Failure> {
    if work.is_dry_run() && found(work.read(work.client().user(id)).await)?.is_none() {
        return Ok(Was::Gone);
    }
    let call = users::delete(id);
    let object = format!("user {id}");
    let told = Told {
        object: &object,
        before: "there",
        after: "deleted",
    };
    let look = |client: Client| async move {
        let read = client.user(id).await.map_err(Failure::from);
        Ok(found(read)?.is_none().then_some(()))
    };
    // Not there any more: an earlier deletion whose answer was lost took effect after all.
    let gone = |failure: &Failure| failure.is_not_found().then_some(());
    match settle_or(work, &call, told, look, gone).await {
        Ok(_) => Ok(Was::There),
        Err(failure) if failure.is_not_found() => Ok(Was::Gone),
        Err(failure) => Err(failure),
    }
}

/// Disables the user and keeps the record. One that is disabled already is left as it is.
async fn disable(work: &Work, id: Uuid) -> Result<Was, Failure> {
    let Some(user) = found(work.read(work.client().user(id)).await)? else {
        return Ok(Was::Gone);
    };
    if user.enabled == Some(false) {
        return Ok(Was::There);
    }
    let object = format!("user {id}");
    let told = Told {
        object: &object,
        before: if user.enabled == Some(true) {
            "enabled"
        } else {
            "unknown"
        },
        after: "disabled",
    };
    let look = |client: Client| async move {
        let disabled = client.user(id).await?.enabled == Some(false);
        Ok(disabled.then_some(()))
    };
    match settle(work, &users::set_enabled(id, false), told, look).await {
        Ok(_) => Ok(Was::There),
        Err(failure) if failure.is_not_found() => Ok(Was::Gone),
        Err(failure) => Err(failure),
    }
}
