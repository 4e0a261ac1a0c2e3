//! The reads of a sync, in the sync's own terms: which 404 means "vanished", which refusal has a fallback. Everything
//! about HTTP stays in `pingone`.

mod applications;
mod gone;
mod machines;
mod roles;
mod scopes;

use pingone::id::{EnvironmentId, OrganizationId, UserId};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use uuid::Uuid;

use super::SyncError;
use super::error::Shortfall;
use super::population::{PopulationNames, PopulationPlan, UserRow, users_told};
use super::progress::Progress;
use super::translate::{self, UserRules};
use super::warnings::{Warning, Warnings};
use super::writer_thread::EncodedResource;
use crate::model::{GROUP, POPULATION, USER};
use baton::model::{ResourceId, ResourceType};
use pingone::types::{Environment, Group, Population, Reference, RoleAssignment, User};
use pingone::{Client, Ids, Known, MemberKind, PageInfo, Pages, PingOneError, Principal, UsersQuery};
use process::error::ErrorClass;

/// PingOne does not take the membership type in a filter (pingone-api.md §4.1, S).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TypeRefused;

/// The environment that is synced.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pub(crate) environment: EnvironmentId,
    pub(crate) environment_name: String,
    pub(crate) organization: Option<OrganizationId>,
    /// The environment as it was read.
    pub(crate) facts: Environment,
    /// When that was, by PingOne's clock where its answer told the time.
    pub(crate) began: Timestamp,
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
    /// It belongs to a gateway that was not asked for.
    pub(crate) gateway: bool,
}

/// Reads PingOne for one sync.
#[derive(Debug)]
pub(crate) struct Reads {
    client: Client,
    pub(crate) progress: Arc<Progress>,
    pub(crate) warnings: Warnings,
    /// A filter of the operator's is sent with the lists of users.
    user_filter: bool,
    /// Users and members may be fewer than PingOne counts.
    accepts_short: bool,
    /// The environment that was asked for.
    environment: Option<Uuid>,
    /// Populations that no list shows and roles are held over, as their own reads answered.
    scope_populations: Mutex<HashMap<Uuid, Option<Population>>>,
    /// Our client may not list the environment's roles.
    own_roles_refused: AtomicBool,
}

impl Reads {
    pub(crate) fn new(client: Client, progress: Arc<Progress>, user_filter: bool) -> Self {
        Self {
            environment: Uuid::try_parse(client.environment_id()).ok(),
            client,
            progress,
            warnings: Warnings::default(),
            user_filter,
            accepts_short: false,
            scope_populations: Mutex::default(),
            own_roles_refused: AtomicBool::new(false),
        }
    }

    /// The same, and users and members may be fewer than PingOne counts, where somebody accepts that.
    pub(crate) fn accepting_short(self, accepts_short: bool) -> Self {
        Self { accepts_short, ..self }
    }

    /// Fewer users or members than PingOne counts end the sync, where nobody accepts that.
    pub(crate) fn accept_short(&self, short: Shortfall) -> Result<(), SyncError> {
        if !self.accepts_short {
            return Err(SyncError::Incomplete(short));
        }
        tracing::warn!(shortfall = %short, "a list is shorter than PingOne's count of it, which is accepted");
        self.warnings.add(Warning::CountsDiffer, &short);
        Ok(())
    }

    /// The environment; one that is being deleted is refused (pingone-api.md §6.1).
    pub(crate) async fn home(&self) -> Result<Home, SyncError> {
        let environment = self.client.environment().await?;
        let began = self
            .client
            .stats()
            .clock()
            .map_or_else(Timestamp::now, |(told, _)| told);
        if environment.status.as_deref() == Some("DELETE_PENDING") {
            return Err(SyncError::EnvironmentDeleting {
                environment: environment.id.to_string(),
            });
        }
        self.client.compare_region(environment.region.as_deref());
        self.client.learn_limits().await;
        Ok(Home {
            environment: EnvironmentId(environment.id),
            environment_name: environment.name.clone().unwrap_or_else(|| environment.id.to_string()),
            organization: environment
                .organization
                .as_ref()
                .map(|organization| OrganizationId(organization.id)),
            facts: environment,
            began,
        })
    }

    /// Whether a sync could be made, where none is (c1-protocol.md §9.4).
    pub(crate) async fn validate(&self) -> Result<(), SyncError> {
        Ok(self.client.validate().await?)
    }

