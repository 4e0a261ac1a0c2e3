//! A partial sync of named resources (c1z.md §7.2, connector-model.md §7.9): each is read by its id, with what it
//! offers and who holds that. A target that is not there is left out with a warning.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use futures_util::StreamExt;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::holders::{Candidates, GroupHoldings, scan_users};
use super::members::{MemberReads, Nesting};
use super::run::{Ended, Outcome, Run, reason};
use super::scope::{self, Holdings, RoleGrants, RoleInfo};
use super::sink::{Member, Rows};
use super::translate::{self, GroupKind, GroupPlan, UserRules};
use super::users::{PopulationNames, PopulationPlan, lanes};
use super::warnings::Warning;
use crate::model::{EntitlementId, GrantImmutable, Resource, ResourceId, ResourceType, RoleId, UserId};

/// What targets of several types share.
struct Shared {
    populations: Vec<PopulationPlan>,
    population_resources: Vec<Resource>,
    names: PopulationNames,
    /// The users that `population-filter` and `user-filter` let through; `None` without such a filter.
    users: Option<HashSet<Uuid>>,
}

impl Shared {
    fn lets_through(&self, user: Uuid) -> bool {
        self.users.as_ref().is_none_or(|users| users.contains(&user))
    }
}

impl Run {
    /// Reads and writes the targets. Duplicates collapse; targets outside the type filter are ignored.
    pub(super) async fn targeted(&mut self) -> Result<Outcome, Ended> {
        let types = ResourceType::ALL
            .into_iter()
            .filter(|resource_type| self.options.has(*resource_type));
        self.sink.put(Rows::ResourceTypes(types.collect())).await?;
        let targets: BTreeSet<ResourceId> = self
            .options
            .targets
            .iter()
            .filter(|target| self.options.has(target.resource_type))
            .cloned()
            .collect();
        let shared = self.shared().await?;
        let mut roles = BTreeSet::new();
        for target in targets {
            let Ok(id) = target.id.parse::<Uuid>() else {
                self.reads.warnings.add(Warning::Vanished, &target.id);
                continue;
            };
            let found = match target.resource_type {
                ResourceType::User => self.target_user(id, &shared).await?,
                ResourceType::Group => self.target_group(id, &shared).await?,
                ResourceType::Population => self.target_population(id, &shared).await?,
                ResourceType::Role => {
                    roles.insert(id);
                    true
                }
            };
            self.reads.warnings.step();
            if !found {
                self.reads.warnings.add(Warning::Vanished, &target.id);
            }
        }
        if !roles.is_empty() {
            self.target_roles(&roles, &shared).await?;
        }
        Ok(Outcome::default())
    }

    async fn shared(&self) -> Result<Shared, Ended> {
        let mut populations = self.reads.populations().await?;
        populations.sort_unstable_by_key(|population| population.id);
        let population_resources: Vec<Resource> = populations.iter().map(translate::population).collect();
        let populations: Vec<PopulationPlan> = populations
            .iter()
            .zip(&population_resources)
            .map(|(population, resource)| PopulationPlan {
                id: population.id,
                name: resource.display_name.clone(),
                user_count: population.user_count,
            })
            .collect();
        let names = PopulationNames::new(&populations);
        Ok(Shared {
            users: self.filtered_users(&populations).await?,
            populations,
            population_resources,
            names,
        })
    }

    async fn filtered_users(&self, populations: &[PopulationPlan]) -> Result<Option<HashSet<Uuid>>, Ended> {
        if !self.options.filters_users() {
            return Ok(None);
        }
        let mut users = HashSet::new();
        for filter in lanes(populations, &self.options)?.iter().flatten().flatten() {
            users.extend(self.reads.user_ids(filter).await?);
        }
        Ok(Some(users))
    }

    fn with_entitlements(&self) -> bool {
        !self.options.skip_entitlements_and_grants
    }

    fn with_grants(&self) -> bool {
        self.with_entitlements() && !self.options.skip_grants
    }

