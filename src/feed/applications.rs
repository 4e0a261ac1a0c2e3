//! The applications that a sync emits, so that an event names none that is in no file.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use pingone::{Client, PingOneError};

/// How long a list of applications counts: they change rarely, and a page of events is asked for every few seconds.
const FRESH: Duration = Duration::from_mins(5);

/// When the list was read, and the ids in it.
type Listed = (Instant, Arc<HashSet<Uuid>>);

/// Remembers the list of applications. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownApplications(Arc<Mutex<Option<Listed>>>);

impl KnownApplications {
    /// The ids of the list as it was at most five minutes ago.
    pub(super) async fn ids(&self, client: &Client) -> Result<Arc<HashSet<Uuid>>, PingOneError> {
        let mut known = self.0.lock().await;
        if let Some((_, ids)) = known.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(Arc::clone(ids));
        }
        let rows = client.applications().all().await?;
        let ids: Arc<HashSet<Uuid>> = Arc::new(rows.into_iter().filter_map(|row| row.id).collect());
        *known = Some((Instant::now(), Arc::clone(&ids)));
        Ok(ids)
    }
}
