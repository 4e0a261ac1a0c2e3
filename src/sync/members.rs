//! Who belongs to which group (connector-model.md §5.1, pingone-api.md §6.6): direct members, members through a
//! filter or a source, and nested groups, at the least number of calls. Groups are read ahead in a bounded window and
//! answered in plan order.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::{BoxFuture, FutureExt, Shared};
use futures_util::stream::{self, Stream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::SyncError;
use super::read::{Reads, TypeRefused};
use super::sink::Member;
use super::translate::{GroupKind, GroupPlan};
use super::warnings::Warning;
use crate::runtime::spawn::spawn;

/// Members that may wait in memory while an earlier group is still read: 16 bytes each.
const WINDOW_MEMBERS: u32 = 400_000;
/// Members that a group is counted with whose members come from a filter or a source.
const UNTOLD_MEMBERS: u64 = 8_000;
/// Groups that may be read ahead.
const WINDOW_GROUPS: usize = 256;

/// What was found of one group.
#[derive(Debug)]
pub(crate) struct GroupMembers {
    /// The group's position in the plan.
    pub(crate) position: usize,
    /// The users, sorted by id.
    pub(crate) users: Vec<Member>,
    /// The group vanished while it was read.
    pub(crate) gone: bool,
    /// Room in the window, until whoever asked has dropped them.
    _room: Option<OwnedSemaphorePermit>,
}

/// The lists that PingOne gave for a group.
#[derive(Debug, Default)]
struct Raw {
    /// Direct members; `None` where the type was refused.
    direct: Option<Vec<Uuid>>,
    /// Everybody who belongs to the group; `None` where it was not asked for.
    all: Option<Vec<Uuid>>,
    gone: bool,
}

type SharedRaw = Shared<BoxFuture<'static, Result<Arc<Raw>, Arc<SyncError>>>>;

/// Reads the members of every group.
#[derive(Debug)]
pub(crate) struct MemberReads {
    reads: Arc<Reads>,
    groups: Arc<Vec<GroupPlan>>,
    children: Arc<BTreeMap<Uuid, Vec<Uuid>>>,
    positions: HashMap<Uuid, usize>,
    /// Groups whose lists another group needs as well.
    shared: std::sync::Mutex<HashMap<Uuid, SharedRaw>>,
    needed: HashSet<Uuid>,
    /// PingOne refused the member type once: from here on the fallback of pingone-api.md §6.6.
    type_refused: AtomicBool,
    /// A group's plain list held more than its direct members: it holds everybody.
    plain_is_whole: AtomicBool,
    /// A group has more members than its plain list held: it holds direct members only (pingone-api.md §11 Q4).
    plain_is_direct: AtomicBool,
}

impl MemberReads {
    pub(crate) fn new(reads: Arc<Reads>, groups: Arc<Vec<GroupPlan>>, nesting: &Nesting) -> Self {
        let positions: HashMap<_, _> = groups.iter().enumerate().map(|(n, group)| (group.id, n)).collect();
        let mut needed = HashSet::new();
        for group in groups.iter().filter(|group| group.kind != GroupKind::Static) {
            let below = nesting.below(group.id);
            if !below.is_empty() {
                needed.insert(group.id);
                needed.extend(below);
            }
        }
        Self {
            reads,
            groups,
            children: Arc::new(nesting.children.clone()),
            positions,
            shared: std::sync::Mutex::default(),
            needed,
            type_refused: AtomicBool::new(nesting.type_refused),
            plain_is_whole: AtomicBool::new(false),
            plain_is_direct: AtomicBool::new(false),
        }
    }

    /// Every group's members in plan order. `concurrency` bounds how many groups are read at a time.
    pub(crate) fn stream(
        self: Arc<Self>,
        concurrency: usize,
    ) -> impl Stream<Item = Result<GroupMembers, SyncError>> + Send {
        let budget = Arc::new(Semaphore::new(usize::try_from(WINDOW_MEMBERS).unwrap_or(usize::MAX)));
        let window = if concurrency <= 1 {
            1
        } else {
            WINDOW_GROUPS.min(concurrency.saturating_mul(4))
        };
        let count = self.groups.len();
        stream::iter(0..count)
            .map(move |position| {
                let (this, budget) = (Arc::clone(&self), Arc::clone(&budget));
                async move {
                    // Permits are asked for in plan order, so the group that is written next never waits for a later one.
                    let weight = this.weight(position);
                    let permit = budget
                        .acquire_many_owned(weight)
                        .await
                        .map_err(|_| SyncError::Cancelled)?;
                    let members = spawn(async move { this.read(position).await }).await?;
                    Ok(GroupMembers {
                        _room: Some(permit),
                        ..members
                    })
                }
            })
            .buffered(window)
    }

    fn weight(&self, position: usize) -> u32 {
        let group = self.groups.get(position);
        let told = group.and_then(|group| group.direct_users).unwrap_or(1_000);
        // Nobody says how many a filter or a source brings.
        let by_source = group.is_some_and(|group| group.kind != GroupKind::Static);
        let expected = if by_source { told.max(UNTOLD_MEMBERS) } else { told };
        u32::try_from(expected.max(64))
            .unwrap_or(WINDOW_MEMBERS)
            .min(WINDOW_MEMBERS)
    }

    async fn read(self: Arc<Self>, position: usize) -> Result<GroupMembers, SyncError> {
        let Some(group) = self.groups.get(position) else {
            return Ok(GroupMembers {
                position,
                users: Vec::new(),
                gone: false,
                _room: None,
            });
        };
        let raw = self.raw_of(group.id).await?;
        if raw.gone {
            return Ok(GroupMembers {
                position,
                users: Vec::new(),
                gone: true,
                _room: None,
            });
        }
        let users = self.classify(group, &raw).await?;
        Ok(GroupMembers {
            position,
            users,
            gone: false,
            _room: None,
        })
    }

    /// The lists of a group; those that several groups need are read once.
    async fn raw_of(self: &Arc<Self>, id: Uuid) -> Result<Arc<Raw>, SyncError> {
        if !self.needed.contains(&id) {
            return self.fetch(id).await.map(Arc::new);
        }
        let pending = {
            let mut shared = self.shared.lock().map_err(|_| SyncError::Cancelled)?;
            let entry = shared.entry(id).or_insert_with(|| {
                let this = Arc::clone(self);
                async move { this.fetch(id).await.map(Arc::new).map_err(Arc::new) }
                    .boxed()
                    .shared()
            });
            entry.clone()
        };
        pending.await.map_err(SyncError::Shared)
    }

    async fn fetch(&self, id: Uuid) -> Result<Raw, SyncError> {
        let Some(group) = self.positions.get(&id).and_then(|position| self.groups.get(*position)) else {
            // Nested, but not in the list of groups: everybody in it, which is all that its parent needs.
            return Ok(Raw {
                direct: None,
                all: Some(self.reads.all_members(id).await?.unwrap_or_default()),
                gone: false,
            });
        };
        let by_source = group.kind != GroupKind::Static;
        let nested = self.children.get(&id).is_some_and(|children| !children.is_empty());
        let mut raw = Raw::default();
        // Everybody in an external group comes from its source: who is direct matters only beside nested groups.
        let direct_matters = group.kind != GroupKind::External || nested;
        if group.direct_users == Some(0) || !direct_matters {
            raw.direct = Some(Vec::new());
        } else if !self.type_refused.load(Ordering::Relaxed) {
            match self.reads.direct_members(id).await? {
                Ok(Some(members)) => {
                    self.reads
                        .warnings
                        .compare(group.direct_users, members.len(), &group.id);
                    raw.direct = Some(members);
                }
                Ok(None) => raw.gone = true,
                Err(TypeRefused) => self.remember_refusal(),
            }
        }
        if !raw.gone && (by_source || raw.direct.is_none()) {
            match self.reads.all_members(id).await? {
                Some(members) => raw.all = Some(members),
                None => raw.gone = true,
            }
        }
        if let (GroupKind::Dynamic { filter }, Some(direct), Some(all)) = (&group.kind, &raw.direct, &mut raw.all)
            && self.lacks_inherited(group, direct.len(), all.len()).await?
        {
            self.add_matching(group, filter, all).await?;
        }
        Ok(raw)
    }

    /// Whether the plain list of a group leaves out whoever came through its filter. Asked of PingOne only where the list
    /// holds no more than the direct members, and no other group's did.
    async fn lacks_inherited(&self, group: &GroupPlan, direct: usize, all: usize) -> Result<bool, SyncError> {
        if all > direct {
            self.plain_is_whole.store(true, Ordering::Relaxed);
        }
        if self.plain_is_whole.load(Ordering::Relaxed) {
            return Ok(false);
        }
        if self.plain_is_direct.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let total = self.reads.total_members(group.id).await?;
        let lacks = total.is_some_and(|total| total > u64::try_from(all).unwrap_or(u64::MAX));
        if lacks && !self.plain_is_direct.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                group = %group.id,
                "PingOne lists direct members only; who belongs to a group through its filter is asked for by that filter"
            );
        }
        Ok(lacks)
    }

    async fn add_matching(&self, group: &GroupPlan, filter: &str, all: &mut Vec<Uuid>) -> Result<(), SyncError> {
        let filter = match group.population {
            Some(population) => format!("population.id eq \"{population}\" and ({filter})"),
            None => filter.to_owned(),
        };
        if let Ok(matching) = self.reads.matching(&filter).await? {
            let known: HashSet<Uuid> = all.iter().copied().collect();
            all.extend(matching.into_iter().filter(|user| !known.contains(user)));
        } else {
            self.reads.warnings.add(Warning::CountsDiffer, &group.id);
            tracing::warn!(group = %group.id, "PingOne does not take the group's filter; its members by filter are missing");
        }
        Ok(())
    }

    fn remember_refusal(&self) {
        if !self.type_refused.swap(true, Ordering::Relaxed) {
            tracing::warn!("PingOne refused the membership type in filters; direct members are told apart by counts");
        }
    }

    async fn classify(self: &Arc<Self>, group: &GroupPlan, raw: &Raw) -> Result<Vec<Member>, SyncError> {
        let Some(direct) = &raw.direct else {
            return self.classify_by_counts(group, raw).await;
        };
        let direct_set: HashSet<Uuid> = if raw.all.is_some() {
            direct.iter().copied().collect()
        } else {
            HashSet::new()
        };
        let mut users: Vec<Member> = direct
            .iter()
            .map(|user| Member {
                user: *user,
                indirect: false,
            })
            .collect();
        if let Some(all) = &raw.all {
            let nested = self.members_below(group.id).await?;
            let others = all
                .iter()
                .filter(|user| !direct_set.contains(*user) && !nested.contains(*user));
            users.extend(others.map(|user| Member {
                user: *user,
                indirect: true,
            }));
        }
        if group.kind == GroupKind::External {
            for member in &mut users {
                member.indirect = true;
            }
        }
        Ok(sorted(users))
    }

    /// The fallback where PingOne does not take the type in a filter (pingone-api.md §6.6).
    async fn classify_by_counts(self: &Arc<Self>, group: &GroupPlan, raw: &Raw) -> Result<Vec<Member>, SyncError> {
        let all = raw.all.as_deref().unwrap_or_default();
        let nested = self.members_below(group.id).await?;
        let has_children = self
            .children
            .get(&group.id)
            .is_some_and(|children| !children.is_empty());
        let count = group.direct_users.and_then(|count| usize::try_from(count).ok());
        let dynamic = matches!(group.kind, GroupKind::Dynamic { .. });
        let every = |indirect| sorted(all.iter().map(|user| Member { user: *user, indirect }).collect());
        if group.kind == GroupKind::External {
            return Ok(every(true)
                .into_iter()
                .filter(|member| !nested.contains(&member.user))
                .collect());
        }
        if count == Some(all.len()) || (!dynamic && !has_children) {
            return Ok(every(false));
        }
        let outside: Vec<Uuid> = all.iter().copied().filter(|user| !nested.contains(user)).collect();
        if count == Some(0) {
            // Nobody is direct: those outside came through the filter, the rest through the nested groups.
            return Ok(sorted(
                outside
                    .into_iter()
                    .filter(|_| dynamic)
                    .map(|user| Member { user, indirect: true })
                    .collect(),
            ));
        }
        if !dynamic && count == Some(outside.len()) {
            return Ok(sorted(
                outside
                    .into_iter()
                    .map(|user| Member { user, indirect: false })
                    .collect(),
            ));
        }
        self.ask_each(group, all, &nested).await
    }

    /// Asks for the membership of each user that the counts leave undecided; DIRECT wins.
    async fn ask_each(
        self: &Arc<Self>,
        group: &GroupPlan,
        all: &[Uuid],
        nested: &HashSet<Uuid>,
    ) -> Result<Vec<Member>, SyncError> {
        let dynamic = matches!(group.kind, GroupKind::Dynamic { .. });
        let (undecided, decided): (Vec<Uuid>, Vec<Uuid>) =
            all.iter().copied().partition(|user| dynamic || nested.contains(user));
        let mut users: Vec<Member> = decided
            .into_iter()
            .map(|user| Member { user, indirect: false })
            .collect();
        let group_id = group.id;
        let mut answers = stream::iter(undecided)
            .map(|user| {
                let reads = Arc::clone(&self.reads);
                async move {
                    reads
                        .is_direct_member(user, group_id)
                        .await
                        .map(|direct| (user, direct))
                }
            })
            .buffered(16);
        while let Some(answer) = answers.next().await {
            match answer? {
                (user, Some(true)) => users.push(Member { user, indirect: false }),
                (user, Some(false)) if dynamic && !nested.contains(&user) => {
                    users.push(Member { user, indirect: true });
                }
                _ => {}
            }
        }
        Ok(sorted(users))
    }

    /// Everybody who belongs to a group nested in this one, at any depth.
    async fn members_below(self: &Arc<Self>, id: Uuid) -> Result<HashSet<Uuid>, SyncError> {
        let mut members = HashSet::new();
        for below in below(&self.children, id) {
            let raw = Box::pin(self.raw_of(below)).await?;
            for list in [&raw.direct, &raw.all].into_iter().flatten() {
                members.extend(list.iter().copied());
            }
        }
        Ok(members)
    }
}