    async fn target_user(&self, id: Uuid, shared: &Shared) -> Result<bool, Ended> {
        if !shared.lets_through(id) {
            tracing::info!(user = %id, "a user was asked for that population-filter or user-filter leaves out");
            return Ok(true);
        }
        let Some(user) = self.reads.user(id).await? else {
            return Ok(false);
        };
        let rules = UserRules::new(
            &self.options.custom_attributes,
            &self.options.employee_id_attributes,
            &self.options.service_account_types,
        );
        let population = user.population_id().and_then(|id| shared.names.name(id));
        self.fetched_now().await?;
        self.put_resources(&[translate::user(&user, population, &rules)])
            .await?;
        Ok(true)
    }

    async fn target_population(&self, id: Uuid, shared: &Shared) -> Result<bool, Ended> {
        let id_text = id.to_string();
        let Some(resource) = shared
            .population_resources
            .iter()
            .find(|resource| resource.id.id == id_text)
        else {
            return Ok(false);
        };
        self.fetched_now().await?;
        self.put_resources(std::slice::from_ref(resource)).await?;
        if self.with_entitlements() {
            self.sink
                .put(Rows::Entitlements(vec![translate::population_entitlement(resource)]))
                .await?;
        }
        if self.with_grants() && self.options.has(ResourceType::User) {
            let mut users = self.reads.user_ids(&format!("population.id eq \"{id}\"")).await?;
            users.retain(|user| shared.lets_through(*user));
            users.sort_unstable();
            users.dedup();
            let members = users.into_iter().map(|user| Member { user, indirect: true }).collect();
            let via = Some(Arc::new(GrantImmutable {
                source_id: "population",
                user_filter: None,
            }));
            self.fetched_now().await?;
            let entitlement = EntitlementId::member(ResourceType::Population, id);
            self.sink
                .put(Rows::Members {
                    entitlement,
                    members,
                    via,
                })
                .await?;
        }
        Ok(true)
    }

    async fn target_group(&self, id: Uuid, shared: &Shared) -> Result<bool, Ended> {
        let Some(group) = self.reads.group(id).await? else {
            return Ok(false);
        };
        let plan = GroupPlan::of(&group);
        if self.options.skip_external_groups && plan.kind == GroupKind::External {
            tracing::info!(group = %id, "an external group was asked for; skip-external-groups leaves it out");
            return Ok(true);
        }
        let population = group.population_id().and_then(|id| shared.names.name(id));
        let custom = !self.options.custom_attributes.is_empty();
        let parents = self.reads.direct_parents(id).await?;
        let (resource, entitlement) = translate::group(&group, &plan, population, &parents, custom);
        self.fetched_now().await?;
        self.put_resources(&[resource]).await?;
        if self.with_entitlements() {
            self.sink.put(Rows::Entitlements(vec![entitlement])).await?;
        }
        if !self.with_grants() {
            return Ok(true);
        }
        let plans = Arc::new(vec![plan]);
        let nesting = self.nesting_of(&plans).await?;
        let mut nested = Vec::new();
        for child in nesting.children.get(&id).into_iter().flatten() {
            if !self.is_left_out(*child).await? {
                nested.push(self.nested_grant(id, *child));
            }
        }
        self.fetched_now().await?;
        self.sink.put(Rows::Grants(nested)).await?;
        if self.options.has(ResourceType::User) {
            let reads = MemberReads::new(Arc::clone(&self.reads), Arc::clone(&plans), &nesting);
            let mut groups = Box::pin(Arc::new(reads).stream(1));
            while let Some(found) = groups.next().await {
                let mut found = found?;
                found.users.retain(|member| shared.lets_through(member.user));
                self.fetched_now().await?;
                let via = plans.first().and_then(|plan| reason(&plan.kind));
                let entitlement = EntitlementId::member(ResourceType::Group, id);
                self.sink
                    .put(Rows::Members {
                        entitlement,
                        members: found.users,
                        via,
                    })
                    .await?;
            }
        }
        Ok(true)
    }

