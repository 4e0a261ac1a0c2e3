//! Where a new account goes, and which password policy holds there (connector-model.md §7.3, pingone-api.md §6.13).

use uuid::Uuid;

use crate::error::ErrorClass;
use crate::pingone::types::{PasswordPolicy, Population};
use crate::provision::error::Failure;
use crate::provision::target::uuid;
use crate::provision::work::Work;

/// A population.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) id: Uuid,
    /// As a sync would write it.
    pub(super) name: Option<String>,
    /// Its own password policy.
    pub(super) policy: Option<String>,
}

impl From<&Population> for Place {
    fn from(population: &Population) -> Self {
        Self {
            id: population.id,
            name: population.name.clone(),
            policy: population.password_policy_id(),
        }
    }
}

/// The population that is wished for by id or exact name, else the configured one, else the environment's default.
pub(super) async fn find(work: &Work, wanted: Option<&str>) -> Result<Place, Failure> {
    let wanted = wanted.map(str::trim);
    if let Some(id) = wanted.and_then(|wanted| uuid("population", wanted).ok()) {
        return by_id(work, id, || {
            Failure::invalid("population names no population of this environment")
        })
        .await;
    }
    if wanted.is_none()
        && let Some(id) = work.options().default_population
    {
        return by_id(work, id, || {
            Failure::precondition("default-population-id names no population of this environment")
        })
        .await;
    }
    let all = work.read(work.client().populations().all()).await?;
    if let Some(name) = wanted {
        return named(&all, name);
    }
    let default = all.iter().find(|population| population.default == Some(true));
    default.map(Place::from).ok_or_else(|| {
        Failure::precondition(
            "the environment shows no default population; set default-population-id or map the field population",
        )
    })
}

async fn by_id(work: &Work, id: Uuid, unknown: impl FnOnce() -> Failure) -> Result<Place, Failure> {
    match work.read(work.client().population(id)).await {
        Ok(population) => Ok(Place::from(&population)),
        Err(failure) if failure.is_not_found() => Err(unknown()),
        // One that our application may not read can still be one that it may fill: PingOne decides.
        Err(failure) if is_forbidden(&failure) => Ok(Place {
            id,
            name: None,
            policy: None,
        }),
        Err(failure) => Err(failure),
    }
}

/// The policy of a population; `None` where it has none of its own or may not be read.
pub(crate) async fn policy_of_population(work: &Work, id: Uuid) -> Result<Option<String>, Failure> {
    match work.read(work.client().population(id)).await {
        Ok(population) => Ok(population.password_policy_id()),
        Err(failure) if failure.is_not_found() || is_forbidden(&failure) => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn named(all: &[Population], name: &str) -> Result<Place, Failure> {
    let mut found = all.iter().filter(|population| population.name.as_deref() == Some(name));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(Place::from(one)),
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
pub(crate) async fn policy(work: &Work, id: Option<&str>) -> Result<Option<PasswordPolicy>, Failure> {
    let all = match work.read(work.client().password_policies()).await {
        Ok(all) => all,
        Err(failure) if is_forbidden(&failure) => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let own = all.iter().find(|policy| Some(policy.id.to_string().as_str()) == id);
    let default = all.iter().find(|policy| policy.default == Some(true));
    Ok(own.or(default).cloned())
}
