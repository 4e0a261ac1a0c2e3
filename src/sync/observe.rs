//! Observations: what a principal holds and what a group contains, asked for in one place. Today PingOne answers each of
//! them; a store of earlier observations can answer here instead, and no phase would notice. A list is believed when its
//! own count and the group's bear it out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use uuid::Uuid;

use super::SyncError;
use super::error::Shortfall;
use super::observations::{Keeper, Kind, Seconds, is_told};
use super::read::{Assignment, Reads, TypeRefused, length};
use super::translate::{GroupKind, GroupPlan};
use super::warnings::Warning;
use pingone::{Ids, MemberKind, Principal};

/// The lists of a group's members, before anybody is told apart by them.
#[derive(Debug, Default)]
pub(crate) struct MemberLists {
    /// Direct members; `None` where PingOne does not tell them apart.
    pub(crate) direct: Option<Vec<Uuid>>,
    /// Everybody who belongs to the group; `None` where it was not asked for.
    pub(crate) all: Option<Vec<Uuid>>,
    /// How many direct members there must be, where `direct` is not known.
    pub(crate) direct_told: Option<u64>,
    /// The group vanished.
    pub(crate) gone: bool,
}

impl MemberLists {
    fn gone() -> Self {
        Self {
            gone: true,
            ..Self::default()
        }
    }
}

/// What is known of a group's direct members.
enum Direct {
    Members(Vec<Uuid>),
    /// They cannot be listed apart; there are so many.
    Untold(Option<u64>),
    Gone,
}

/// What is known from before of everybody in a group.
enum Kept {
    Members(Vec<Uuid>),
    Nothing,
    Gone,
}

/// Answers observations, and remembers for the sync how this PingOne answers filters.
#[derive(Debug)]
pub(crate) struct Observe {
    reads: Arc<Reads>,
    /// What earlier syncs observed, where that is kept.
    pub(crate) keeper: Option<Arc<Keeper>>,
    /// PingOne refused the member type once: from here on the fallback of pingone-api.md §6.6.
    type_refused: AtomicBool,
    /// A group's plain list held more than its direct members: it holds everybody.
    plain_is_whole: AtomicBool,
    /// A group has more members than its plain list held: it holds direct members only (pingone-api.md §11 Q4).
    plain_is_direct: AtomicBool,
    /// How many counts were checked, or would have been.
    checks: AtomicU64,
}

/// Reads for one that is spent on counts.
const CHECK_ONE_OF: u64 = 200;
/// Members who are asked, about, where nothing counts those of a group.
const ASK_SOME: usize = 16;

impl Observe {
    pub(crate) fn new(reads: Arc<Reads>, keeper: Option<Arc<Keeper>>) -> Self {
        Self {
            reads,
            keeper,
            type_refused: AtomicBool::new(false),
            plain_is_whole: AtomicBool::new(false),
            plain_is_direct: AtomicBool::new(false),
            checks: AtomicU64::new(0),
        }
    }

    /// When an answer is asked for, by PingOne's clock; 0 where nothing is kept.
    pub(crate) fn now(&self) -> Seconds {
        self.keeper.as_ref().map_or(0, |keeper| keeper.now())
    }

    /// The role assignments of a principal; `None` when it vanished.
    pub(crate) async fn roles(&self, principal: Principal) -> Result<Option<Vec<Assignment>>, SyncError> {
        let (Some(keeper), Principal::Group(group)) = (&self.keeper, principal) else {
            return self.reads.assignments(principal).await;
        };
        if let Some(kept) = keeper.group_roles(group) {
            return Ok(Some(kept));
        }
        let at = keeper.now();
        let found = self.reads.assignments(principal).await?;
        if let Some(found) = &found {
            keeper.saw_group_roles(at, group, found);
        }
        Ok(found)
    }

    /// The groups nested directly in a group. A list that holds others than the group counts is no better than a refusal.
    pub(crate) async fn nested(&self, group: &GroupPlan) -> Result<Result<Vec<Uuid>, TypeRefused>, SyncError> {
        let Some(keeper) = &self.keeper else {
            return self.read_nested(group).await;
        };
        if let Some(kept) = keeper.nested(group.id) {
            return Ok(Ok(kept));
        }
        let at = keeper.now();
        let found = self.read_nested(group).await?;
        if let Ok(children) = &found {
            keeper.saw_ids(Kind::Nested, at, group.id, children);
        }
        Ok(found)
    }

