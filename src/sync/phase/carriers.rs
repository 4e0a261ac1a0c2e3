//! Groups that hand roles on to their members. What a user holds through one is left out of his own grants, so he must be among
//! those who get it from the group.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use crate::sync::SyncError;
use crate::sync::job::{Job, Outcome};
use crate::sync::phase::plan::Plan;
use crate::sync::writer_thread::Member;

/// Who holds something through a group and was not seen yet as one of its members.
#[derive(Debug)]
pub(super) struct Carriers {
    holders: BTreeMap<Uuid, HashSet<Uuid>>,
    /// By group, those that it hands members on to, itself among them.
    above: HashMap<Uuid, Vec<Uuid>>,
    /// By group, itself and those that hand members on to it.
    below: HashMap<Uuid, BTreeSet<Uuid>>,
}

impl Carriers {
    /// Groups that the settings leave out, or something in them, explain nothing.
    pub(super) fn new(mut holders: BTreeMap<Uuid, HashSet<Uuid>>, plan: &Plan) -> Self {
        let is_synced = |id: &Uuid| plan.group_plans.binary_search_by_key(id, |group| group.id).is_ok();
        let mut below = HashMap::new();
        let mut above = HashMap::<_, Vec<_>>::new();
        holders.retain(|group, _| {
            let mut parts = plan.nesting.below_outside_ring(*group);
            parts.insert(*group);
            let known = parts.iter().all(is_synced);
            if known {
                for part in &parts {
                    above.entry(*part).or_default().push(*group);
                }
                below.insert(*group, parts);
            }
            known
        });
        Self { holders, above, below }
    }

    /// These are the members of a group.
    pub(super) fn explain(&mut self, group: Uuid, members: &[Member]) {
        for above in self.above.get(&group).into_iter().flatten() {
            if let Some(holders) = self.holders.get_mut(above) {
                for member in members {
                    holders.remove(&member.user);
                }
            }
        }
    }

    /// Whoever is left must not be a member any more, nor hold anything through the group; or the sync ends.
    pub(super) async fn settle(self, job: &Job, outcome: &Outcome) -> Result<(), SyncError> {
        for (group, holders) in self.holders {
            let below = self.below.get(&group).into_iter().flatten();
            if below.clone().any(|part| outcome.gone.contains(part)) {
                continue;
            }
            for user in holders {
                if job.reads.is_direct_member(user, group).await?.is_some() {
                    return Err(SyncError::MemberLeftOut { user, group });
                }
                if job.reads.holds_through(user, group).await? {
                    return Err(SyncError::HeldThrough { user, group });
                }
            }
        }
        Ok(())
    }
}
