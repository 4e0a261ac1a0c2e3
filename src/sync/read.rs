//! The reads of a sync, in the sync's own terms: which 404 means "vanished", which refusal has a fallback. Everything
//! about HTTP stays in `pingone`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use uuid::Uuid;

use super::SyncError;
use super::progress::Progress;
use super::sink::EncodedResource;
use super::translate::{self, UserRules};
use super::users::{PopulationNames, PopulationPlan, UserRow, users_told};
use super::warnings::{Warning, Warnings};
use crate::error::ErrorClass;
use crate::model::{EnvironmentId, OrganizationId, ResourceId, ResourceType, UserId};
use crate::pingone::types::{Group, Population, Role, RoleAssignment, User};
use crate::pingone::{Client, MemberKind, Pages, PingOneError, Principal, UsersQuery};

/// PingOne does not take the membership type in a filter (pingone-api.md §4.1, S).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TypeRefused;

/// The environment that is synced.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pub(crate) environment: EnvironmentId,
    pub(crate) environment_name: String,
    pub(crate) organization: Option<OrganizationId>,
}

/// A role assignment as the sync needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) id: Uuid,
    pub(crate) role: Uuid,
    pub(crate) scope_type: String,
    pub(crate) scope_id: Uuid,
    pub(crate) read_only: bool,
    /// The group it is inherited from.
    pub(crate) group: Option<Uuid>,
    /// It belongs to a gateway.
    pub(crate) gateway: bool,
}

/// Reads PingOne for one sync.
#[derive(Debug)]
pub(crate) struct Reads {
    client: Client,
    pub(crate) progress: Arc<Progress>,
    pub(crate) warnings: Warnings,
}

impl Reads {
    pub(crate) fn new(client: Client, progress: Arc<Progress>) -> Self {
        Self {
            client,
            progress,
            warnings: Warnings::default(),
        }
    }

    /// The environment; one that is being deleted is refused (pingone-api.md §6.1).
    pub(crate) async fn home(&self) -> Result<Home, SyncError> {
        let environment = self.client.environment().await?;
        if environment.status.as_deref() == Some("DELETE_PENDING") {
            return Err(SyncError::EnvironmentDeleting {
                environment: environment.id.to_string(),
            });
        }
        self.client.compare_region(environment.region.as_deref());
        self.client.learn_limits().await?;
        Ok(Home {
            environment: EnvironmentId(environment.id),
            environment_name: environment.name.unwrap_or_else(|| environment.id.to_string()),
            organization: environment
                .organization
                .map(|organization| OrganizationId(organization.id)),
        })
    }

    /// Whether a sync could be made, where none is (c1-protocol.md §9.4).
    pub(crate) async fn validate(&self) -> Result<(), SyncError> {
        Ok(self.client.validate().await?)
    }

    pub(crate) async fn populations(&self) -> Result<Vec<Population>, SyncError> {
        self.collect(self.client.populations(), |population: &Population| population.id)
            .await
    }

    pub(crate) async fn groups(&self) -> Result<Vec<Group>, SyncError> {
        self.collect(self.client.groups(), |group: &Group| group.id).await
    }

    /// Built-in and custom roles, merged by id. Where our client may not read the built-in list, the environment's
    /// own list and the table of pingone-api.md §6.9 stand in (§11 Q7).
    pub(crate) async fn roles(&self) -> Result<Vec<Role>, SyncError> {
        let (built_in, custom) = futures_util::join!(
            self.collect(self.client.builtin_roles(), |role: &Role| role.id),
            self.collect(self.client.custom_roles(), |role: &Role| role.id),
        );
        let own = custom?;
        let mut roles = match built_in {
            Ok(roles) => roles,
            Err(SyncError::PingOne(error)) if error.class() == ErrorClass::Forbidden => {
                tracing::warn!(error = %error, "the list of built-in roles was refused; names come from a table");
                let table = self.client.fallback_roles();
                // What the API says of a role outranks the table.
                let mut told = own.clone();
                told.retain(|role| table.iter().any(|known| known.id == role.id));
                merge(&mut told, table, false);
                told
            }
            Err(error) => return Err(error),
        };
        merge(&mut roles, own, true);
        roles.sort_unstable_by_key(|role| role.id);
        Ok(roles)
    }

