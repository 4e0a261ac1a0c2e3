//! Who holds which role (connector-model.md §5.3): there is no list by role, so each principal is asked. Groups first,
//! then users when their list is complete, so that inherited assignments are recognised and left out.

use crate::model::{APPLICATION, GATEWAY, GROUP, USER};
use pingone::id::{RoleId, UserId};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::stream::{self, StreamExt};
use uuid::Uuid;

use super::SyncError;
use super::index::UserIndex;
use super::job::Job;
use super::nesting::Nesting;
use super::observations::{Keeper, Listed, Positions, Seconds};
use super::options::RoleScan;
use super::population::PopulationPlan;
use super::progress::add;
use super::read::{Assignment, Reads};
use super::scope::{Holding, Holdings, Scope};
use super::users::chosen;
use super::warnings::Warning;
use baton::model::{ResourceId, ResourceType};
use pingone::Principal;
use process::runtime::spawn::spawn;

/// Holders that are asked again, at most, because two show one assignment.
const SHARED_MOST: usize = 100;

/// Whose assignments are read among the users.
#[derive(Debug, Clone)]
pub(crate) enum Candidates {
    Everybody,
    Nobody,
    /// Users of the populations at these positions.
    Populations(HashSet<usize>),
    /// Users that a SCIM filter found.
    Users(HashSet<UserId>),
}

impl Candidates {
    /// Works out who is scanned; a filter costs its own listing.
    pub(crate) async fn of(scan: &RoleScan, populations: &[PopulationPlan], reads: &Reads) -> Result<Self, SyncError> {
        let names = match scan {
            RoleScan::All => return Ok(Self::Everybody),
            RoleScan::GroupsAndWorkers => return Ok(Self::Nobody),
            RoleScan::Candidates(names) => names,
        };
        if let [only] = names.as_slice()
            && let Some(filter) = only.strip_prefix("filter:")
        {
            let found = reads.user_ids(filter.trim()).await?;
            return Ok(Self::Users(found.into_iter().map(UserId).collect()));
        }
        let positions = chosen(populations, names, "role-assignment-candidates")?
            .into_iter()
            .filter_map(|wanted| populations.iter().position(|population| population.id == wanted.id))
            .collect();
        Ok(if names.is_empty() {
            Self::Nobody
        } else {
            Self::Populations(positions)
        })
    }

    /// Those of the listed users that are scanned, in the order of the list.
    pub(crate) fn among<'a>(&'a self, users: &'a UserIndex) -> impl Iterator<Item = UserId> + Clone + 'a {
        let scanned = users
            .iter()
            .filter(|(user, population)| self.includes(*user, *population));
        scanned.map(|(user, _)| user)
    }

    pub(crate) fn includes(&self, user: UserId, population: Option<usize>) -> bool {
        match self {
            Self::Everybody => true,
            Self::Nobody => false,
            Self::Populations(positions) => population.is_some_and(|position| positions.contains(&position)),
            Self::Users(users) => users.contains(&user),
        }
    }
}

/// Assignments that belong to groups.
#[derive(Debug, Default)]
pub(crate) struct Owned {
    /// The group of each.
    ids: HashMap<Uuid, Uuid>,
    /// Group, role and scope of each: what is inherited may have an id of its own (pingone-api.md §11 Q5).
    held: HashSet<(Uuid, Uuid, Scope)>,
}

impl Owned {
    /// Whether its id is new.
    fn add(&mut self, group: Uuid, item: &Assignment) -> bool {
        let (role, scope) = pair(item);
        self.held.insert((group, role, scope));
        self.ids.insert(item.id, group).is_none()
    }

    /// Whether what is inherited through this group is one of the group's.
    fn shows(&self, group: Uuid, id: Uuid, (role, scope): (Uuid, Scope)) -> bool {
        self.ids.contains_key(&id) || self.held.contains(&(group, role, scope))
    }
}

/// Role and scope.
fn pair(item: &Assignment) -> (Uuid, Scope) {
    (item.role, Scope::new(&item.scope_type, item.scope_id))
}

/// The assignments of groups: what users inherit, and the groups' own grants.
#[derive(Debug, Default)]
pub(crate) struct GroupHoldings {
    /// In a user's list these are inherited.
    pub(crate) assignments: Owned,
    /// Groups that answered 404.
    pub(crate) gone: Vec<Uuid>,
    found: Vec<(Uuid, Vec<Assignment>)>,
}

impl GroupHoldings {
    /// Reads the assignments of `groups`, which must be static: only those can hold roles.
    pub(crate) async fn read(job: &Job, groups: Vec<Uuid>) -> Result<Self, SyncError> {
        let mut this = Self::default();
        let mut answers = stream::iter(groups)
            .map(|id| {
                let observe = Arc::clone(&job.observe);
                async move {
                    spawn(async move { observe.roles(Principal::Group(id)).await })
                        .await
                        .map(|found| (id, found))
                }
            })
            .buffered(job.options.concurrency.max(1));
        while let Some(answer) = answers.next().await {
            job.reads.warnings.step();
            add(&job.reads.progress.principals_scanned, 1);
            match answer? {
                (id, None) => this.gone.push(id),
                (_, Some(found)) if found.is_empty() => {}
                (id, Some(found)) => {
                    // One that the group itself only inherits belongs to the outer group.
                    let own: Vec<_> = found
                        .into_iter()
                        .filter(|item| item.group.is_none_or(|of| of == id))
                        .collect();
                    for item in &own {
                        this.assignments.add(id, item);
                    }
                    this.found.push((id, own));
                }
            }
        }
        Ok(this)
    }

