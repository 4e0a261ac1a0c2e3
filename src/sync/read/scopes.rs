//! What roles are held over, as far as it is ours to read. A sync can do without it.

use std::time::Duration;

use uuid::Uuid;

use super::Reads;
use pingone::types::{Application, Environment, Population};
use pingone::{Budget, PingOneError};
use process::error::ErrorClass;

/// For reads that a sync can do without.
pub(super) const OPTIONAL: Budget = Budget(Duration::from_secs(30));

impl Reads {
    /// The name of a scope; `None` where it cannot be read or the type has no name that we can ask for. A sync can do
    /// without.
    pub(crate) async fn scope_name(&self, kind: &str, id: Uuid) -> Option<String> {
        let client = self.client.with_budget(OPTIONAL);
        let found = match kind {
            "environment" => client.environment_by_id(id).await.map(|found| found.name),
            "organization" => client.organization(id).await.map(|found| found.name),
            "population" => return self.scope_population(id).await?.name,
            "application" => client.application(id).await.map(|found| found.name),
            "group" => client.group(id).await.map(|found| found.name),
            _ => return None,
        };
        readable(found).flatten()
    }

    /// An environment that roles are held over.
    pub(crate) async fn scope_environment(&self, id: Uuid) -> Option<Environment> {
        readable(self.client.with_budget(OPTIONAL).environment_by_id(id).await)
    }

    /// A population that roles are held over and no list shows; each is asked for once.
    pub(crate) async fn scope_population(&self, id: Uuid) -> Option<Population> {
        let asked = self
            .scope_populations
            .lock()
            .ok()
            .and_then(|asked| asked.get(&id).cloned());
        if let Some(found) = asked {
            return found;
        }
        let found = readable(self.client.with_budget(OPTIONAL).population(id).await);
        if let Ok(mut asked) = self.scope_populations.lock() {
            asked.insert(id, found.clone());
        }
        found
    }

    /// An application that roles are held over and no list shows.
    pub(crate) async fn scope_application(&self, id: Uuid) -> Option<Application> {
        readable(self.client.with_budget(OPTIONAL).whole_application(id).await)
    }
}

/// What a sync can do without: `None` for what is not ours to read, or not there.
fn readable<T>(read: Result<T, PingOneError>) -> Option<T> {
    read.map_err(|error| {
        if !matches!(error.class(), ErrorClass::Forbidden | ErrorClass::NotFound) {
            tracing::warn!(error = %error, "the name of a scope could not be read; its id stands in");
        }
    })
    .ok()
}
