//! Which groups are nested in which (pingone-api.md §6.7), read from above, or from below where PingOne does not find
//! nested groups by a filter.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use uuid::Uuid;

use super::SyncError;
use super::error::Shortfall;
use super::job::Job;
use super::observe::Observe;
use super::read::{Reads, TypeRefused, length};
use super::translate::GroupPlan;
use process::runtime::spawn::spawn;

/// Which groups are nested directly in which.
#[derive(Debug, Default, Clone)]
pub(crate) struct Nesting {
    pub(crate) children: BTreeMap<Uuid, Vec<Uuid>>,
    pub(crate) type_refused: bool,
}

impl Nesting {
    pub(crate) fn below_outside_ring(&self, id: Uuid) -> BTreeSet<Uuid> {
        below_outside_ring(&self.children, id)
    }

    /// The groups that hold each other.
    pub(crate) fn rings(&self) -> HashSet<Uuid> {
        let parents = self.children.keys().copied();
        parents.filter(|id| is_in_ring(&self.children, *id)).collect()
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

    /// Reads the nesting graph from above: the groups nested in each parent. Where PingOne does not find them by a filter
    /// that is said, and what was found is not all.
    pub(crate) async fn read(
        observe: &Arc<Observe>,
        groups: &[GroupPlan],
        concurrency: usize,
    ) -> Result<Self, SyncError> {
        let mut nesting = Self::default();
        let asked: Vec<GroupPlan> = groups
            .iter()
            .filter(|group| group.direct_groups != Some(0))
            .cloned()
            .collect();
        let mut answers = stream::iter(asked)
            .map(|group| {
                let observe = Arc::clone(observe);
                async move {
                    let id = group.id;
                    spawn(async move { observe.nested(&group).await })
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
        // A filter that finds nothing anywhere, where no group counts what is nested in it: it may match nothing at all.
        if nesting.children.is_empty() && groups.iter().any(|group| group.direct_groups.is_none()) {
            nesting.type_refused = true;
        }
        Ok(nesting)
    }

    /// The nesting graph of `groups`. Where PingOne does not find nested groups by a filter, all of `everybody` say what they
    /// are nested in.
    pub(crate) async fn of(job: &Job, groups: &[GroupPlan], everybody: &[GroupPlan]) -> Result<Self, SyncError> {
        let mut nesting = Self::read(&job.observe, groups, job.options.concurrency).await?;
        if nesting.type_refused {
            let ids = everybody.iter().map(|group| group.id).collect();
            nesting.children = Self::read_parents(&job.reads, ids, job.options.concurrency).await?;
            nesting.prove(&job.reads, groups).await?;
        }
        Ok(nesting)
    }

    /// Each group holds as many nested groups as it counts, or the sync ends.
    pub(crate) async fn prove(&self, reads: &Reads, groups: &[GroupPlan]) -> Result<(), SyncError> {
        for group in groups {
            let found = self.children.get(&group.id).map_or(0, |children| length(children));
            if group.direct_groups.is_none_or(|told| told <= found) {
                continue;
            }
            let Some(counts) = reads.counts_of(group.id).await? else {
                continue;
            };
            let fresh = counts.nested.or(group.direct_groups);
            if let Some(told) = fresh.filter(|told| *told > found) {
                reads.accept_short(Shortfall {
                    what: "groups nested in group",
                    of: Some(group.id),
                    told,
                    found,
                })?;
            }
        }
        Ok(())
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

/// Every group nested in `id` at any depth; rings end.
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

fn is_in_ring(children: &BTreeMap<Uuid, Vec<Uuid>>, id: Uuid) -> bool {
    let nested = children.get(&id).into_iter().flatten();
    nested
        .copied()
        .any(|child| child != id && below(children, child).contains(&id))
}

/// The groups whose members get to `id`: nested by a way that does not begin inside a ring.
pub(crate) fn below_outside_ring(children: &BTreeMap<Uuid, Vec<Uuid>>, id: Uuid) -> BTreeSet<Uuid> {
    let mut found = BTreeSet::new();
    for child in children.get(&id).into_iter().flatten().copied() {
        let below = below(children, child);
        if child != id && !below.contains(&id) {
            found.insert(child);
            found.extend(below);
        }
    }
    found
}
