//! What every part of the daemon shares.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::k8s::events::Events;
use crate::pingone::Client;
use crate::runtime::liveness::Liveness;
use crate::runtime::readiness::Readiness;
use crate::runtime::shutdown::Shutdown;
use crate::telemetry::Metrics;

/// Clones share everything.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) metrics: Arc<Metrics>,
    pub(super) readiness: Readiness,
    pub(super) liveness: Liveness,
    pub(super) shutdown: Shutdown,
    pub(super) events: Events,
    /// There as soon as it is known which environment is served.
    pub(super) client: Arc<OnceLock<Client>>,
    role: Arc<Mutex<String>>,
}

impl Context {
    pub(super) fn new(metrics: Arc<Metrics>, events: Events) -> Self {
        Self {
            metrics,
            readiness: Readiness::new(),
            liveness: Liveness::new(),
            shutdown: Shutdown::new(),
            events,
            client: Arc::default(),
            role: Arc::new(Mutex::new("starting".to_owned())),
        }
    }

    /// What this process does now, for the status page.
    pub(super) fn role(&self) -> String {
        self.role.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn play(&self, role: impl Into<String>) {
        *self.role.lock().unwrap_or_else(PoisonError::into_inner) = role.into();
    }
}
