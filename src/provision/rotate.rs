//! `RotateCredentials` of a user (connector-model.md §7.5). The new password is encrypted to everybody before it is set, so
//! that none is set that nobody can read.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::access::refuse_rotation;
use super::account::{PASSWORD, Secret, password_body, policy_of_population, rotated, struck};
use super::context::{AuditEntry, TaskContext};
use super::error::{Failure, found, shown};
use super::protect::refuse_user;
use super::target::uuid;
use super::write::{Rules, SETTLE, Write, apply_state};
use baton::crypto::{ClientKey, encrypt};
use baton::task::{Code, RotateCredentialsRequest, Rotated, TaskError};
use pingone::types::User;
use pingone::write::passwords;
use pingone::{Client, PasswordState};

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
    let baseline = Baseline::of(task, &state);
    let policy_id = policy_id(task, &state, &user).await?;
    let secret = wish.generate(task, &texts(&user), policy_id.as_deref()).await?;
    let secrets = encrypt(&secret.recipients, PASSWORD, &secret.plaintext)?;
    set(task, id, (&state, baseline), &secret).await?;
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

/// After what a change of the password must have been made to be ours.
#[derive(Debug, Clone, Copy)]
struct Baseline {
    changed: Option<Timestamp>,
    /// PingOne's time when that was read: a node that is behind tells an older change, and the later one is not ours.
    read: Option<Timestamp>,
}

/// How far apart the clocks of PingOne's nodes may be.
const CLOCKS: SignedDuration = SignedDuration::from_secs(5);

impl Baseline {
    fn of(task: &TaskContext, state: &PasswordState) -> Self {
        Self {
            changed: state.last_changed_at,
            read: task.client().stats().clock().map(|(told, _)| told),
        }
    }

    /// A password that was set after this.
    fn is_before(self, now: &PasswordState) -> bool {
        let Some(changed) = now.last_changed_at.filter(|_| now.is_set()) else {
            return false;
        };
        let is_later = self.changed.is_none_or(|before| changed > before);
        let earliest = self.read.and_then(|read| read.checked_sub(CLOCKS).ok());
        is_later && earliest.is_none_or(|earliest| changed >= earliest)
    }
}

async fn set(
    task: &TaskContext,
    id: Uuid,
    (before, baseline): (&PasswordState, Baseline),
    secret: &Secret,
) -> Result<(), Failure> {
    let call = passwords::set(id, password_body(secret)?, secret.force_change);
    let object = format!("user {id}");
    let entry = AuditEntry {
        object: &object,
        before: &before.status,
        after: if secret.force_change {
            "password set, to be changed"
        } else {
            "password set"
        },
    };
    // A password cannot be read back; the time of its change can.
    let changed = |client: Client| async move { Ok(baseline.is_before(&client.password_state(id).await?)) };
    match apply_state(task, Write::new(&call, entry, Rules::STATE), changed).await {
        Ok(_) => {
            task.memory().has_other_password(id);
            Ok(())
        }
        Err(Failure::Unknown { .. }) => {
            let message = format!(
                "set the password of user {id}: the answer was lost and it is not known which password holds. Rotate \
                 again."
            );
            let error = Box::new(TaskError::new(Code::Unavailable, message));
            Err(Failure::Unknown {
                error,
                cause: None,
                shown: None,
            })
        }
        Err(failure) => Err(struck(failure, Some(secret))),
    }
}
