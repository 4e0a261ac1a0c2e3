//! The creation itself, carried to a certain end (connector-model.md §9).

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::credential::Secret;
use super::fields::NewAccount;
use super::lookup;
use super::population::TargetPopulation;
use crate::provision::audit::ChangeOutcome;
use crate::provision::context::{AuditEntry, TaskContext};
use crate::provision::error::{Failure, found, task_error_with};
use crate::provision::write::{Applied, Look, Reaction, Rules, Write, apply_with};
use baton::crypto::Plaintext;
use baton::task::Code;
use pingone::types::User;
use pingone::write::users::{self, IMPORT};
use pingone::{Client, PingOneError, Reason, WriteBody, WriteCall};
use process::error::ErrorClass;

/// How the creation ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// We made it.
    Made(Box<User>),
    /// The name was free, an answer was lost, and now the name is taken by an account that PingOne does not show: ours,
    /// or one that somebody made where we cannot look.
    Hidden,
    /// PingOne says that it made the account, and no read shows it.
    Unseen(Box<User>),
    /// The name is taken, by a user that we may see or not.
    Exists(Option<Box<User>>),
}

#[derive(Serialize)]
struct Import<'a> {
    #[serde(flatten)]
    user: &'a Map<String, Value>,
    password: PasswordBody<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PasswordBody<'a> {
    value: &'a str,
    force_change: bool,
}

/// `{"value", "forceChange"}` in zeroizing memory.
pub(crate) fn password_body(secret: &Secret) -> Result<Bytes, Failure> {
    let body = PasswordBody {
        value: secret.plaintext.expose(),
        force_change: secret.force_change,
    };
    zeroizing(&body, &secret.plaintext, 0)
}

/// JSON in memory that is cleared when it goes and that does not move while it is written.
fn zeroizing(body: &impl Serialize, plaintext: &Plaintext, rest: usize) -> Result<Bytes, Failure> {
    // An escaped byte takes six; 128 for the names around it.
    let mut bytes = Zeroizing::new(Vec::with_capacity(rest + 6 * plaintext.expose().len() + 128));
    serde_json::to_writer(&mut *bytes, body)
        .map_err(|_| Failure::refused(Code::Internal, "the user could not be written as JSON"))?;
    Ok(Bytes::from_owner(bytes))
}

/// The call. A password goes along unless the account is to be disabled first, so that it is never live.
fn call(
    environment: &str,
    wanted: &NewAccount,
    mut user: Map<String, Value>,
    secret: Option<&Secret>,
) -> Result<WriteCall, Failure> {
    let Some(secret) = secret.filter(|_| !wanted.create_disabled) else {
        return Ok(users::create(
            environment,
            &wanted.username,
            WriteBody::json(&Value::Object(user)),
        ));
    };
    let status = if wanted.require_verification {
        "VERIFICATION_REQUIRED"
    } else {
        "ACCOUNT_OK"
    };
    user.insert("lifecycle".to_owned(), json!({ "status": status }));
    let rest = serde_json::to_vec(&user).map_or(0, |bytes| bytes.len());
    let body = Import {
        user: &user,
        password: PasswordBody {
            value: secret.plaintext.expose(),
            force_change: secret.force_change,
        },
    };
    let body = zeroizing(&body, &secret.plaintext, rest)?;
    Ok(users::create(
        environment,
        &wanted.username,
        WriteBody::secret(IMPORT, body),
    ))
}

/// Creates the user. Nothing of that name was there before. A second call cannot make a second account, because PingOne
/// keeps names unique; who finds the name taken after a lost answer may find the account that the lost call made.
pub(super) async fn submit(
    task: &TaskContext,
    wanted: &NewAccount,
    target: &TargetPopulation,
    body: Map<String, Value>,
    secret: Option<&Secret>,
) -> Result<Outcome, Failure> {
    let call = call(task.client().environment_id(), wanted, body, secret)?;
    let unnamed = format!("a new user in population {}", target.id);
    let rules = Rules {
        taken: Reaction::Verify,
        ..Rules::STATE
    };
    let write = Write::new(&call, entry(&unnamed), rules)
        .accepting(|call, written| written.json::<User>(call).is_ok())
        .audited_by_caller();
    let applied = apply_with(task, write, |client, refusal| async move {
        look(client, wanted, target, refusal.as_ref()).await
    });
    let made = |user: User, outcome, request_id| {
        let object = format!("user {} in population {}", user.id, target.id);
        task.audit(&call, entry(&object), outcome, request_id);
        Outcome::Made(Box::new(user))
    };
    match Box::pin(applied).await {
        Ok(Applied::Planned) => Ok(Outcome::Made(Box::new(planned(wanted, target)))),
        Ok(Applied::Answered(written)) => Ok(made(written.json(&call)?, ChangeOutcome::Done, written.request_id)),
        Ok(Applied::Seen(user)) => Ok(made(user, ChangeOutcome::Confirmed, None)),
        Ok(Applied::Already(user)) => Ok(Outcome::Exists(Some(Box::new(user)))),
        Err(Failure::Unknown {
            shown: Some(written), ..
        }) => Ok(Outcome::Unseen(Box::new(written.json(&call)?))),
        Err(Failure::Unknown { cause: Some(cause), .. }) if is_name_taken(&cause) => Ok(Outcome::Hidden),
        Err(failure) if failure.pingone().is_some_and(is_name_taken) => Ok(Outcome::Exists(None)),
        Err(failure) => Err(explained(struck(failure, secret))),
    }
}

