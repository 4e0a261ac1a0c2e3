//! Users whom no list shows where they should be: members who are in no list, and who is in no population that a list shows.
//! Each is asked for by id, so many and no more.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::Users;
use crate::model::USER;
use crate::sync::SyncError;
use crate::sync::error::Shortfall;
use crate::sync::job::{Ended, Job};
use crate::sync::phase::plan::Plan;
use crate::sync::population::UserRow;
use crate::sync::read::length;
use crate::sync::role_scan::scan_users;
use crate::sync::scope::Holdings;
use crate::sync::users::whole;
use crate::sync::writer_thread::Rows;
use pingone::id::UserId;
use pingone::types::User;

/// Users that may turn up as members without being in the list: this many, or a hundredth of all where that is more.
const LATE_MOST: usize = 100;
/// Users that are asked for one by one at a time.
const LATE_AT_A_TIME: usize = 16;

/// A list may lag behind the read of an object, and clocks differ, by less than this.
const LAG: SignedDuration = SignedDuration::from_mins(10);

/// Whether a user was there before the sync began, and has not changed since, as by a move to another population.
fn is_old(user: &User, began: Timestamp) -> bool {
    let is_before = |at: Option<Timestamp>| at.is_none_or(|at| at.saturating_add(LAG).is_ok_and(|at| at < began));
    is_before(user.created_at) && is_before(user.updated_at)
}

impl Users {
    /// The roles of those who turned up late, and the populations that only they name.
    pub(in crate::sync::phase) async fn scan_late(
        &mut self,
        job: &Job,
        plan: &mut Plan,
        mut holdings: Holdings,
    ) -> Result<Holdings, Ended> {
        self.take_strange(job, plan).await?;
        let late = std::mem::take(&mut self.late);
        let listed = self.listed(job, plan);
        holdings = scan_users(job, late.into_iter(), &self.groups, holdings, Some(&listed)).await?;
        self.drop_vanished(job).await?;
        self.prove_roles_of_groups(job, plan, &mut holdings).await?;
        job.reads.prove_listed(std::mem::take(&mut holdings.unlisted)).await?;
        let again = std::mem::take(&mut self.again);
        if !again.is_empty() {
            job.writer.put(Rows::KeepLast(USER, again)).await?;
        }
        Ok(holdings)
    }

    /// Adds the populations of late users that were made after the list was read, with all who live there. One that is there
    /// and stays unlisted ends the sync.
    pub(super) async fn take_strange(&mut self, job: &Job, plan: &mut Plan) -> Result<(), Ended> {
        let mut strange = std::mem::take(&mut self.strange);
        strange.retain(|id| self.names.position(*id).is_none());
        let present = job.reads.present_populations(strange).await?;
        if present.is_empty() {
            return Ok(());
        }
        let fresh = job.reads.list_populations_with(&present).await?;
        let before = self.index.len();
        self.take_populations(job, plan, fresh).await?;
        let made = self.index.iter().skip(before);
        let scanned = made.filter(|(user, population)| self.candidates.includes(*user, *population));
        self.late.extend(scanned.map(|(user, _)| user));
        Ok(())
    }

    /// Asks one by one for those of `members` who are in no list, and adds whoever is there: somebody who came or moved
    /// while the lists were read. Where settings leave users out, being in no list says nothing. Answers those who are not
    /// there.
    pub(in crate::sync::phase) async fn find_late(
        &mut self,
        job: &Job,
        members: impl Iterator<Item = Uuid>,
    ) -> Result<Vec<Uuid>, Ended> {
        if job.options.filters_users() {
            return Ok(Vec::new());
        }
        let unlisted = members.filter(|id| !self.index.contains(UserId(*id)));
        let (mut absent, unknown): (Vec<Uuid>, Vec<Uuid>) = unlisted.partition(|id| self.absent.contains(id));
        if unknown.is_empty() {
            return Ok(absent);
        }
        let asked = unknown.len() + self.late.len() + self.absent.len();
        if asked > LATE_MOST.max(self.index.len() / 100) {
            return Err(SyncError::Strangers { members: asked }.into());
        }
        let mut answers = stream::iter(unknown)
            .map(|id| async move { job.reads.user(id).await.map(|user| (id, user)) })
            .buffered(LATE_AT_A_TIME);
        let (mut found, mut old) = (Vec::new(), Vec::new());
        while let Some(answer) = answers.next().await {
            match answer? {
                (_, Some(user)) => {
                    let row = job.reads.user_row(&user, &self.names, &self.rules);
                    self.strange
                        .extend(user.population_id().filter(|_| row.population.is_none()));
                    if self.index.len() == 0 || is_old(&user, job.home.began) {
                        old.push(row.id);
                    }
                    found.push(row);
                }
                (id, None) => {
                    self.absent.insert(id);
                    absent.push(id);
                }
            }
        }
        drop(answers);
        self.list_with(job, &old).await?;
        found.retain(|user| !self.index.contains(user.id));
        let scanned = found
            .iter()
            .filter(|user| self.candidates.includes(user.id, user.population));
        self.late.extend(scanned.map(|user| user.id));
        self.take(job, found).await?;
        Ok(absent)
    }

