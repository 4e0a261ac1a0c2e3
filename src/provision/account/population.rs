//! Where a new account goes, and which password policy holds there (connector-model.md §7.3, pingone-api.md §6.13).

use uuid::Uuid;

use crate::provision::context::TaskContext;
use crate::provision::error::Failure;
use crate::provision::population::{default_of, refuse_out_of_sight};
use crate::provision::target::uuid;
use pingone::types::{PasswordPolicy, Population};
use process::error::ErrorClass;

/// A population.
#[derive(Debug, Clone)]
pub(super) struct TargetPopulation {
    pub(super) id: Uuid,
    /// As a sync would write it.
    pub(super) name: Option<String>,
    /// Its own password policy.
    pub(super) policy: Option<String>,
}

impl From<&Population> for TargetPopulation {
    fn from(population: &Population) -> Self {
        Self {
            id: population.id,
            name: population.name.clone(),
            policy: population.password_policy_id(),
        }
    }
}

/// The population that is wished for by id or exact name, else the configured one, else the environment's default; one that
/// `population-filter` leaves out is refused.
pub(super) async fn find(task: &TaskContext, wanted: Option<&str>) -> Result<TargetPopulation, Failure> {
    let target = any(task, wanted).await?;
    refuse_out_of_sight(task, target.id).await?;
    Ok(target)
}

async fn any(task: &TaskContext, wanted: Option<&str>) -> Result<TargetPopulation, Failure> {
    let wanted = wanted.map(str::trim);
    if let Some(id) = wanted.and_then(|wanted| uuid("population", wanted).ok()) {
        return by_id(task, id, || {
            Failure::invalid("population names no population of this environment")
        })
        .await;
    }
    if wanted.is_none()
        && let Some(id) = task.options().default_population
    {
        return by_id(task, id, || {
            Failure::precondition("default-population-id names no population of this environment")
        })
        .await;
    }
    let all = task.read(task.client().populations().all()).await?;
    if let Some(name) = wanted {
        return named(&all, name);
    }
    default_of(&all)?.map(TargetPopulation::from).ok_or_else(|| {
        Failure::precondition(
            "the environment shows no default population; set default-population-id or map the field population",
        )
    })
}

async fn by_id(task: &TaskContext, id: Uuid, unknown: impl FnOnce() -> Failure) -> Result<TargetPopulation, Failure> {
    match task.read(task.client().population(id)).await {
        Ok(population) => Ok(TargetPopulation::from(&population)),
        Err(failure) if failure.is_not_found() => Err(unknown()),
        // One that our application may not read can still be one that it may fill: PingOne decides.
        Err(failure) if is_forbidden(&failure) => Ok(TargetPopulation {
            id,
            name: None,
            policy: None,
        }),
        Err(failure) => Err(failure),
    }
}

/// The policy of a population; `None` where it has none of its own or may not be read.
pub(crate) async fn policy_of_population(task: &TaskContext, id: Uuid) -> Result<Option<String>, Failure> {
    match task.read(task.client().population(id)).await {
        Ok(population) => Ok(population.password_policy_id()),
        Err(failure) if failure.is_not_found() || is_forbidden(&failure) => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn named(all: &[Population], name: &str) -> Result<TargetPopulation, Failure> {
    let mut found = all.iter().filter(|population| population.name.as_deref() == Some(name));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(TargetPopulation::from(one)),
        (None, _) => Err(Failure::invalid("population names no population of this environment")),
        (Some(_), Some(_)) => Err(Failure::invalid(
            "population names several populations of this environment; give the id",
        )),
    }
}

fn is_forbidden(failure: &Failure) -> bool {
    failure
        .pingone()
        .is_some_and(|error| error.class() == ErrorClass::Forbidden)
}

/// The policy with this id, else the default one. `None` where there is none that we may read.
pub(crate) async fn policy(task: &TaskContext, id: Option<&str>) -> Result<Option<PasswordPolicy>, Failure> {
    let all = match task.read(task.client().password_policies()).await {
        Ok(all) => all,
        Err(failure) if is_forbidden(&failure) => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let own = all.iter().find(|policy| Some(policy.id.to_string().as_str()) == id);
    let default = all.iter().find(|policy| policy.default == Some(true));
    Ok(own.or(default).cloned())
}
