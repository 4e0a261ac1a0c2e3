//! Targets in the model `scope-binding` (access-model.md §6): bindings and scopes, which only who holds roles tells of. It is
//! read at most once, and only where a target or C1's selection needs it.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::Shared;
use crate::model::{
    APPLICATION, BindingIds, ENVIRONMENT, GROUP, ORGANIZATION, OTHER_SCOPE, ROLE_ASSIGNMENT, scope_resource_type,
};
use crate::sync::applications::Found;
use crate::sync::bindings::{Known, Scopes, decide, put_bindings, warn_unified};
use crate::sync::job::{Ended, Job};
use crate::sync::phase::roles::{bare_surroundings, put_grants};
use crate::sync::scope::{Holdings, RoleGrants, RoleInfo};
use crate::sync::translate::{self, GroupKind, GroupPlan};
use crate::sync::warnings::Warning;
use baton::model::{Resource, ResourceId, ResourceType};
use pingone::id::RoleId;

/// Who holds what, and what else is needed to describe it.
struct Held {
    holdings: Holdings,
    applications: Found,
    groups: Vec<GroupPlan>,
}

/// What a partial sync does about bindings.
pub(super) struct Bindings {
    /// Roles are bound to scopes in this sync.
    pub(super) bound: bool,
    held: Option<Held>,
    /// The bindings that are asked for.
    pairs: BTreeSet<(Uuid, Uuid)>,
    /// The scopes that are asked for and that nothing else writes.
    scopes: BTreeSet<ResourceId>,
}

impl Bindings {
    pub(super) async fn of(job: &Job, shared: &Shared) -> Result<Self, Ended> {
        let mut this = Self {
            bound: false,
            held: None,
            pairs: BTreeSet::new(),
            scopes: BTreeSet::new(),
        };
        if !job.options.wants_bindings() {
            return Ok(this);
        }
        let every_type = ["organization", "environment", "population", "application", "group", ""];
        let whole = job.options.missing_for(every_type.map(scope_resource_type)).is_empty();
        let never = !job.options.missing_for([]).is_empty();
        if !(whole || never) {
            this.held = Some(Held::read(job, shared).await?);
        }
        let scopes = this.held.as_ref().map(|held| held.holdings.held()).unwrap_or_default();
        this.bound = decide(job, scopes.keys());
        Ok(this)
    }

    /// Types that the targets need beside those of the settings.
    pub(super) fn also(&self, targets: &BTreeSet<ResourceId>) -> Option<ResourceType> {
        let application = targets.iter().any(|target| target.resource_type == APPLICATION);
        (self.bound && application).then_some(APPLICATION)
    }

    /// Takes a target that only this model has.
    pub(super) fn takes(&mut self, job: &Job, target: &ResourceId) -> bool {
        if target.resource_type == ROLE_ASSIGNMENT && self.bound {
            match BindingIds::parse(&target.id) {
                Some(ids) => {
                    self.pairs.insert((ids.role, ids.scope));
                }
                None => job.reads.warnings.add(Warning::Vanished, &target.id),
            }
            return true;
        }
        let scope = [ENVIRONMENT, ORGANIZATION, OTHER_SCOPE].contains(&target.resource_type);
        scope && self.takes_scope(target)
    }

    /// Takes a target that may be a scope, which shows when it is known who holds what.
    pub(super) fn takes_scope(&mut self, target: &ResourceId) -> bool {
        if !self.bound || target.id.parse::<Uuid>().is_err() {
            return false;
        }
        self.scopes.insert(target.clone());
        true
    }

    /// Writes what was taken, and roles, which offer nothing themselves.
    pub(super) async fn write(self, job: &Job, shared: &Shared, roles: &BTreeSet<Uuid>) -> Result<(), Ended> {
        let Self {
            held, pairs, scopes, ..
        } = self;
        if roles.is_empty() && pairs.is_empty() && scopes.is_empty() {
            return Ok(());
        }
        let mut held = match held {
            Some(held) => held,
            None => Held::read(job, shared).await?,
        };
        warn_unified(job, &held.holdings.unify());
        let infos = put_roles(job, roles, &pairs, &held.holdings).await?;
        put_pairs(job, shared, held, &infos, (&pairs, &scopes)).await
    }
}

