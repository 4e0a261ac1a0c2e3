//! Plan: populations, groups with their nesting and role assignments, and roles; all but users are written here.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use crate::model::{GROUP, POPULATION, ROLE};
use crate::sync::SyncError;
use crate::sync::error::Shortfall;
use crate::sync::job::{Ended, Job};
use crate::sync::nesting::Nesting;
use crate::sync::population::{PopulationNames, PopulationPlan};
use crate::sync::progress::{Phase, add};
use crate::sync::role_scan::GroupHoldings;
use crate::sync::scope::RoleInfo;
use crate::sync::translate::{self, GroupKind, GroupPlan, Membership};
use crate::sync::writer_thread::Rows;
use baton::model::{Entitlement, Resource, ResourceId};
use pingone::types::{Group, Population};

/// Most groups that may turn up without being in the list.
const LATE_GROUPS_MOST: usize = 100;

/// What the lists of groups, populations and roles gave.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) populations: Vec<PopulationPlan>,
    pub(super) population_resources: Vec<Resource>,
    /// How memberships of populations are offered.
    pub(super) membership: Membership,
    groups: Vec<Group>,
    pub(super) group_plans: Arc<Vec<GroupPlan>>,
    /// Every group that the lists showed, those that the settings leave out among them.
    pub(super) listed: HashSet<Uuid>,
    /// Groups that answered as if they were gone.
    pub(super) gone: Vec<Uuid>,
    pub(super) nesting: Nesting,
    pub(super) group_holdings: GroupHoldings,
    pub(super) roles: Vec<RoleInfo>,
    role_resources: Vec<Resource>,
}

/// Reads the lists: populations, groups with their nesting and role assignments, roles.
pub(super) async fn read(job: &Job) -> Result<Plan, Ended> {
    job.reads.progress.enter(Phase::Plan);
    let with_groups = job.options.has(GROUP);
    let with_roles = job.options.has(ROLE);
    let (mut populations, mut groups, roles) = futures_util::try_join!(
        job.reads.populations(),
        or_empty(with_groups, job.reads.groups()),
        or_empty(with_roles, job.reads.roles()),
    )?;
    let mut left_out = HashSet::new();
    if job.options.skip_external_groups {
        groups.retain(|group| {
            let kept = GroupPlan::of(group).kind != GroupKind::External;
            if !kept {
                left_out.insert(group.id);
            }
            kept
        });
    }
    groups.sort_unstable_by_key(|group| group.id);
    name_populations(job, &mut populations, &groups).await?;
    populations.sort_unstable_by_key(|population| population.id);
    if let Some(keeper) = &job.observe.keeper {
        keeper.learn(&populations, &groups, &roles);
    }
    let group_plans: Vec<GroupPlan> = groups.iter().map(GroupPlan::of).collect();
    let (mut nesting, mut group_holdings) = futures_util::try_join!(
        or_empty(with_groups, Nesting::of(job, &group_plans, &group_plans)),
        GroupHoldings::read(job, holders(job, &group_plans)),
    )?;
    let mut listed: HashSet<Uuid> = group_plans.iter().map(|group| group.id).chain(left_out).collect();
    let late = late_groups(job, &group_plans, &mut listed, &mut nesting).await?;
    let late_plans: Vec<GroupPlan> = late.iter().map(GroupPlan::of).collect();
    group_holdings.add(GroupHoldings::read(job, holders(job, &late_plans)).await?);
    name_populations(job, &mut populations, &late).await?;
    populations.sort_unstable_by_key(|population| population.id);
    groups.extend(late);
    groups.sort_unstable_by_key(|group| group.id);
    let group_plans: Vec<GroupPlan> = groups.iter().map(GroupPlan::of).collect();
    let membership = Membership::of(&populations, job.options.population_provisioning);
    let population_resources: Vec<Resource> = populations
        .iter()
        .map(|population| translate::population(population, membership))
        .collect();
    let (role_resources, roles) = roles.iter().map(translate::role).unzip();
    Ok(Plan {
        populations: population_plans(&populations, &population_resources),
        population_resources,
        membership,
        groups,
        group_plans: Arc::new(group_plans),
        listed,
        gone: Vec::new(),
        nesting,
        group_holdings,
        roles,
        role_resources,
    })
}

