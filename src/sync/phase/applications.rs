//! Applications and gateways: who may open which, which of them hold roles, and with what they sign on (access-model.md §1,
//! §3).

use crate::model::{APPLICATION, GATEWAY, SECRET};
use crate::sync::applications::Found;
use crate::sync::index::UserIndex;
use crate::sync::job::{Ended, Job, Outcome};
use crate::sync::machines::{Gateways, put_secrets};
use crate::sync::phase::plan::Plan;
use crate::sync::progress::Phase;
use crate::sync::scope::Holdings;
use crate::sync::translate::GroupPlan;
use pingone::id::UserId;

/// Reads and writes applications, gateways and credentials; what the first two hold goes into `holdings`.
pub(super) async fn read(
    job: &Job,
    plan: &Plan,
    users: &UserIndex,
    holdings: &mut Holdings,
    outcome: &mut Outcome,
) -> Result<Found, Ended> {
    if ![APPLICATION, GATEWAY, SECRET].iter().any(|kind| job.options.has(*kind)) {
        return Ok(Found::default());
    }
    job.reads.progress.enter(Phase::Applications);
    let mut gateways = Gateways::read(job).await?;
    outcome.counts.gateways = u64::try_from(gateways.rows.len()).unwrap_or(u64::MAX);
    gateways.move_into(job, holdings);
    job.fetched_now().await?;
    job.put_resources(&gateways.resources(job)).await?;
    let mut found = Found::read(job).await?;
    outcome.counts.applications = u64::try_from(found.rows.len()).unwrap_or(u64::MAX);
    found.move_into(job, holdings);
    let groups: Vec<&GroupPlan> = plan
        .group_plans
        .iter()
        .filter(|group| !outcome.gone.contains(&group.id))
        .collect();
    found.write(job, &groups, |user| users.contains(UserId(user))).await?;
    put_secrets(job, &found, &gateways).await?;
    Ok(found)
}