const fn entry(object: &str) -> AuditEntry<'_> {
    AuditEntry {
        object,
        before: "absent",
        after: "created",
    }
}

/// What a dry run works on with: the account that there would be.
fn planned(wanted: &NewAccount, target: &TargetPopulation) -> User {
    User {
        username: Some(wanted.username.clone()),
        population: Some(pingone::types::Reference { id: target.id }),
        ..User::default()
    }
}

/// Who has the name now: the user that PingOne's refusal names, or the one that a listing shows (pingone-api.md §3.3).
async fn look(
    client: Client,
    wanted: &NewAccount,
    target: &TargetPopulation,
    refusal: Option<&PingOneError>,
) -> Result<Look<User>, Failure> {
    // A refusal that is not about something that exists says nothing of the name.
    if refusal.is_some_and(|error| error.class() == ErrorClass::Rejected) {
        return Ok(Look::Missing);
    }
    let named = refusal
        .and_then(PingOneError::more)
        .and_then(|more| more.existing_id.as_deref());
    if let Some(id) = named.and_then(|id| Uuid::try_parse(id).ok())
        && let Some(user) = found(client.user(id).await.map_err(Failure::from))?
    {
        // Somebody with another name has the value of another unique attribute.
        return Ok(if has_name(&user, wanted) {
            sighting(user, wanted, target)
        } else {
            Look::Missing
        });
    }
    let seen = lookup::user(client, wanted.username.clone()).await?;
    Ok(seen.map_or(Look::Missing, |user| sighting(user, wanted, target)))
}

fn sighting(user: User, wanted: &NewAccount, target: &TargetPopulation) -> Look<User> {
    if is_ours(&user, wanted, target) {
        Look::Found(user)
    } else {
        Look::Other(user)
    }
}

/// The name that we asked for; its case does not count (pingone-api.md §6.4).
fn has_name(user: &User, wanted: &NewAccount) -> bool {
    let same = |name: &String| name.to_lowercase() == wanted.username.to_lowercase();
    user.username.as_ref().is_some_and(same)
}

/// Whether a user whose name was free a moment ago is the one that we asked for, and not somebody else's.
pub(super) fn is_ours(user: &User, wanted: &NewAccount, target: &TargetPopulation) -> bool {
    let email = wanted.body.get("email").and_then(Value::as_str);
    let same = |sent: &str| {
        user.email
            .as_ref()
            .is_some_and(|own| own.to_lowercase() == sent.to_lowercase())
    };
    has_name(user, wanted) && email.is_none_or(same) && user.population_id().is_none_or(|id| id == target.id)
}

/// The user name is taken. Another attribute may be unique as well, and is not this case (pingone-api.md §6.4).
fn is_name_taken(error: &PingOneError) -> bool {
    let Reason::Api { detail, target, .. } = &error.reason else {
        return false;
    };
    let name = |target: &str| target.eq_ignore_ascii_case("username");
    detail.as_deref() == Some("UNIQUENESS_VIOLATION") && target.as_deref().is_none_or(name)
}

/// A refusal with the code and remedy that it needs.
fn explained(failure: Failure) -> Failure {
    let Some(error) = failure.pingone() else {
        return failure;
    };
    if error.detail_code() == Some("UNIQUENESS_VIOLATION") {
        let remedy = "The schema makes this attribute unique, and another user has the value.";
        return task_error_with(error, Some(Code::AlreadyExists), remedy).into();
    }
    failure
}

/// A failure without the secret: PingOne may repeat the value that it refuses.
pub(crate) fn struck(failure: Failure, secret: Option<&Secret>) -> Failure {
    let Some(secret) = secret else {
        return failure;
    };
    match failure {
        Failure::PingOne(mut error) => {
            if let Reason::Api { message, .. } = &mut error.reason {
                *message = secret.plaintext.struck_from(message);
            }
            Failure::PingOne(error)
        }
        Failure::Unknown { mut error, .. } => {
            error.message = secret.plaintext.struck_from(&error.message);
            Failure::Unknown {
                error,
                cause: None,
                shown: None,
            }
        }
        other => other,
    }
}
