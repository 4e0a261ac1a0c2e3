//! Who belongs to which group (connector-model.md §5.1, pingone-api.md §6.6): direct members, members through a
//! filter or a source, and nested groups, at the least number of calls. Groups are read ahead in a bounded window and
//! answered in plan order.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt, Shared};
use futures_util::stream::{self, Stream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::SyncError;
use super::error::Shortfall;
use super::nesting::{Nesting, below_outside_ring};
use super::observe::{MemberLists, Observe};
use super::read::{Reads, length};
use super::translate::{GroupKind, GroupPlan};
use super::writer_thread::Member;
use crate::model::USER;
use baton::model::ResourceId;
use process::runtime::spawn::spawn;

/// Members that may wait in memory while an earlier group is still read: 16 bytes each.
const WINDOW_MEMBERS: u32 = 400_000;
/// Members that a group is counted with whose members come from a filter or a source.
const UNTOLD_MEMBERS: u64 = 8_000;
/// Members of one group that are asked for one by one where its list holds more than it counts.
const ASK_MOST: usize = 1_000;
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

type SharedLists = Shared<BoxFuture<'static, Result<Arc<MemberLists>, Arc<SyncError>>>>;

/// Lists that several groups need.
#[derive(Debug, Default)]
struct SharedList {
    lists: Option<SharedLists>,
    /// How many groups are still to see them.
    uses: usize,
}

/// Reads the members of every group.
#[derive(Debug)]
pub(crate) struct MemberReads {
    reads: Arc<Reads>,
    observe: Arc<Observe>,
    groups: Arc<Vec<GroupPlan>>,
    children: Arc<BTreeMap<Uuid, Vec<Uuid>>>,
    positions: HashMap<Uuid, usize>,
    /// Groups that hold each other: members are not passed on inside a ring, so each is listed with everybody in it.
    rings: HashSet<Uuid>,
    /// Groups whose lists another group needs as well, until the last one has seen them.
    shared: std::sync::Mutex<HashMap<Uuid, SharedList>>,
}

impl MemberReads {
    pub(crate) fn new(
        reads: Arc<Reads>,
        observe: Arc<Observe>,
        groups: Arc<Vec<GroupPlan>>,
        nesting: &Nesting,
    ) -> Self {
        let positions: HashMap<_, _> = groups.iter().enumerate().map(|(n, group)| (group.id, n)).collect();
        let rings = nesting.rings();
        let mut shared: HashMap<Uuid, SharedList> = HashMap::new();
        let needs = |group: &&GroupPlan| group.kind != GroupKind::Static || rings.contains(&group.id);
        for group in groups.iter().filter(needs) {
            for id in nesting.below_outside_ring(group.id) {
                shared.entry(id).or_default().uses += 1;
            }
        }
        // Each group of the plan sees its own, too.
        for (id, list) in &mut shared {
            list.uses += usize::from(positions.contains_key(id));
        }
        Self {
            reads,
            observe,
            groups,
            children: Arc::new(nesting.children.clone()),
            positions,
            rings,
            shared: std::sync::Mutex::new(shared),
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
        let lists = self.lists_of(group.id).await?;
        if lists.gone {
            return Ok(GroupMembers {
                position,
                users: Vec::new(),
                gone: true,
                _room: None,
            });
        }
        let users = self.classify(group, &lists).await?;
        self.release(group);
        Ok(GroupMembers {
            position,
            users,
            gone: false,
            _room: None,
        })
    }

    /// The lists of a group; those that several groups need are read once.
    async fn lists_of(self: &Arc<Self>, id: Uuid) -> Result<Arc<MemberLists>, SyncError> {
        let pending = {
            let mut shared = self.shared.lock().map_err(|_| SyncError::Cancelled)?;
            shared.get_mut(&id).map(|list| {
                let this = Arc::clone(self);
                let read = || async move { this.fetch(id).await.map(Arc::new).map_err(Arc::new) };
                list.lists.get_or_insert_with(|| read().boxed().shared()).clone()
            })
        };
        let Some(pending) = pending else {
            return self.fetch(id).await.map(Arc::new);
        };
        pending.await.map_err(SyncError::Shared)
    }

    /// A group has seen its own lists and those of the groups below it: what nobody else waits for is dropped.
    fn release(&self, group: &GroupPlan) {
        let Ok(mut shared) = self.shared.lock() else { return };
        let mut seen = vec![group.id];
        if group.kind != GroupKind::Static || self.rings.contains(&group.id) {
            seen.extend(below_outside_ring(&self.children, group.id));
        }
        for id in seen {
            if let Some(list) = shared.get_mut(&id) {
                list.uses = list.uses.saturating_sub(1);
                if list.uses == 0 {
                    shared.remove(&id);
                }
            }
        }
    }

    async fn fetch(&self, id: Uuid) -> Result<MemberLists, SyncError> {
        let Some(group) = self.positions.get(&id).and_then(|position| self.groups.get(*position)) else {
            // Nested, but in no list: everybody in it, which is all that its parent needs.
            return self.observe.unlisted(id).await;
        };
        let has_nested = self.children.get(&id).is_some_and(|children| !children.is_empty());
        self.observe.members(group, has_nested, self.rings.contains(&id)).await
    }

    async fn classify(self: &Arc<Self>, group: &GroupPlan, lists: &MemberLists) -> Result<Vec<Member>, SyncError> {
        let Some(direct) = &lists.direct else {
            return self.classify_by_counts(group, lists).await;
        };
        let direct_set: HashSet<Uuid> = if lists.all.is_some() {
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
        if let Some(all) = &lists.all {
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

    /// The fallback where PingOne does not tell direct members by their type (pingone-api.md §6.6).
    async fn classify_by_counts(
        self: &Arc<Self>,
        group: &GroupPlan,
        lists: &MemberLists,
    ) -> Result<Vec<Member>, SyncError> {
        let mut users = self.told_apart(group, lists).await?;
        let Some(told) = lists.direct_told.filter(|_| group.kind != GroupKind::External) else {
            return Ok(users);
        };
        if direct_among(&users) > told {
            // The list holds more than the group counts: each of them is asked whether he belongs to it.
            let all = lists.all.as_deref().unwrap_or_default();
            if all.len() > ASK_MOST {
                return Err(SyncError::TooManyMembers {
                    group: group.id,
                    told,
                    found: length(all),
                });
            }
            let nested = self.members_below(group.id).await?;
            users = self.ask_each(group, all.to_vec(), Vec::new(), &nested).await?;
        }
        let found = direct_among(&users);
        if found < told {
            self.reads.accept_short(Shortfall {
                what: "direct members of group",
                of: Some(group.id),
                told,
                found,
            })?;
        }
        Ok(users)
    }

    async fn told_apart(self: &Arc<Self>, group: &GroupPlan, lists: &MemberLists) -> Result<Vec<Member>, SyncError> {
        let all = lists.all.as_deref().unwrap_or_default();
        let nested = self.members_below(group.id).await?;
        let has_children = self
            .children
            .get(&group.id)
            .is_some_and(|children| !children.is_empty());
        let count = lists.direct_told.and_then(|count| usize::try_from(count).ok());
        let dynamic = self.brings_others(group);
        let every = |users: &[Uuid], indirect| {
            let members = users.iter().map(|user| Member { user: *user, indirect });
            sorted(members.collect())
        };
        let outside: Vec<Uuid> = all.iter().copied().filter(|user| !nested.contains(user)).collect();
        if group.kind == GroupKind::External {
            return Ok(every(&outside, true));
        }
        if !dynamic && !has_children {
            return Ok(every(all, false));
        }
        if count == Some(0) {
            // Nobody is direct: those outside came through the filter, the rest through the nested groups.
            return Ok(if dynamic { every(&outside, true) } else { Vec::new() });
        }
        if !dynamic && count == Some(outside.len()) {
            return Ok(every(&outside, false));
        }
        // That a list is as long as the count proves nothing: direct members may be hidden from us, and others shown.
        let (undecided, decided) = all.iter().partition(|user| dynamic || nested.contains(*user));
        self.ask_each(group, undecided, decided, &nested).await
    }

    /// Asks for the membership of each user that the counts leave undecided; DIRECT wins. `decided` are direct.
    async fn ask_each(
        self: &Arc<Self>,
        group: &GroupPlan,
        undecided: Vec<Uuid>,
        decided: Vec<Uuid>,
        nested: &HashSet<Uuid>,
    ) -> Result<Vec<Member>, SyncError> {
        let dynamic = self.brings_others(group);
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
        let mut lost = Vec::new();
        while let Some(answer) = answers.next().await {
            match answer? {
                (user, Some(true)) => users.push(Member { user, indirect: false }),
                (user, Some(false)) if dynamic && !nested.contains(&user) => {
                    users.push(Member { user, indirect: true });
                }
                (_, Some(false)) => {}
                (user, None) => lost.push(user),
            }
        }
        drop(answers);
        if !lost.is_empty() {
            // Whoever left the group must be out of its list, too.
            let now = self.reads.all_members(group_id).await?.unwrap_or_default();
            if let Some(user) = lost.iter().find(|user| now.ids.contains(user)) {
                return Err(SyncError::Contradicted(ResourceId::new(USER, user)));
            }
        }
        Ok(sorted(users))
    }

    /// Whether somebody may belong to a group who is neither direct nor passed on by a nested group.
    fn brings_others(&self, group: &GroupPlan) -> bool {
        matches!(group.kind, GroupKind::Dynamic { .. }) || self.rings.contains(&group.id)
    }

    /// Everybody whom nested groups pass on to this one. Groups that hold this one in turn pass nobody on, nor what is
    /// nested in them alone.
    async fn members_below(self: &Arc<Self>, id: Uuid) -> Result<HashSet<Uuid>, SyncError> {
        let mut members = HashSet::new();
        for below in below_outside_ring(&self.children, id) {
            let lists = Box::pin(self.lists_of(below)).await?;
            for list in [&lists.direct, &lists.all].into_iter().flatten() {
                members.extend(list.iter().copied());
            }
        }
        Ok(members)
    }
}

fn direct_among(users: &[Member]) -> u64 {
    let direct = users.iter().filter(|member| !member.indirect).count();
    u64::try_from(direct).unwrap_or(u64::MAX)
}

fn sorted(mut users: Vec<Member>) -> Vec<Member> {
    users.sort_unstable();
    // A user found twice is direct if one of the two says so: `false` sorts first.
    users.dedup_by_key(|member| member.user);
    users
}
