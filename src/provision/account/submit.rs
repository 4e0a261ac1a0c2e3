//! The creation itself, carried to a certain end: after a lost answer the state is read before anything is sent again,
//! and who finds the name taken then finds the account that it made (connector-model.md §9).

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::credential::Secret;
use super::fields::NewAccount;
use super::lookup;
use super::place::Place;
use crate::error::ErrorClass;
use crate::pingone::types::User;
use crate::pingone::write::users::{self, IMPORT};
use crate::pingone::{PingOneError, Reason, WriteBody, WriteCall};
use crate::provision::audit::ChangeOutcome;
use crate::provision::crypto::Plaintext;
use crate::provision::error::{Failure, found, task_error_with};
use crate::provision::settle::{may_repeat, right_may_come};
use crate::provision::work::{SETTLE, Told, Work};
use crate::task::Code;

/// Looks for an account that is there for certain and is not shown, each after [`SETTLE`].
const LATE_LOOKS: u32 = 3;

/// How the creation ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// We made it.
    Made(Box<User>),
    /// The name was free, an answer was lost, and now the name is taken by an account that PingOne does not show: ours,
    /// or one that somebody made where we cannot look.
    Hidden,
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
        return Ok(users::create(environment, WriteBody::json(&Value::Object(user))));
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
    Ok(users::create(environment, WriteBody::secret(IMPORT, body)))
}

/// One creation while it is carried to its end.
struct Creation<'a> {
    work: &'a Work,
    wanted: &'a NewAccount,
    place: &'a Place,
    call: WriteCall,
    secret: Option<&'a Secret>,
    /// An answer was lost: an account may be there without our having seen it.
    lost: bool,
}

impl Creation<'_> {
    fn made(&self, user: User, outcome: ChangeOutcome, request_id: Option<String>) -> Outcome {
        let object = format!("user {} in population {}", user.id, self.place.id);
        self.work.told(&self.call, told(&object), outcome, request_id);
        Outcome::Made(Box::new(user))
    }

    /// No read could tell what became of a lost answer.
    fn unknown(&self) {
        let object = format!("a new user in population {}", self.place.id);
        self.work.decided(&self.call, told(&object), ChangeOutcome::Unknown);
    }

    /// The user that holds the name: ours, where an answer was lost and it is what we asked for.
    fn of_holder(&self, user: User) -> Outcome {
        if self.lost && is_ours(&user, self.wanted, self.place) {
            return self.made(user, ChangeOutcome::Confirmed, None);
        }
        Outcome::Exists(Some(Box::new(user)))
    }

    /// PingOne says that the name is taken and shows nobody who has it.
    async fn taken_by_nobody(&self) -> Result<Outcome, Failure> {
        if !self.lost {
            return Ok(Outcome::Exists(None));
        }
        // It may be ours, and not shown yet.
        for _ in 0..LATE_LOOKS {
            tokio::time::sleep(SETTLE).await;
            if let Some(user) = seen_once(self.work, self.wanted).await? {
                return Ok(self.of_holder(user));
            }
        }
        self.unknown();
        Ok(Outcome::Hidden)
    }

    async fn run(&mut self) -> Result<Outcome, Failure> {
        let (work, wanted, place) = (self.work, self.wanted, self.place);
        let (mut writes, mut tried_right_again, mut tried_conflict_again) = (0, false, false);
        loop {
            writes += 1;
            let failure = match work.send(&self.call).await {
                Ok(written) if written.is_planned() => return Ok(Outcome::Made(Box::new(planned(wanted, place)))),
                Ok(written) => match written.json::<User>(&self.call) {
                    Ok(user) => return Ok(self.made(user, ChangeOutcome::Done, written.request_id.clone())),
                    Err(error) => Failure::from(error),
                },
                Err(failure) => struck(failure, self.secret),
            };
            if failure.outcome_unknown() {
                self.lost = true;
                match seen(work, wanted).await {
                    Ok(Some(user)) => return Ok(self.of_holder(user)),
                    Ok(None) if may_repeat(work, &failure, writes).await? => continue,
                    Ok(None) | Err(_) => return Err(failure),
                }
            }
            let refusal = failure.pingone();
            if let Some(error) = refusal.filter(|error| is_name_taken(error)) {
                match holder(work, wanted, error).await? {
                    Holder::Of(user) => return Ok(self.of_holder(*user)),
                    Holder::Nobody => return self.taken_by_nobody().await,
                    Holder::OfSomethingElse => return Err(explained(failure)),
                }
            }
            // A conflict over something else than a unique attribute: the state decides, and one more attempt.
            if let Some(error) = refusal.filter(|error| is_conflict(error)) {
                if let Holder::Of(user) = holder(work, wanted, error).await? {
                    return Ok(self.of_holder(*user));
                }
                if !tried_conflict_again && work.wait(SETTLE).await? {
                    tried_conflict_again = true;
                    continue;
                }
            }
            if !right_may_come(work, &failure, &mut tried_right_again).await? {
                return Err(explained(failure));
            }
        }
    }
}

