//! Applications and gateways: who may open which, which of them hold roles, and with what they sign on (access-model.md §1,
//! §3).

use std::collections::HashSet;

use uuid::Uuid;

use crate::model::{APPLICATION, GATEWAY, GROUP, SECRET};
use crate::sync::applications::Found;
use crate::sync::index::UserIndex;
use crate::sync::job::{Ended, Job, Outcome};
use crate::sync::machines::{Gateways, put_secrets};
use crate::sync::phase::plan::Plan;
use crate::sync::progress::Phase;
use crate::sync::scope::Holdings;
use crate::sync::translate::GroupPlan;
use pingone::id::UserId;

/// Reads applications and gateways and writes the latter; what both hold goes into `holdings`. `listed` are the groups that a list
/// shows.
pub(super) async fn read(
    job: &Job,
    listed: &HashSet<Uuid>,
    holdings: &mut Holdings,
    outcome: &mut Outcome,
) -> Result<Option<(Found, Gateways)>, Ended> {
    if ![APPLICATION, GATEWAY, SECRET].iter().any(|kind| job.options.has(*kind)) {
        return Ok(None);
    }
    job.reads.progress.enter(Phase::Applications);
    let mut gateways = Gateways::read(job).await?;
    outcome.counts.gateways = u64::try_from(gateways.rows.len()).unwrap_or(u64::MAX);
    gateways.move_into(job, holdings);
    job.fetched_now().await?;
    job.put_resources(&gateways.resources(job)).await?;
    let mut found = Found::read(job).await?;
    if job.options.has(GROUP) {
        found.prove_groups(job, listed).await?;
    }
    outcome.counts.applications = u64::try_from(found.rows.len()).unwrap_or(u64::MAX);
    found.move_into(job, holdings);
    Ok(Some((found, gateways)))
}

/// Writes applications with who may open them, and credentials. `bound`: roles are bound to scopes.
pub(super) async fn write(
    job: &Job,
    plan: &Plan,
    users: &UserIndex,
    (found, gateways): (&Found, &Gateways),
    outcome: &Outcome,
    bound: bool,
) -> Result<(), Ended> {
    let groups: Vec<&GroupPlan> = plan
        .group_plans
        .iter()
        .filter(|group| !outcome.gone.contains(&group.id))
        .collect();
    let is_synced = |user| users.contains(UserId(user));
    found.write(job, &groups, is_synced, bound).await?;
    put_secrets(job, found, gateways).await
}