    pub(crate) async fn populations(&self) -> Result<Vec<Population>, SyncError> {
        let listed = self
            .collect(
                "populations",
                || self.client.populations(),
                |population| Some(population.id),
            )
            .await?;
        let places = listed.iter().map(|population| (population.id, population.environment));
        self.at_home(POPULATION, places)?;
        if listed.is_empty() {
            // Every environment has a default population.
            return Err(SyncError::Short(Shortfall {
                what: "populations",
                of: None,
                told: 1,
                found: 0,
            }));
        }
        Ok(listed)
    }

    pub(crate) async fn groups(&self) -> Result<Vec<Group>, SyncError> {
        let list = || self.collect("groups", || self.client.groups(), |group: &Group| Some(group.id));
        let mut listed = list().await?;
        if listed.is_empty() {
            listed = list().await?;
        }
        self.at_home(GROUP, listed.iter().map(|group| (group.id, group.environment)))?;
        Ok(listed)
    }

    /// Whoever names an environment names the one that was asked for.
    fn at_home(
        &self,
        kind: ResourceType,
        objects: impl Iterator<Item = (Uuid, Option<Reference>)>,
    ) -> Result<(), SyncError> {
        let mut objects = objects;
        let elsewhere =
            objects.find(|(_, environment)| environment.is_some_and(|environment| !self.is_home(environment)));
        elsewhere.map_or(Ok(()), |(id, _)| {
            Err(SyncError::OtherEnvironment(ResourceId::new(kind, id)))
        })
    }

    fn is_home(&self, environment: Reference) -> bool {
        self.environment.is_none_or(|home| home == environment.id)
    }

