//! A partial sync of named resources (c1z.md §7.2, connector-model.md §7.9): each is read by its id, with what it
//! offers and who holds that. A target that is not there is left out with a warning.

mod bindings;

use crate::model::{APPLICATION, ENVIRONMENT, GATEWAY, GROUP, POPULATION, ROLE, USER};
use pingone::id::{RoleId, UserId};
use pingone::types::Group;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use futures_util::StreamExt;
use uuid::Uuid;

use self::bindings::Bindings;
use super::applications::Found;
use super::error::Shortfall;
use super::job::{Ended, Job, Outcome};
use super::machines::Gateways;
use super::members::MemberReads;
use super::nesting::Nesting;
use super::phase::members::reason;
use super::phase::roles::{put_grants, surroundings};
use super::population::{PopulationNames, PopulationPlan};
use super::read::length;
use super::role_scan::{Candidates, GroupHoldings, OfGroups, scan_users};
use super::scope::{self, Holdings, RoleGrants, RoleInfo};
use super::translate::{self, GroupKind, GroupPlan, Membership, UserRules};
use super::users::{chosen, lanes};
use super::warnings::Warning;
use super::writer_thread::{Member, Rows};
use baton::model::{EntitlementId, Resource, ResourceId};

/// What targets of several types share.
struct Shared {
    populations: Vec<PopulationPlan>,
    population_resources: Vec<Resource>,
    membership: Membership,
    names: PopulationNames,
    /// The users that `population-filter` and `user-filter` let through; `None` without such a filter.
    users: Option<HashSet<Uuid>>,
}

impl Shared {
    fn lets_through(&self, user: Uuid) -> bool {
        self.users.as_ref().is_none_or(|users| users.contains(&user))
    }
}

impl Job {
    /// Reads and writes the targets. Duplicates collapse; targets outside the type filter are ignored.
    pub(super) async fn targeted(&self) -> Result<Outcome, Ended> {
        // An application may be the scope of a role where applications themselves are not synced.
        let wanted = |target: &&ResourceId| {
            let scope = self.options.wants_bindings() && self.options.selects(target.resource_type);
            self.options.has(target.resource_type) || scope && target.resource_type == APPLICATION
        };
        let targets: BTreeSet<ResourceId> = self.options.targets.iter().filter(wanted).cloned().collect();
        let shared = self.shared().await?;
        let mut bindings = Bindings::of(self, &shared).await?;
        let types = self.options.declared(bindings.bound, bindings.also(&targets));
        self.writer
            .put(Rows::ResourceTypes(types.into_iter().collect()))
            .await?;
        let mut roles = BTreeSet::new();
        for target in targets {
            if bindings.takes(self, &target) {
                continue;
            }
            let Ok(id) = target.id.parse::<Uuid>() else {
                self.reads.warnings.add(Warning::Vanished, &target.id);
                continue;
            };
            let found = if target.resource_type == USER {
                self.target_user(id, &shared).await?
            } else if target.resource_type == GROUP {
                self.target_group(id, &shared).await?
            } else if target.resource_type == POPULATION {
                self.target_population(id, &shared, bindings.bound).await?
            } else if target.resource_type == APPLICATION && self.options.has(APPLICATION) {
                self.target_application(id, &shared, bindings.bound).await?
            } else if target.resource_type == GATEWAY {
                self.target_gateway(id).await?
            } else if target.resource_type == ROLE {
                roles.insert(id);
                true
            } else {
                false
            };
            self.reads.warnings.step();
            if !found && !bindings.takes_scope(&target) {
                self.reads.warnings.add(Warning::Vanished, &target.id);
            }
        }
        if bindings.bound {
            bindings.write(self, &shared, &roles).await?;
        } else if !roles.is_empty() {
            self.target_roles(&roles, &shared).await?;
        }
        Ok(Outcome::default())
    }