    /// What is nested in one group. Where PingOne refuses the type in a filter only each group's own list tells.
    async fn nesting_of(&self, group: &[GroupPlan]) -> Result<Nesting, Ended> {
        let mut nesting = Nesting::read(&self.reads, group, 1).await?;
        if nesting.type_refused {
            let groups = self.reads.groups().await?;
            let groups: Vec<_> = groups.iter().map(|group| group.id).collect();
            nesting.children = Nesting::read_parents(&self.reads, groups, self.options.concurrency).await?;
        }
        Ok(nesting)
    }

    /// A nested group that no sync has under these settings.
    async fn is_left_out(&self, group: Uuid) -> Result<bool, Ended> {
        if !self.options.skip_external_groups {
            return Ok(false);
        }
        let group = self.reads.group(group).await?;
        Ok(group.is_none_or(|group| GroupPlan::of(&group).kind == GroupKind::External))
    }

    /// Roles have no list of holders: every principal is asked, as in a full sync.
    async fn target_roles(&self, ids: &BTreeSet<Uuid>, shared: &Shared) -> Result<(), Ended> {
        let mut holdings = if self.with_grants() {
            self.every_holding(shared).await?
        } else {
            Holdings::default()
        };
        holdings.retain(|holding| ids.contains(&holding.role.0) && self.options.has(holding.principal_type));
        let listed = self.reads.roles().await?;
        let wanted = listed.iter().filter(|role| ids.contains(&role.id));
        let mut found: Vec<(Resource, RoleInfo)> = wanted.map(translate::role).collect();
        let known: HashSet<RoleId> = found.iter().map(|(_, info)| info.id).collect();
        let held = holdings.roles();
        for missing in ids.iter().copied().map(RoleId).filter(|id| !known.contains(id)) {
            if held.contains(&missing) {
                self.reads.warnings.add(Warning::RoleNotListed, &missing);
                found.push(translate::placeholder_role(missing));
            } else {
                self.reads.warnings.add(Warning::Vanished, &missing);
            }
        }
        let (resources, infos): (Vec<Resource>, Vec<RoleInfo>) = found.into_iter().unzip();
        self.fetched_now().await?;
        self.put_resources(&resources).await?;
        if !self.with_entitlements() {
            return Ok(());
        }
        let around = self.surroundings(&shared.populations, &infos, &holdings).await?;
        self.fetched_now().await?;
        self.sink
            .put(Rows::Entitlements(scope::entitlements(&infos, &around, &holdings)))
            .await?;
        self.put_role_grants(&RoleGrants::new(holdings, around)).await?;
        Ok(())
    }

    async fn every_holding(&self, shared: &Shared) -> Result<Holdings, Ended> {
        let groups = self.reads.groups().await?;
        let plans = groups.iter().map(GroupPlan::of);
        let holders = plans.filter(|plan| plan.kind == GroupKind::Static);
        let holders: Vec<Uuid> = holders.map(|plan| plan.id).collect();
        let mut of_groups = GroupHoldings::read(&self.reads, holders, self.options.concurrency).await?;
        let mut holdings = Holdings::default();
        of_groups.move_into(&self.reads, &mut holdings);
        let mut users = match Candidates::of(&self.options.role_scan, &shared.populations, &self.reads).await? {
            Candidates::Nobody => Vec::new(),
            Candidates::Users(users) => users.into_iter().collect(),
            Candidates::Everybody => self.reads.user_ids("").await?.into_iter().map(UserId).collect(),
            Candidates::Populations(positions) => {
                let mut users = Vec::new();
                for population in positions
                    .into_iter()
                    .filter_map(|position| shared.populations.get(position))
                {
                    let found = self
                        .reads
                        .user_ids(&format!("population.id eq \"{}\"", population.id))
                        .await?;
                    users.extend(found.into_iter().map(UserId));
                }
                users
            }
        };
        users.retain(|user| shared.lets_through(user.0));
        let (sender, inbox) = mpsc::channel(1);
        let scan = scan_users(
            Arc::clone(&self.reads),
            inbox,
            self.options.concurrency,
            of_groups.assignments,
            holdings,
        );
        let feed = async move {
            sender.send(users).await.ok();
        };
        let (holdings, ()) = futures_util::join!(scan, feed);
        Ok(holdings?)
    }
}
