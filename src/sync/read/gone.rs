//! What a 404 in PingOne's words is worth. An object is gone when nothing shows it any more: one that its own read or a list
//! still shows must answer, or the sync ends.

use std::collections::BTreeSet;
use std::time::Duration;

use uuid::Uuid;

use super::{Reads, TypeRefused, absent, refusable};
use crate::model::{APPLICATION, GATEWAY, GROUP, POPULATION, USER};
use crate::sync::SyncError;
use baton::model::ResourceId;
use pingone::types::Population;
use pingone::{PingOneError, Principal, equals};
use process::error::ErrorClass;

/// How often an answer is asked for that cannot be true.
pub(super) const ASKS: u32 = 3;
/// Groups that are asked for, at most, when no list shows them: one that is there is enough.
pub(super) const STRANGERS_MOST: usize = 100;
/// Between two of them: lists and reads may lag behind each other.
pub(super) const LAG: Duration = Duration::from_secs(5);

impl Reads {
    /// An answer about an object; `None` when the object is gone.
    pub(super) async fn there<T, F>(&self, object: Principal, read: impl Fn() -> F) -> Result<Option<T>, SyncError>
    where
        F: Future<Output = Result<T, PingOneError>>,
    {
        for ask in 0..ASKS {
            if ask > 0 {
                tokio::time::sleep(LAG).await;
            }
            if let Some(found) = absent(read().await)? {
                return Ok(Some(found));
            }
            if !self.shows(object).await? {
                return Ok(None);
            }
        }
        Err(SyncError::Contradicted(named(object)))
    }

    /// The same for an answer that PingOne may refuse because of its filter.
    pub(super) async fn there_or_refused<T, F>(
        &self,
        object: Principal,
        read: impl Fn() -> F,
    ) -> Result<Result<Option<T>, TypeRefused>, SyncError>
    where
        F: Future<Output = Result<T, PingOneError>>,
    {
        let answer = self.there(object, || async {
            match read().await {
                Err(error) if error.is_filter_refused() => Ok(Err(TypeRefused)),
                other => other.map(Ok),
            }
        });
        Ok(answer.await?.transpose())
    }

    /// An answer about groups together, which PingOne may refuse because of its filter; `None` when one of them is gone.
    pub(super) async fn all_there_or_refused<T, F>(
        &self,
        groups: &[Uuid],
        read: impl Fn() -> F,
    ) -> Result<Result<Option<T>, TypeRefused>, SyncError>
    where
        F: Future<Output = Result<T, PingOneError>>,
    {
        for ask in 0..ASKS {
            if ask > 0 {
                tokio::time::sleep(LAG).await;
            }
            let found = refusable(read().await)?;
            if !matches!(found, Ok(None)) {
                return Ok(found);
            }
            let mut gone = Vec::new();
            for group in groups {
                if absent(self.client.group(*group).await)?.is_none() {
                    gone.push(*group);
                }
            }
            if !gone.is_empty() {
                self.prove_gone(gone.iter()).await?;
                return Ok(found);
            }
        }
        let first = groups.first().copied().unwrap_or_default();
        Err(SyncError::Contradicted(named(Principal::Group(first))))
    }

    /// Whether a read of an object shows it, or of a user the list.
    async fn shows(&self, object: Principal) -> Result<bool, SyncError> {
        let id = object.id();
        match object {
            Principal::User(_) => {
                if absent(self.client.user(id).await)?.is_some() {
                    return Ok(true);
                }
                let listed = self.client.user_ids(Some(equals("id", &id.to_string()))).await;
                Ok(matches!(refusable(listed)?, Ok(Some(ids)) if ids.contains(&id)))
            }
            // Whether the list shows it is for `prove_gone`: one list for all that are gone.
            Principal::Group(_) => Ok(absent(self.client.group(id).await)?.is_some()),
            Principal::Gateway(_) => Ok(absent(self.client.gateway(id).await)?.is_some()),
            Principal::Application(_) => Ok(absent(self.client.whole_application(id).await)?.is_some()),
        }
    }