/// Adds the populations of groups that the list did not show, since they were made after it was read.
async fn name_populations(job: &Job, populations: &mut Vec<Population>, groups: &[Group]) -> Result<(), SyncError> {
    let known: HashSet<Uuid> = populations.iter().map(|population| population.id).collect();
    let named = groups.iter().filter_map(Group::population_id);
    let unknown: BTreeSet<Uuid> = named.filter(|id| !known.contains(id)).collect();
    let present = job.reads.present_populations(unknown).await?;
    if !present.is_empty() {
        let now = job.reads.list_populations_with(&present).await?;
        populations.extend(now.into_iter().filter(|now| !known.contains(&now.id)));
    }
    Ok(())
}

/// The groups whose role assignments are read: only static ones can hold roles.
fn holders(job: &Job, groups: &[GroupPlan]) -> Vec<Uuid> {
    let holders = groups
        .iter()
        .filter(|group| job.scans_roles() && group.kind == GroupKind::Static);
    holders.map(|group| group.id).collect()
}

fn population_plans(populations: &[Population], resources: &[Resource]) -> Vec<PopulationPlan> {
    let pairs = populations.iter().zip(resources);
    pairs
        .map(|(population, resource)| PopulationPlan {
            id: population.id,
            name: resource.display_name.clone(),
            user_count: population.user_count,
        })
        .collect()
}

/// Groups that are nested in listed ones and are in no list themselves: they were made while the lists were read, which
/// a list shows by now. Each is asked for, and what is nested in it, until nothing new turns up.
async fn late_groups(
    job: &Job,
    listed: &[GroupPlan],
    known: &mut HashSet<Uuid>,
    nesting: &mut Nesting,
) -> Result<Vec<Group>, SyncError> {
    let mut late: Vec<Group> = Vec::new();
    let mut absent = Vec::new();
    loop {
        let children = nesting.children.values().flatten().copied();
        let unknown: BTreeSet<Uuid> = children.filter(|child| !known.contains(child)).collect();
        if unknown.is_empty() {
            job.reads
                .prove_listed(late.iter().map(|group| group.id).collect())
                .await?;
            prove_absent(job, &absent, nesting).await?;
            return Ok(late);
        }
        if late.len() + unknown.len() > LATE_GROUPS_MOST {
            return Err(SyncError::Short(Shortfall {
                what: "groups that are nested in others",
                of: None,
                told: u64::try_from(unknown.len()).unwrap_or(u64::MAX),
                found: 0,
            }));
        }
        let mut found = Vec::new();
        for id in unknown {
            known.insert(id);
            match job.reads.group(id).await? {
                Some(group) => found.push(group),
                None => absent.push(id),
            }
        }
        if job.options.skip_external_groups {
            found.retain(|group| GroupPlan::of(group).kind != GroupKind::External);
        }
        let plans: Vec<GroupPlan> = found.iter().map(GroupPlan::of).collect();
        let everybody: Vec<GroupPlan> = listed.iter().chain(&plans).cloned().collect();
        let below = Nesting::of(job, &plans, &everybody).await?;
        nesting.children.extend(below.children);
        late.extend(found);
    }
}

/// What is nested in a group and is not there must not be nested in it any more.
async fn prove_absent(job: &Job, absent: &[Uuid], nesting: &Nesting) -> Result<(), SyncError> {
    for (parent, children) in &nesting.children {
        let Some(child) = children.iter().find(|child| absent.contains(child)) else {
            continue;
        };
        let now = job.reads.nested_groups(*parent).await?;
        if matches!(now, Ok(Some(now)) if now.contains(child)) {
            return Err(SyncError::Contradicted(ResourceId::new(GROUP, child)));
        }
    }
    Ok(())
}