    /// Those of further groups.
    pub(crate) fn add(&mut self, more: Self) {
        self.assignments.ids.extend(more.assignments.ids);
        self.assignments.held.extend(more.assignments.held);
        self.gone.extend(more.gone);
        self.found.extend(more.found);
    }

    /// Moves the groups' own assignments into `holdings`.
    pub(crate) fn move_into(&mut self, reads: &Reads, holdings: &mut Holdings) {
        for (group, found) in std::mem::take(&mut self.found) {
            take_own(reads, holdings, (GROUP, group), found);
        }
    }
}

/// Takes over what is known of users' assignments from before. Answers whose need no reading.
pub(crate) fn take_kept(job: &Job, groups: &OfGroups, holdings: &mut Holdings, listed: &dyn Listed) -> Positions {
    let Some(keeper) = &job.observe.keeper else {
        return Positions::default();
    };
    let inherited = Inherited::of(job, groups);
    keeper.settle(listed, |user, found| {
        job.reads.warnings.step();
        add(&job.reads.progress.principals_scanned, 1);
        take(&job.reads, holdings, (USER, user), found, &inherited);
    })
}

/// Reads the assignments of these users. Who answers 404 is counted as vanished; any other failure ends the sync.
pub(crate) async fn scan_users(
    job: &Job,
    users: impl Iterator<Item = UserId> + Clone + Send,
    groups: &OfGroups,
    mut holdings: Holdings,
    listed: Option<&dyn Listed>,
) -> Result<Holdings, SyncError> {
    let expected = job.reads.progress.principals_scanned.load(Ordering::Relaxed);
    let expected = expected.saturating_add(u64::try_from(users.clone().count()).unwrap_or(u64::MAX));
    job.reads.progress.scan_expected.store(expected, Ordering::Relaxed);
    let inherited = Inherited::of(job, groups);
    let mut answers = Box::pin(
        stream::iter(users)
            .map(|user| {
                let observe = Arc::clone(&job.observe);
                async move {
                    spawn(async move {
                        let at = observe.now();
                        observe.roles(Principal::User(user.0)).await.map(|found| (at, found))
                    })
                    .await
                    .map(|(at, found)| (user, at, found))
                }
            })
            .buffer_unordered(job.options.concurrency.max(1)),
    );
    while let Some(answer) = answers.next().await {
        job.reads.warnings.step();
        add(&job.reads.progress.principals_scanned, 1);
        match answer? {
            (user, at, Some(found)) => {
                if let (Some(keeper), Some(listed)) = (&job.observe.keeper, listed) {
                    inherited.keep(keeper, at, (user.0, listed.population(user.0)), &found);
                }
                take(&job.reads, &mut holdings, (USER, user.0), found, &inherited);
            }
            (user, _, None) => job.reads.warnings.vanished(ResourceId::new(USER, user.0)),
        }
    }
    Ok(holdings)
}

/// What is known of groups while users are scanned.
#[derive(Debug, Default)]
pub(crate) struct OfGroups {
    /// What groups hold themselves.
    pub(crate) assignments: Owned,
    /// Every group that a list shows.
    pub(crate) listed: HashSet<Uuid>,
    /// Assignments that a second look at a group's list showed.
    pub(crate) proved: BTreeSet<Uuid>,
}

impl OfGroups {
    /// What users hold through a group its own list shows, too; one that did not is read once more.
    pub(crate) async fn prove(
        &mut self,
        job: &Job,
        holdings: &mut Holdings,
        is_synced: impl Fn(Uuid) -> bool,
    ) -> Result<(), SyncError> {
        for (group, held) in std::mem::take(&mut holdings.through) {
            if !is_synced(group) || held.keys().all(|id| self.proved.contains(id)) {
                continue;
            }
            let at = job.observe.now();
            // One that is gone is found to be so when its members are read.
            let Some(found) = job.reads.assignments(Principal::Group(group)).await? else {
                continue;
            };
            let mut now = Owned::default();
            for item in &found {
                now.add(group, item);
            }
            let is_missing = |(id, pair): &(&Uuid, &(Uuid, Scope))| !now.shows(group, **id, (*pair).clone());
            if let Some((assignment, _)) = held.iter().find(is_missing) {
                return Err(SyncError::RoleLeftOut {
                    assignment: *assignment,
                    group,
                });
            }
            if let Some(keeper) = &job.observe.keeper {
                keeper.saw_group_roles(at, group, &found);
            }
            self.proved.extend(held.into_keys());
            let new = found
                .into_iter()
                .filter(|item| item.group.is_none_or(|of| of == group) && self.assignments.add(group, item));
            take_own(&job.reads, holdings, (GROUP, group), new.collect());
        }
        Ok(())
    }
}