/// Creates the user. Nothing of that name was there before.
pub(super) async fn submit(
    work: &Work,
    wanted: &NewAccount,
    place: &Place,
    body: Map<String, Value>,
    secret: Option<&Secret>,
) -> Result<Outcome, Failure> {
    let mut creation = Creation {
        work,
        wanted,
        place,
        call: call(work.client().environment_id(), wanted, body, secret)?,
        secret,
        lost: false,
    };
    let outcome = creation.run().await;
    if outcome.is_err() && creation.lost {
        creation.unknown();
    }
    outcome
}

fn told(object: &str) -> Told<'_> {
    Told {
        object,
        before: "absent",
        after: "created",
    }
}

/// What a dry run works on with: the account that there would be.
fn planned(wanted: &NewAccount, place: &Place) -> User {
    User {
        username: Some(wanted.username.clone()),
        population: Some(crate::pingone::types::Reference { id: place.id }),
        ..User::default()
    }
}

/// The user of that name after a lost answer: read at once and again a little later, since reads lag behind writes.
async fn seen(work: &Work, wanted: &NewAccount) -> Result<Option<User>, Failure> {
    if let Some(user) = seen_once(work, wanted).await? {
        return Ok(Some(user));
    }
    tokio::time::sleep(SETTLE).await;
    seen_once(work, wanted).await
}

/// Not ended by cancelling: somebody must know.
async fn seen_once(work: &Work, wanted: &NewAccount) -> Result<Option<User>, Failure> {
    Ok(lookup::user(work.deciding(), wanted.username.clone()).await?)
}

/// Who stands in the way of a creation.
enum Holder {
    /// This user has the name.
    Of(Box<User>),
    /// Nobody that we see.
    Nobody,
    /// Somebody with another name, who has the value of another unique attribute.
    OfSomethingElse,
}

/// Who holds the name: the user that PingOne's refusal names, or the one that a look finds (pingone-api.md §3.3).
async fn holder(work: &Work, wanted: &NewAccount, refusal: &PingOneError) -> Result<Holder, Failure> {
    let named = refusal.more().and_then(|more| more.existing_id.as_deref());
    if let Some(id) = named.and_then(|id| Uuid::try_parse(id).ok())
        && let Some(user) = found(work.deciding().user(id).await.map_err(Failure::from))?
    {
        return Ok(if has_name(&user, wanted) {
            Holder::Of(Box::new(user))
        } else {
            Holder::OfSomethingElse
        });
    }
    let seen = seen_once(work, wanted).await?;
    Ok(seen.map_or(Holder::Nobody, |user| Holder::Of(Box::new(user))))
}

/// The name that we asked for; its case does not count (pingone-api.md §6.4).
fn has_name(user: &User, wanted: &NewAccount) -> bool {
    let same = |name: &String| name.to_lowercase() == wanted.username.to_lowercase();
    user.username.as_ref().is_some_and(same)
}

/// Whether a user whose name was free a moment ago is the one that we asked for, and not somebody else's.
fn is_ours(user: &User, wanted: &NewAccount, place: &Place) -> bool {
    let email = wanted.body.get("email").and_then(Value::as_str);
    let same = |sent: &str| {
        user.email
            .as_ref()
            .is_some_and(|own| own.to_lowercase() == sent.to_lowercase())
    };
    has_name(user, wanted) && email.is_none_or(same) && user.population_id().is_none_or(|id| id == place.id)
}

/// The user name is taken. Another attribute may be unique as well, and is not this case (pingone-api.md §6.4).
fn is_name_taken(error: &PingOneError) -> bool {
    let Reason::Api { detail, target, .. } = &error.reason else {
        return false;
    };
    let name = |target: &str| target.eq_ignore_ascii_case("username");
    detail.as_deref() == Some("UNIQUENESS_VIOLATION") && target.as_deref().is_none_or(name)
}

/// PingOne says "conflict" and does not say that an attribute is unique (connector-model.md §9).
fn is_conflict(error: &PingOneError) -> bool {
    error.class() == ErrorClass::AlreadyExists && error.detail_code() != Some("UNIQUENESS_VIOLATION")
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
    let (Failure::PingOne(mut error), Some(secret)) = (failure.clone(), secret) else {
        return failure;
    };
    if let Reason::Api { message, .. } = &mut error.reason {
        *message = secret.plaintext.struck_from(message);
    }
    Failure::PingOne(error)
}