/// Takes the populations as they are listed now: their counts, and those that were made meanwhile, which are written and
/// answered.
pub(super) async fn take_populations(
    job: &Job,
    plan: &mut Plan,
    mut fresh: Vec<Population>,
) -> Result<Vec<PopulationPlan>, Ended> {
    fresh.sort_unstable_by_key(|population| population.id);
    let counts: HashMap<Uuid, Option<u64>> = fresh.iter().map(|fresh| (fresh.id, fresh.user_count)).collect();
    for population in &mut plan.populations {
        // Only an empty one can be deleted, so one that is not listed any more, or not counted, may just be out of sight.
        let fresh = counts.get(&population.id).copied().flatten();
        population.user_count = fresh.or(population.user_count);
    }
    fresh.retain(|fresh| plan.populations.iter().all(|known| known.id != fresh.id));
    if fresh.is_empty() {
        return Ok(Vec::new());
    }
    let membership = plan.membership.late(plan.populations.len() + fresh.len());
    let resources: Vec<Resource> = fresh
        .iter()
        .map(|population| translate::population(population, membership))
        .collect();
    if job.options.has(POPULATION) {
        job.fetched_now().await?;
        if !job.options.wants_bindings() {
            job.put_resources(&resources).await?;
        }
        if !job.options.skip_entitlements_and_grants {
            let entitlements = resources
                .iter()
                .map(|resource| translate::population_entitlement(resource, membership));
            job.writer.put(Rows::Entitlements(entitlements.collect())).await?;
        }
    }
    let made = population_plans(&fresh, &resources);
    plan.populations.extend(made.iter().cloned());
    plan.population_resources.extend(resources);
    Ok(made)
}

/// Writes resource types, groups, populations and roles, and the entitlements of the first two.
pub(super) async fn write(job: &Job, plan: &mut Plan) -> Result<(), Ended> {
    // Which types there are, and what populations are part of, is known in the other model only when scopes are.
    let waits = job.options.wants_bindings();
    if !waits {
        let types = job.options.resource_types.iter().copied();
        job.writer.put(Rows::ResourceTypes(types.collect())).await?;
    }
    job.fetched_now().await?;
    drop_gone_groups(job, plan);
    let with_entitlements = !job.options.skip_entitlements_and_grants;
    let mut entitlements = Vec::new();
    if job.options.has(GROUP) {
        let (resources, found) = translate_groups(job, plan);
        entitlements.extend(found);
        add(&job.reads.progress.groups, resources.len());
        job.put_resources(&resources).await?;
    }
    if job.options.has(POPULATION) {
        let resources = plan.population_resources.iter();
        entitlements.extend(resources.map(|resource| translate::population_entitlement(resource, plan.membership)));
        add(&job.reads.progress.populations, plan.population_resources.len());
        if !waits {
            job.put_resources(&plan.population_resources).await?;
        }
    }
    if job.options.has(ROLE) {
        let roles = std::mem::take(&mut plan.role_resources);
        add(&job.reads.progress.roles, roles.len());
        job.put_resources(&roles).await?;
    }
    if with_entitlements {
        job.writer.put(Rows::Entitlements(entitlements)).await?;
    }
    Ok(())
}

/// Groups that answered 404 to the read of their role assignments are not in the sync.
fn drop_gone_groups(job: &Job, plan: &mut Plan) {
    let gone: HashSet<Uuid> = std::mem::take(&mut plan.group_holdings.gone).into_iter().collect();
    if gone.is_empty() {
        return;
    }
    for group in &gone {
        job.reads.warnings.vanished(ResourceId::new(GROUP, group));
    }
    job.reads.warnings.take_vanished();
    plan.groups.retain(|group| !gone.contains(&group.id));
    plan.gone.extend(&gone);
    plan.group_plans = Arc::new(plan.groups.iter().map(GroupPlan::of).collect());
}

