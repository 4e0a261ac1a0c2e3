//! `RotateCredentials` of a user (connector-model.md §7.5). The new password is encrypted to everybody before it is set, so
//! that none is set that nobody can read.

use std::sync::atomic::{AtomicBool, Ordering};

use uuid::Uuid;

use super::account::{PASSWORD, Secret, password_body, policy_of_population, rotated, struck};
use super::crypto::{ClientKey, encrypt};
use super::error::{Failure, found};
use super::protect::refuse_user;
use super::settle::settle;
use super::target::{shown, uuid};
use super::work::{SETTLE, Told, Work};
use crate::pingone::types::User;
use crate::pingone::write::passwords;
use crate::pingone::{Client, PasswordState};
use crate::task::{Code, RotateCredentialsRequest, Rotated};

/// Sets a new password.
pub(crate) async fn rotate(
    work: &Work,
    request: &RotateCredentialsRequest,
    key: Option<&ClientKey>,
) -> Result<Rotated, Failure> {
    let resource = &request.resource;
    if resource.resource_type != "user" {
        let message = format!(
            "resource type {} does not have credential manager configured",
            shown(&resource.resource_type)
        );
        return Err(Failure::refused(Code::Unimplemented, message));
    }
    let id = uuid("the user's id", &resource.id)?;
    let wish = rotated(request.credentials.as_ref(), &request.encryption, key)?;
    refuse_user(work, id)?;
    let _turn = work.turn(id).await?;
    let user = user(work, id).await?;
    let state = ours(work, &user).await?;
    let policy_id = policy_id(work, &state, &user).await?;
    let secret = wish.generate(work, &texts(&user), policy_id.as_deref()).await?;
    let secrets = encrypt(&secret.recipients, PASSWORD, &secret.plaintext)?;
    set(work, id, &state, &secret).await?;
    Ok(Rotated {
        resource: resource.clone(),
        secrets,
        annotations: work.annotations(),
    })
}

/// The policy that the password's state names, else the one of the user's population. `None`: the default one.
async fn policy_id(work: &Work, state: &PasswordState, user: &User) -> Result<Option<String>, Failure> {
    let told = state.password_policy.as_ref().and_then(|policy| policy.id.clone());
    match user.population_id().filter(|_| told.is_none()) {
        Some(population) => policy_of_population(work, population).await,
        None => Ok(told),
    }
}

/// The user; one that was just created may not be found for a moment.
async fn user(work: &Work, id: Uuid) -> Result<User, Failure> {
    match work.read(work.client().user(id)).await {
        Err(failure) if failure.is_not_found() && work.wait(SETTLE).await? => {
            found(work.read(work.client().user(id)).await)?.ok_or(failure)
        }
        outcome => outcome,
    }
}

/// How the password stands, where it is PingOne's at all (pingone-api.md §6.5).
async fn ours(work: &Work, user: &User) -> Result<PasswordState, Failure> {
    let id = user.id;
    let elsewhere = user.identity_provider_type().filter(|kind| *kind != "PING_ONE");
    if let Some(kind) = elsewhere {
        return Err(Failure::precondition(format!(
            "user {id} signs on with another identity provider ({}); the password is changed there",
            shown(kind)
        )));
    }
    let state = work.read(work.client().password_state(id)).await?;
    if state.status.as_deref() == Some("EXTERNAL") {
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

async fn set(work: &Work, id: Uuid, before: &PasswordState, secret: &Secret) -> Result<(), Failure> {
    let call = passwords::set(id, password_body(secret)?);
    let object = format!("user {id}");
    let told = Told {
        object: &object,
        before: before.status.as_deref().unwrap_or("unknown"),
        after: if secret.force_change {
            "password set, to be changed"
        } else {
            "password set"
        },
    };
    // A password cannot be read back; the time of its change can.
    let lost = AtomicBool::new(false);
    let look = |client: Client| {
        lost.store(true, Ordering::Relaxed);
        async move {
            let now = client.password_state(id).await?;
            let changed = now.last_changed_at.is_some() && now.last_changed_at != before.last_changed_at;
            Ok(changed.then_some(()))
        }
    };
    match settle(work, &call, told, look).await {
        Ok(_) => Ok(()),
        // It was sent again and is refused now, which it also is when the first one took effect.
        Err(failure) if lost.load(Ordering::Relaxed) && !failure.outcome_unknown() => Err(Failure::refused(
            Code::Unavailable,
            format!(
                "set the password of user {id}: the answer was lost and it is not known which password holds. Rotate again."
            ),
        )),
        Err(failure) => Err(struck(failure, Some(secret))),
    }
}
