//! `RotateCredentials` of a user (connector-model.md §7.5). The new password is encrypted to everybody before it is set, so
//! that none is set that nobody can read.

use jiff::Timestamp;
use uuid::Uuid;

use super::access::refuse_rotation;
use super::account::{PASSWORD, Secret, password_body, policy_of_population, rotated, struck};
use super::audit::ChangeOutcome;
use super::context::{AuditEntry, TaskContext};
use super::error::{Failure, found, shown};
use super::protect::refuse_user;
use super::since::{Made, Since};
use super::target::uuid;
use super::write::{Applied, Reaction, Rules, SETTLE, Write, apply};
use baton::crypto::{ClientKey, encrypt};
use baton::task::{Code, RotateCredentialsRequest, Rotated, TaskError};
use pingone::types::User;
use pingone::write::passwords;
use pingone::{Client, PasswordState};

/// Reads until one bears out what PingOne's answer says; reads lag for 10 s at most.
const READS: u32 = 6;

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
    set(task, id, (&state.status, state.last_changed_at), &secret).await?;
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

/// Sets a password. `before`: the status, and when the former one was set.
pub(super) async fn set(
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
