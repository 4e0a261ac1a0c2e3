//! What the parts of a session share.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::verdicts::Verdicts;
use crate::task::{TaskError, TaskObserver, TaskRunner};
use process::runtime::readiness::Readiness;
use process::telemetry::{BuildInfo, Metrics};

/// Gives the connector's metadata as an encoded `c1.connector.v2.ConnectorMetadata`, read anew for each Hello.
pub type MetadataSource = Arc<dyn Fn() -> BoxFuture<'static, Result<Vec<u8>, TaskError>> + Send + Sync>;

pub(super) struct Inner {
    pub(super) client: Client,
    pub(super) runner: Arc<dyn TaskRunner>,
    pub(super) metadata: MetadataSource,
    pub(super) metrics: Arc<Metrics>,
    pub(super) readiness: Readiness,
    pub(super) build: BuildInfo,
    pub(super) observer: Option<Arc<dyn TaskObserver>>,
    pub(super) batched: bool,
    pub(super) slot_count: usize,
    pub(super) slots: Arc<Semaphore>,
    /// For syncs that leave the last slot to short tasks.
    pub(super) aside: Arc<Semaphore>,
    pub(super) in_flight: InFlight,
    pub(super) verdicts: Verdicts,
    /// How long a poll that is open at the end is awaited.
    pub(super) parting_limit: Duration,
    /// How long cancelled work may take to end by itself.
    pub(super) cancel_timeout: Duration,
}

/// Ids that are being worked on.
#[derive(Debug, Clone, Default)]
pub(super) struct InFlight(Arc<Mutex<HashSet<String>>>);

impl InFlight {
    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id's place; `None` while it is being worked on.
    pub(super) fn enter(&self, id: &str) -> Option<Place> {
        self.lock().insert(id.to_owned()).then(|| Place {
            ids: self.clone(),
            id: id.to_owned(),
        })
    }
}

/// An id's place among those that are worked on. It is given up however the work ends.
#[derive(Debug)]
pub(super) struct Place {
    ids: InFlight,
    id: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.ids.lock().remove(&self.id);
    }
}

/// The tokens that end running tasks.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    /// Ends syncs: at the start of a shutdown.
    pub(super) syncs: CancellationToken,
    /// Ends short tasks: near the end of a shutdown's budget, or when the term ends.
    pub(super) short: CancellationToken,
}
