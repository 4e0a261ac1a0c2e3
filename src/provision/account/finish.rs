//! What is left to do once the account exists: disable it, set its password, start its verification. A step that fails
//! is told to whoever must finish it (connector-model.md §7.3).

use std::future::Future;

use uuid::Uuid;

use super::credential::Secret;
use super::fields::NewAccount;
use super::password;
use super::population::TargetPopulation;
use super::submit::MUST_VERIFY;
use super::{reply, resource};
use crate::provision::context::{AuditEntry, TaskContext};
use crate::provision::delete::set_enabled;
use crate::provision::error::{Failure, shown};
use crate::provision::write::{Reaction, Rules, Write, apply_state};
use baton::model::Resource;
use baton::task::{AccountCreated, AccountResult, EncryptedSecret};
use pingone::types::{Lifecycle, User};
use pingone::write::users;
use pingone::{Client, PingOneError, WriteCall};

const NO_PASSWORD: &str = "NO_PASSWORD";

/// Takes the remaining steps. Cancelling does not end them.
pub(super) async fn finish(
    task: &TaskContext,
    wanted: &NewAccount,
    target: &TargetPopulation,
    mut user: User,
    secret: Option<Secret>,
    sealed: Vec<EncryptedSecret>,
) -> AccountCreated {
    task.carry_on();
    let id = user.id;
    let mut open = if task.is_dry_run() {
        Vec::new()
    } else {
        differences(wanted, target, &user)
    };
    let mut secrets = sealed;
    let mut stepped = false;
    if wanted.create_disabled {
        stepped = true;
        match set_enabled(task, &user, false).await {
            Ok(()) => user.enabled = Some(false),
            Err(failure) => open.push(format!("it is still enabled, disable it in PingOne ({})", why(failure))),
        }
        if let Some(secret) = &secret {
            let set = if user.enabled == Some(false) {
                set_password(task, &user, secret).await.map_err(why)
            } else {
                Err("it is never set on an enabled account that should be disabled".to_owned())
            };
            if let Err(why) = set {
                secrets = Vec::new();
                open.push(format!("it has no known password, rotate its credentials ({why})"));
            }
        }
    }
    // A password that goes along with the creation brings the verification with it.
    if wanted.require_verification && user.lifecycle_status() != Some(MUST_VERIFY) {
        stepped = true;
        match verify(task, &user).await {
            Ok(()) => {
                user.lifecycle = Some(Lifecycle {
                    status: Some(MUST_VERIFY.to_owned()),
                });
            }
            Err(failure) => open.push(format!(
                "its verification was not started, send the code in PingOne ({})",
                why(failure)
            )),
        }
    }
    drop(secret);
    if stepped && !task.is_dry_run() {
        // What we know of it is enough where it cannot be read.
        user = task.read(task.client().user(id)).await.unwrap_or(user);
    }
    if !secrets.is_empty() && !task.is_dry_run() {
        task.memory().made_account(id, task.id());
    }
    let resource = resource(task, &user, target);
    reply(task, result(wanted, id, resource, &open), secrets)
}

fn result(wanted: &NewAccount, id: Uuid, resource: Resource, open: &[String]) -> AccountResult {
    let message = if !open.is_empty() {
        format!("Account {id} has been created, but {}", open.join("; "))
    } else if wanted.require_verification {
        format!("Account {id} has been created; the user must enter the verification code that PingOne sent")
    } else {
        return AccountResult::Success {
            resource,
            invitation_expires_at: None,
        };
    };
    AccountResult::ActionRequired {
        resource: Some(resource),
        message,
    }
}

/// What PingOne made otherwise than it was asked for.
fn differences(wanted: &NewAccount, target: &TargetPopulation, user: &User) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(other) = user.population_id().filter(|id| *id != target.id) {
        found.push(format!("in population {other} instead of {}", target.id));
    }
    let unmet = wanted.asked.unmet_by_new_user(user);
    if !unmet.is_empty() {
        found.push(format!("PingOne did not take {} as it was asked for", unmet.join(", ")));
    }
    let elsewhere = user.identity_provider_type().filter(|kind| *kind != "PING_ONE");
    if let Some(kind) = elsewhere.filter(|_| wanted.asked.identity_provider.is_none()) {
        found.push(format!(
            "the user signs on with another identity provider ({})",
            shown(kind)
        ));
    }
    if user.enabled == Some(false) && !wanted.create_disabled {
        found.push("it is disabled".to_owned());
    }
    found
}

fn why(failure: Failure) -> String {
    failure.into_task().message
}

async fn verify(task: &TaskContext, user: &User) -> Result<(), Failure> {
    let id = user.id;
    let before = user.lifecycle_status().unwrap_or("unknown");
    step(
        task,
        user,
        &users::send_verification(id),
        (before, MUST_VERIFY),
        |client| async move { Ok(client.user(id).await?.lifecycle_status() == Some(MUST_VERIFY)) },
    )
    .await
}

async fn set_password(task: &TaskContext, user: &User, secret: &Secret) -> Result<(), Failure> {
    password::set_password(task, user.id, (NO_PASSWORD, None), secret).await
}

/// One step, carried to a certain end. An account that was just made may not be found for a moment.
async fn step<F>(
    task: &TaskContext,
    user: &User,
    call: &WriteCall,
    (before, after): (&str, &str),
    holds: impl Fn(Client) -> F,
) -> Result<(), Failure>
where
    F: Future<Output = Result<bool, PingOneError>>,
{
    let object = format!("user {}", user.id);
    let entry = AuditEntry {
        object: &object,
        before,
        after,
    };
    let rules = Rules {
        absent: Reaction::Again,
        ..Rules::STATE
    };
    apply_state(task, Write::new(call, entry, rules), holds).await.map(drop)
}
