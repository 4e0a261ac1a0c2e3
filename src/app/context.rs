//! What every part of the daemon shares.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::board::Board;
use crate::k8s::events::Events;
use pingone::Client;
use process::runtime::liveness::Liveness;
use process::runtime::readiness::Readiness;
use process::runtime::shutdown::Shutdown;
use process::telemetry::Metrics;

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
    pub(super) board: Arc<Board>,
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
            board: Arc::default(),
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
