//! The reads of roles.

use super::Reads;
use super::scopes::OPTIONAL;
use crate::sync::SyncError;
use pingone::types::Role;
use process::error::ErrorClass;

impl Reads {
    /// Built-in and custom roles, merged by id. Of the two lists one may be refused to our client, or fail: then the other
    /// and the table of pingone-api.md §6.9 stand in (§11 Q7). Roles that only assignments name get placeholders.
    pub(crate) async fn roles(&self) -> Result<Vec<Role>, SyncError> {
        let optional = self.client.with_budget(OPTIONAL);
        let (built_in, own) = futures_util::join!(
            self.collect("roles", || optional.builtin_roles(), |role| Some(role.id)),
            self.collect(
                "roles of the environment",
                || self.client.custom_roles(),
                |role| Some(role.id)
            ),
        );
        let own = match own {
            Err(SyncError::PingOne(error)) if error.class() == ErrorClass::Forbidden => {
                tracing::warn!(error = %error, "the list of the environment's roles was refused; custom roles have no names");
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