/// Two who hold one assignment as their own are asked again; one of them must not show it any more, or the sync ends. A group
/// may show what it gets from one that it is nested in.
pub(crate) async fn settle_shared(
    job: &Job,
    groups: &OfGroups,
    nesting: &Nesting,
    holdings: &mut Holdings,
) -> Result<(), SyncError> {
    // Without groups in the sync nothing tells what is inherited and not marked from what is the user's own.
    if !job.options.has(GROUP) {
        return Ok(());
    }
    let is_below =
        |one: &Holding, other: &Holding| nesting.below_outside_ring(one.principal).contains(&other.principal);
    let explained = |one: &Holding, other: &Holding| {
        (one.principal_type, other.principal_type) == (GROUP, GROUP) && (is_below(one, other) || is_below(other, one))
    };
    let mut asked = HashSet::new();
    while let Some((one, other)) = holdings.shared(explained) {
        let mut fresh = false;
        for holder in [&one, &other] {
            if !asked.insert(holder.principal) {
                continue;
            }
            fresh = true;
            let principal = match holder.principal_type {
                kind if kind == GROUP => Principal::Group(holder.principal),
                kind if kind == APPLICATION => Principal::Application(holder.principal),
                kind if kind == GATEWAY => Principal::Gateway(holder.principal),
                _ => Principal::User(holder.principal),
            };
            let found = job.reads.assignments(principal).await?.unwrap_or_default();
            holdings.retain(|holding| holding.principal != holder.principal);
            if holder.principal_type == USER {
                take(
                    &job.reads,
                    holdings,
                    (USER, holder.principal),
                    found,
                    &Inherited::of(job, groups),
                );
            } else {
                take_own(&job.reads, holdings, (holder.principal_type, holder.principal), found);
            }
        }
        if !fresh || asked.len() > SHARED_MOST {
            return Err(SyncError::TwoHolders {
                assignment: one.assignment,
                one: one.principal,
                other: other.principal,
            });
        }
    }
    Ok(())
}

/// How assignments are treated that a user holds through a group.
struct Inherited<'a> {
    of: &'a OfGroups,
    /// They count as the user's own, though nobody can take them from the user alone.
    kept: bool,
}

impl<'a> Inherited<'a> {
    fn of(job: &Job, groups: &'a OfGroups) -> Self {
        Self {
            of: groups,
            // Without groups in the sync nothing else carries what a user holds through one.
            kept: !job.options.has(GROUP),
        }
    }

    /// Keeps what was found of a user, unless some of it comes from a group that no list shows: that is asked for each time.
    fn keep(&self, keeper: &Keeper, at: Seconds, (user, population): (Uuid, Option<Uuid>), found: &[Assignment]) {
        let mut groups = found.iter().filter_map(|item| item.group);
        if groups.all(|group| self.of.listed.contains(&group)) {
            let own = found.iter().filter(|item| !self.includes(USER, item));
            keeper.saw_user(at, user, population, own.cloned().collect());
        }
    }

    fn includes(&self, principal_type: ResourceType, item: &Assignment) -> bool {
        principal_type == USER && item.group.is_some() || self.of.assignments.ids.contains_key(&item.id)
    }
}

/// Keeps the assignments of a principal that inherits none.
pub(crate) fn take_own(
    reads: &Reads,
    holdings: &mut Holdings,
    principal: (ResourceType, Uuid),
    found: Vec<Assignment>,
) {
    let none = Inherited {
        of: &OfGroups::default(),
        kept: false,
    };
    take(reads, holdings, principal, found, &none);
}

/// Keeps the assignments that are the principal's own.
fn take(
    reads: &Reads,
    holdings: &mut Holdings,
    (principal_type, principal): (ResourceType, Uuid),
    found: Vec<Assignment>,
    inherited: &Inherited<'_>,
) {
    for item in found {
        if item.gateway {
            reads.warnings.add(Warning::GatewayAssignment, &item.id);
            continue;
        }
        let group = item.group.filter(|_| principal_type == USER);
        let through_group = inherited.includes(principal_type, &item);
        // What comes from a group that no list shows has nothing else to carry it.
        let unlisted = group.filter(|group| !inherited.kept && !inherited.of.listed.contains(group));
        if through_group && !inherited.kept && unlisted.is_none() {
            if let Some(group) = group.filter(|group| !inherited.of.assignments.shows(*group, item.id, pair(&item))) {
                let through = holdings.through.entry(group).or_default();
                through.insert(item.id, pair(&item));
            }
            if let Some(group) = group.or_else(|| inherited.of.assignments.ids.get(&item.id).copied()) {
                holdings.members.entry(group).or_default().insert(principal);
            }
            continue;
        }
        holdings.unlisted.extend(unlisted);
        let scope = holdings.scope(&item.scope_type, item.scope_id);
        holdings.push(Holding {
            principal_type,
            principal,
            role: RoleId(item.role),
            scope,
            assignment: item.id,
            read_only: item.read_only || through_group,
            inherited: through_group,
        });
    }
}
