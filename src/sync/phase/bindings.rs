//! The model `scope-binding` in a full sync (access-model.md §6): which model this sync has, and what it writes instead of
//! entitlements of roles.

use crate::model::{APPLICATION, ENVIRONMENT, GROUP, POPULATION, ROLE};
use crate::sync::applications::Found;
use crate::sync::bindings::{Known, Scopes, decide, put_bindings, warn_unified};
use crate::sync::job::{Ended, Job, Outcome};
use crate::sync::phase::plan::Plan;
use crate::sync::phase::roles::{bare_surroundings, put_unlisted};
use crate::sync::progress::Phase;
use crate::sync::read::length;
use crate::sync::scope::{Holdings, RoleGrants};
use crate::sync::writer_thread::Rows;
use baton::model::Resource;

/// Whether roles are bound to scopes in this sync, and the rows that had to wait for that: types and populations.
pub(super) async fn settle(job: &Job, plan: &Plan, holdings: &mut Holdings) -> Result<bool, Ended> {
    if !job.options.wants_bindings() {
        return Ok(false);
    }
    let met = holdings.unify();
    let scopes = holdings.held();
    let bound = decide(job, scopes.keys());
    if bound {
        warn_unified(job, &met);
    }
    let also = scopes.keys().map(crate::sync::scope::Scope::resource_type);
    let types = job.options.declared(bound, also.filter(|kind| *kind == APPLICATION));
    job.writer.put(Rows::ResourceTypes(types.into_iter().collect())).await?;
    if job.options.has(POPULATION) {
        let parent = job.options.parent(ENVIRONMENT, job.home.environment.0);
        let populations = plan.population_resources.iter().map(|population| Resource {
            parent: parent.clone().filter(|_| bound),
            ..population.clone()
        });
        job.put_resources(&populations.collect::<Vec<_>>()).await?;
    }
    Ok(bound)
}

/// Writes scopes and bindings; answers the grants.
pub(super) async fn write(
    job: &Job,
    plan: &mut Plan,
    holdings: Holdings,
    applications: &Found,
    outcome: &mut Outcome,
) -> Result<RoleGrants, Ended> {
    debug_assert!(job.options.has(ROLE));
    job.reads.progress.enter(Phase::Roles);
    put_unlisted(job, plan, &holdings).await?;
    let groups = plan.group_plans.iter().filter(|_| job.options.has(GROUP));
    let groups = groups.filter(|group| !outcome.gone.contains(&group.id));
    let known = Known {
        populations: plan.populations.iter().map(|one| (one.id, one.name.as_str())).collect(),
        groups: groups.map(|group| (group.id, group.name.as_str())).collect(),
        applications,
        membership: plan.membership,
    };
    let held = holdings.held();
    outcome.scopes = held.keys().map(|scope| (scope.kind.clone(), scope.id)).collect();
    let scopes = Scopes::read(job, &held, &known).await?;
    let of = |kind| length_of(&scopes.resources, kind);
    outcome.counts.applications += of(APPLICATION);
    outcome.counts.groups += of(GROUP);
    let mut around = bare_surroundings(job, &plan.populations, applications)?;
    around.bound = true;
    around.names.extend(scopes.names);
    job.fetched_now().await?;
    job.put_resources(&scopes.resources).await?;
    let grants = RoleGrants::new(holdings, around);
    put_bindings(job, &grants, &plan.roles).await?;
    Ok(grants)
}

fn length_of(resources: &[Resource], kind: baton::model::ResourceType) -> u64 {
    let of_kind: Vec<_> = resources
        .iter()
        .filter(|resource| resource.id.resource_type == kind)
        .collect();
    length(&of_kind)
}