fn sorted(mut users: Vec<Member>) -> Vec<Member> {
    users.sort_unstable();
    // A user found twice is direct if one of the two says so: `false` sorts first.
    users.dedup_by_key(|member| member.user);
    users
}

/// Which groups are nested directly in which.
#[derive(Debug, Default, Clone)]
pub(crate) struct Nesting {
    pub(crate) children: BTreeMap<Uuid, Vec<Uuid>>,
    pub(crate) type_refused: bool,
}

impl Nesting {
    /// Every group nested in `id` at any depth; rings end.
    fn below(&self, id: Uuid) -> BTreeSet<Uuid> {
        below(&self.children, id)
    }

    /// The groups that each group is nested in directly.
    pub(crate) fn parents(&self) -> HashMap<Uuid, Vec<Uuid>> {
        let mut parents: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
        for (parent, children) in &self.children {
            for child in children {
                parents.entry(*child).or_default().push(*parent);
            }
        }
        parents
    }

    /// Reads the nesting graph: the groups nested in each parent, or, where PingOne refuses that filter or gives no
    /// counts, each group's parents.
    pub(crate) async fn read(reads: &Arc<Reads>, groups: &[GroupPlan], concurrency: usize) -> Result<Self, SyncError> {
        let mut nesting = Self::default();
        let asked: Vec<Uuid> = groups
            .iter()
            .filter(|group| group.direct_groups != Some(0))
            .map(|group| group.id)
            .collect();
        let mut answers = stream::iter(asked)
            .map(|id| {
                let reads = Arc::clone(reads);
                async move {
                    spawn(async move { reads.nested_groups(id).await })
                        .await
                        .map(|found| (id, found))
                }
            })
            .buffered(concurrency.max(1));
        while let Some(answer) = answers.next().await {
            match answer? {
                (id, Ok(mut children)) => {
                    children.sort_unstable();
                    children.dedup();
                    if !children.is_empty() {
                        nesting.children.insert(id, children);
                    }
                }
                (_, Err(TypeRefused)) => {
                    nesting.type_refused = true;
                    break;
                }
            }
        }
        drop(answers);
        if nesting.type_refused {
            let groups = groups.iter().map(|group| group.id).collect();
            nesting.children = Self::read_parents(reads, groups, concurrency).await?;
        }
        Ok(nesting)
    }