    async fn shared(&self) -> Result<Shared, Ended> {
        let mut populations = self.reads.populations().await?;
        populations.sort_unstable_by_key(|population| population.id);
        let membership = Membership::of(&populations, self.options.population_provisioning);
        let population_resources: Vec<Resource> = populations
            .iter()
            .map(|population| translate::population(population, membership))
            .collect();
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
            membership,
            names,
        })
    }

    async fn filtered_users(&self, populations: &[PopulationPlan]) -> Result<Option<HashSet<Uuid>>, Ended> {
        if !self.options.filters_users() {
            return Ok(None);
        }
        let mut users = HashSet::new();
        let populations_chosen = chosen(populations, &self.options.population_filter, "population-filter")?;
        let of: Vec<Uuid> = populations_chosen.iter().map(|population| population.id).collect();
        for filter in lanes(populations, &self.options)?.filters() {
            users.extend(match filter {
                Some(filter) if !self.options.population_filter.is_empty() => self.reads.users_of(filter, &of).await?,
                filter => self.reads.user_ids(filter.unwrap_or_default()).await?,
            });
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

    async fn target_population(&self, id: Uuid, shared: &Shared, bound: bool) -> Result<bool, Ended> {
        let id_text = id.to_string();
        let Some(resource) = shared
            .population_resources
            .iter()
            .find(|resource| resource.id.id == id_text)
        else {
            return Ok(false);
        };
        self.fetched_now().await?;
        let parent = self.options.parent(ENVIRONMENT, self.home.environment.0);
        let resource = Resource {
            parent: parent.filter(|_| bound),
            ..resource.clone()
        };
        self.put_resources(std::slice::from_ref(&resource)).await?;
        if self.with_entitlements() {
            self.writer
                .put(Rows::Entitlements(vec![translate::population_entitlement(
                    &resource,
                    shared.membership,
                )]))
                .await?;
        }
        if self.with_grants() && self.options.has(USER) {
            let mut users = self.reads.users_of_population(id).await?;
            let told = shared.populations.iter().find(|population| population.id == id);
            let told = told.and_then(|population| population.user_count).unwrap_or_default();
            if told > length(&users) {
                self.reads.accept_short(Shortfall {
                    what: "users of population",
                    of: Some(id),
                    told,
                    found: length(&users),
                })?;
            }
            users.retain(|user| shared.lets_through(*user));
            users.sort_unstable();
            users.dedup();
            let members = users.into_iter().map(|user| Member { user, indirect: true }).collect();
            let via = shared.membership.grant();
            self.fetched_now().await?;
            let entitlement = EntitlementId::member(POPULATION, id);
            self.writer
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
            self.reads.prove_gone(std::iter::once(&id)).await?;
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
            self.writer.put(Rows::Entitlements(vec![entitlement])).await?;
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
        self.writer.put(Rows::Grants(nested)).await?;
        if self.options.has(USER) {
            let reads = MemberReads::new(
                Arc::clone(&self.reads),
                Arc::clone(&self.observe),
                Arc::clone(&plans),
                &nesting,
            );
            let mut groups = Box::pin(Arc::new(reads).stream(1));
            while let Some(found) = groups.next().await {
                let mut found = found?;
                found.users.retain(|member| shared.lets_through(member.user));
                self.fetched_now().await?;
                let via = plans.first().and_then(|plan| reason(&plan.kind));
                let entitlement = EntitlementId::member(GROUP, id);
                self.writer
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
        let mut nesting = Nesting::read(&self.observe, group, 1).await?;
        if nesting.type_refused {
            let groups = self.reads.groups().await?;
            let groups: Vec<_> = groups.iter().map(|group| group.id).collect();
            nesting.children = Nesting::read_parents(&self.reads, groups, self.options.concurrency).await?;
            nesting.prove(&self.reads, group).await?;
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

    /// The groups of its condition are read one by one: they need not be targets.
    async fn target_application(&self, id: Uuid, shared: &Shared, bound: bool) -> Result<bool, Ended> {
        let Some(row) = self.reads.application(id).await? else {
            return Ok(false);
        };
        let mut groups = Vec::new();
        for group in row.access_control.group.iter().flat_map(|group| &group.groups) {
            if let Some(group) = self.reads.group(*group).await?.filter(|_| self.options.has(GROUP)) {
                let plan = GroupPlan::of(&group);
                if !(self.options.skip_external_groups && plan.kind == GroupKind::External) {
                    groups.push(plan);
                }
            }
        }
        let found = Found::of(self, [(id, row)].into()).await?;
        if found.rows.is_empty() {
            tracing::info!(application = %id, "an application was asked for that is gone, or that sync-applications leaves out");
            return Ok(!bound);
        }
        let groups: Vec<&GroupPlan> = groups.iter().collect();
        found
            .write(self, &groups, |user| shared.lets_through(user), bound)
            .await?;
        Ok(true)
    }

    async fn target_gateway(&self, id: Uuid) -> Result<bool, Ended> {
        let Some(gateway) = self.reads.gateway(id).await? else {
            return Ok(false);
        };
        let found = Gateways::without_roles(self, gateway).await?;
        self.fetched_now().await?;
        self.put_resources(&found.resources(self)).await?;
        Ok(!found.rows.is_empty())
    }

    /// Roles have no list of holders: every principal is asked, as in a full sync.
    async fn target_roles(&self, ids: &BTreeSet<Uuid>, shared: &Shared) -> Result<(), Ended> {
        let mut applications = Found::default();
        let mut holdings = if self.with_grants() {
            applications = Found::read(self).await?;
            self.every_holding(shared, &mut applications, self.reads.groups().await?)
                .await?
        } else {
            Holdings::default()
        };
        holdings.retain(|holding| ids.contains(&holding.role.0) && self.options.has(holding.principal_type));
        let listed = self.reads.roles().await?;
        let wanted = listed.iter().filter(|role| ids.contains(&role.id));
        let mut found: Vec<(Resource, RoleInfo)> = wanted.map(translate::role).collect();
        let known: HashSet<RoleId> = found.iter().map(|(_, info)| info.id).collect();
        let held = holdings.roles();
        let unlisted = ids
            .iter()
            .copied()
            .map(RoleId)
            .filter(|id| !known.contains(id) && held.contains(id));
        let late = self.reads.late_roles(unlisted).await?;
        found.extend(late.iter().map(translate::role));
        let known: HashSet<RoleId> = found.iter().map(|(_, info)| info.id).collect();
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
        let around = surroundings(self, &shared.populations, &infos, &holdings, &applications).await?;
        self.fetched_now().await?;
        self.writer
            .put(Rows::Entitlements(scope::entitlements(&infos, &around, &holdings)))
            .await?;
        put_grants(self, &RoleGrants::new(holdings, around)).await?;
        Ok(())
    }

    async fn every_holding(
        &self,
        shared: &Shared,
        applications: &mut Found,
        groups: Vec<Group>,
    ) -> Result<Holdings, Ended> {
        let plans: Vec<GroupPlan> = groups.iter().map(GroupPlan::of).collect();
        let holders = plans.iter().filter(|plan| plan.kind == GroupKind::Static);
        let holders: Vec<Uuid> = holders.map(|plan| plan.id).collect();
        let kept = plans
            .iter()
            .filter(|plan| !self.options.skip_external_groups || plan.kind != GroupKind::External);
        let kept: HashSet<Uuid> = kept.map(|plan| plan.id).collect();
        let mut of_groups = GroupHoldings::read(self, holders).await?;
        let mut known = OfGroups {
            assignments: std::mem::take(&mut of_groups.assignments),
            listed: groups.iter().map(|group| group.id).collect(),
            ..OfGroups::default()
        };
        let mut holdings = Holdings::default();
        of_groups.move_into(&self.reads, &mut holdings);
        applications.move_into(self, &mut holdings);
        Gateways::read(self).await?.move_into(self, &mut holdings);
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
                    let found = self.reads.users_of_population(population.id).await?;
                    users.extend(found.into_iter().map(UserId));
                }
                users
            }
        };
        users.retain(|user| shared.lets_through(user.0));
        let mut holdings = scan_users(self, users.into_iter(), &known, holdings, None).await?;
        known.prove(self, &mut holdings, |id| kept.contains(&id)).await?;
        Ok(holdings)
    }
}
