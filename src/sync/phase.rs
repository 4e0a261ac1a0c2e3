//! The phases of a full sync, one file each (ARCHITECTURE.md). Each is a function over the [`Job`]; what it found goes to
//! the next as a value. A further resource type is a phase of its own between users and seal.

mod applications;
mod bindings;
mod carriers;
pub(super) mod members;
mod plan;
pub(super) mod roles;
pub(super) mod seal;
mod users;
mod witness;

use self::users::Users;
use super::job::{Ended, Job, Outcome};
use super::read::length;
use super::role_scan::settle_shared;
use super::scope::RoleGrants;
use crate::model::{APPLICATION, GATEWAY, GROUP, USER};
use baton::task::Counts;

/// Plan, users, members, applications, roles. Sealing follows when all rows are handed over.
pub(super) async fn full(job: &Job) -> Result<Outcome, Ended> {
    let mut plan = Box::pin(plan::read(job)).await?;
    plan::write(job, &mut plan).await?;
    let (mut users, mut holdings) = users::read(job, &mut plan).await?;
    let mut outcome = Outcome {
        counts: Counts {
            groups: length(&plan.group_plans),
            ..Counts::default()
        },
        ..Outcome::default()
    };
    let with_entitlements = !job.options.skip_entitlements_and_grants;
    if with_entitlements && !job.options.skip_grants {
        let holders = std::mem::take(&mut holdings.members);
        members::read(job, &plan, &mut users, holders, &mut outcome).await?;
        holdings = users.scan_late(job, &mut plan, holdings).await?;
    }
    let gone = plan.gone.iter().chain(&outcome.gone);
    if gone.clone().next().is_some() {
        job.reads.prove_gone(gone).await?;
    }
    let Users {
        index: users, groups, ..
    } = users;
    outcome.counts.users = u64::try_from(users.len()).unwrap_or(u64::MAX);
    let machines = Box::pin(applications::read(job, &groups.listed, &mut holdings, &mut outcome)).await?;
    settle_shared(job, &groups, &plan.nesting, &mut holdings).await?;
    roles::drop_unsynced_holders(job, &plan, &users, &mut holdings, &mut outcome);
    roles::name_populations(job, &mut plan, &holdings).await?;
    let bound = bindings::settle(job, &plan, &mut holdings).await?;
    if let Some((found, gateways)) = &machines {
        Box::pin(applications::write(
            job,
            &plan,
            &users,
            (found, gateways),
            &outcome,
            bound,
        ))
        .await?;
    }
    let applications = machines.map(|(found, _)| found).unwrap_or_default();
    let role_grants = if bound {
        Some(bindings::write(job, &mut plan, holdings, &applications, &mut outcome).await?)
    } else if with_entitlements {
        roles::read(job, &mut plan, holdings, &applications).await?
    } else {
        None
    };
    if !with_entitlements {
        return Ok(outcome);
    }
    if !job.options.skip_grants {
        users::put_population_grants(job, &plan, users).await?;
        if let Some(role_grants) = role_grants {
            put_role_grants(job, &role_grants, &mut outcome).await?;
        }
    }
    Ok(outcome)
}

async fn put_role_grants(job: &Job, role_grants: &RoleGrants, outcome: &mut Outcome) -> Result<(), Ended> {
    outcome.counts.role_grants = role_grants.held_by(USER).saturating_add(role_grants.held_by(GROUP));
    outcome.counts.machine_role_grants = role_grants.held_by(APPLICATION);
    outcome.counts.gateway_role_grants = role_grants.held_by(GATEWAY);
    roles::put_grants(job, role_grants).await
}
