//! `CreateAccount` (connector-model.md §7.3, c1-protocol.md §9.3, §10.4). Everything that can be refused is refused before
//! the account exists: fields, population, attributes, identity provider, encryption. What fails afterwards is told as
//! `action_required`, never as an error, because a repetition would only find the account there.

mod credential;
mod fields;
mod finish;
mod lookup;
mod password;
mod population;
mod submit;

use serde_json::{Map, Value, json};

use super::actions::{Changes, check_additional};
use super::context::TaskContext;
use super::error::{Failure, shown};
use crate::sync::{UserRules, translate_user};
use baton::crypto::{ClientKey, Label, encrypt};
use baton::task::{AccountCreated, AccountResult, Code, CreateAccountRequest, EncryptedSecret};
use credential::Credential;
use fields::NewAccount;
use pingone::types::User;
use population::TargetPopulation;
use submit::Outcome;

pub(super) use credential::{Secret, rotated};
pub(super) use fields::keys;
pub(super) use password::set_password;
pub(super) use population::policy_of_population;

/// How a password is called towards C1 (c1-protocol.md §10.2).
pub(super) const PASSWORD: Label = Label {
    name: "password",
    description: "Password of the PingOne account",
};

/// How long an account may be the one that an earlier try of the same task made.
const UNRECEIVED: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);

/// Creates an account.
pub(crate) async fn create(
    task: &TaskContext,
    request: &CreateAccountRequest,
    key: Option<&ClientKey>,
) -> Result<AccountCreated, Failure> {
    let kind = request.resource_type_id.as_str();
    if !matches!(kind, "" | "user") {
        let message = format!(
            "connector does not have account manager configured for resource type: {}",
            shown(kind)
        );
        return Err(Failure::refused(Code::Unimplemented, message));
    }
    let mut wanted = NewAccount::read(&request.account)?;
    let credential = Credential::read(request.credentials.as_ref(), &request.encryption, key)?;
    credential.agrees_with(&wanted)?;
    let _lock = task
        .lock(format!("username {}", wanted.username.to_lowercase()))
        .await?;

    let target = population::find(task, wanted.population.as_deref()).await?;
    wanted.additional = check_additional(task, std::mem::take(&mut wanted.additional)).await?;
    let provider = lookup::provider(task, wanted.identity_provider.as_deref(), credential.sso()).await?;
    let lookup = lookup::user(task.client().clone(), wanted.username.clone());
    if let Some(user) = task.read(lookup).await? {
        let unreceived = credential.is_random() && may_be_unreceived(task, &wanted, &target, &user);
        return Ok(exists(task, Some(&user), &target, unreceived));
    }
    let body = body(&wanted, &target, provider.as_deref());
    wanted.asked = Changes::of_new_user(&body)?;
    let secret = match credential {
        Credential::None | Credential::Sso(_) => None,
        Credential::Password(wish) => {
            let profile = profile_texts(&wanted.body);
            Some(wish.generate(task, &profile, target.policy.as_deref()).await?)
        }
    };
    let sealed = match &secret {
        Some(secret) => encrypt(&secret.recipients, PASSWORD, &secret.plaintext)?,
        None => Vec::new(),
    };
    let outcome = submit::submit(task, &wanted, &target, body, secret.as_ref()).await?;
    Ok(end(task, &wanted, &target, outcome, secret, sealed).await)
}

/// What is left to do after the call, and what is told of it.
async fn end(
    task: &TaskContext,
    wanted: &NewAccount,
    target: &TargetPopulation,
    outcome: Outcome,
    secret: Option<Secret>,
    sealed: Vec<EncryptedSecret>,
) -> AccountCreated {
    let (resource, message, secrets) = match outcome {
        Outcome::Made(user) => return finish::finish(task, wanted, target, *user, secret, sealed).await,
        Outcome::Exists(user) => return exists(task, user.as_deref(), target, false),
        // Whose account it is is not known, so no password is told for it.
        Outcome::Hidden => (None, hidden(wanted, secret.as_ref()), Vec::new()),
        Outcome::Unclear(user) => (None, unclear(wanted, &user, secret.as_ref()), Vec::new()),
        Outcome::Unseen(user) => {
            // The password of an account that is to be disabled first was not sent.
            let secrets = if wanted.create_disabled { Vec::new() } else { sealed };
            (Some(resource(task, &user, target)), unseen(wanted, &user), secrets)
        }
    };
    reply(task, AccountResult::ActionRequired { resource, message }, secrets)
}

