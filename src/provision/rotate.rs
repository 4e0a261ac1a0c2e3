//! `RotateCredentials` of a user (connector-model.md §7.5). The new password is encrypted to everybody before it is set, so
//! that none is set that nobody can read.

use uuid::Uuid;

use super::access::refuse_rotation;
use super::account::{PASSWORD, policy_of_population, rotated, set_password};
use super::context::TaskContext;
use super::error::{Failure, found, shown};
use super::protect::refuse_user;
use super::target::uuid;
use super::write::SETTLE;
use baton::crypto::{ClientKey, encrypt};
use baton::task::{Code, RotateCredentialsRequest, Rotated};
use pingone::PasswordState;
use pingone::types::User;

/// Sets a new password.
pub(crate) async fn rotate(
    task: &TaskContext,
    request: &RotateCredentialsRequest,
    key: Option<&ClientKey>,
) -> Result<Rotated, Failure> {
    let resource = &request.resource;
    if matches!(resource.resource_type.as_str(), "application" | "gateway" | "secret") {
        return Err(refuse_rotation());
    }
    if resource.resource_type != "user" {
        let message = format!(
            "resource type {} does not have credential manager configured",
            shown(&resource.resource_type)
        );
        return Err(Failure::refused(Code::Unimplemented, message));
    }
    let id = uuid("the user's id", &resource.id)?;
    let wish = rotated(request.credentials.as_ref(), &request.encryption, key)?;
    if wish.is_for_nobody() {
        return Err(Failure::invalid(
            "a random password is to be set and no encryption config says whom to tell it: nothing was changed",
        ));
    }
    refuse_user(task, id)?;
    let _lock = task.lock(id).await?;
    let user = user(task, id).await?;
    let state = ours(task, &user).await?;
    let policy_id = policy_id(task, &state, &user).await?;
    let secret = wish.generate(task, &texts(&user), policy_id.as_deref()).await?;
    let secrets = encrypt(&secret.recipients, PASSWORD, &secret.plaintext)?;
    set_password(task, id, (&state.status, state.last_changed_at), &secret).await?;
    Ok(Rotated {
        resource: resource.clone(),
        secrets,
        annotations: task.annotations(),
    })
}

/// The policy that the password's state names, else the one of the user's population. `None`: the default one.
async fn policy_id(task: &TaskContext, state: &PasswordState, user: &User) -> Result<Option<String>, Failure> {
    let told = state.password_policy.as_ref().and_then(|policy| policy.id.clone());
    match user.population_id().filter(|_| told.is_none()) {
        Some(population) => policy_of_population(task, population).await,
        None => Ok(told),
    }
}

/// The user; one that was just created may not be found for a moment.
async fn user(task: &TaskContext, id: Uuid) -> Result<User, Failure> {
    match task.read(task.client().user(id)).await {
        Err(failure) if failure.is_not_found() && task.wait(SETTLE).await? => {
            found(task.read(task.client().user(id)).await)?.ok_or(failure)
        }
        outcome => outcome,
    }
}

/// How the password stands, where it is PingOne's at all (pingone-api.md §6.5).
async fn ours(task: &TaskContext, user: &User) -> Result<PasswordState, Failure> {
    let id = user.id;
    let elsewhere = user.identity_provider_type().filter(|kind| *kind != "PING_ONE");
    if let Some(kind) = elsewhere {
        return Err(Failure::precondition(format!(
            "user {id} signs on with another identity provider ({}); the password is changed there",
            shown(kind)
        )));
    }
    let state = task.read(task.client().password_state(id)).await?;
    if state.status == "EXTERNAL" {
        return Err(Failure::precondition(format!(
            "the password of user {id} is kept in another directory (EXTERNAL) and is changed there"
        )));
    }
    Ok(state)
}

/// Parts of the profile that a password must not hold.
fn texts(user: &User) -> Vec<&str> {
    let name = user.name.as_ref();
    let parts = [
        user.username.as_deref(),
        user.email.as_deref(),
        user.nickname.as_deref(),
        name.and_then(|name| name.given.as_deref()),
        name.and_then(|name| name.family.as_deref()),
    ];
    parts.into_iter().flatten().collect()
}
