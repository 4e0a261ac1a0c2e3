//! The reads of applications.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Reads, TypeRefused, absent, length};
use crate::model::APPLICATION;
use crate::sync::SyncError;
use crate::sync::error::Shortfall;
use baton::model::ResourceId;
use pingone::Ids;
use pingone::types::Application;

impl Reads {
    /// The applications by id. Every environment has some, and no count tells of one that is missing.
    pub(crate) async fn applications(&self) -> Result<BTreeMap<Uuid, Application>, SyncError> {
        let mut left_out = None;
        for _ in 0..2 {
            let listed = self.list_applications().await?;
            left_out = self.client.own_left_out(listed.keys().copied()).await?;
            if left_out.is_none() && !listed.is_empty() {
                return Ok(listed);
            }
        }
        Err(match left_out {
            Some(own) => SyncError::Unlisted(ResourceId::new(APPLICATION, own)),
            None => SyncError::Short(Shortfall {
                what: "applications",
                of: None,
                told: 1,
                found: 0,
            }),
        })
    }

    async fn list_applications(&self) -> Result<BTreeMap<Uuid, Application>, SyncError> {
        let list = || self.client.applications();
        let rows = self.collect("applications", list, |application| application.id).await?;
        let places = rows.iter().filter_map(|row| Some((row.id?, row.environment)));
        self.at_home(APPLICATION, places)?;
        Ok(rows.into_iter().filter_map(|row| Some((row.id?, row))).collect())
    }

    /// One application.
    pub(crate) async fn application(&self, id: Uuid) -> Result<Option<Application>, SyncError> {
        absent(self.client.whole_application(id).await)
    }

    /// The application that we sign in as.
    pub(crate) fn own_application(&self) -> Option<Uuid> {
        self.client.own_application()
    }

    /// The users who are in all of these groups; [`TypeRefused`] where PingOne does not take such a filter.
    pub(crate) async fn members_of_all(&self, groups: &[Uuid]) -> Result<Result<Vec<Uuid>, TypeRefused>, SyncError> {
        let read = || self.client.members_of_all(groups);
        let found = self.all_there_or_refused(groups, read).await?;
        let Ok(found) = found else {
            return Ok(Err(TypeRefused));
        };
        let found = found.unwrap_or_default();
        let what = "users who are in all groups of a condition";
        match found.told.filter(|_| found.is_short()) {
            Some(told) => Err(SyncError::Short(Shortfall {
                what,
                of: None,
                told,
                found: length(&found.ids),
            })),
            None => found_or_unfiltered(found, groups).map(Ok),
        }
    }
}

fn found_or_unfiltered(found: Ids, groups: &[Uuid]) -> Result<Vec<Uuid>, SyncError> {
    match groups.first().filter(|_| found.unproved) {
        Some(group) => Err(SyncError::Unfiltered { group: *group }),
        None => Ok(found.ids),
    }
}
