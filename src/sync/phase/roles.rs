//! Roles: roles that only assignments name, every role entitlement, and the grants.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use uuid::Uuid;

use crate::model::{APPLICATION, GATEWAY, GROUP, ROLE, USER};
use crate::sync::applications::Found;
use crate::sync::error::SyncError;
use crate::sync::index::UserIndex;
use crate::sync::job::{Ended, Job, Outcome, encode};
use crate::sync::phase::plan::{Plan, take_populations};
use crate::sync::population::PopulationPlan;
use crate::sync::progress::Phase;
use crate::sync::scope::{self, Holdings, MANY_PAIRS, RoleGrants, RoleInfo, Scope, Surroundings};
use crate::sync::translate;
use crate::sync::warnings::Warning;
use crate::sync::writer_thread::Rows;
use pingone::id::UserId;

/// Writes roles that only assignments name and every role entitlement; answers the grants.
pub(super) async fn read(
    job: &Job,
    plan: &mut Plan,
    holdings: Holdings,
    applications: &Found,
) -> Result<Option<RoleGrants>, Ended> {
    if !job.options.has(ROLE) {
        return Ok(None);
    }
    job.reads.progress.enter(Phase::Roles);
    put_unlisted(job, plan, &holdings).await?;
    let around = surroundings(job, &plan.populations, &plan.roles, &holdings, applications).await?;
    job.fetched_now().await?;
    let entitlements = scope::entitlements(&plan.roles, &around, &holdings);
    if entitlements.len() > MANY_PAIRS {
        tracing::warn!(
            pairs = entitlements.len(),
            "the roles make many entitlements; role-population-entitlements=assigned, role-model=scope-binding, or fewer \
             entries in writable-role-scopes, makes fewer"
        );
    }
    job.writer.put(Rows::Entitlements(entitlements)).await?;
    Ok(Some(RoleGrants::new(holdings, around)))
}

/// Adds the populations that roles are held over and that were made after the list was read. One that is there and stays
/// unlisted ends the sync; what another environment has is none of ours.
pub(super) async fn name_populations(job: &Job, plan: &mut Plan, holdings: &Holdings) -> Result<(), Ended> {
    let scopes = holdings.scopes().filter(|scope| scope.kind == "population");
    let known = |id: Uuid| plan.populations.iter().any(|known| known.id == id);
    let mut present = Vec::new();
    for scope in scopes.filter(|scope| !known(scope.id)) {
        if job.reads.scope_population(scope.id).await.is_some() {
            present.push(scope.id);
        }
    }
    if !present.is_empty() {
        let fresh = job.reads.list_populations_with(&present).await?;
        take_populations(job, plan, fresh).await?;
    }
    Ok(())
}

/// Writes roles that assignments name and no list did.
pub(super) async fn put_unlisted(job: &Job, plan: &mut Plan, holdings: &Holdings) -> Result<(), Ended> {
    let known: HashSet<_> = plan.roles.iter().map(|role| role.id).collect();
    let mut missing = holdings.roles();
    missing.retain(|role| !known.contains(role));
    let mut late = Vec::new();
    for role in job.reads.late_roles(missing.iter().copied()).await? {
        missing.retain(|id| id.0 != role.id);
        let (resource, info) = translate::role(&role);
        late.push(encode(&resource));
        plan.roles.push(info);
    }
    for role in missing {
        job.reads.warnings.add(Warning::RoleNotListed, &role);
        let (resource, info) = translate::placeholder_role(role);
        late.push(encode(&resource));
        plan.roles.push(info);
    }
    if !late.is_empty() {
        job.writer.put(Rows::Resources(late)).await?;
    }
    Ok(())
}

/// Leaves out what those hold that are not in the sync, and counts it.
pub(super) fn drop_unsynced_holders(
    job: &Job,
    plan: &Plan,
    users: &UserIndex,
    holdings: &mut Holdings,
    outcome: &mut Outcome,
) {
    if !job.options.has(ROLE) {
        return;
    }
    let groups: HashSet<Uuid> = if job.options.has(GROUP) {
        let groups = plan.group_plans.iter().map(|group| group.id);
        groups.filter(|group| !outcome.gone.contains(group)).collect()
    } else {
        HashSet::new()
    };
    let dropped = holdings.retain(|holding| {
        let synced = if holding.principal_type == GROUP {
            groups.contains(&holding.principal)
        } else if holding.principal_type == APPLICATION || holding.principal_type == GATEWAY {
            // Only what those hold that are in the sync was taken over.
            true
        } else {
            users.contains(UserId(holding.principal))
        };
        if !synced {
            job.reads.warnings.add(Warning::PrincipalNotSynced, &holding.principal);
        }
        synced
    });
    outcome.dropped += u64::try_from(dropped).unwrap_or(u64::MAX);
}

pub(in crate::sync) async fn surroundings(
    job: &Job,
    populations: &[PopulationPlan],
    roles: &[RoleInfo],
    holdings: &Holdings,
    applications: &Found,
) -> Result<Surroundings, Ended> {
    let mut around = bare_surroundings(job, populations, applications)?;
    let offered = roles.iter().any(|role| {
        role.applicable_to
            .iter()
            .any(|kind| kind.eq_ignore_ascii_case("ORGANIZATION"))
    });
    let organization = around.organization.filter(|_| offered).map(|id| Scope {
        kind: "organization".to_owned(),
        id: id.0,
    });
    let listed: Vec<Scope> = around.listed(roles).collect();
    let unnamed = around.unnamed(holdings.scopes().chain(organization.as_ref()).chain(&listed));
    for scope in unnamed {
        if let Some(name) = job.reads.scope_name(&scope.kind, scope.id).await {
            around.names.insert(scope, name);
        }
    }
    Ok(around)
}

/// The surroundings without names that would have to be read.
pub(in crate::sync) fn bare_surroundings(
    job: &Job,
    populations: &[PopulationPlan],
    applications: &Found,
) -> Result<Surroundings, Ended> {
    let application_names = applications.names().into_iter();
    let application_names = application_names.map(|(id, name)| (Scope::new("application", id), name));
    let around = Surroundings {
        environment: job.home.environment,
        environment_name: job.home.environment_name.clone(),
        organization: job.home.organization,
        names: populations
            .iter()
            .map(|population| (Scope::new("population", population.id), population.name.clone()))
            .chain(application_names)
            .collect::<BTreeMap<_, _>>(),
        populations: populations
            .iter()
            .map(|population| population.id)
            .collect::<BTreeSet<_>>(),
        policy: job.options.role_population_entitlements,
        with_users: job.options.has(USER),
        own_application: job.reads.own_application(),
        writable: job.options.writable_scopes.clone(),
        bound: false,
    };
    if let Some(other) = around
        .writable
        .organizations()
        .find(|id| around.organization.map(|own| own.0) != Some(*id))
    {
        return Err(SyncError::OtherOrganization(other).into());
    }
    Ok(around)
}

pub(in crate::sync) async fn put_grants(job: &Job, grants: &RoleGrants) -> Result<(), Ended> {
    let mut grants = grants.iter();
    loop {
        let batch: Vec<_> = grants.by_ref().take(500).collect();
        if batch.is_empty() {
            return Ok(());
        }
        job.writer.put(Rows::Grants(batch)).await?;
    }
}
