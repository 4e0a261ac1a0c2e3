//! The run of one sync, phase by phase (c1z.md §7.1).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::SyncError;
use super::holders::{Candidates, GroupHoldings, scan_users};
use super::index::UserIndex;
use super::members::{MemberReads, Nesting};
use super::options::{Counts, SyncOptions};
use super::progress::{Phase, Progress, add};
use super::read::{Home, Reads};
use super::report::{SyncReport, warning_counts};
use super::scope::{self, Holdings, MANY_PAIRS, RoleGrants, RoleInfo, Scope, Surroundings};
use super::sink::{EncodedResource, Member, Rows, Sink, SinkClosed, Working, writer_options};
use super::translate::{self, GroupKind, GroupPlan, UserRules};
use super::users::{PopulationNames, PopulationPlan, UserBlocks, lanes, users_told};
use super::warnings::Warning;
use crate::c1z::{SyncEnd, SyncStart, SyncType, Writer};
use crate::model::{
    Entitlement, EntitlementId, Expandable, Grant, GrantImmutable, Resource, ResourceId, ResourceType, UserId,
};
use crate::pingone::Client;
use crate::pingone::types::Group;
use crate::wire;

/// Batches of user ids that may wait for their role assignments to be read.
const SCAN_QUEUE: usize = 4;

/// Runs one sync and publishes its file. Ends early, with nothing published and no temporary file left, when `cancel`
/// is cancelled or anything fails.
pub async fn run(
    client: Client,
    options: SyncOptions,
    progress: Arc<Progress>,
    cancel: CancellationToken,
) -> Result<SyncReport, SyncError> {
    let threads = TaskTracker::new();
    let work = Box::pin(run_to_end(client, options, progress, cancel.clone(), threads.clone()));
    let result = cancel.run_until_cancelled(work).await;
    // A thread removes its temporary files when it ends, so none may outlive the sync.
    threads.close();
    threads.wait().await;
    result.unwrap_or(Err(SyncError::Cancelled))
}

async fn run_to_end(
    client: Client,
    options: SyncOptions,
    progress: Arc<Progress>,
    cancel: CancellationToken,
    threads: TaskTracker,
) -> Result<SyncReport, SyncError> {
    let begun = Instant::now();
    let sync_type = sync_type(&options);
    let start = SyncStart::new(sync_type, jiff::Timestamp::now());
    let sync_id = start.sync_id.clone();
    let reads = Arc::new(Reads::new(client, Arc::clone(&progress)));
    progress.enter(Phase::Plan);
    let home = reads.home().await?;
    if options.empty {
        reads.validate().await?;
    }
    let sink = Sink::start(
        &options.temp_dir,
        start,
        writer_options(&cancel),
        Arc::clone(&progress),
        &threads,
    )?;
    let mut run = Run {
        options,
        reads,
        sink,
        home,
    };
    let outcome = if run.options.empty {
        Ok(Outcome::default())
    } else if run.options.targeted {
        Box::pin(run.targeted()).await
    } else {
        Box::pin(run.full()).await
    };
    let Run {
        options,
        reads,
        sink,
        home,
    } = run;
    let outcome = match outcome {
        Ok(outcome) => outcome,
        // The thread knows why it ended; without it the reads' own failure stands.
        Err(Ended::Sink) => return Err(sink.close().await.err().unwrap_or(SyncError::Cancelled)),
        Err(Ended::Failed(error)) => return Err(error),
    };
    progress.enter(Phase::Seal);
    check(sync_type, &options, &reads, outcome.counts)?;
    let writer = sink.close().await?;
    let (file, grants_expanded) = Working::start("c1z-seal", &threads, move || {
        seal(writer, sync_type, &options, outcome.dropped)
    })?
    .wait()
    .await?;
    Ok(SyncReport {
        sync_id,
        file,
        counts: outcome.counts,
        warnings: warning_counts(&reads.warnings),
        grants_expanded,
        environment_name: home.environment_name,
        elapsed: begun.elapsed(),
    })
}

/// Whether what was read may be published.
fn check(sync_type: SyncType, options: &SyncOptions, reads: &Reads, counts: Counts) -> Result<(), SyncError> {
    if let Some((warnings, steps)) = reads.warnings.too_many() {
        return Err(SyncError::TooManyWarnings { warnings, steps });
    }
    if sync_type == SyncType::Full && !options.empty {
        options.shrink.check(counts)?;
    }
    Ok(())
}

