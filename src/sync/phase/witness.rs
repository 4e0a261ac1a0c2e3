//! Witnesses: nothing counts the groups, and a list of members agrees with counts that come from the same place. So some
//! users are asked which groups they belong to: each must be listed, and list them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use uuid::Uuid;

use crate::sync::SyncError;
use crate::sync::index::UserIndex;
use crate::sync::job::Job;
use crate::sync::writer_thread::Member;

/// Reads for one question, which keeps the cost at half a hundredth; one is asked in any case.
const ONE_OF: usize = 200;

/// The groups of users, and whether each was added to them by hand; none of who vanished.
pub(super) async fn groups_of(job: &Job, users: Vec<Uuid>) -> Result<Vec<(Uuid, Vec<(Uuid, bool)>)>, SyncError> {
    stream::iter(users)
        .map(|user| {
            let reads = Arc::clone(&job.reads);
            async move {
                let groups = reads.groups_of(user).await?;
                Ok((user, groups.unwrap_or_default()))
            }
        })
        .buffer_unordered(job.options.concurrency.max(1))
        .try_collect()
        .await
}

/// What some users say of themselves.
#[derive(Debug, Default)]
pub(super) struct Witnesses {
    groups: BTreeSet<Uuid>,
    /// By group, who was added to it by hand.
    direct: BTreeMap<Uuid, BTreeSet<Uuid>>,
}

impl Witnesses {
    /// Asks some of the users, others in each sync.
    pub(super) async fn ask(job: &Job, groups: usize, users: &UserIndex) -> Result<Self, SyncError> {
        let asked = ((users.len() + 2 * groups) / ONE_OF).max(1);
        let apart = users.len().checked_div(asked).unwrap_or_default().max(1);
        let first = usize::from(Uuid::new_v4().as_bytes()[0]) % apart;
        let chosen: Vec<Uuid> = users
            .iter()
            .map(|(user, _)| user.0)
            .skip(first)
            .step_by(apart)
            .take(asked)
            .collect();
        let mut witnesses = Self::default();
        for (user, groups) in groups_of(job, chosen).await? {
            for (group, direct) in groups {
                witnesses.groups.insert(group);
                if direct {
                    witnesses.direct.entry(group).or_default().insert(user);
                }
            }
        }
        Ok(witnesses)
    }

    /// Every group that one of them named.
    pub(super) fn groups(&self) -> impl Iterator<Item = Uuid> {
        self.groups.iter().copied()
    }

    /// Whoever says that he was added to this group is among its members, or is not in it any more; or the sync ends.
    pub(super) async fn confirm(&mut self, job: &Job, group: Uuid, members: &[Member]) -> Result<(), SyncError> {
        for user in self.direct.remove(&group).unwrap_or_default() {
            let is_listed = members.iter().any(|member| member.user == user);
            if !is_listed && job.reads.is_direct_member(user, group).await? == Some(true) {
                return Err(SyncError::MemberLeftOut { user, group });
            }
        }
        Ok(())
    }
}
