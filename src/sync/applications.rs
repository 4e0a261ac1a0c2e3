//! Applications (access-model.md §1, §3.2): the list, who of them holds roles, and who is in all groups of a condition. What
//! a full and a targeted sync do with them alike.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream::{self, BoxStream, StreamExt};
use uuid::Uuid;

use super::SyncError;
use super::job::{Ended, Job};
use super::options::Applications;
use super::progress::add;
use super::read::{Assignment, Reads, length};
use super::role_scan::take_own;
use super::scope::Holdings;
use super::translate::{Around, GroupKind, GroupPlan, Translated};
use super::warnings::Warning;
use super::writer_thread::Rows;
use crate::model::{APPLICATION, ENVIRONMENT, GROUP, USER};
use baton::model::{Resource, ResourceId};
use pingone::Principal;
use pingone::types::{Application, HoldsRoles};
use process::runtime::spawn::spawn;

/// Conditions whose users may wait in memory.
const INTERSECTIONS_AHEAD: usize = 4;

/// Users for one group that is asked for because only a condition names it.
const ONE_OF: u64 = 400;

/// The applications of a sync, by id.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) rows: BTreeMap<Uuid, Application>,
    /// Those of the list that the settings leave out, for scopes of roles that are resources.
    pub(crate) left_out: BTreeMap<Uuid, Application>,
    assignments: Vec<(Uuid, Vec<Assignment>)>,
}

impl Found {
    /// Reads the list, and the role assignments that decide what is emitted and what is granted.
    pub(crate) async fn read(job: &Job) -> Result<Self, SyncError> {
        if !job.options.has(APPLICATION) {
            return Ok(Self::default());
        }
        let rows = job.reads.applications().await?;
        Self::of(job, rows).await
    }

    /// Those of `rows` that the settings let through, with what they hold.
    pub(crate) async fn of(job: &Job, rows: BTreeMap<Uuid, Application>) -> Result<Self, SyncError> {
        let mut this = Self {
            rows,
            left_out: BTreeMap::new(),
            assignments: Vec::new(),
        };
        let workers_only = job.options.applications == Applications::Workers;
        let asked = this.rows.iter().filter(|(_, row)| {
            row.holds_roles() != HoldsRoles::No && (job.scans_roles() || workers_only && !row.is_worker())
        });
        let asked: Vec<(Uuid, HoldsRoles)> = asked.map(|(id, row)| (*id, row.holds_roles())).collect();
        let gone = this.read_assignments(job, asked).await?;
        if !gone.is_empty() {
            job.reads.prove_applications_gone(&gone).await?;
        }
        for id in gone {
            job.reads.warnings.vanished(ResourceId::new(APPLICATION, id));
            this.rows.remove(&id);
        }
        job.reads.warnings.take_vanished();
        if workers_only {
            let holders: HashSet<Uuid> = this.assignments.iter().map(|(id, _)| *id).collect();
            let (kept, left_out) = std::mem::take(&mut this.rows)
                .into_iter()
                .partition(|(id, row)| row.is_worker() || holders.contains(id));
            this.rows = kept;
            if job.options.wants_bindings() {
                this.left_out = left_out;
            }
        }
        Ok(this)
    }