    /// What is nested in each group, by what each of `groups` says it is nested in.
    pub(crate) async fn read_parents(
        reads: &Arc<Reads>,
        groups: Vec<Uuid>,
        concurrency: usize,
    ) -> Result<BTreeMap<Uuid, Vec<Uuid>>, SyncError> {
        let mut children: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
        let mut answers = stream::iter(groups)
            .map(|id| {
                let reads = Arc::clone(reads);
                async move {
                    spawn(async move { reads.direct_parents(id).await })
                        .await
                        .map(|found| (id, found))
                }
            })
            .buffered(concurrency.max(1));
        while let Some(answer) = answers.next().await {
            let (child, parents) = answer?;
            for parent in parents {
                children.entry(parent).or_default().push(child);
            }
        }
        for list in children.values_mut() {
            list.sort_unstable();
            list.dedup();
        }
        Ok(children)
    }
}

fn below(children: &BTreeMap<Uuid, Vec<Uuid>>, id: Uuid) -> BTreeSet<Uuid> {
    let mut seen = BTreeSet::new();
    let mut open = vec![id];
    while let Some(next) = open.pop() {
        for child in children.get(&next).into_iter().flatten() {
            if *child != id && seen.insert(*child) {
                open.push(*child);
            }
        }
    }
    seen
}