    /// Each of these groups is gone, hidden from our client, or was made meanwhile and is listed now; or the sync ends,
    /// because the list leaves groups out.
    pub(crate) async fn prove_listed(&self, groups: BTreeSet<Uuid>) -> Result<(), SyncError> {
        let mut shown = Vec::new();
        for id in groups.into_iter().take(STRANGERS_MOST) {
            match self.group(id).await {
                Ok(None) => {}
                Ok(Some(_)) => shown.push(id),
                Err(SyncError::PingOne(error)) if error.class() == ErrorClass::Forbidden => {
                    tracing::warn!(group = %id, "a group that other answers name is hidden from the worker application");
                }
                Err(error) => return Err(error),
            }
        }
        let mut missing = None;
        for ask in 0..ASKS {
            if shown.is_empty() {
                return Ok(());
            }
            if ask > 0 {
                tokio::time::sleep(LAG).await;
            }
            let listed = self.groups().await?;
            shown.retain(|id| listed.iter().all(|group| group.id != *id));
            missing = shown.first().copied();
        }
        missing.map_or(Ok(()), |group| Err(SyncError::Unlisted(ResourceId::new(GROUP, group))))
    }

    /// Those of these populations that are there; the others are gone, of another environment, or hidden from our client.
    pub(crate) async fn present_populations(&self, named: BTreeSet<Uuid>) -> Result<Vec<Uuid>, SyncError> {
        let mut present = Vec::new();
        for id in named.into_iter().take(STRANGERS_MOST) {
            if self.has_population(id).await? {
                present.push(id);
            }
        }
        Ok(present)
    }

    /// The populations as they are listed now, with these among them, which were made meanwhile; or the sync ends, because
    /// the list leaves populations out.
    pub(crate) async fn list_populations_with(&self, present: &[Uuid]) -> Result<Vec<Population>, SyncError> {
        let mut missing = None;
        for ask in 0..ASKS {
            if ask > 0 {
                tokio::time::sleep(LAG).await;
            }
            let listed = self.populations().await?;
            missing = present.iter().find(|id| listed.iter().all(|one| one.id != **id));
            if missing.is_none() {
                return Ok(listed);
            }
        }
        missing.map_or(Ok(Vec::new()), |id| {
            Err(SyncError::Unlisted(ResourceId::new(POPULATION, id)))
        })
    }

    /// No list shows these groups any more, or the sync ends.
    pub(crate) async fn prove_gone(&self, gone: impl Iterator<Item = &Uuid> + Clone) -> Result<(), SyncError> {
        let mut shown = None;
        for ask in 0..ASKS {
            if ask > 0 {
                tokio::time::sleep(LAG).await;
            }
            let listed = self.groups().await?;
            shown = gone.clone().find(|gone| listed.iter().any(|group| group.id == **gone));
            if shown.is_none() {
                return Ok(());
            }
        }
        shown.map_or(Ok(()), |group| {
            Err(SyncError::Contradicted(named(Principal::Group(*group))))
        })
    }

    /// No list shows these applications any more, or the sync ends.
    pub(crate) async fn prove_applications_gone(&self, gone: &[Uuid]) -> Result<(), SyncError> {
        let mut shown = None;
        for ask in 0..ASKS {
            if ask > 0 {
                tokio::time::sleep(LAG).await;
            }
            let listed = self.applications().await?;
            shown = gone.iter().find(|gone| listed.contains_key(gone));
            if shown.is_none() {
                return Ok(());
            }
        }
        shown.map_or(Ok(()), |id| {
            Err(SyncError::Contradicted(named(Principal::Application(*id))))
        })
    }
}

fn named(object: Principal) -> ResourceId {
    let kind = match object {
        Principal::Group(_) => GROUP,
        Principal::Application(_) => APPLICATION,
        Principal::Gateway(_) => GATEWAY,
        Principal::User(_) => USER,
    };
    ResourceId::new(kind, object.id())
}
