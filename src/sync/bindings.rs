//! Scopes of roles as resources, for the model `scope-binding` (access-model.md §6): every one that a binding names is in
//! the same file, since C1 drops in silence what points nowhere.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::SyncError;
use super::applications::Found;
use super::job::{Ended, Job};
use super::scope::{RoleGrants, RoleInfo, Scope};
use super::translate::{self, Around, Membership, Pair, Translated};
use super::warnings::Warning;
use super::writer_thread::Rows;
use crate::model::{ENVIRONMENT, ORGANIZATION, immutable};
use baton::model::{Resource, ResourceId};
use pingone::types::Application;

/// What the sync has beside the scopes, by id.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    pub(crate) populations: BTreeMap<Uuid, &'a str>,
    pub(crate) groups: BTreeMap<Uuid, &'a str>,
    pub(crate) applications: &'a Found,
    pub(crate) membership: Membership,
}

/// The scopes of a sync: what each is called, and those as resources that nothing else writes.
#[derive(Debug, Default)]
pub(crate) struct Scopes {
    pub(crate) names: BTreeMap<Scope, String>,
    pub(crate) resources: Vec<Resource>,
}

impl Scopes {
    /// Of these scopes, each with its type as PingOne writes it; and of the environment and its organization.
    pub(crate) async fn read(
        job: &Job,
        scopes: &BTreeMap<Scope, String>,
        known: &Known<'_>,
    ) -> Result<Self, SyncError> {
        let mut this = Self::default();
        let home = job.home.environment.0;
        let own = job
            .home
            .organization
            .map(|organization| Scope::new("organization", organization.0));
        let mut organizations: BTreeSet<Uuid> = scopes
            .keys()
            .filter(|s| s.kind == "organization")
            .map(|s| s.id)
            .collect();
        organizations.extend(own.as_ref().map(|own| own.id));
        if job.options.selects(ENVIRONMENT) {
            let organization = organization_of(job, &job.home.facts, &organizations);
            this.resources
                .push(translate::environment(&job.home.facts, organization));
        }
        for id in organizations.into_iter().filter(|_| job.options.selects(ORGANIZATION)) {
            let name = job.reads.scope_name("organization", id).await;
            this.put(
                Scope::new("organization", id),
                Some(translate::organization(id, name.as_deref())),
                None,
            );
        }
        for (scope, verbatim) in scopes {
            let (resource, name) = match scope.kind.as_str() {
                "organization" => continue,
                "environment" if scope.id == home => continue,
                "environment" => (Some(this.environment(job, scope.id).await), None),
                kind => beside(job, kind, verbatim, scope, known).await,
            };
            this.put(scope.clone(), resource, name);
        }
        Ok(this)
    }

    /// Another environment that is the scope of a role.
    async fn environment(&self, job: &Job, id: Uuid) -> Resource {
        match job.reads.scope_environment(id).await {
            Some(found) => translate::environment(&found, organization_of(job, &found, &self.organizations())),
            None => translate::placeholder(ResourceId::new(ENVIRONMENT, id), None, None),
        }
    }

    fn put(&mut self, scope: Scope, resource: Option<Resource>, name: Option<&str>) {
        let name = resource
            .as_ref()
            .map(|resource| resource.display_name.clone())
            .or(name.map(str::to_owned));
        if let Some(name) = name {
            self.names.insert(scope, name);
        }
        self.resources.extend(resource);
    }

    fn organizations(&self) -> BTreeSet<Uuid> {
        let organizations = self.names.keys().filter(|scope| scope.kind == "organization");
        organizations.map(|scope| scope.id).collect()
    }
}

