//! Members: who belongs to each group, in the order of the plan.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures_util::StreamExt;
use uuid::Uuid;

use crate::model::{GROUP, USER};
use crate::sync::SyncError;
use crate::sync::index::UserIndex;
use crate::sync::job::{Ended, Job, Outcome};
use crate::sync::members::MemberReads;
use crate::sync::nesting::Nesting;
use crate::sync::phase::carriers::Carriers;
use crate::sync::phase::plan::Plan;
use crate::sync::phase::users::Users;
use crate::sync::progress::{Phase, add};
use crate::sync::read::length;
use crate::sync::translate::{GroupKind, GroupPlan};
use crate::sync::warnings::Warning;
use crate::sync::writer_thread::{Member, Rows};
use baton::model::{EntitlementId, Grant, GrantImmutable, Profile, ResourceId};
use pingone::id::UserId;

/// Members of another population than their group's who are asked, at most.
const STRANGERS_MOST: usize = 16;

/// Reads the members of every group and writes their grants in plan order. What users hold through groups, `holders`, their members must explain.
pub(super) async fn read(
    job: &Job,
    plan: &Plan,
    users: &mut Users,
    holders: BTreeMap<Uuid, HashSet<Uuid>>,
    outcome: &mut Outcome,
) -> Result<(), Ended> {
    if !job.options.has(GROUP) {
        return Ok(());
    }
    job.reads.progress.enter(Phase::Members);
    let mut synced: HashSet<Uuid> = plan.group_plans.iter().map(|group| group.id).collect();
    if !job.options.has(USER) {
        return nested_only(job, plan, &synced, outcome).await;
    }
    let reads = MemberReads::new(
        Arc::clone(&job.reads),
        Arc::clone(&job.observe),
        Arc::clone(&plan.group_plans),
        &plan.nesting,
    );
    let mut carriers = Carriers::new(holders, plan);
    let mut groups = Box::pin(Arc::new(reads).stream(job.options.concurrency));
    while let Some(found) = groups.next().await {
        let found = found?;
        add(&job.reads.progress.groups_read, 1);
        job.reads.warnings.step();
        let Some(group) = plan.group_plans.get(found.position) else {
            continue;
        };
        if found.gone {
            synced.remove(&group.id);
            outcome.gone.insert(group.id);
            outcome.counts.groups = outcome.counts.groups.saturating_sub(1);
            // Its row is taken out with those of the users who vanished.
            job.reads.warnings.vanished(ResourceId::new(GROUP, group.id));
            continue;
        }
        let nested = nested_grants(group, &plan.nesting, &synced, job, outcome);
        outcome.counts.memberships += length(&nested);
        if !nested.is_empty() {
            job.writer.put(Rows::Grants(nested)).await?;
        }
        let mut members = found.users;
        carriers.explain(group.id, &members);
        users.witnesses.confirm(job, group.id, &members).await?;
        keep_synced(job, group.id, users, &mut members, outcome).await?;
        prove_strangers(job, plan, group, &users.index, &members).await?;
        outcome.counts.memberships += length(&members);
        if !members.is_empty() {
            let entitlement = EntitlementId::member(GROUP, group.id);
            job.fetched_now().await?;
            job.writer
                .put(Rows::Members {
                    entitlement,
                    via: reason(&group.kind).or_else(|| through_ring(&members)),
                    members,
                })
                .await?;
        }
    }
    Ok(carriers.settle(job, outcome).await?)
}

/// Leaves out the members that are not in the sync, after those in no list were asked for.
async fn keep_synced(
    job: &Job,
    group: Uuid,
    users: &mut Users,
    members: &mut Vec<Member>,
    outcome: &mut Outcome,
) -> Result<(), Ended> {
    let absent = users.find_late(job, members.iter().map(|member| member.user)).await?;
    if !absent.is_empty() {
        // They are members, and there are no such users: the list must have lost each of them by now.
        let now = job.reads.all_members(group).await?.unwrap_or_default();
        if let Some(user) = absent.iter().find(|user| now.ids.binary_search(user).is_ok()) {
            return Err(SyncError::Contradicted(ResourceId::new(USER, user)).into());
        }
    }
    members.retain(|member| {
        let synced = users.index.contains(UserId(member.user));
        if !synced {
            outcome.dropped += 1;
            job.reads.warnings.add(Warning::PrincipalNotSynced, &member.user);
        }
        synced
    });
    Ok(())
}

/// A group that is bound to a population takes its users only. Members from another one, who may have moved, are asked
/// whether they belong to it.
async fn prove_strangers(
    job: &Job,
    plan: &Plan,
    group: &GroupPlan,
    users: &UserIndex,
    members: &[Member],
) -> Result<(), SyncError> {
    let home = group
        .population
        .and_then(|id| plan.populations.iter().position(|known| known.id == id));
    let Some(home) = home.filter(|_| group.kind != GroupKind::External) else {
        return Ok(());
    };
    let is_stranger = |user: &Uuid| users.population(UserId(*user)).is_some_and(|position| position != home);
    let strangers = members.iter().map(|member| member.user).filter(is_stranger);
    for user in strangers.take(STRANGERS_MOST) {
        if job.reads.is_direct_member(user, group.id).await?.is_none() {
            return Err(SyncError::NotAMember { user, group: group.id });
        }
    }
    Ok(())
}

/// Without users in the sync nobody's members are read.
async fn nested_only(job: &Job, plan: &Plan, synced: &HashSet<Uuid>, outcome: &mut Outcome) -> Result<(), Ended> {
    for group in plan.group_plans.iter() {
        let nested = nested_grants(group, &plan.nesting, synced, job, outcome);
        job.writer.put(Rows::Grants(nested)).await?;
    }
    Ok(())
}

/// One grant per group that is nested directly in this one (connector-model.md §5.1).
fn nested_grants(
    group: &GroupPlan,
    nesting: &Nesting,
    synced: &HashSet<Uuid>,
    job: &Job,
    outcome: &mut Outcome,
) -> Vec<Grant> {
    let mut grants = Vec::new();
    for child in nesting.children.get(&group.id).into_iter().flatten() {
        if !synced.contains(child) {
            outcome.dropped += 1;
            job.reads.warnings.add(Warning::PrincipalNotSynced, child);
            continue;
        }
        grants.push(job.nested_grant(group.id, *child));
    }
    grants
}

/// Why members of a static group are listed that are not direct.
fn through_ring(members: &[Member]) -> Option<Arc<GrantImmutable>> {
    let any = members.iter().any(|member| member.indirect);
    any.then(|| {
        Arc::new(GrantImmutable {
            source_id: "nested-group",
            metadata: None,
        })
    })
}

/// Why members that are not direct belong to a group.
pub(in crate::sync) fn reason(kind: &GroupKind) -> Option<Arc<GrantImmutable>> {
    let (source_id, metadata) = match kind {
        GroupKind::Static => return None,
        GroupKind::Dynamic { filter } => {
            let mut profile = Profile::default();
            profile.text("user_filter", Some(filter.as_str()));
            ("dynamic-group", Some(profile))
        }
        GroupKind::External => ("external-group", None),
    };
    Some(Arc::new(GrantImmutable { source_id, metadata }))
}