fn sync_type(options: &SyncOptions) -> SyncType {
    if options.empty {
        SyncType::Full
    } else if options.targeted {
        SyncType::Partial
    } else if options.skip_entitlements_and_grants {
        SyncType::ResourcesOnly
    } else {
        SyncType::Full
    }
}

fn seal(
    mut writer: Writer,
    sync_type: SyncType,
    options: &SyncOptions,
    grants_dropped: u64,
) -> Result<(crate::c1z::FileReport, u64), SyncError> {
    let expand = sync_type == SyncType::Full && options.expand_grants;
    let expanded = if expand { writer.expand()?.created } else { 0 };
    let end = SyncEnd {
        ended_at: jiff::Timestamp::now(),
        expanded: expand,
        grants_dropped,
    };
    Ok((writer.finish(end, &options.file)?, expanded))
}

/// Why the reading part ended early.
#[derive(Debug)]
pub(super) enum Ended {
    /// The writer thread is gone; closing it says why.
    Sink,
    Failed(SyncError),
}

impl From<SinkClosed> for Ended {
    fn from(_: SinkClosed) -> Self {
        Self::Sink
    }
}

impl<E: Into<SyncError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// What the reading part found.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) counts: Counts,
    /// Grants left out because their principal is not in the sync.
    pub(super) dropped: u64,
    /// Groups that vanished while their members were read.
    gone: HashSet<Uuid>,
}

/// One sync while it runs.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) options: SyncOptions,
    pub(super) reads: Arc<Reads>,
    pub(super) sink: Sink,
    pub(super) home: Home,
}

/// What the lists of groups, populations and roles gave.
#[derive(Debug)]
struct Plan {
    populations: Vec<PopulationPlan>,
    population_resources: Vec<Resource>,
    groups: Vec<Group>,
    group_plans: Arc<Vec<GroupPlan>>,
    nesting: Nesting,
    group_holdings: GroupHoldings,
    roles: Vec<RoleInfo>,
    role_resources: Vec<Resource>,
}

impl Run {
    async fn full(&mut self) -> Result<Outcome, Ended> {
        let mut plan = Box::pin(self.plan()).await?;
        self.write_lists(&mut plan).await?;
        let (users, holdings) = self.users(&mut plan).await?;
        let mut outcome = Outcome {
            counts: Counts {
                users: u64::try_from(users.len()).unwrap_or(u64::MAX),
                groups: u64::try_from(plan.group_plans.len()).unwrap_or(u64::MAX),
                role_grants: 0,
            },
            ..Outcome::default()
        };
        if self.options.skip_entitlements_and_grants {
            return Ok(outcome);
        }
        if !self.options.skip_grants {
            self.members(&plan, &users, &mut outcome).await?;
        }
        let role_grants = self.roles(&mut plan, &users, holdings, &mut outcome).await?;
        if !self.options.skip_grants {
            self.population_grants(&plan, users).await?;
            if let Some(role_grants) = role_grants {
                outcome.counts.role_grants = u64::try_from(role_grants.len()).unwrap_or(u64::MAX);
                self.put_role_grants(&role_grants).await?;
            }
        }
        Ok(outcome)
    }

    pub(super) async fn put_role_grants(&self, grants: &RoleGrants) -> Result<(), Ended> {
        let mut grants = grants.iter();
        loop {
            let batch: Vec<_> = grants.by_ref().take(500).collect();
            if batch.is_empty() {
                return Ok(());
            }
            self.sink.put(Rows::Grants(batch)).await?;
        }
    }

    fn scans_roles(&self) -> bool {
        self.options.has(ResourceType::Role) && !self.options.skip_grants && !self.options.skip_entitlements_and_grants
    }