    async fn read_nested(&self, group: &GroupPlan) -> Result<Result<Vec<Uuid>, TypeRefused>, SyncError> {
        let mut told = group.direct_groups;
        let is_nobodys = |children: &[Uuid]| children.binary_search(&group.id).is_ok();
        let mut children = Vec::new();
        for _ in 0..2 {
            match self.reads.nested_groups(group.id).await? {
                Ok(Some(found)) => children.extend(found),
                Ok(None) => return Ok(Ok(Vec::new())),
                Err(refused) => return Ok(Err(refused)),
            }
            children.sort_unstable();
            children.dedup();
            if told.is_none() && is_nobodys(&children) {
                // No group is nested in itself: the filter was taken and not applied.
                break;
            }
            if told.is_none_or(|told| told == length(&children)) {
                return Ok(Ok(children));
            }
            told = match self.reads.counts_of(group.id).await? {
                Some(counts) => counts.nested.or(told),
                None => return Ok(Ok(Vec::new())),
            };
            if told.is_none_or(|told| told == length(&children)) && !is_nobodys(&children) {
                return Ok(Ok(children));
            }
        }
        tracing::warn!(group = %group.id, "a group counts other nested groups than the filter finds; each group is asked");
        Ok(Err(TypeRefused))
    }

    /// Everybody in a group that the plan does not know, because no list named it.
    pub(crate) async fn unlisted(&self, group: Uuid) -> Result<MemberLists, SyncError> {
        let all = self.reads.all_members(group).await?.unwrap_or_default();
        if all.unproved {
            return Err(SyncError::Unfiltered { group });
        }
        if let Some(told) = all.told.filter(|_| all.is_short()) {
            self.reads.accept_short(Shortfall {
                what: "members of group",
                of: Some(group),
                told,
                found: length(&all.ids),
            })?;
        }
        Ok(MemberLists {
            all: Some(all.ids),
            ..MemberLists::default()
        })
    }

    /// The members of a group: as few lists as tell direct members from the others. `has_nested` says that groups are
    /// nested in it, `in_ring` that they hold it in turn.
    pub(crate) async fn members(
        &self,
        group: &GroupPlan,
        has_nested: bool,
        in_ring: bool,
    ) -> Result<MemberLists, SyncError> {
        // Everybody in an external group comes from its source: who is direct matters only beside nested groups.
        let direct_matters = group.kind != GroupKind::External || has_nested;
        let (direct, direct_told) = if direct_matters {
            match self.known_direct(group, has_nested).await? {
                Direct::Members(members) => (Some(members), None),
                Direct::Untold(told) => (None, told),
                Direct::Gone => return Ok(MemberLists::gone()),
            }
        } else {
            (Some(Vec::new()), None)
        };
        let by_source = group.kind != GroupKind::Static || in_ring;
        let mut lists = MemberLists {
            direct,
            direct_told,
            ..MemberLists::default()
        };
        if by_source || lists.direct.is_none() {
            // What nested groups pass on, and who is direct where that is not told, is found out anew.
            let alone = lists.direct.is_some() && !has_nested && !in_ring;
            lists.all = match self.kept_everybody(group, alone).await? {
                Kept::Members(all) => Some(all),
                Kept::Nothing => {
                    let direct = lists.direct.as_ref().map_or(0, Vec::len);
                    self.everybody(group, by_source.then_some(direct), alone).await?
                }
                Kept::Gone => None,
            };
            if lists.all.is_none() {
                return Ok(MemberLists::gone());
            }
            self.prove_direct(group, &mut lists).await?;
        }
        Ok(lists)
    }

    /// Who was added by hand belongs to the group: he is in its plain list, when that is read again, or is no member any more.
    async fn prove_direct(&self, group: &GroupPlan, lists: &mut MemberLists) -> Result<(), SyncError> {
        let (Some(direct), Some(all)) = (&mut lists.direct, &mut lists.all) else {
            return Ok(());
        };
        let is_listed = |all: &[Uuid], user: &Uuid| all.binary_search(user).is_ok();
        if direct.iter().all(|user| is_listed(all, user)) {
            return Ok(());
        }
        tracing::warn!(group = %group.id, "a group's list leaves direct members out and is read again");
        merge(all, self.reads.all_members(group.id).await?.unwrap_or_default());
        for user in direct.iter().filter(|user| !is_listed(all, user)) {
            if self.reads.is_direct_member(*user, group.id).await?.is_some() {
                return Err(SyncError::MemberLeftOut {
                    user: *user,
                    group: group.id,
                });
            }
        }
        direct.retain(|user| is_listed(all, user));
        Ok(())
    }