fn translate_groups(job: &Job, plan: &mut Plan) -> (Vec<Resource>, Vec<Entitlement>) {
    let names = PopulationNames::new(&plan.populations);
    let parents = plan.nesting.parents();
    let custom = !job.options.custom_attributes.is_empty();
    std::mem::take(&mut plan.groups)
        .iter()
        .zip(plan.group_plans.iter())
        .map(|(group, group_plan)| {
            let population = group.population_id().and_then(|id| names.name(id));
            let parents = parents.get(&group.id).map(Vec::as_slice).unwrap_or_default();
            translate::group(group, group_plan, population, parents, custom)
        })
        .unzip()
}

/// Reads only what is wanted.
async fn or_empty<T: Default>(wanted: bool, read: impl Future<Output = Result<T, SyncError>>) -> Result<T, SyncError> {
    if wanted { read.await } else { Ok(T::default()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::sync::watch;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::sync::observe::Observe;
    use crate::sync::options::SyncOptions;
    use crate::sync::read::{Home, Reads};
    use crate::sync::writer_thread::WriterThread;
    use baton::c1z::{SyncStart, SyncType, WriterOptions};
    use pingone::id::EnvironmentId;
    use pingone::{Client, ClientConfig, Credentials, Region};

    /// A job whose client has nobody to ask.
    fn job(dir: &std::path::Path) -> Job {
        let environment = Uuid::from_u128(1);
        let config = ClientConfig {
            region: Region::Eu,
            api_url: None,
            auth_url: None,
            environment_id: environment,
            auth_environment_id: environment,
            rate_limit: 0,
            max_in_flight: 1,
            insecure: false,
            timeout: std::time::Duration::from_secs(1),
        };
        let credentials = Arc::new(Credentials::with_secret("id".to_owned(), "secret".into()));
        let client = Client::new(&config, watch::channel(credentials).1, None).unwrap();
        let reads = Arc::new(Reads::new(client, Arc::default(), false));
        let start = SyncStart::new(SyncType::Full, jiff::Timestamp::UNIX_EPOCH);
        Job {
            options: SyncOptions::full(dir.to_owned(), dir.join("a.c1z")),
            observe: Arc::new(Observe::new(Arc::clone(&reads), None)),
            reads,
            writer: WriterThread::start(
                dir,
                start,
                WriterOptions::default(),
                Arc::default(),
                &TaskTracker::new(),
            )
            .unwrap(),
            home: Home {
                environment: EnvironmentId(environment),
                environment_name: "Home".to_owned(),
                organization: None,
                facts: serde_json::from_value(json!({"id": environment})).unwrap(),
                began: jiff::Timestamp::now(),
            },
        }
    }

    /// In a big environment the descriptions of groups alone are hundreds of megabytes: what is written is not kept.
    #[tokio::test]
    async fn the_lists_of_groups_and_roles_are_dropped_when_they_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let job = job(dir.path());
        let object = |number: u128| json!({"id": Uuid::from_u128(number), "name": "n", "description": "d"});
        let list = |first: u128| serde_json::Value::Array((first..first + 3).map(object).collect());
        let groups: Vec<Group> = serde_json::from_value(list(10)).unwrap();
        let populations: Vec<Population> = serde_json::from_value(list(20)).unwrap();
        let roles: Vec<pingone::types::Role> = serde_json::from_value(list(30)).unwrap();
        let group_plans = groups.iter().map(GroupPlan::of).collect();
        let membership = Membership::of(&populations, false);
        let population_resources: Vec<Resource> = populations
            .iter()
            .map(|population| translate::population(population, membership))
            .collect();
        let (role_resources, roles) = roles.iter().map(translate::role).unzip();
        let mut plan = Plan {
            populations: population_plans(&populations, &population_resources),
            population_resources,
            membership,
            groups,
            group_plans: Arc::new(group_plans),
            listed: HashSet::new(),
            gone: Vec::new(),
            nesting: Nesting::default(),
            group_holdings: GroupHoldings::default(),
            roles,
            role_resources,
        };
        write(&job, &mut plan).await.unwrap();
        assert_eq!((plan.groups.capacity(), plan.role_resources.capacity()), (0, 0));
        assert_eq!(
            (plan.group_plans.len(), plan.roles.len()),
            (3, 3),
            "what is still needed stays"
        );
        job.writer.close().await.unwrap();
    }
}
