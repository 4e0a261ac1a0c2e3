//! What a new account is held against: users of the same name, identity providers.

use crate::provision::context::TaskContext;
use crate::provision::error::Failure;
use pingone::types::User;
use pingone::{Client, PingOneError, UsersQuery, equals};
use process::error::ErrorClass;

/// The user with this name, compared without case as PingOne does (pingone-api.md §4.1). `None` may also be one that
/// our application does not see.
pub(super) async fn user(client: Client, username: String) -> Result<Option<User>, PingOneError> {
    let filter = Some(equals("username", &username));
    let found = client.users(&UsersQuery { filter }).all().await?;
    let name = username.to_lowercase();
    Ok(found
        .into_iter()
        .find(|user| user.username.as_ref().is_some_and(|own| own.to_lowercase() == name)))
}

/// The id of the identity provider that a field names by id or the credential by id or exact name.
pub(super) async fn provider(
    task: &TaskContext,
    id: Option<&str>,
    sso: Option<&str>,
) -> Result<Option<String>, Failure> {
    if id.is_none() && sso.is_none() {
        return Ok(None);
    }
    let known = match task.read(task.client().identity_providers()).await {
        Ok(known) => known,
        // An id that cannot be looked up is PingOne's to judge.
        Err(failure) if sso.is_none() && is_forbidden(&failure) => return Ok(id.map(str::to_owned)),
        Err(failure) => return Err(failure),
    };
    let by_id = |wanted: &str| known.iter().find(|provider| provider.id == wanted);
    let mut found = None;
    if let Some(id) = id {
        let provider = by_id(id);
        found =
            Some(provider.ok_or_else(|| {
                Failure::invalid("identity_provider_id names no identity provider of this environment")
            })?);
    }
    if let Some(wanted) = sso {
        let mut named = known.iter().filter(|one| one.name.as_deref() == Some(wanted));
        let provider = match (by_id(wanted), named.next(), named.next()) {
            (Some(one), ..) | (None, Some(one), None) => one,
            (None, Some(_), Some(_)) => {
                return Err(Failure::invalid(
                    "sso_provider names several identity providers; give the id",
                ));
            }
            (None, None, _) => {
                return Err(Failure::invalid(
                    "sso_provider names no identity provider of this environment",
                ));
            }
        };
        if found.is_some_and(|other| other.id != provider.id) {
            return Err(Failure::invalid(
                "identity_provider_id and sso_provider name two providers",
            ));
        }
        found = Some(provider);
    }
    Ok(found.map(|provider| provider.id.clone()))
}

fn is_forbidden(failure: &Failure) -> bool {
    failure
        .pingone()
        .is_some_and(|error| error.class() == ErrorClass::Forbidden)
}
