//! What one process remembers between tasks: facts that do not change, who is at work on what, and what was written a
//! moment ago and lists may not show yet.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use baton::task::TaskId;
use jiff::Timestamp;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use uuid::Uuid;

use super::locks::Locks;
use super::protect::roles::Protected;
use super::scope::Wanted;
use crate::sync::SeenScopes;
use pingone::Principal;
use pingone::types::Environment;

/// How long a list may not show an assignment that was just made (pingone-api.md §3.7).
pub(crate) const LAG: Duration = Duration::from_mins(1);
/// Accounts whose passwords may not have been received.
const MOST_ACCOUNTS: usize = 1_000;

/// Kept for as long as the provisioner lives.
#[derive(Debug)]
pub(crate) struct Memory {
    /// What was made before was made by another process, or in another term.
    pub(super) begun: Timestamp,
    pub(super) environment: OnceCell<Environment>,
    pub(super) organization: OnceCell<Option<String>>,
    pub(super) locks: Locks,
    /// What roles were held over in the last sync.
    pub(super) scopes: OnceLock<SeenScopes>,
    pub(super) protected: tokio::sync::Mutex<Option<Protected>>,
    recent: Mutex<Vec<Recent>>,
    /// Accounts that were made, and the tasks that did.
    accounts: Mutex<VecDeque<(Uuid, TaskId)>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            begun: Timestamp::now(),
            environment: OnceCell::default(),
            organization: OnceCell::default(),
            locks: Locks::default(),
            scopes: OnceLock::new(),
            protected: tokio::sync::Mutex::default(),
            recent: Mutex::default(),
            accounts: Mutex::default(),
        }
    }
}

/// An assignment that was sent and that PingOne's lists may not show yet.
#[derive(Debug)]
struct Recent {
    sent: Instant,
    principal: Principal,
    wanted: Wanted,
    /// Not known where PingOne's answer was lost.
    assignment: Option<Uuid>,
}

impl Recent {
    fn is_of(&self, principal: Principal, wanted: &Wanted) -> bool {
        self.principal == principal && self.wanted == *wanted
    }
}

impl Memory {
    /// The type of a scope that the last sync had.
    pub(crate) fn scope_kind(&self, id: Uuid) -> Option<String> {
        self.scopes.get()?.kind(id)
    }

    /// An assignment was sent, and made with this id or perhaps.
    pub(crate) fn remember(&self, principal: Principal, wanted: &Wanted, assignment: Option<Uuid>) {
        let mut recent = lock(&self.recent);
        recent.retain(|one| one.sent.elapsed() < LAG && !(one.is_of(principal, wanted) && one.assignment.is_none()));
        recent.push(Recent {
            sent: Instant::now(),
            principal,
            wanted: wanted.clone(),
            assignment,
        });
    }

    /// Assignments of this meaning that were made a moment ago.
    pub(crate) fn remembered(&self, principal: Principal, wanted: &Wanted) -> Vec<Uuid> {
        let recent = lock(&self.recent);
        let ours = recent
            .iter()
            .filter(|one| one.is_of(principal, wanted) && one.sent.elapsed() < LAG);
        ours.filter_map(|one| one.assignment).collect()
    }

    /// How long lists may still not show an assignment of this meaning that was sent a moment ago.
    pub(crate) fn lists_lag(&self, principal: Principal, wanted: &Wanted) -> Option<Duration> {
        let recent = lock(&self.recent);
        let ours = recent.iter().filter(|one| one.is_of(principal, wanted));
        ours.filter_map(|one| LAG.checked_sub(one.sent.elapsed()).filter(|left| !left.is_zero()))
            .max()
    }

    /// They were deleted, or never made.
    pub(crate) fn forget(&self, principal: Principal, wanted: &Wanted) {
        lock(&self.recent).retain(|one| !one.is_of(principal, wanted));
    }

    /// A task made an account whose password C1 may never receive.
    pub(crate) fn made_account(&self, user: Uuid, task: &TaskId) {
        let mut accounts = lock(&self.accounts);
        accounts.push_back((user, task.clone()));
        if accounts.len() > MOST_ACCOUNTS {
            accounts.pop_front();
        }
    }

    /// The task that made the account, if it was one of this process and no other password was set since.
    pub(crate) fn maker(&self, user: Uuid) -> Option<TaskId> {
        let accounts = lock(&self.accounts);
        accounts
            .iter()
            .find(|(made, _)| *made == user)
            .map(|(_, task)| task.clone())
    }

    /// The account has another password now.
    pub(crate) fn has_other_password(&self, user: Uuid) {
        lock(&self.accounts).retain(|(made, _)| *made != user);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