    /// Reads the lists: populations, groups with their nesting and role assignments, roles.
    async fn plan(&mut self) -> Result<Plan, Ended> {
        let with_groups = self.options.has(ResourceType::Group) || self.scans_roles();
        let with_roles = self.options.has(ResourceType::Role);
        let (mut populations, mut groups, roles) = futures_util::try_join!(
            self.reads.populations(),
            or_empty(with_groups, self.reads.groups()),
            or_empty(with_roles, self.reads.roles()),
        )?;
        populations.sort_unstable_by_key(|population| population.id);
        groups.sort_unstable_by_key(|group| group.id);
        if self.options.skip_external_groups {
            groups.retain(|group| GroupPlan::of(group).kind != GroupKind::External);
        }
        let group_plans: Vec<GroupPlan> = groups.iter().map(GroupPlan::of).collect();
        let concurrency = self.options.concurrency;
        // Only static groups can hold roles.
        let holders = group_plans
            .iter()
            .filter(|group| self.scans_roles() && group.kind == GroupKind::Static);
        let holders: Vec<Uuid> = holders.map(|group| group.id).collect();
        let (nesting, group_holdings) = futures_util::try_join!(
            or_empty(
                self.options.has(ResourceType::Group),
                Nesting::read(&self.reads, &group_plans, concurrency)
            ),
            GroupHoldings::read(&self.reads, holders, concurrency),
        )?;
        let population_resources: Vec<Resource> = populations.iter().map(translate::population).collect();
        let (role_resources, roles) = roles.iter().map(translate::role).unzip();
        Ok(Plan {
            populations: populations
                .iter()
                .zip(&population_resources)
                .map(|(population, resource)| PopulationPlan {
                    id: population.id,
                    name: resource.display_name.clone(),
                    user_count: population.user_count,
                })
                .collect(),
            population_resources,
            groups,
            group_plans: Arc::new(group_plans),
            nesting,
            group_holdings,
            roles,
            role_resources,
        })
    }

    /// Writes resource types, groups, populations and roles, and the entitlements of the first two.
    async fn write_lists(&mut self, plan: &mut Plan) -> Result<(), Ended> {
        let types = ResourceType::ALL
            .into_iter()
            .filter(|resource_type| self.options.has(*resource_type));
        self.sink.put(Rows::ResourceTypes(types.collect())).await?;
        self.fetched_now().await?;
        self.drop_gone_groups(plan);
        let with_entitlements = !self.options.skip_entitlements_and_grants;
        let mut entitlements = Vec::new();
        if self.options.has(ResourceType::Group) {
            let (resources, found) = self.translate_groups(plan);
            entitlements.extend(found);
            add(&self.reads.progress.groups, resources.len());
            self.put_resources(&resources).await?;
        }
        if self.options.has(ResourceType::Population) {
            entitlements.extend(plan.population_resources.iter().map(translate::population_entitlement));
            add(&self.reads.progress.populations, plan.population_resources.len());
            self.put_resources(&plan.population_resources).await?;
        }
        if self.options.has(ResourceType::Role) {
            let roles = std::mem::take(&mut plan.role_resources);
            add(&self.reads.progress.roles, roles.len());
            self.put_resources(&roles).await?;
        }
        if with_entitlements {
            self.sink.put(Rows::Entitlements(entitlements)).await?;
        }
        Ok(())
    }

    /// Groups that answered 404 to the read of their role assignments are not in the sync.
    fn drop_gone_groups(&self, plan: &mut Plan) {
        let gone: HashSet<Uuid> = std::mem::take(&mut plan.group_holdings.gone).into_iter().collect();
        if gone.is_empty() {
            return;
        }
        for group in &gone {
            self.reads
                .warnings
                .vanished(ResourceId::new(ResourceType::Group, group));
        }
        self.reads.warnings.take_vanished();
        plan.groups.retain(|group| !gone.contains(&group.id));
        plan.group_plans = Arc::new(plan.groups.iter().map(GroupPlan::of).collect());
    }

