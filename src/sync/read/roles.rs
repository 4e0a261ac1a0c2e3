//! The reads of roles.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use super::gone::{ASKS, LAG, STRANGERS_MOST};
use super::scopes::OPTIONAL;
use super::{Reads, absent};
use crate::model::ROLE;
use crate::sync::SyncError;
use crate::sync::error::Shortfall;
use baton::model::ResourceId;
use pingone::id::RoleId;
use pingone::types::Role;
use process::error::ErrorClass;

impl Reads {
    /// Built-in and custom roles, merged by id. Of the two lists one may be refused to our client, or fail: then the other
    /// and the table of pingone-api.md §6.9 stand in (§11 Q7). Roles that only assignments name get placeholders.
    pub(crate) async fn roles(&self) -> Result<Vec<Role>, SyncError> {
        let optional = self.client.with_budget(OPTIONAL);
        let (built_in, own) = futures_util::join!(
            self.collect("roles", || optional.builtin_roles(), |role| Some(role.id)),
            self.own_roles(),
        );
        let own = match own {
            Err(SyncError::PingOne(error)) if error.class() == ErrorClass::Forbidden => {
                tracing::warn!(error = %error, "the list of the environment's roles was refused; custom roles have no names");
                self.own_roles_refused.store(true, Ordering::Relaxed);
                None
            }
            own => Some(own?),
        };
        let mut roles = match built_in {
            // Every environment has built-in roles: an empty list of them is nobody's.
            Ok(roles) if roles.is_empty() => self.roles_by_table(own.as_deref()),
            Ok(roles) => roles,
            Err(error) if own.is_some() || error.class() == ErrorClass::Forbidden => {
                tracing::warn!(error = %error, "the list of built-in roles could not be read; names come from a table");
                self.roles_by_table(own.as_deref())
            }
            Err(error) => return Err(error),
        };
        merge(&mut roles, own.unwrap_or_default(), true);
        roles.sort_unstable_by_key(|role| role.id);
        Ok(roles)
    }

    /// The environment's list, which holds built-in roles, too (pingone-api.md §6.9): an empty one is nobody's.
    async fn own_roles(&self) -> Result<Vec<Role>, SyncError> {
        let what = "roles of the environment";
        for _ in 0..2 {
            let listed = self.collect(what, || self.client.custom_roles(), |role| Some(role.id));
            let listed = listed.await?;
            self.at_home(ROLE, listed.iter().map(|role| (role.id, role.environment)))?;
            if !listed.is_empty() {
                return Ok(listed);
            }
        }
        Err(SyncError::Short(Shortfall {
            what,
            of: None,
            told: 1,
            found: 0,
        }))
    }

    /// Those of these roles that lists show by now: assignments name them, and no list did when it was read. One that is
    /// there and stays unlisted ends the sync; the others are gone, of another environment, or hidden from our client.
    pub(crate) async fn late_roles(&self, named: impl Iterator<Item = RoleId>) -> Result<Vec<Role>, SyncError> {
        let mut present = BTreeSet::new();
        for id in named.take(STRANGERS_MOST) {
            if self.own_roles_refused.load(Ordering::Relaxed) {
                return Ok(Vec::new());
            }
            match absent(self.client.role(id.0).await) {
                Err(SyncError::PingOne(error)) if error.class() == ErrorClass::Forbidden => {}
                found => present.extend(found?.map(|_| id.0)),
            }
        }
        let mut missing = None;
        for ask in 0..ASKS {
            if present.is_empty() {
                return Ok(Vec::new());
            }
            if ask > 0 {
                tokio::time::sleep(LAG).await;
            }
            let mut listed = self.roles().await?;
            listed.retain(|role| present.contains(&role.id));
            missing = present.iter().find(|id| listed.iter().all(|role| role.id != **id));
            if missing.is_none() {
                return Ok(listed);
            }
        }
        missing.map_or(Ok(Vec::new()), |role| {
            Err(SyncError::Unlisted(ResourceId::new(ROLE, role)))
        })
    }

    /// The table of built-in roles. What the API says of a role in `own` outranks it.
    fn roles_by_table(&self, own: Option<&[Role]>) -> Vec<Role> {
        let table = self.client.fallback_roles();
        let mut told = own.unwrap_or_default().to_vec();
        told.retain(|role| table.iter().any(|known| known.id == role.id));
        merge(&mut told, table, false);
        told
    }
}

/// Completes known roles by what `others` says of them, and adds those that are new.
fn merge(roles: &mut Vec<Role>, others: Vec<Role>, from_environment: bool) {
    for mut role in others {
        if let Some(known) = roles.iter_mut().find(|known| known.id == role.id) {
            known.complete(role);
        } else {
            role.from_environment = from_environment;
            roles.push(role);
        }
    }
}
