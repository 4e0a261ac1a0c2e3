//! Moving users between populations (access-model.md §7). A user is always in exactly one, so a grant is a move, and what
//! the former population's groups gave is lost.

use std::sync::OnceLock;

use uuid::Uuid;

use super::context::{AuditEntry, TaskContext};
use super::error::{Failure, found, task_error_with};
use super::target::uuid;
use super::write::{Rules, Write, apply};
use crate::model::USER;
use baton::task::{Code, ResourceRef, TaskError};
use pingone::Client;
use pingone::types::Population;
use pingone::write::users;

/// Refuses what no setting switches on.
pub(crate) fn refuse_off(task: &TaskContext) -> Result<(), Failure> {
    if task.options().population_provisioning {
        return Ok(());
    }
    Err(Failure::precondition(
        "membership of a population is not provisioned; move the user with the action set_population",
    ))
}

/// Who is to be moved: only users are.
pub(crate) fn mover(principal: &ResourceRef) -> Result<Uuid, Failure> {
    if principal.resource_type != USER.id() {
        return Err(Failure::invalid("only users are members of populations"));
    }
    uuid("the user's id", &principal.id)
}

/// The population that calls itself the environment's default. Where several do, none is taken.
pub(crate) fn default_of(all: &[Population]) -> Result<Option<&Population>, Failure> {
    let mut defaults = all.iter().filter(|population| population.default == Some(true));
    match (defaults.next(), defaults.next()) {
        (Some(one), Some(other)) => Err(Failure::precondition(format!(
            "PingOne shows two default populations, {} and {}, and a user is always in one population: name it.",
            one.id, other.id
        ))),
        (one, _) => Ok(one),
    }
}

/// Refuses a population that `population-filter` leaves out. Its name is read only where the filter does not hold its id.
pub(crate) async fn refuse_out_of_sight(task: &TaskContext, population: Uuid) -> Result<(), Failure> {
    let filter = &task.options().population_filter;
    let by_id = |entry: &String| Uuid::try_parse(entry.trim()) == Ok(population);
    if filter.is_empty() || filter.iter().any(by_id) {
        return Ok(());
    }
    let name = found(task.read(task.client().population(population)).await)?.and_then(|population| population.name);
    if name
        .as_ref()
        .is_some_and(|name| filter.iter().any(|entry| entry.trim() == name))
    {
        return Ok(());
    }
    let name = name.unwrap_or_else(|| population.to_string());
    Err(Failure::precondition(format!(
        "population \"{}\" is outside population-filter: the user would vanish from C1.",
        baton::model::cut(&name, 256)
    )))
}

/// Moves the user. Where somebody else moves him meanwhile, he is not moved back: the last one stands, and the task
/// fails so that whoever asks again decides from the new state.
pub(crate) async fn move_to(task: &TaskContext, id: Uuid, from: Option<Uuid>, target: Uuid) -> Result<(), Failure> {
    let before = from.map(|id| format!("population {id}")).unwrap_or_default();
    let entry = AuditEntry {
        object: &format!("user {id}"),
        before: &before,
        after: &format!("population {target}"),
    };
    let elsewhere = OnceLock::new();
    let third = &elsewhere;
    let call = users::set_population(id, target);
    let applied = apply(
        task,
        Write::new(&call, entry, Rules::STATE),
        |client: Client| async move {
            let now = client.user(id).await?.population_id();
            if now == Some(target) {
                return Ok(Some(()));
            }
            if let Some(other) = now.filter(|_| from.is_some() && now != from) {
                third.set(other).ok();
                return Err(Failure::refused(Code::Unavailable, "somebody else moved the user"));
            }
            Ok(None)
        },
    );
    match (applied.await, elsewhere.get()) {
        (Err(Failure::Unknown { .. }), Some(third)) => Err(Failure::Unknown {
            error: Box::new(TaskError::new(
                Code::Unavailable,
                format!(
                    "move user {id} to population {target}: somebody else has moved the user to population {third} \
                     meanwhile, and it stays there. Try again if it is to move on; the state is read first."
                ),
            )),
            cause: None,
            shown: None,
        }),
        (applied, _) => applied.map(drop),
    }
}

/// PingOne does not show the population.
fn missing(id: Uuid) -> Failure {
    Failure::refused(
        Code::NotFound,
        format!("there is no population {id} in this environment, or our application may not see it"),
    )
}

/// Refuses a population that PingOne does not show.
pub(crate) async fn refuse_missing(task: &TaskContext, id: Uuid) -> Result<(), Failure> {
    match found(task.read(task.client().population(id)).await)? {
        Some(_) => Ok(()),
        None => Err(missing(id)),
    }
}

/// What PingOne's refusal of a move means.
pub(crate) async fn explained(task: &TaskContext, target: Uuid, refused: Failure) -> Failure {
    let Some(error) = refused.pingone() else {
        return refused;
    };
    if error.is_right_missing() {
        let remedy = "The worker application needs Identity Data Admin over both populations.";
        return task_error_with(error, Some(Code::PermissionDenied), remedy).into();
    }
    match found(task.read(task.client().population(target)).await) {
        Ok(None) => missing(target),
        _ => refused,
    }
}