    fn translate_groups(&self, plan: &mut Plan) -> (Vec<Resource>, Vec<Entitlement>) {
        let names = PopulationNames::new(&plan.populations);
        let parents = plan.nesting.parents();
        let custom = !self.options.custom_attributes.is_empty();
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

    /// What is written from here on was fetched before now (c1z.md §4.2).
    pub(super) async fn fetched_now(&self) -> Result<(), Ended> {
        Ok(self.sink.put(Rows::FetchedAt(jiff::Timestamp::now())).await?)
    }

    /// One grant of a nested group. Without users in the sync there is nothing to expand to (c1z.md §10.1 V10).
    pub(super) fn nested_grant(&self, parent: Uuid, child: Uuid) -> Grant {
        let expands = self.options.has(ResourceType::User);
        Grant {
            entitlement: EntitlementId::member(ResourceType::Group, parent),
            principal: ResourceId::new(ResourceType::Group, child),
            immutable: Some(GrantImmutable {
                source_id: "nested-group",
                user_filter: None,
            }),
            expandable: expands.then(|| Expandable {
                entitlement_ids: vec![EntitlementId::member(ResourceType::Group, child)],
            }),
            metadata: None,
        }
    }

    pub(super) async fn put_resources(&self, resources: &[Resource]) -> Result<(), Ended> {
        for batch in resources.chunks(500) {
            let encoded = batch.iter().map(encode).collect();
            self.sink.put(Rows::Resources(encoded)).await?;
        }
        Ok(())
    }

    /// Reads and writes the users; beside them, their role assignments.
    async fn users(&mut self, plan: &mut Plan) -> Result<(UserIndex, Holdings), Ended> {
        self.reads.progress.enter(Phase::Users);
        let mut holdings = Holdings::default();
        plan.group_holdings.move_into(&self.reads, &mut holdings);
        if !self.options.has(ResourceType::User) {
            return Ok((UserIndex::default(), holdings));
        }
        self.reads.expect_users(&plan.populations);
        let candidates = if self.scans_roles() {
            Candidates::of(&self.options.role_scan, &plan.populations, &self.reads).await?
        } else {
            Candidates::Nobody
        };
        tracing::info!(
            role_scan = self.options.role_scan.as_str(),
            "role assignments are read for these users"
        );
        let (sender, inbox) = mpsc::channel(SCAN_QUEUE);
        let inherited = std::mem::take(&mut plan.group_holdings.assignments);
        let scan = scan_users(
            Arc::clone(&self.reads),
            inbox,
            self.options.concurrency,
            inherited,
            holdings,
        );
        let listing = self.list_users(plan, &candidates, sender);
        let told = users_told(&plan.populations).filter(|_| !self.options.filters_users());
        let (mut users, holdings) = futures_util::try_join!(listing, async { scan.await.map_err(Ended::from) })?;
        self.reads.warnings.compare(told, users.len(), &"users");
        let gone = self.reads.warnings.take_vanished();
        if !gone.is_empty() {
            let ids: HashSet<UserId> = gone.iter().filter_map(|id| id.id.parse().ok()).collect();
            users.remove(&ids);
            self.sink.put(Rows::Vanished(gone)).await?;
        }
        Ok((users, holdings))
    }

    async fn list_users(
        &self,
        plan: &Plan,
        candidates: &Candidates,
        scan: mpsc::Sender<Vec<UserId>>,
    ) -> Result<UserIndex, Ended> {
        let names = Arc::new(PopulationNames::new(&plan.populations));
        let rules = Arc::new(UserRules::new(
            &self.options.custom_attributes,
            &self.options.employee_id_attributes,
            &self.options.service_account_types,
        ));
        let lanes = lanes(&plan.populations, &self.options)?;
        let mut blocks = UserBlocks::start(&self.reads, lanes, &names, &rules);
        let mut users = UserIndex::for_about(users_told(&plan.populations).unwrap_or(0));
        while let Some(block) = blocks.next().await {
            let mut rows = Vec::new();
            let mut scanned = Vec::new();
            for user in block? {
                if !users.insert(user.id, user.population) {
                    self.reads.warnings.add(Warning::Duplicate, &user.id);
                    continue;
                }
                if user.population_unknown {
                    self.reads.warnings.add(Warning::PopulationNotListed, &user.id);
                }
                if candidates.includes(user.id, user.population) {
                    scanned.push(user.id);
                }
                rows.push(user.resource);
            }
            self.reads.warnings.step();
            add(&self.reads.progress.users, rows.len());
            self.fetched_now().await?;
            self.sink.put(Rows::Resources(rows)).await?;
            if !scanned.is_empty() && scan.send(scanned).await.is_err() {
                // The scan ended with an error of its own, which the join reports.
                return std::future::pending().await;
            }
        }
        Ok(users)
    }

    /// Reads the members of every group and writes their grants in plan order.
    async fn members(&self, plan: &Plan, users: &UserIndex, outcome: &mut Outcome) -> Result<(), Ended> {
        if !self.options.has(ResourceType::Group) {
            return Ok(());
        }
        self.reads.progress.enter(Phase::Members);
        let mut synced: HashSet<Uuid> = plan.group_plans.iter().map(|group| group.id).collect();
        if !self.options.has(ResourceType::User) {
            return self.nested_only(plan, &synced, outcome).await;
        }
        let reads = MemberReads::new(Arc::clone(&self.reads), Arc::clone(&plan.group_plans), &plan.nesting);
        let mut groups = Box::pin(Arc::new(reads).stream(self.options.concurrency));
        while let Some(found) = groups.next().await {
            let found = found?;
            add(&self.reads.progress.groups_read, 1);
            self.reads.warnings.step();
            let Some(group) = plan.group_plans.get(found.position) else {
                continue;
            };
            if found.gone {
                synced.remove(&group.id);
                outcome.gone.insert(group.id);
                outcome.counts.groups = outcome.counts.groups.saturating_sub(1);
                self.reads
                    .warnings
                    .vanished(ResourceId::new(ResourceType::Group, group.id));
                self.sink
                    .put(Rows::Vanished(self.reads.warnings.take_vanished()))
                    .await?;
                continue;
            }
            let nested = nested_grants(group, &plan.nesting, &synced, self, outcome);
            if !nested.is_empty() {
                self.sink.put(Rows::Grants(nested)).await?;
            }
            let mut members = found.users;
            members.retain(|member| {
                let synced = users.contains(UserId(member.user));
                if !synced {
                    outcome.dropped += 1;
                    self.reads.warnings.add(Warning::PrincipalNotSynced, &member.user);
                }
                synced
            });
            if !members.is_empty() {
                let entitlement = EntitlementId::member(ResourceType::Group, group.id);
                self.fetched_now().await?;
                self.sink
                    .put(Rows::Members {
                        entitlement,
                        members,
                        via: reason(&group.kind),
                    })
                    .await?;
            }
        }
        Ok(())
    }

    /// Without users in the sync nobody's members are read.
    async fn nested_only(&self, plan: &Plan, synced: &HashSet<Uuid>, outcome: &mut Outcome) -> Result<(), Ended> {
        for group in plan.group_plans.iter() {
            let nested = nested_grants(group, &plan.nesting, synced, self, outcome);
            self.sink.put(Rows::Grants(nested)).await?;
        }
        Ok(())
    }

    /// One grant per user on its population.
    async fn population_grants(&self, plan: &Plan, users: UserIndex) -> Result<(), Ended> {
        if !self.options.has(ResourceType::Population) || !self.options.has(ResourceType::User) {
            return Ok(());
        }
        let via = Some(Arc::new(GrantImmutable {
            source_id: "population",
            user_filter: None,
        }));
        let order = users.into_population_order();
        let mut rows: (Option<usize>, Vec<Member>) = (None, Vec::new());
        let flush = |position: Option<usize>, members: Vec<Member>| {
            let id = position
                .and_then(|position| plan.populations.get(position))
                .map(|population| population.id);
            id.filter(|_| !members.is_empty()).map(|id| Rows::Members {
                entitlement: EntitlementId::member(ResourceType::Population, id),
                members,
                via: via.clone(),
            })
        };
        for (position, user) in order.iter() {
            if position != rows.0 || rows.1.len() >= 4_096 {
                if let Some(batch) = flush(rows.0, std::mem::take(&mut rows.1)) {
                    self.sink.put(batch).await?;
                }
                rows.0 = position;
            }
            rows.1.push(Member {
                user: user.0,
                indirect: true,
            });
        }
        if let Some(batch) = flush(rows.0, rows.1) {
            self.sink.put(batch).await?;
        }
        Ok(())
    }

    /// Writes roles that only assignments name and every role entitlement; answers the grants.
    async fn roles(
        &self,
        plan: &mut Plan,
        users: &UserIndex,
        mut holdings: Holdings,
        outcome: &mut Outcome,
    ) -> Result<Option<RoleGrants>, Ended> {
        if !self.options.has(ResourceType::Role) {
            return Ok(None);
        }
        self.reads.progress.enter(Phase::Roles);
        let dropped = self.drop_unsynced_holders(plan, users, &outcome.gone, &mut holdings);
        outcome.dropped += u64::try_from(dropped).unwrap_or(u64::MAX);
        let known: HashSet<_> = plan.roles.iter().map(|role| role.id).collect();
        let missing: Vec<_> = holdings
            .roles()
            .into_iter()
            .filter(|role| !known.contains(role))
            .collect();
        if !missing.is_empty() {
            let mut late = Vec::new();
            for role in missing {
                self.reads.warnings.add(Warning::RoleNotListed, &role);
                let (resource, info) = translate::placeholder_role(role);
                late.push(encode(&resource));
                plan.roles.push(info);
            }
            self.sink.put(Rows::LateRoles(late)).await?;
        }
        let around = self.surroundings(&plan.populations, &plan.roles, &holdings).await?;
        self.fetched_now().await?;
        let entitlements = scope::entitlements(&plan.roles, &around, &holdings);
        if entitlements.len() > MANY_PAIRS {
            tracing::warn!(
                pairs = entitlements.len(),
                "the roles make many entitlements; role-population-entitlements=assigned or role-model=scope-binding \
                 makes fewer"
            );
        }
        self.sink.put(Rows::Entitlements(entitlements)).await?;
        Ok(Some(RoleGrants::new(holdings, around)))
    }

    fn drop_unsynced_holders(
        &self,
        plan: &Plan,
        users: &UserIndex,
        gone: &HashSet<Uuid>,
        holdings: &mut Holdings,
    ) -> usize {
        let groups: HashSet<Uuid> = if self.options.has(ResourceType::Group) {
            let groups = plan.group_plans.iter().map(|group| group.id);
            groups.filter(|group| !gone.contains(group)).collect()
        } else {
            HashSet::new()
        };
        holdings.retain(|holding| {
            let synced = match holding.principal_type {
                ResourceType::Group => groups.contains(&holding.principal),
                _ => users.contains(UserId(holding.principal)),
            };
            if !synced {
                self.reads.warnings.add(Warning::PrincipalNotSynced, &holding.principal);
            }
            synced
        })
    }

    pub(super) async fn surroundings(
        &self,
        populations: &[PopulationPlan],
        roles: &[RoleInfo],
        holdings: &Holdings,
    ) -> Result<Surroundings, Ended> {
        let mut around = Surroundings {
            environment: self.home.environment,
            environment_name: self.home.environment_name.clone(),
            organization: self.home.organization,
            names: populations
                .iter()
                .map(|population| (Scope::new("population", population.id), population.name.clone()))
                .collect::<BTreeMap<_, _>>(),
            populations: populations
                .iter()
                .map(|population| population.id)
                .collect::<BTreeSet<_>>(),
            policy: self.options.role_population_entitlements,
            with_users: self.options.has(ResourceType::User),
        };
        let offered = roles.iter().any(|role| {
            role.applicable_to
                .iter()
                .any(|kind| kind.eq_ignore_ascii_case("ORGANIZATION"))
        });
        let organization = around.organization.filter(|_| offered).map(|id| Scope {
            kind: "organization".to_owned(),
            id: id.0,
        });
        let unnamed = around.unnamed(holdings.scopes().chain(organization.as_ref()));
        for scope in unnamed {
            if let Some(name) = self.reads.scope_name(&scope.kind, scope.id).await? {
                around.names.insert(scope, name);
            }
        }
        Ok(around)
    }
}

/// Reads only what is wanted.
async fn or_empty<T: Default>(wanted: bool, read: impl Future<Output = Result<T, SyncError>>) -> Result<T, SyncError> {
    if wanted { read.await } else { Ok(T::default()) }
}

/// A resource as a row.
pub(super) fn encode(resource: &Resource) -> EncodedResource {
    EncodedResource {
        id: resource.id.clone(),
        data: wire::resource(resource),
    }
}

/// Why members that are not direct belong to a group.
pub(super) fn reason(kind: &GroupKind) -> Option<Arc<GrantImmutable>> {
    let (source_id, user_filter) = match kind {
        GroupKind::Static => return None,
        GroupKind::Dynamic { filter } => ("dynamic-group", Some(filter.clone())),
        GroupKind::External => ("external-group", None),
    };
    Some(Arc::new(GrantImmutable { source_id, user_filter }))
}

/// One grant per group that is nested directly in this one (connector-model.md §5.1).
fn nested_grants(
    group: &GroupPlan,
    nesting: &Nesting,
    synced: &HashSet<Uuid>,
    run: &Run,
    outcome: &mut Outcome,
) -> Vec<Grant> {
    let mut grants = Vec::new();
    for child in nesting.children.get(&group.id).into_iter().flatten() {
        if !synced.contains(child) {
            outcome.dropped += 1;
            run.reads.warnings.add(Warning::PrincipalNotSynced, child);
            continue;
        }
        grants.push(run.nested_grant(group.id, *child));
    }
    grants
}
