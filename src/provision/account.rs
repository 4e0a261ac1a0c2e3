//! `CreateAccount` (connector-model.md §7.3, c1-protocol.md §9.3, §10.4). Everything that can be refused is refused before
//! the account exists: fields, population, attributes, identity provider, encryption. What fails afterwards is told as
//! `action_required`, never as an error, because a repetition would only find the account there.

mod credential;
mod fields;
mod finish;
mod lookup;
mod place;
mod submit;

use serde_json::{Map, Value, json};

use super::actions::check_additional;
use super::crypto::{ClientKey, Label, encrypt};
use super::error::Failure;
use super::target::shown;
use super::work::Work;
use crate::pingone::types::User;
use crate::sync::{UserRules, translate_user};
use crate::task::{AccountCreated, AccountResult, Code, CreateAccountRequest, EncryptedSecret};
use credential::Credential;
use fields::NewAccount;
use place::Place;
use submit::Outcome;

pub(super) use credential::{Secret, rotated};
pub(super) use place::policy_of_population;
pub(super) use submit::{password_body, struck};

/// How a password is called towards C1 (c1-protocol.md §10.2).
pub(super) const PASSWORD: Label = Label {
    name: "password",
    description: "Password of the PingOne account",
};

/// Creates an account.
pub(crate) async fn create(
    work: &Work,
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
    let _turn = work
        .turn(format!("username {}", wanted.username.to_lowercase()))
        .await?;

    let place = place::find(work, wanted.population.as_deref()).await?;
    wanted.additional = check_additional(work, std::mem::take(&mut wanted.additional)).await?;
    let provider = lookup::provider(work, wanted.identity_provider.as_deref(), credential.sso()).await?;
    if let Some(user) = work
        .read(lookup::user(work.client().clone(), wanted.username.clone()))
        .await?
    {
        return Ok(exists(work, Some(&user), &place));
    }
    let secret = match credential {
        Credential::None | Credential::Sso(_) => None,
        Credential::Password(wish) => {
            let profile = profile_texts(&wanted.body);
            Some(wish.generate(work, &profile, place.policy.as_deref()).await?)
        }
    };
    let sealed = match &secret {
        Some(secret) => encrypt(&secret.recipients, PASSWORD, &secret.plaintext)?,
        None => Vec::new(),
    };
    let body = body(&wanted, &place, provider.as_deref());
    match submit::submit(work, &wanted, &place, body, secret.as_ref()).await? {
        Outcome::Exists(user) => Ok(exists(work, user.as_deref(), &place)),
        Outcome::Hidden => Ok(reply(
            work,
            AccountResult::ActionRequired {
                resource: None,
                message: hidden(&wanted, secret.as_ref()),
            },
            // Whose account it is is not known, so no password is told for it.
            Vec::new(),
        )),
        Outcome::Made(user) => Ok(finish::finish(work, &wanted, &place, *user, secret, sealed).await),
    }
}

/// The user object to create, without its password.
fn body(wanted: &NewAccount, place: &Place, provider: Option<&str>) -> Map<String, Value> {
    let mut body = wanted.body.clone();
    body.insert("population".to_owned(), json!({ "id": place.id.to_string() }));
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

fn exists(work: &Work, user: Option<&User>, place: &Place) -> AccountCreated {
    let resource = user.map(|user| {
        let name = place.name.as_deref().filter(|_| user.population_id() == Some(place.id));
        resource(work, user, name)
    });
    reply(work, AccountResult::AlreadyExists { resource }, Vec::new())
}

/// What is said of an account that may be the one of this task, and that PingOne does not show.
fn hidden(wanted: &NewAccount, secret: Option<&Secret>) -> String {
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
    let open = if open.is_empty() {
        "The next sync shows it.".to_owned()
    } else {
        format!("When it is there: {}.", open.join(", "))
    };
    format!(
        "PingOne's answer was lost, and now the user name is taken by an account that PingOne does not show: the new one, \
         which it does not show yet, or one in a population that the worker application cannot see. {open}"
    )
}

fn reply(work: &Work, result: AccountResult, secrets: Vec<EncryptedSecret>) -> AccountCreated {
    AccountCreated {
        result,
        secrets,
        annotations: work.annotations(),
    }
}

/// The user as a sync would emit it.
fn resource(work: &Work, user: &User, population: Option<&str>) -> crate::model::Resource {
    let options = work.options();
    let rules = UserRules::new(
        &options.custom_attributes,
        &options.employee_id_attributes,
        &options.service_account_types,
    );
    translate_user(user, population, &rules)
}