    /// Users who were there before the list was read must be in it: it is read once more.
    async fn list_with(&mut self, job: &Job, old: &[UserId]) -> Result<(), Ended> {
        if old.is_empty() {
            return Ok(());
        }
        tracing::warn!(
            users = old.len(),
            "the list of users leaves members of groups out and is read again"
        );
        let before = self.index.len();
        let listed = self.run(job, whole(&[], &job.options)).await?;
        let new = self.index.iter().skip(before);
        let scanned = new.filter(|(user, population)| self.candidates.includes(*user, *population));
        self.late.extend(scanned.map(|(user, _)| user));
        let found = u64::try_from(self.index.len()).unwrap_or(u64::MAX);
        let missing = old.iter().filter(|user| !self.index.contains(**user)).count();
        let told = found.saturating_add(u64::try_from(missing).unwrap_or(u64::MAX));
        let told = told.max(listed.users.unwrap_or(0));
        if told > found {
            job.reads.accept_short(Shortfall {
                what: "users of the environment",
                of: None,
                told,
                found,
            })?;
        }
        Ok(())
    }

    /// Who is in no population that a list shows is asked for: everybody is in one, and that one must be listed.
    pub(super) async fn look_outside(&mut self, job: &Job, plan: &mut Plan) -> Result<(), Ended> {
        loop {
            let outside = self.index.iter().filter(|(_, population)| population.is_none());
            let mut outside: Vec<Uuid> = outside.map(|(user, _)| user.0).collect();
            if outside.is_empty() {
                return Ok(());
            }
            let found = u64::try_from(self.index.len()).unwrap_or(u64::MAX);
            let too_many = (outside.len() > LATE_MOST.max(self.index.len() / 100)).then(|| Shortfall {
                what: "users with their population",
                of: None,
                told: found,
                found: found.saturating_sub(length(&outside)),
            });
            if too_many.is_some() {
                // A few of them tell which population it is.
                outside.truncate(LATE_AT_A_TIME);
            }
            let (rows, strange) = self.ask_outside(job, outside).await?;
            let present = job.reads.present_populations(strange).await?;
            if present.is_empty() {
                return match too_many {
                    Some(short) => Err(SyncError::Short(short).into()),
                    None => self.take(job, rows).await,
                };
            }
            // Those that were made meanwhile come with all who live there.
            let fresh = job.reads.list_populations_with(&present).await?;
            self.take_populations(job, plan, fresh).await?;
        }
    }

    /// These users as rows, and the populations that they name and no list does.
    async fn ask_outside(&self, job: &Job, users: Vec<Uuid>) -> Result<(Vec<UserRow>, BTreeSet<Uuid>), SyncError> {
        let mut answers = stream::iter(users)
            .map(|id| job.reads.user(id))
            .buffered(LATE_AT_A_TIME);
        let (mut rows, mut strange) = (Vec::new(), BTreeSet::new());
        while let Some(answer) = answers.next().await {
            let Some(user) = answer? else { continue };
            let row = job.reads.user_row(&user, &self.names, &self.rules);
            strange.extend(user.population_id().filter(|_| row.population.is_none()));
            rows.push(row);
        }
        Ok((rows, strange))
    }
}