impl Held {
    async fn read(job: &Job, shared: &Shared) -> Result<Self, Ended> {
        let mut applications = Found::read(job).await?;
        let groups = job.reads.groups().await?;
        let plans = groups.iter().map(GroupPlan::of);
        let left_out = |plan: &GroupPlan| job.options.skip_external_groups && plan.kind == GroupKind::External;
        let plans = plans.filter(|plan| job.options.has(GROUP) && !left_out(plan)).collect();
        let mut holdings = job.every_holding(shared, &mut applications, groups).await?;
        holdings.retain(|holding| job.options.has(holding.principal_type));
        holdings.unify();
        Ok(Self {
            holdings,
            applications,
            groups: plans,
        })
    }
}

/// Writes the roles that are asked for; answers all that bindings need.
async fn put_roles(
    job: &Job,
    asked: &BTreeSet<Uuid>,
    pairs: &BTreeSet<(Uuid, Uuid)>,
    holdings: &Holdings,
) -> Result<Vec<RoleInfo>, Ended> {
    let listed = job.reads.roles().await?;
    let mut found: BTreeMap<RoleId, (Resource, RoleInfo)> = BTreeMap::new();
    for role in &listed {
        found.insert(RoleId(role.id), translate::role(role));
    }
    let mut unlisted = holdings.roles();
    unlisted.retain(|role| {
        let wanted = asked.contains(&role.0) || pairs.iter().any(|(of, _)| *of == role.0);
        wanted && !found.contains_key(role)
    });
    for role in job.reads.late_roles(unlisted.iter().copied()).await? {
        found.insert(RoleId(role.id), translate::role(&role));
    }
    for role in unlisted {
        found.entry(role).or_insert_with(|| {
            job.reads.warnings.add(Warning::RoleNotListed, &role);
            translate::placeholder_role(role)
        });
    }
    let mut resources = Vec::new();
    for role in asked {
        match found.get(&RoleId(*role)) {
            Some((resource, _)) => resources.push(resource.clone()),
            None => job.reads.warnings.add(Warning::Vanished, role),
        }
    }
    job.fetched_now().await?;
    job.put_resources(&resources).await?;
    Ok(found.into_values().map(|(_, info)| info).collect())
}

/// Writes the bindings and the scopes that are asked for.
async fn put_pairs(
    job: &Job,
    shared: &Shared,
    held: Held,
    roles: &[RoleInfo],
    (pairs, scopes): (&BTreeSet<(Uuid, Uuid)>, &BTreeSet<ResourceId>),
) -> Result<(), Ended> {
    let Held {
        mut holdings,
        applications,
        groups,
    } = held;
    let mut needed = holdings.held();
    holdings.keep_pairs(pairs);
    let bound = holdings.held();
    needed.retain(|scope, _| bound.contains_key(scope) || scopes.contains(&scope.resource_id()));
    let known = Known {
        populations: shared
            .populations
            .iter()
            .map(|one| (one.id, one.name.as_str()))
            .collect(),
        groups: groups.iter().map(|group| (group.id, group.name.as_str())).collect(),
        applications: &applications,
        membership: shared.membership,
    };
    let mut described = Scopes::read(job, &needed, &known).await?;
    described.resources.retain(|resource| scopes.contains(&resource.id));
    for scope in scopes {
        if described.resources.iter().all(|resource| resource.id != *scope) {
            job.reads.warnings.add(Warning::Vanished, &scope.id);
        }
    }
    job.fetched_now().await?;
    job.put_resources(&described.resources).await?;
    let mut around = bare_surroundings(job, &shared.populations, &applications)?;
    around.bound = true;
    around.names.extend(described.names);
    let grants = RoleGrants::new(holdings, around);
    let there: BTreeSet<(Uuid, Uuid)> = grants.pairs().map(|pair| (pair.role.0, pair.scope.id)).collect();
    for (role, scope) in pairs.difference(&there) {
        job.reads
            .warnings
            .add(Warning::Vanished, &crate::model::binding_id(*role, *scope));
    }
    put_bindings(job, &grants, roles).await?;
    if job.with_grants() {
        put_grants(job, &grants).await?;
    }
    Ok(())
}