    /// Who of `asked` holds what; answers those that are gone.
    async fn read_assignments(&mut self, job: &Job, asked: Vec<(Uuid, HoldsRoles)>) -> Result<Vec<Uuid>, SyncError> {
        let mut answers = stream::iter(asked)
            .map(|(id, holds)| {
                let (observe, reads) = (Arc::clone(&job.observe), Arc::clone(&job.reads));
                async move {
                    let found = spawn(async move {
                        match holds {
                            HoldsRoles::Maybe => reads.assignments_if_any(id).await,
                            _ => observe.roles(Principal::Application(id)).await,
                        }
                    });
                    (id, holds, found.await)
                }
            })
            .buffered(job.options.concurrency.max(1));
        let (mut gone, mut refused, mut proved) = (Vec::new(), None, false);
        while let Some((id, holds, found)) = answers.next().await {
            job.reads.warnings.step();
            add(&job.reads.progress.principals_scanned, 1);
            match found {
                Ok(Some(found)) => {
                    proved = true;
                    if !found.is_empty() {
                        self.assignments.push((id, found));
                    }
                }
                // One that cannot hold roles may answer so, too.
                Ok(None) if holds == HoldsRoles::Maybe && job.reads.application(id).await?.is_some() => {}
                Ok(None) => gone.push(id),
                Err(error) if holds == HoldsRoles::Maybe && error.is_right_missing() => {
                    refused.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        match refused {
            // Where nobody's roles can be read it is our client that lacks the right.
            Some(error) if !proved && !self.may_read_roles(job).await? => Err(error),
            _ => Ok(gone),
        }
    }

    /// Whether our client may read roles of applications at all: those of its own, or of one that certainly can hold some.
    async fn may_read_roles(&self, job: &Job) -> Result<bool, SyncError> {
        let holders = self.rows.iter().filter(|(_, row)| row.holds_roles() == HoldsRoles::Yes);
        let certain = holders.map(|(id, _)| *id).next();
        for id in job.reads.own_application().into_iter().chain(certain) {
            match job.observe.roles(Principal::Application(id)).await {
                Ok(Some(_)) => return Ok(true),
                Ok(None) => {}
                Err(error) if error.is_right_missing() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Moves what they hold into `holdings`.
    pub(crate) fn move_into(&mut self, job: &Job, holdings: &mut Holdings) {
        for (id, found) in std::mem::take(&mut self.assignments) {
            if job.scans_roles() && self.rows.contains_key(&id) {
                take_own(&job.reads, holdings, (APPLICATION, id), found);
            }
        }
    }

    /// Groups that conditions name are listed, or are not there. Conditions keep the ids of deleted groups, so some are asked for,
    /// others in each sync, at half a hundredth of all reads.
    pub(crate) async fn prove_groups(&self, job: &Job, listed: &HashSet<Uuid>) -> Result<(), SyncError> {
        let conditions = self.rows.values().filter_map(|row| row.access_control.group.as_ref());
        let named = conditions.flat_map(|condition| condition.groups.iter().copied());
        let unlisted: BTreeSet<Uuid> = named.filter(|id| !listed.contains(id)).collect();
        let most = (job.reads.progress.users.load(Ordering::Relaxed) / ONE_OF).max(1);
        let first = usize::from(Uuid::new_v4().as_bytes()[0]) % unlisted.len().max(1);
        let asked = unlisted.iter().cycle().skip(first).take(unlisted.len());
        let asked = asked.take(usize::try_from(most).unwrap_or(usize::MAX)).copied();
        job.reads.prove_listed(asked.collect()).await
    }

    /// Names, for scopes of roles.
    pub(crate) fn names(&self) -> BTreeMap<Uuid, String> {
        let named = |(id, row): (&Uuid, &Application)| Some((*id, row.name.clone()?));
        self.rows.iter().filter_map(named).collect()
    }

    /// Writes the applications with what they offer and who has it: by id, so that the file depends on the directory alone.
    pub(crate) async fn write(
        &self,
        job: &Job,
        groups: &[&GroupPlan],
        is_synced: impl Fn(Uuid) -> bool,
        bound: bool,
    ) -> Result<(), Ended> {
        let parent = job.options.parent(ENVIRONMENT, job.home.environment.0);
        let parent = parent.filter(|_| bound);
        let names = groups.iter().map(|group| (group.id, group.name.clone())).collect();
        let around = Around {
            groups: &names,
            own: job.reads.own_application(),
            with_groups: job.options.has(GROUP),
            with_users: job.options.has(USER),
        };
        let translated: Vec<_> = self
            .rows
            .iter()
            .map(|(id, row)| Translated::new(*id, row, &around))
            .collect();
        let with_entitlements = !job.options.skip_entitlements_and_grants;
        let with_grants = with_entitlements && !job.options.skip_grants;
        let mut intersections = Intersections::of(job, &translated, groups, with_grants);
        job.fetched_now().await?;
        for application in &translated {
            let set = application
                .intersection()
                .filter(|_| with_grants && job.options.has(USER));
            let users = match set {
                Some(set) => intersections.users(set).await?,
                None => Arc::new(InAll::Users(Vec::new())),
            };
            let refused = matches!(*users, InAll::Refused);
            let resource = Resource {
                parent: parent.clone(),
                ..application.resource(refused)
            };
            job.put_resources(&[resource]).await?;
            let Some(entitlement) = application.entitlement().filter(|_| with_entitlements) else {
                continue;
            };
            job.writer.put(Rows::Entitlements(vec![entitlement])).await?;
            if with_grants {
                put_grants(job, application, &users, &is_synced).await?;
            }
        }
        Ok(())
    }
}

/// Who is in all groups of one condition.
#[derive(Debug)]
enum InAll {
    Users(Vec<Uuid>),
    /// PingOne does not take such a filter.
    Refused,
}

async fn put_grants(
    job: &Job,
    application: &Translated<'_>,
    users: &InAll,
    is_synced: impl Fn(Uuid) -> bool,
) -> Result<(), Ended> {
    let missing = |group: Uuid| job.reads.warnings.add(Warning::ConditionGroupNotSynced, &group);
    let is_intersection = application.intersection().is_some();
    match users {
        InAll::Users(users) if is_intersection => {
            let synced: Vec<Uuid> = users.iter().copied().filter(|user| is_synced(*user)).collect();
            for batch in synced.chunks(500) {
                let grants = batch.iter().map(|user| application.user_grant(*user)).collect();
                job.writer.put(Rows::Grants(grants)).await?;
            }
        }
        _ => {
            let grants = application.group_grants(missing);
            if !grants.is_empty() {
                job.writer.put(Rows::Grants(grants)).await?;
            }
        }
    }
    Ok(())
}

/// A set of groups, and who is in all of them.
type Answer = (Vec<Uuid>, Result<InAll, SyncError>);

/// The users of each distinct set of groups, read ahead in the order of the applications and dropped after the last one.
struct Intersections<'a> {
    answers: BoxStream<'a, Answer>,
    uses: HashMap<Vec<Uuid>, usize>,
    kept: HashMap<Vec<Uuid>, Arc<InAll>>,
}

impl<'a> Intersections<'a> {
    fn of(job: &'a Job, applications: &[Translated<'_>], groups: &[&GroupPlan], wanted: bool) -> Self {
        let wanted = wanted && job.options.has(USER);
        let (mut order, mut uses) = (Vec::new(), HashMap::<_, usize>::new());
        for set in applications
            .iter()
            .filter_map(Translated::intersection)
            .filter(|_| wanted)
        {
            let times = uses.entry(set.clone()).or_default();
            *times += 1;
            if *times == 1 {
                order.push(set);
            }
        }
        let known: HashMap<Uuid, GroupPlan> = groups.iter().map(|group| (group.id, (*group).clone())).collect();
        let refused_from = Arc::new(AtomicUsize::new(usize::MAX));
        let answers = stream::iter(order).map(move |set| {
            let (refused_from, bound) = (Arc::clone(&refused_from), Bound::of(&set, &known));
            let reads = Arc::clone(&job.reads);
            // On its own: what is read ahead goes on while a row is written, and no deadline passes meanwhile.
            async move {
                spawn(async move {
                    let found = in_all(&reads, &set, &bound, &refused_from).await;
                    (set, found)
                })
                .await
            }
        });
        Self {
            answers: Box::pin(answers.buffered(INTERSECTIONS_AHEAD)),
            uses,
            kept: HashMap::new(),
        }
    }

    async fn users(&mut self, set: Vec<Uuid>) -> Result<Arc<InAll>, SyncError> {
        while !self.kept.contains_key(&set) {
            let Some((set, found)) = self.answers.next().await else {
                return Ok(Arc::new(InAll::Users(Vec::new())));
            };
            self.kept.insert(set, Arc::new(found?));
        }
        let left = self.uses.get_mut(&set).map_or(0, |uses| {
            *uses = uses.saturating_sub(1);
            *uses
        });
        let found = if left == 0 {
            self.kept.remove(&set)
        } else {
            self.kept.get(&set).cloned()
        };
        Ok(found.unwrap_or_else(|| Arc::new(InAll::Users(Vec::new()))))
    }
}

/// What a condition's own groups say of how many may be in all of them.
#[derive(Debug, Default, Clone, Copy)]
struct Bound {
    /// The smallest group that nobody belongs to but by hand.
    most: Option<(Uuid, u64)>,
}

impl Bound {
    fn of(set: &[Uuid], known: &HashMap<Uuid, GroupPlan>) -> Self {
        let by_hand = set
            .iter()
            .filter_map(|id| known.get(id))
            .filter(|group| group.kind == GroupKind::Static && group.direct_groups == Some(0));
        let counts = by_hand.filter_map(|group| Some((group.id, group.direct_users?)));
        Self {
            most: counts.min_by_key(|(id, users)| (*users, *id)),
        }
    }
}

/// Asks PingOne who is in all groups of a set. A filter that was refused is not tried again with as many groups.
async fn in_all(reads: &Reads, set: &[Uuid], bound: &Bound, refused_from: &AtomicUsize) -> Result<InAll, SyncError> {
    if bound.most.is_some_and(|(_, users)| users == 0) {
        return Ok(InAll::Users(Vec::new()));
    }
    if set.len() >= refused_from.load(Ordering::Relaxed) {
        return Ok(InAll::Refused);
    }
    if let Ok(users) = reads.members_of_all(set).await? {
        reads.warnings.step();
        doubt(reads, set, bound, &users).await?;
        return Ok(InAll::Users(users));
    }
    if refused_from.fetch_min(set.len(), Ordering::Relaxed) == usize::MAX {
        tracing::warn!(
            groups = set.len(),
            "PingOne refused to tell who is in all of several groups; such applications show their groups as \
             conditions and no users"
        );
    }
    Ok(InAll::Refused)
}

/// More users than a group has, or all users there are, look like a filter that was taken and not applied: the group's own
/// counts decide.
async fn doubt(reads: &Reads, set: &[Uuid], bound: &Bound, users: &[Uuid]) -> Result<(), SyncError> {
    let found = length(users);
    let everybody = reads.progress.users.load(Ordering::Relaxed);
    let suspect = match bound.most {
        Some((group, most)) if found > most => Some(group),
        _ if everybody > 0 && found >= everybody => set.first().copied(),
        _ => None,
    };
    let Some(group) = suspect else { return Ok(()) };
    let told = reads.counts_of(group).await?.and_then(|counts| counts.all);
    match told.filter(|told| *told < found) {
        Some(told) => Err(SyncError::TooManyMembers { group, told, found }),
        None => Ok(()),
    }
}
