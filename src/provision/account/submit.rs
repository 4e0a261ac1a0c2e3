//! The creation itself, carried to a certain end (connector-model.md §9).

use std::sync::Mutex;

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
use crate::provision::protect::refuse_user;
use crate::provision::since::{Made, Since};
use crate::provision::write::{Applied, Look, Reaction, Rules, Write, apply_with};
use baton::crypto::Plaintext;
use baton::task::Code;
use pingone::types::{Lifecycle, User};
use pingone::write::users::{self, IMPORT};
use pingone::{Client, PingOneError, Reason, WriteBody, WriteCall, Written};
use process::error::ErrorClass;

/// The state of a user who has to verify the address.
pub(super) const MUST_VERIFY: &str = "VERIFICATION_REQUIRED";

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
    /// The name is taken by an account that may be ours or somebody's of the same moment.
    Unclear(Box<User>),
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
pub(super) fn password_body(secret: &Secret) -> Result<Bytes, Failure> {
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

/// The state of verification that goes along with a password.
fn status_sent(wanted: &NewAccount, secret: Option<&Secret>) -> Option<&'static str> {
    secret.filter(|_| !wanted.create_disabled)?;
    Some(if wanted.require_verification {
        MUST_VERIFY
    } else {
        "ACCOUNT_OK"
    })
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
    if let Some(status) = status_sent(wanted, Some(secret)) {
        user.insert("lifecycle".to_owned(), json!({ "status": status }));
    }
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
    let since = Since::now(task);
    let named = Mutex::new(None);
    let last = &named;
    let write = Write::new(&call, entry(&unnamed), rules)
        .accepting(|call, written| written.json::<User>(call).is_ok())
        .audited_by_caller();
    let applied = apply_with(task, write, |client, refusal| async move {
        let user = look(client, wanted, refusal.as_ref()).await?;
        if let Ok(mut last) = last.lock() {
            last.clone_from(&user);
        }
        Ok(Look::from(user))
    });
    let applied = Box::pin(applied).await;
    let end = End {
        task,
        wanted,
        target,
        call: &call,
        since,
    };
    match applied {
        Ok(Applied::Planned) => Ok(Outcome::Made(Box::new(planned(wanted, target, secret)))),
        Ok(Applied::Answered(written)) => end.answered(&written, named.into_inner().ok().flatten()),
        Ok(Applied::Seen(user)) => Ok(end.seen(user)),
        // Something between may have sent our call twice, and told us of the second time.
        Ok(Applied::Already(user)) if matches!(end.whose(&user), Whose::Ours) => Ok(end.seen(user)),
        Ok(Applied::Already(user)) => Ok(Outcome::Exists(Some(Box::new(user)))),
        Err(Failure::Unknown {
            shown: Some(written), ..
        }) => Ok(Outcome::Unseen(Box::new(written.json(&call)?))),
        Err(Failure::Unknown { cause: Some(cause), .. }) if is_name_taken(&cause) => Ok(Outcome::Hidden),
        Err(failure) if failure.pingone().is_some_and(is_name_taken) => Ok(Outcome::Exists(None)),
        Err(failure) => Err(explained(struck(failure, secret))),
    }
}

/// What a creation is held against when it is over.
struct End<'a> {
    task: &'a TaskContext,
    wanted: &'a NewAccount,
    target: &'a TargetPopulation,
    call: &'a WriteCall,
    /// Before the call.
    since: Since,
}

/// Whose a user is that has the name, where no answer of PingOne's says so.
enum Whose {
    Ours,
    /// Made about when we asked, or not as it was asked for.
    Unclear,
    Others,
}