    /// The direct members, where they are not known from before. Those of an external group its source changes without a
    /// word.
    async fn known_direct(&self, group: &GroupPlan, has_nested: bool) -> Result<Direct, SyncError> {
        let kept = self.keeper.as_ref().filter(|_| group.kind != GroupKind::External);
        let Some(keeper) = kept.filter(|_| group.direct_users != Some(0)) else {
            return self.direct(group, has_nested).await;
        };
        if let Some(direct) = keeper.members(group.id) {
            return Ok(Direct::Members(direct));
        }
        let at = keeper.now();
        let found = self.direct(group, has_nested).await?;
        if let Direct::Members(direct) = &found {
            keeper.saw_ids(Kind::Members, at, group.id, direct);
        }
        Ok(found)
    }

    /// Everybody in a dynamic group, as it was read before and corrected by whoever changed, if the group counts as many.
    async fn kept_everybody(&self, group: &GroupPlan, alone: bool) -> Result<Kept, SyncError> {
        let keeper = self.keeper.as_ref().filter(|_| alone && is_told_of(group));
        let Some((keeper, candidate)) = keeper.and_then(|keeper| Some((keeper, keeper.everybody(group.id)?))) else {
            return Ok(Kept::Nothing);
        };
        let Some(counts) = self.reads.counts_of(group.id).await? else {
            return Ok(Kept::Gone);
        };
        Ok(if keeper.believes(&candidate, counts.all) {
            Kept::Members(candidate.members)
        } else {
            Kept::Nothing
        })
    }

    /// Reads everybody in a group; `None` when it vanished. `direct` is how many were added to it by hand, where others come
    /// from a filter or a source.
    async fn everybody(
        &self,
        group: &GroupPlan,
        direct: Option<usize>,
        alone: bool,
    ) -> Result<Option<Vec<Uuid>>, SyncError> {
        let at = self.now();
        let Some((mut all, told)) = self.all(group).await? else {
            return Ok(None);
        };
        self.doubt_everybody(group, &all, told).await?;
        if let Some(direct) = direct {
            self.add_hidden(group, direct, told, &mut all).await?;
        }
        if let Some(keeper) = self.keeper.as_ref().filter(|_| alone && is_told_of(group)) {
            keeper.saw_everybody(at, group.id, &all);
        }
        Ok(Some(all))
    }

    /// The direct members, asked for by their type.
    async fn direct(&self, group: &GroupPlan, has_nested: bool) -> Result<Direct, SyncError> {
        if group.direct_users == Some(0) {
            return Ok(Direct::Members(Vec::new()));
        }
        if self.type_refused.load(Ordering::Relaxed) {
            return Ok(Direct::Untold(group.direct_users));
        }
        let mut found = Vec::new();
        let mut told = group.direct_users;
        for _ in 0..2 {
            let listed = match self.reads.typed_members(group.id, MemberKind::Direct).await? {
                Ok(Some(listed)) => listed,
                Ok(None) => return Ok(Direct::Gone),
                Err(TypeRefused) => {
                    self.remember_refusal();
                    return Ok(Direct::Untold(group.direct_users));
                }
            };
            let (list_told, unproved) = (listed.told, listed.unproved);
            merge(&mut found, listed);
            let count = length(&found);
            // What the list says of itself.
            let short = list_told.filter(|told| *told > count);
            if told.is_none() && (unproved || short.is_none() && !self.are_direct(group, has_nested, &found).await?) {
                return Ok(Direct::Untold(None));
            }
            if short.is_none() && told.is_none_or(|told| told == count) {
                return Ok(Direct::Members(found));
            }
            let Some(counts) = self.reads.counts_of(group.id).await? else {
                return Ok(Direct::Gone);
            };
            // A single read may leave out what the list said.
            told = counts.direct.or(short).or(told);
            if told.is_none_or(|told| told == count) {
                return Ok(Direct::Members(found));
            }
        }
        self.reads.warnings.add(Warning::CountsDiffer, &group.id);
        tracing::warn!(
            group = %group.id,
            found = length(&found),
            told,
            "direct members by type are not those that the group counts; its plain list decides"
        );
        Ok(Direct::Untold(told))
    }