    async fn collect<T: for<'de> serde::Deserialize<'de> + Send + 'static>(
        &self,
        mut pages: Pages<T>,
        id: impl Fn(&T) -> Uuid + Sync,
    ) -> Result<Vec<T>, SyncError> {
        let mut items: Vec<T> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while let Some(page) = pages
            .next_with(|item| {
                if seen.insert(id(&item)) {
                    items.push(item);
                }
            })
            .await?
        {
            if page.restarted {
                self.warnings.add(Warning::ListingRestarted, &"listing");
            }
        }
        self.warnings.step();
        Ok(items)
    }

    /// Tells the progress line how many users the populations promise.
    pub(crate) fn expect_users(&self, populations: &[PopulationPlan]) {
        let told = users_told(populations).unwrap_or(0);
        self.progress.users_expected.store(told, Ordering::Relaxed);
    }

    pub(crate) fn users(&self, filter: Option<String>) -> Pages<User> {
        self.client.users(&UsersQuery { filter })
    }

    /// Reads one page of users, translating each while the body is parsed. `false` after the last page.
    pub(crate) async fn next_users(
        &self,
        pages: &mut Pages<User>,
        names: &PopulationNames,
        rules: &UserRules,
        rows: &mut Vec<UserRow>,
    ) -> Result<bool, SyncError> {
        let page = pages
            .next_with(|user| {
                let population = user.population_id();
                let position = population.and_then(|id| names.position(id));
                let resource = translate::user(&user, population.and_then(|id| names.name(id)), rules);
                if user.email.is_some() && !translate::has_email(&resource) {
                    self.warnings.add(Warning::EmailNotBare, &user.id);
                }
                rows.push(UserRow {
                    id: UserId(user.id),
                    population: position,
                    population_unknown: position.is_none(),
                    resource: EncodedResource {
                        data: crate::wire::resource(&resource),
                        id: resource.id,
                    },
                });
            })
            .await?;
        if page.as_ref().is_some_and(|page| page.restarted) {
            self.warnings.add(Warning::ListingRestarted, &"users");
        }
        Ok(page.is_some())
    }

    /// Ids of the users that a filter finds; an empty filter finds all.
    pub(crate) async fn user_ids(&self, filter: &str) -> Result<Vec<Uuid>, SyncError> {
        let filter = (!filter.is_empty()).then(|| filter.to_owned());
        let found = self.client.user_ids(filter).await?;
        self.warnings.step();
        Ok(found)
    }

    pub(crate) async fn user(&self, id: Uuid) -> Result<Option<User>, SyncError> {
        absent(self.client.user(id).await)
    }

    pub(crate) async fn group(&self, id: Uuid) -> Result<Option<Group>, SyncError> {
        absent(self.client.group(id).await)
    }

    /// Direct members of a group; `None` when it vanished.
    pub(crate) async fn direct_members(
        &self,
        group: Uuid,
    ) -> Result<Result<Option<Vec<Uuid>>, TypeRefused>, SyncError> {
        refusable(self.client.member_ids(group, MemberKind::Direct).await)
    }

    /// Everybody who belongs to a group; `None` when it vanished.
    pub(crate) async fn all_members(&self, group: Uuid) -> Result<Option<Vec<Uuid>>, SyncError> {
        absent(self.client.member_ids(group, MemberKind::All).await)
    }

    /// How many users belong to a group; `None` where nobody says.
    pub(crate) async fn total_members(&self, group: Uuid) -> Result<Option<u64>, SyncError> {
        Ok(absent(self.client.total_members(group).await)?.flatten())
    }

    /// The users that a group's own filter finds; [`TypeRefused`] where the list of users does not take it.
    pub(crate) async fn matching(&self, filter: &str) -> Result<Result<Vec<Uuid>, TypeRefused>, SyncError> {
        Ok(refusable(self.client.user_ids(Some(filter.to_owned())).await)?.map(Option::unwrap_or_default))
    }

    /// Groups nested directly in a group.
    pub(crate) async fn nested_groups(&self, group: Uuid) -> Result<Result<Vec<Uuid>, TypeRefused>, SyncError> {
        Ok(refusable(self.client.nested_group_ids(group).await)?.map(Option::unwrap_or_default))
    }

    /// Groups that a group is nested in directly.
    pub(crate) async fn direct_parents(&self, group: Uuid) -> Result<Vec<Uuid>, SyncError> {
        let parents = absent(self.client.parents_of_group(group).await)?.unwrap_or_default();
        let direct = parents
            .into_iter()
            .filter(|parent| !parent.is_indirect())
            .map(|parent| parent.id);
        let mut direct: Vec<Uuid> = direct.collect();
        direct.sort_unstable();
        Ok(direct)
    }

    /// Whether a membership is direct; `None` when there is none any more.
    pub(crate) async fn is_direct_member(&self, user: Uuid, group: Uuid) -> Result<Option<bool>, SyncError> {
        Ok(absent(self.client.membership(user, group).await)?.map(|membership| !membership.is_indirect()))
    }

    /// A group's role assignments; `None` when the group vanished.
    pub(crate) async fn group_assignments(&self, group: Uuid) -> Result<Option<Vec<Assignment>>, SyncError> {
        let found = self.assignments(Principal::Group(group)).await?;
        self.warnings.step();
        Ok(found)
    }

    /// A user's role assignments; `None` when the user vanished, which is counted here.
    pub(crate) async fn user_assignments(&self, user: Uuid) -> Result<Option<Vec<Assignment>>, SyncError> {
        let found = self.assignments(Principal::User(user)).await?;
        self.warnings.step();
        if found.is_none() {
            self.warnings.vanished(ResourceId::new(ResourceType::User, user));
        }
        Ok(found)
    }

    async fn assignments(&self, principal: Principal) -> Result<Option<Vec<Assignment>>, SyncError> {
        let found = absent(self.client.role_assignments(principal).await)?;
        Ok(found.map(|items| items.into_iter().map(assignment).collect()))
    }

    /// The name of a scope; `None` where it cannot be read (403, 404) or the type has no name that we can ask for.
    pub(crate) async fn scope_name(&self, kind: &str, id: Uuid) -> Result<Option<String>, SyncError> {
        let found = match kind {
            "environment" => self.client.environment_by_id(id).await.map(|found| found.name),
            "organization" => self.client.organization(id).await.map(|found| found.name),
            "population" => self.client.population(id).await.map(|found| found.name),
            "application" => self.client.application(id).await.map(|found| found.name),
            "group" => self.client.group(id).await.map(|found| found.name),
            _ => return Ok(None),
        };
        match found {
            Ok(name) => Ok(name),
            Err(error) if matches!(error.class(), ErrorClass::Forbidden | ErrorClass::NotFound) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Completes known roles by what `others` says of them, and adds those that are new.
fn merge(roles: &mut Vec<Role>, others: Vec<Role>, from_environment: bool) {
    for mut role in others {
        if let Some(known) = roles.iter_mut().find(|known| known.id == role.id) {
            known.complete(role);
        } else {
            role.from_environment = from_environment;
            roles.push(role);
        }
    }
}

fn assignment(item: RoleAssignment) -> Assignment {
    Assignment {
        id: item.id,
        role: item.role.id,
        scope_type: item.scope.scope_type,
        scope_id: item.scope.id,
        read_only: item.read_only,
        group: item.group.map(|group| group.id),
        gateway: item.gateway.is_some(),
    }
}

/// PingOne's 404 as `None`.
fn absent<T>(result: Result<T, PingOneError>) -> Result<Option<T>, SyncError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_gone() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// 404 as `None`, a refused filter as [`TypeRefused`].
fn refusable<T>(result: Result<T, PingOneError>) -> Result<Result<Option<T>, TypeRefused>, SyncError> {
    match result {
        Err(error) if error.is_filter_refused() => Ok(Err(TypeRefused)),
        other => absent(other).map(Ok),
    }
}