impl End<'_> {
    fn whose(&self, user: &User) -> Whose {
        // What somebody has listed was there before.
        if refuse_user(self.task, user.id).is_err() {
            return Whose::Others;
        }
        match self.since.judge(user.created_at) {
            Made::Before => Whose::Others,
            Made::Since if self.wanted.asked.unmet(&User::default(), user).is_empty() => Whose::Ours,
            Made::Since | Made::Unclear => Whose::Unclear,
        }
    }

    /// PingOne says that it made the account; a read shows who has the name.
    fn answered(&self, written: &Written, seen: Option<User>) -> Result<Outcome, Failure> {
        let said: User = written.json(self.call)?;
        let request_id = written.request_id.clone();
        match seen {
            Some(user) if user.id == said.id && refuse_user(self.task, user.id).is_ok() => {
                self.audit(&user, ChangeOutcome::Done, request_id);
                Ok(Outcome::Made(Box::new(user)))
            }
            // The answer is about another user than the one who has the name.
            Some(user) => Ok(self.seen(user)),
            None => {
                self.audit(&said, ChangeOutcome::Unknown, request_id);
                Ok(Outcome::Unseen(Box::new(said)))
            }
        }
    }

    /// Only a read tells of an account of the name.
    fn seen(&self, user: User) -> Outcome {
        let (outcome, end): (_, fn(Box<User>) -> Outcome) = match self.whose(&user) {
            Whose::Ours => (ChangeOutcome::Confirmed, Outcome::Made),
            Whose::Unclear => (ChangeOutcome::Unknown, Outcome::Unclear),
            Whose::Others => (ChangeOutcome::Refused, |user| Outcome::Exists(Some(user))),
        };
        self.audit(&user, outcome, None);
        end(Box::new(user))
    }

    fn audit(&self, user: &User, outcome: ChangeOutcome, request_id: Option<String>) {
        let population = user.population_id().unwrap_or(self.target.id);
        let object = format!("user {} in population {population}", user.id);
        let mut entry = entry(&object);
        if outcome == ChangeOutcome::Refused {
            entry.after = entry.before;
        }
        self.task.audit(self.call, entry, outcome, request_id);
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
fn planned(wanted: &NewAccount, target: &TargetPopulation, secret: Option<&Secret>) -> User {
    User {
        username: Some(wanted.username.clone()),
        population: Some(pingone::types::Reference { id: target.id }),
        lifecycle: status_sent(wanted, secret).map(|status| Lifecycle {
            status: Some(status.to_owned()),
        }),
        ..User::default()
    }
}

/// Who has the name now: the user that PingOne's refusal names, or the one that a listing shows (pingone-api.md §3.3).
async fn look(client: Client, wanted: &NewAccount, refusal: Option<&PingOneError>) -> Result<Option<User>, Failure> {
    // A refusal that is not about something that exists says nothing of the name.
    if refusal.is_some_and(|error| error.class() == ErrorClass::Rejected) {
        return Ok(None);
    }
    let named = refusal
        .and_then(PingOneError::more)
        .and_then(|more| more.existing_id.as_deref());
    if let Some(id) = named.and_then(|id| Uuid::try_parse(id).ok())
        && let Some(user) = found(client.user(id).await.map_err(Failure::from))?
    {
        // Somebody with another name has the value of another unique attribute.
        return Ok(Some(user).filter(|user| has_name(user, wanted)));
    }
    Ok(lookup::user(client, wanted.username.clone()).await?)
}

/// The name that we asked for; its case does not count (pingone-api.md §6.4).
fn has_name(user: &User, wanted: &NewAccount) -> bool {
    let same = |name: &String| name.to_lowercase() == wanted.username.to_lowercase();
    user.username.as_ref().is_some_and(same)
}

/// Whether a user whose name is taken may be one that an earlier call of ours made: name, address and population are those asked for.
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
    detail.as_deref() == Some("UNIQUENESS_VIOLATION") && target.as_deref().is_some_and(name)
}

/// A refusal with the code and remedy that it needs.
fn explained(failure: Failure) -> Failure {
    let Some(error) = failure.pingone() else {
        return failure;
    };
    if error.detail_code() == Some("UNIQUENESS_VIOLATION") {
        let remedy = match &error.reason {
            Reason::Api { target: Some(_), .. } => {
                "The schema makes this attribute unique, and another user has the value."
            }
            _ => {
                "Another user has the user name or the value of another unique attribute, and PingOne does not say which. No \
                 account of the user name is visible to the worker application."
            }
        };
        return task_error_with(error, Some(Code::AlreadyExists), remedy).into();
    }
    failure
}

/// A failure without the secret: PingOne may repeat the value that it refuses.
pub(super) fn struck(failure: Failure, secret: Option<&Secret>) -> Failure {
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