    /// Where nobody says how many direct members there are: whether those that the filter found are the direct ones. One
    /// that is taken and not applied finds others, or nobody.
    async fn are_direct(&self, group: &GroupPlan, has_nested: bool, found: &[Uuid]) -> Result<bool, SyncError> {
        if found.is_empty() {
            return self.nobody_is_direct(group).await;
        }
        if (group.kind != GroupKind::Static || has_nested)
            && let Ok(Some(indirect)) = self.reads.typed_members(group.id, MemberKind::Indirect).await?
            && indirect.ids.iter().any(|user| found.binary_search(user).is_ok())
        {
            return Ok(false);
        }
        self.doubt_everybody(group, found, None).await?;
        Ok(true)
    }

    /// Where nobody says how many direct members there are: whether everybody in the group is listed as an indirect one.
    async fn nobody_is_direct(&self, group: &GroupPlan) -> Result<bool, SyncError> {
        if group.kind == GroupKind::Static {
            return Ok(false);
        }
        let Ok(Some(indirect)) = self.reads.typed_members(group.id, MemberKind::Indirect).await? else {
            return Ok(false);
        };
        let all = self.reads.all_members(group.id).await?.unwrap_or_default();
        Ok(all.ids.iter().all(|user| indirect.ids.binary_search(user).is_ok()))
    }

    /// The plain list, and how many belong to the group where that was asked for; `None` when the group vanished.
    async fn all(&self, group: &GroupPlan) -> Result<Option<(Vec<Uuid>, Option<u64>)>, SyncError> {
        let Some(listed) = self.reads.all_members(group.id).await? else {
            return Ok(None);
        };
        let (list_told, unproved, mut all) = (listed.told, listed.unproved, listed.ids);
        let differs = is_miscounted(group, &all);
        if !unproved && !differs && list_told.is_none_or(|told| told == length(&all)) && !self.may_check() {
            return Ok(Some((all, None)));
        }
        // The list is other than it says, or may be: the group itself has the last word.
        let Some(counts) = self.reads.counts_of(group.id).await? else {
            return Ok(None);
        };
        let short = list_told.filter(|told| *told > length(&all));
        let told = counts.all.or(short).or(counts.direct.filter(|_| differs));
        if told.is_some_and(|told| told > length(&all)) && !self.plain_is_direct.load(Ordering::Relaxed) {
            let Some(again) = self.reads.all_members(group.id).await? else {
                return Ok(None);
            };
            merge(&mut all, again);
        }
        let found = length(&all);
        match told {
            Some(told) if told < found => {
                return Err(SyncError::TooManyMembers {
                    group: group.id,
                    told,
                    found,
                });
            }
            None if unproved => return Err(SyncError::Unfiltered { group: group.id }),
            None if list_told.is_some_and(|told| told < found) => self.ask_some(group, &all).await?,
            _ => {}
        }
        let is_plain = group.kind == GroupKind::Static && group.direct_groups == Some(0);
        if short.is_some() || is_plain || differs || self.plain_is_whole.load(Ordering::Relaxed) {
            require(&self.reads, group, told.unwrap_or_default(), found)?;
        }
        Ok(Some((all, told)))
    }

    /// Some of those that a list shows are asked whether they belong to the group.
    async fn ask_some(&self, group: &GroupPlan, listed: &[Uuid]) -> Result<(), SyncError> {
        for user in listed.iter().step_by((listed.len() / ASK_SOME).max(1)) {
            if self.reads.is_direct_member(*user, group.id).await?.is_none() {
                return Err(SyncError::NotAMember {
                    user: *user,
                    group: group.id,
                });
            }
        }
        Ok(())
    }

    /// Whether a count is worth a request of its own: for so many groups that it costs half a hundredth of all, and for one.
    fn may_check(&self) -> bool {
        let progress = &self.reads.progress;
        let (users, groups) = (&progress.users, &progress.groups);
        let most = (users.load(Ordering::Relaxed) + 2 * groups.load(Ordering::Relaxed)) / CHECK_ONE_OF;
        self.checks.fetch_add(1, Ordering::Relaxed) < most.max(1)
    }