    /// A whole list, each object as it was seen last; rows without an id are counted and left out. A list that holds less than it says is read once more; what is
    /// missing then ends the sync.
    async fn collect<T: for<'de> serde::Deserialize<'de> + Send + 'static>(
        &self,
        what: &'static str,
        list: impl Fn() -> Pages<T>,
        id: impl Fn(&T) -> Option<Uuid> + Sync,
    ) -> Result<Vec<T>, SyncError> {
        let mut items: Vec<T> = Vec::new();
        let mut positions: HashMap<Uuid, usize> = HashMap::new();
        let mut told = None;
        for again in [false, true] {
            told = None;
            let mut without_id = 0;
            let mut pages = list();
            while let Some(page) = pages
                .next_new(Known::Items, &id, |item| {
                    match id(&item).map(|id| positions.entry(id)) {
                        Some(Entry::Occupied(known)) => {
                            if let Some(stored) = items.get_mut(*known.get()) {
                                *stored = item;
                            }
                        }
                        Some(Entry::Vacant(vacant)) => {
                            vacant.insert(items.len());
                            items.push(item);
                        }
                        None => without_id += 1,
                    }
                })
                .await?
            {
                if page.restarted {
                    self.warnings.add(Warning::ListingRestarted, &what);
                    told = None;
                }
                told = told.max(page.count);
            }
            if pages.is_repeated() {
                if again {
                    return Err(pages.repetition().into());
                }
                continue;
            }
            if told.is_none_or(|told| told <= length(&items).saturating_add(without_id)) {
                (0..without_id).for_each(|_| self.warnings.add(Warning::WithoutId, &what));
                self.warnings.step();
                return Ok(items);
            }
        }
        Err(SyncError::Short(Shortfall {
            what,
            of: None,
            told: told.unwrap_or_default(),
            found: length(&items),
        }))
    }

    /// Tells the progress line how many users the populations promise.
    pub(crate) fn expect_users(&self, populations: &[PopulationPlan]) {
        let told = users_told(populations).unwrap_or(0);
        self.progress.users_expected.store(told, Ordering::Relaxed);
    }

    /// How many users the list of all says it holds, or of those that a filter finds; `None` where it says nothing.
    pub(crate) async fn user_count(&self, filter: Option<&str>) -> Result<Option<u64>, SyncError> {
        let counted = self.client.user_count(filter).await;
        Ok(counted.map_err(|error| self.blame_filter(error))?)
    }

    pub(crate) fn users(&self, filter: Option<String>) -> Pages<User> {
        self.client.users(&UsersQuery { filter })
    }

    /// Reads one page of users, translating each while the body is parsed. `None` after the last page.
    pub(crate) async fn next_users(
        &self,
        pages: &mut Pages<User>,
        names: &PopulationNames,
        rules: &UserRules,
        rows: &mut Vec<UserRow>,
    ) -> Result<Option<PageInfo>, SyncError> {
        let mut elsewhere = None;
        let page = pages
            .next_new(
                Known::Pages,
                |user| Some(user.id),
                |user| {
                    if user.environment.is_some_and(|environment| !self.is_home(environment)) {
                        elsewhere = Some(user.id);
                    }
                    rows.push(self.user_row(&user, names, rules));
                },
            )
            .await;
        let page = page.map_err(|error| self.blame_filter(error))?;
        if let Some(user) = elsewhere {
            return Err(SyncError::OtherEnvironment(ResourceId::new(USER, user)));
        }
        if page.is_some_and(|page| page.restarted) {
            self.warnings.add(Warning::ListingRestarted, &"users");
        }
        Ok(page)
    }

    /// A refused list of users may be the fault of the operator's filter, where one was sent.
    fn blame_filter(&self, error: PingOneError) -> PingOneError {
        if self.user_filter && error.class() == ErrorClass::Rejected {
            return error.advising("Check user-filter.");
        }
        error
    }

    /// A user as a row.
    pub(crate) fn user_row(&self, user: &User, names: &PopulationNames, rules: &UserRules) -> UserRow {
        let population = user.population_id();
        let resource = translate::user(user, population.and_then(|id| names.name(id)), rules);
        if user.email.is_some() && !translate::has_email(&resource) {
            self.warnings.add(Warning::EmailNotBare, &user.id);
        }
        UserRow {
            id: UserId(user.id),
            has_status: user.enabled.is_some(),
            population: population.and_then(|id| names.position(id)),
            resource: EncodedResource {
                parent: None,
                data: baton::wire::resource(&resource),
                id: resource.id,
            },
        }
    }

    /// Ids of the users that a filter finds; an empty filter finds all.
    pub(crate) async fn user_ids(&self, filter: &str) -> Result<Vec<Uuid>, SyncError> {
        let filter = (!filter.is_empty()).then(|| filter.to_owned());
        let found = self.client.user_ids(filter).await?;
        self.warnings.step();
        Ok(found)
    }

    /// Ids of the users of a population.
    pub(crate) async fn users_of_population(&self, population: Uuid) -> Result<Vec<Uuid>, SyncError> {
        self.users_of(&format!("population.id eq \"{population}\""), &[population])
            .await
    }

    /// Ids of the users that a filter finds, which are all of one of these populations.
    pub(crate) async fn users_of(&self, filter: &str, populations: &[Uuid]) -> Result<Vec<Uuid>, SyncError> {
        let found = self.client.users_with_population(filter).await?;
        self.warnings.step();
        let stranger = found.iter().find(|(_, of)| !populations.contains(of));
        match stranger {
            Some((user, _)) => Err(SyncError::OtherPopulation(*user)),
            None => Ok(found.into_iter().map(|(user, _)| user).collect()),
        }
    }

    pub(crate) async fn user(&self, id: Uuid) -> Result<Option<User>, SyncError> {
        let found = self.there(Principal::User(id), || self.client.user(id)).await?;
        self.at_home(USER, found.iter().map(|user| (user.id, user.environment)))?;
        Ok(found)
    }

    /// Whether there is such a population. One that is hidden from our client is none.
    pub(crate) async fn has_population(&self, id: Uuid) -> Result<bool, SyncError> {
        match absent(self.client.population(id).await) {
            Err(SyncError::PingOne(error)) if error.class() == ErrorClass::Forbidden => Ok(false),
            found => Ok(found?.is_some()),
        }
    }

    pub(crate) async fn group(&self, id: Uuid) -> Result<Option<Group>, SyncError> {
        let found = self.there(Principal::Group(id), || self.client.group(id)).await?;
        self.at_home(GROUP, found.iter().map(|group| (group.id, group.environment)))?;
        Ok(found)
    }

    /// Members of a group of one kind; `None` when it vanished.
    pub(crate) async fn typed_members(
        &self,
        group: Uuid,
        kind: MemberKind,
    ) -> Result<Result<Option<Ids>, TypeRefused>, SyncError> {
        self.there_or_refused(Principal::Group(group), || self.client.member_ids(group, kind))
            .await
    }

    /// Everybody who belongs to a group; `None` when it vanished.
    pub(crate) async fn all_members(&self, group: Uuid) -> Result<Option<Ids>, SyncError> {
        self.there(Principal::Group(group), || {
            self.client.member_ids(group, MemberKind::All)
        })
        .await
    }

    /// A group's own counts as they are now: direct users, direct groups, users in all. `None` when it vanished.
    pub(crate) async fn counts_of(&self, group: Uuid) -> Result<Option<GroupCounts>, SyncError> {
        let object = Principal::Group(group);
        let group = self.there(object, || self.client.group_with_counts(group)).await?;
        Ok(group.map(|group| GroupCounts {
            direct: group.direct_member_counts.and_then(|counts| counts.users),
            nested: group.direct_member_counts.and_then(|counts| counts.groups),
            all: group.total_member_counts.and_then(|counts| counts.users),
        }))
    }

    /// The users that a group's own filter finds; [`TypeRefused`] where the list of users does not take it.
    pub(crate) async fn matching(&self, filter: &str) -> Result<Result<Vec<Uuid>, TypeRefused>, SyncError> {
        Ok(refusable(self.client.user_ids(Some(filter.to_owned())).await)?.map(Option::unwrap_or_default))
    }

    /// Groups nested directly in a group; `None` when it vanished.
    pub(crate) async fn nested_groups(&self, group: Uuid) -> Result<Result<Option<Vec<Uuid>>, TypeRefused>, SyncError> {
        self.there_or_refused(Principal::Group(group), || self.client.nested_group_ids(group))
            .await
    }

    /// Groups that a group is nested in directly.
    pub(crate) async fn direct_parents(&self, group: Uuid) -> Result<Vec<Uuid>, SyncError> {
        let object = Principal::Group(group);
        let parents = self.there(object, || self.client.parents_of_group(group)).await?;
        let direct = parents
            .unwrap_or_default()
            .into_iter()
            .filter(|parent| !parent.is_indirect())
            .map(|parent| parent.id);
        let mut direct: Vec<Uuid> = direct.collect();
        direct.sort_unstable();
        Ok(direct)
    }

    /// The groups that a user belongs to, and whether he was added to each by hand where that is said; `None` when the user
    /// vanished.
    pub(crate) async fn groups_of(&self, user: Uuid) -> Result<Option<Vec<(Uuid, bool)>>, SyncError> {
        let found = self
            .there(Principal::User(user), || self.client.groups_of_user(user))
            .await?;
        Ok(found.map(|groups| groups.into_iter().map(|of| (of.id, of.is_said_direct())).collect()))
    }

    /// Whether a membership is direct; `None` when there is none any more.
    pub(crate) async fn is_direct_member(&self, user: Uuid, group: Uuid) -> Result<Option<bool>, SyncError> {
        Ok(absent(self.client.membership(user, group).await)?.map(|membership| !membership.is_indirect()))
    }

    /// A principal's role assignments; `None` when it vanished.
    pub(crate) async fn assignments(&self, principal: Principal) -> Result<Option<Vec<Assignment>>, SyncError> {
        let found = self
            .there(principal, || self.client.role_assignments(principal))
            .await?;
        Ok(found.map(|items| taken(principal, items)))
    }

    /// Whether a user holds anything through this group, as he says himself.
    pub(crate) async fn holds_through(&self, user: Uuid, group: Uuid) -> Result<bool, SyncError> {
        let of_group = self.assignments(Principal::Group(group)).await?.unwrap_or_default();
        let is_of_group = |item: &Assignment| match item.group {
            None => of_group.iter().any(|own| own.id == item.id),
            through => through == Some(group),
        };
        let found = self.assignments(Principal::User(user)).await?;
        Ok(found.is_some_and(|found| found.iter().any(is_of_group)))
    }

    /// Those of an application that may be of a kind that holds none; `None` on 404, which such a kind answers, too.
    pub(crate) async fn assignments_if_any(&self, application: Uuid) -> Result<Option<Vec<Assignment>>, SyncError> {
        let principal = Principal::Application(application);
        let found = absent(self.client.role_assignments(principal).await)?;
        Ok(found.map(|items| taken(principal, items)))
    }
}

/// A group's own counts; what PingOne does not say is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GroupCounts {
    pub(crate) direct: Option<u64>,
    pub(crate) nested: Option<u64>,
    pub(crate) all: Option<u64>,
}

pub(crate) fn length<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

/// Whether this reference is to the gateway that is asked for its roles.
fn is_gateway(asked: Principal, reference: &Reference) -> bool {
    matches!(asked, Principal::Gateway(asked) if asked == reference.id)
}

/// What a principal's list says, in the sync's terms.
fn taken(principal: Principal, items: Vec<RoleAssignment>) -> Vec<Assignment> {
    let of_other = |item: &RoleAssignment| {
        item.gateway
            .as_ref()
            .is_some_and(|gateway| !is_gateway(principal, gateway))
    };
    let taken = |item: RoleAssignment| {
        let gateway = of_other(&item);
        assignment(item, gateway)
    };
    items.into_iter().map(taken).collect()
}

fn assignment(item: RoleAssignment, gateway: bool) -> Assignment {
    Assignment {
        id: item.id,
        role: item.role.id,
        scope_type: item.scope.scope_type,
        scope_id: item.scope.id,
        read_only: item.read_only,
        group: item.group.map(|group| group.id),
        gateway,
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