/// The user object to create, without its password.
fn body(wanted: &NewAccount, target: &TargetPopulation, provider: Option<&str>) -> Map<String, Value> {
    let mut body = wanted.body.clone();
    body.insert("population".to_owned(), json!({ "id": target.id.to_string() }));
    if let Some(mfa) = wanted.mfa_enabled {
        body.insert("mfaEnabled".to_owned(), json!(mfa));
    }
    if let Some(id) = provider {
        body.insert("identityProvider".to_owned(), json!({ "id": id }));
    }
    for (name, value) in &wanted.additional {
        body.insert(name.clone(), value.clone());
    }
    body
}

/// Parts of the profile that a password must not hold.
fn profile_texts(body: &Map<String, Value>) -> Vec<&str> {
    let part = |name: &str| body.get("name").and_then(|parts| parts.get(name));
    let texts = [
        body.get("username"),
        body.get("email"),
        body.get("nickname"),
        part("given"),
        part("family"),
    ];
    texts.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Whether the account may be the one that an earlier try of this task made, whose random password nobody received: C1
/// asks again where our answer did not reach it. This process remembers what it made. What another one made shortly before
/// is new, holds what was asked for, and nobody has signed on to it.
fn may_be_unreceived(task: &TaskContext, wanted: &NewAccount, target: &TargetPopulation, user: &User) -> bool {
    if let Some(maker) = task.memory().maker(user.id) {
        return maker == *task.id();
    }
    let begun = task.memory().begun;
    let made_before = user
        .created_at
        .is_some_and(|at| at < begun && begun.duration_since(at) < UNRECEIVED);
    let untouched = user.last_sign_on.is_none() && submit::is_ours(user, wanted, target);
    task.options().asked_again && made_before && untouched
}

/// The name is taken. `unreceived`: by an account whose password nobody may have.
fn exists(task: &TaskContext, user: Option<&User>, target: &TargetPopulation, unreceived: bool) -> AccountCreated {
    let resource = user.map(|user| resource(task, user, target));
    if let Some(user) = user.filter(|_| unreceived) {
        let message = format!(
            "Account {} is there: it was created a short while ago, and its password may never have been received. Rotate \
             its credentials to get one that is known",
            user.id
        );
        return reply(task, AccountResult::ActionRequired { resource, message }, Vec::new());
    }
    reply(task, AccountResult::AlreadyExists { resource }, Vec::new())
}

/// What is said of an account that PingOne answered with and that no read shows.
fn unseen(wanted: &NewAccount, user: &User) -> String {
    let disable = if wanted.create_disabled {
        " When it is there, disable it and rotate its credentials."
    } else {
        ""
    };
    format!(
        "PingOne says that account {} has been created, but does not return it. Check whether it exists.{disable}",
        user.id
    )
}

/// What is said of an account that may be the one of this task, and that PingOne does not show.
fn hidden(wanted: &NewAccount, secret: Option<&Secret>) -> String {
    let open = left(wanted, secret);
    let open = if open.is_empty() {
        "The next sync shows it.".to_owned()
    } else {
        format!("When it is there: {open}.")
    };
    format!(
        "PingOne's answer was lost, and now the user name is taken by an account that PingOne does not show: the new one, \
         which it does not show yet, or one in a population that the worker application cannot see. {open}"
    )
}

/// What is said of an account that may be the one of this task or somebody else's.
fn unclear(wanted: &NewAccount, user: &User, secret: Option<&Secret>) -> String {
    let open = left(wanted, secret);
    let open = if open.is_empty() {
        String::new()
    } else {
        format!(" If it is the new one: {open}.")
    };
    format!(
        "PingOne's answer was lost, and account {} has the user name. It may be the new one or somebody else's: it was made \
         about then, or is not as it was asked for. Nothing more was changed. Check whose it is.{open}",
        user.id
    )
}

/// What is left to do with a new account that was not worked on.
fn left(wanted: &NewAccount, secret: Option<&Secret>) -> String {
    let mut open = Vec::new();
    if wanted.create_disabled {
        open.push("disable it");
    }
    if secret.is_some() {
        open.push("rotate its credentials");
    }
    if wanted.require_verification {
        open.push("start its verification");
    }
    open.join(", ")
}

fn reply(task: &TaskContext, result: AccountResult, secrets: Vec<EncryptedSecret>) -> AccountCreated {
    AccountCreated {
        result,
        secrets,
        annotations: task.annotations(),
    }
}

/// The user as a sync would emit it.
fn resource(task: &TaskContext, user: &User, target: &TargetPopulation) -> baton::model::Resource {
    let name = target.name.as_deref();
    let population = name.filter(|_| user.population_id() == Some(target.id));
    let options = task.options();
    let rules = UserRules::new(
        &options.custom_attributes,
        &options.employee_id_attributes,
        &options.service_account_types,
    );
    translate_user(user, population, &rules)
}
