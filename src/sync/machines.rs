//! Gateways as holders of roles, and credentials of whoever signs on by itself (access-model.md §3.3, §3.4). What a full and
//! a targeted sync do with them alike.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt};
use uuid::Uuid;

use super::SyncError;
use super::applications::Found;
use super::job::{Ended, Job};
use super::read::Assignment;
use super::role_scan::take_own;
use super::scope::Holdings;
use super::translate;
use crate::model::{APPLICATION, GATEWAY, SECRET};
use baton::model::{Resource, ResourceId};
use pingone::Principal;
use pingone::types::Gateway;

/// The gateways of a sync, by id, with their credentials where those are synced.
#[derive(Debug, Default)]
pub(crate) struct Gateways {
    pub(crate) rows: BTreeMap<Uuid, Gateway>,
    assignments: Vec<(Uuid, Vec<Assignment>)>,
}

impl Gateways {
    /// Reads the list and, where roles are synced, what each holds.
    pub(crate) async fn read(job: &Job) -> Result<Self, SyncError> {
        if !job.options.has(GATEWAY) {
            return Ok(Self::default());
        }
        let mut this = Self {
            rows: job.reads.gateways().await?,
            assignments: Vec::new(),
        };
        if job.scans_roles() {
            let holders = this.rows.values().filter(|row| row.holds_roles());
            let holders = holders.map(|row| row.id).collect();
            this.assignments = this
                .ask(job, holders, |id| job.observe.roles(Principal::Gateway(id)))
                .await?;
        }
        this.complete(job).await?;
        Ok(this)
    }

    /// One gateway, without what it holds: that belongs to the roles.
    pub(crate) async fn without_roles(job: &Job, row: Gateway) -> Result<Self, SyncError> {
        let mut this = Self {
            rows: [(row.id, row)].into(),
            assignments: Vec::new(),
        };
        this.complete(job).await?;
        Ok(this)
    }

    /// Credentials that the rows themselves do not tell, where they are synced.
    async fn complete(&mut self, job: &Job) -> Result<(), SyncError> {
        if !job.options.has(SECRET) {
            return Ok(());
        }
        let silent = self.rows.values().filter(|row| row.credentials.is_none());
        let silent = silent.map(|row| row.id).collect();
        let told = self.ask(job, silent, |id| job.reads.gateway_credentials(id)).await?;
        for (id, credentials) in told {
            if let Some(row) = self.rows.get_mut(&id) {
                row.credentials = Some(credentials);
            }
        }
        Ok(())
    }

    /// What `read` answers for each of these gateways, in their order. Who is gone leaves the sync.
    async fn ask<T, F>(
        &mut self,
        job: &Job,
        wanted: Vec<Uuid>,
        read: impl Fn(Uuid) -> F,
    ) -> Result<Vec<(Uuid, T)>, SyncError>
    where
        F: Future<Output = Result<Option<T>, SyncError>>,
    {
        let answers = wanted.into_iter().map(|id| {
            let answer = read(id);
            async move { answer.await.map(|found| (id, found)) }
        });
        let mut answers = stream::iter(answers).buffered(job.options.concurrency.max(1));
        let mut all = Vec::new();
        while let Some(answer) = answers.next().await {
            job.reads.warnings.step();
            match answer? {
                (id, Some(found)) => all.push((id, found)),
                (id, None) => {
                    job.reads.warnings.vanished(ResourceId::new(GATEWAY, id));
                    self.rows.remove(&id);
                }
            }
        }
        job.reads.warnings.take_vanished();
        Ok(all)
    }

    /// Moves what they hold into `holdings`.
    pub(crate) fn move_into(&mut self, job: &Job, holdings: &mut Holdings) {
        for (id, found) in std::mem::take(&mut self.assignments) {
            if self.rows.contains_key(&id) {
                take_own(&job.reads, holdings, (GATEWAY, id), found);
            }
        }
    }

    /// The gateways as resources, by id.
    pub(crate) fn resources(&self, job: &Job) -> Vec<Resource> {
        let environment = job.home.environment.0;
        self.rows
            .values()
            .map(|row| translate::gateway(row, environment))
            .collect()
    }
}

/// Writes the credentials of what is synced: by owner and id, so that the file depends on the directory alone.
pub(crate) async fn put_secrets(job: &Job, applications: &Found, gateways: &Gateways) -> Result<(), Ended> {
    if !job.options.has(SECRET) {
        return Ok(());
    }
    let mut secrets = Vec::new();
    if job.options.has(APPLICATION) {
        let of_applications = applications.rows.iter();
        secrets.extend(of_applications.filter_map(|(id, row)| translate::client_secret(*id, row)));
    }
    for row in gateways.rows.values() {
        let mut held = row.credentials.clone().unwrap_or_default();
        held.sort_unstable_by_key(|credential| credential.id);
        held.dedup_by_key(|credential| credential.id);
        secrets.extend(
            held.iter()
                .map(|credential| translate::gateway_credential(row, credential)),
        );
    }
    secrets.extend(job.reads.keys().await?.values().map(translate::key));
    job.fetched_now().await?;
    job.put_resources(&secrets).await
}