    /// A group that everybody belongs to looks like a filter that was taken and not applied: the group itself decides, or
    /// where it counts nothing its members. `told` is how many it counts, where that was asked for.
    async fn doubt_everybody(&self, group: &GroupPlan, all: &[Uuid], told: Option<u64>) -> Result<(), SyncError> {
        let users = self.reads.progress.users.load(Ordering::Relaxed);
        if users == 0 || length(all) < users {
            return Ok(());
        }
        let told = match told {
            None => self.reads.counts_of(group.id).await?.and_then(|counts| counts.all),
            told => told,
        };
        match told {
            Some(told) if told < length(all) => Err(SyncError::TooManyMembers {
                group: group.id,
                told,
                found: length(all),
            }),
            Some(_) => Ok(()),
            None => self.ask_some(group, all).await,
        }
    }

    /// Adds whoever belongs to a group through its filter or source and is left out of its plain list. That is looked into
    /// only where the list holds no more than the direct members, and no other group's did; `told` is how many the group
    /// counts, where that was asked for.
    async fn add_hidden(
        &self,
        group: &GroupPlan,
        direct: usize,
        told: Option<u64>,
        all: &mut Vec<Uuid>,
    ) -> Result<(), SyncError> {
        if all.len() > direct {
            self.plain_is_whole.store(true, Ordering::Relaxed);
        }
        if self.plain_is_whole.load(Ordering::Relaxed) {
            return require(&self.reads, group, told.unwrap_or_default(), length(all));
        }
        let told = match told {
            None => self.reads.counts_of(group.id).await?.and_then(|counts| counts.all),
            told => told,
        };
        let Some(told) = told else {
            return Ok(());
        };
        if told <= length(all) {
            return Ok(());
        }
        if !self.plain_is_direct.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                group = %group.id,
                "PingOne lists direct members only; who belongs to a group through its filter or source is asked for apart"
            );
        }
        if let Ok(Some(listed)) = self.reads.typed_members(group.id, MemberKind::Indirect).await? {
            merge(all, listed);
        }
        if let (true, GroupKind::Dynamic { filter }) = (told > length(all), &group.kind) {
            let filter = match group.population {
                Some(population) => format!("population.id eq \"{population}\" and ({filter})"),
                None => filter.clone(),
            };
            if let Ok(ids) = self.reads.matching(&filter).await? {
                merge(all, Ids { ids, ..Ids::default() });
            }
        }
        require(&self.reads, group, told, length(all))
    }

    fn remember_refusal(&self) {
        if !self.type_refused.swap(true, Ordering::Relaxed) {
            tracing::warn!("PingOne refused the membership type in filters; direct members are told apart by counts");
        }
    }
}

/// Whether the list of an external group holds others than it counts. It may count nobody as direct.
fn is_miscounted(group: &GroupPlan, listed: &[Uuid]) -> bool {
    let alone = group.kind == GroupKind::External && group.direct_groups.is_none_or(|groups| groups == 0);
    alone
        && group
            .direct_users
            .is_some_and(|users| users > 0 && users != length(listed))
}

/// Whether activities tell of whoever comes into a group and leaves it.
fn is_told_of(group: &GroupPlan) -> bool {
    matches!(&group.kind, GroupKind::Dynamic { filter } if is_told(filter))
}

/// Adds the ids of a list to those that are known.
fn merge(ids: &mut Vec<Uuid>, listed: Ids) {
    ids.extend(listed.ids);
    ids.sort_unstable();
    ids.dedup();
}

/// A group's members are all there, or the sync ends, where nobody accepts fewer.
fn require(reads: &Reads, group: &GroupPlan, told: u64, found: u64) -> Result<(), SyncError> {
    if found >= told {
        return Ok(());
    }
    let accepted = reads.accept_short(Shortfall {
        what: "members of group",
        of: Some(group.id),
        told,
        found,
    });
    let (origin, remedy) = match group.kind {
        GroupKind::Static => return accepted,
        GroupKind::Dynamic { .. } => (
            "its filter",
            "Check that the worker application's roles cover the whole environment, accept the size once with \
             --accept-shrink, or report this to Ping Identity.",
        ),
        GroupKind::External => (
            "its source",
            "Leave such groups out with --skip-external-groups, accept the size once with --accept-shrink, or report this \
             to Ping Identity.",
        ),
    };
    accepted.map_err(|_| SyncError::MembersHidden {
        group: group.id,
        origin,
        remedy,
        told,
        found,
    })
}