/// A scope inside the environment: the name of what the sync has, else the resource that stands for it.
async fn beside<'a>(
    job: &Job,
    kind: &str,
    verbatim: &str,
    scope: &Scope,
    known: &Known<'a>,
) -> (Option<Resource>, Option<&'a str>) {
    let id = scope.id;
    let parent = job.options.parent(ENVIRONMENT, job.home.environment.0);
    let listed = match kind {
        "population" => known.populations.get(&id).map(|name| Some(*name)),
        "application" => known.applications.rows.get(&id).map(|row| row.name.as_deref()),
        "group" => known.groups.get(&id).map(|name| Some(*name)),
        _ => None,
    };
    if let Some(name) = listed {
        return (None, name);
    }
    let resource = match kind {
        "population" => match job.reads.scope_population(id).await {
            Some(found) => Resource {
                parent,
                ..translate::population(&found, known.membership)
            },
            None => translate::placeholder(scope.resource_id(), None, parent),
        },
        "application" => application(job, id, known, parent).await,
        "group" => {
            let name = job.reads.scope_name("group", id).await;
            translate::placeholder(scope.resource_id(), name.as_deref(), None)
        }
        _ => translate::other_scope(id, verbatim, parent),
    };
    (Some(resource), None)
}

fn organization_of(
    job: &Job,
    environment: &pingone::types::Environment,
    emitted: &BTreeSet<Uuid>,
) -> Option<ResourceId> {
    let organization = environment.organization.as_ref()?.id;
    let parent = job.options.parent(ORGANIZATION, organization);
    parent.filter(|_| emitted.contains(&organization))
}

/// An application that is only the scope of a role: without its access. Nothing is read where the list showed it.
async fn application(job: &Job, id: Uuid, known: &Known<'_>, parent: Option<ResourceId>) -> Resource {
    let listed = known.applications.left_out.get(&id).cloned();
    let row: Option<Application> = match listed {
        Some(row) => Some(row),
        None => job.reads.scope_application(id).await,
    };
    let Some(row) = row else {
        return translate::placeholder(ResourceId::new(crate::model::APPLICATION, id), None, parent);
    };
    let groups = known
        .groups
        .iter()
        .map(|(id, name)| (*id, (*name).to_owned()))
        .collect();
    let around = Around {
        groups: &groups,
        own: job.reads.own_application(),
        with_groups: false,
        with_users: false,
    };
    Resource {
        parent,
        ..Translated::new(id, &row, &around).resource(false)
    }
}

/// Writes the bindings, each a role over a scope that somebody holds, with what it offers.
pub(crate) async fn put_bindings(job: &Job, grants: &RoleGrants, roles: &[RoleInfo]) -> Result<(), Ended> {
    let roles: BTreeMap<_, _> = roles.iter().map(|role| (role.id, role)).collect();
    let (mut resources, mut entitlements) = (Vec::new(), Vec::new());
    for held in grants.pairs() {
        let Some(role) = roles.get(&held.role) else { continue };
        let name = grants.name_of(held.scope);
        let pair = Pair {
            role,
            scope: held.scope,
            verbatim: held.verbatim,
            name: &name,
        };
        resources.push(pair.binding(Some(held.holders)));
        let fixed = (!grants.is_writable(held.scope)).then_some(immutable::SCOPE_NOT_WRITABLE);
        entitlements.push(pair.entitlement(grants.entitlement_id(held.role, held.scope), fixed));
    }
    job.fetched_now().await?;
    job.put_resources(&resources).await?;
    if !job.options.skip_entitlements_and_grants {
        for batch in entitlements.chunks(500) {
            job.writer.put(Rows::Entitlements(batch.to_vec())).await?;
        }
    }
    Ok(())
}

/// Whether this sync binds roles to scopes of these types. Where C1's selection lacks a type it does not, for else access
/// would vanish while an administrator is half-way; the log names what to select.
pub(crate) fn decide<'a>(job: &Job, scopes: impl IntoIterator<Item = &'a Scope>) -> bool {
    if !job.options.wants_bindings() {
        return false;
    }
    let missing = job.options.missing_for(scopes.into_iter().map(Scope::resource_type));
    if missing.is_empty() {
        return true;
    }
    let missing: Vec<&str> = missing.iter().map(|kind| kind.id()).collect();
    tracing::warn!(
        resource_types = missing.join(","),
        "role-model=scope-binding needs these resource types, and they are not selected in C1; until they are, this sync \
         shows roles as entitlements"
    );
    false
}

/// Counts scopes of two types with one id: UUIDs do not meet, so the type of the smaller name stands for both.
pub(crate) fn warn_unified(job: &Job, met: &BTreeSet<Uuid>) {
    for id in met {
        job.reads.warnings.add(Warning::ScopesMet, id);
    }
}
