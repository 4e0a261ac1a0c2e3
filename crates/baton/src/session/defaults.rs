//! The set-up of a process that is alone: no election, no proxy, nobody who watches.

use std::sync::Arc;
use std::time::Duration;

use super::{MetadataSource, SessionConfig, SessionParts, TcpDialer, Trust, Verdicts};
use crate::task::TaskRunner;
use process::runtime::leader_guard::LeaderGuard;
use process::runtime::liveness::Liveness;
use process::runtime::readiness::Readiness;
use process::telemetry::{BuildInfo, Metrics};

impl Default for SessionConfig {
    /// As the reference is without any setting (c1-protocol.md §12.2).
    fn default() -> Self {
        Self {
            api_host: None,
            host_id: None,
            batched: false,
            task_concurrency: 3,
            token_limit: Duration::from_mins(5),
            user_agent_suffix: None,
            trust: Trust::System,
            drain_limit: Duration::from_secs(20),
            reports: Duration::from_secs(5),
        }
    }
}

impl SessionParts {
    /// For a process that is alone.
    pub fn alone(
        build: BuildInfo,
        telemetry: Arc<Metrics>,
        runner: Arc<dyn TaskRunner>,
        metadata: MetadataSource,
    ) -> Self {
        Self {
            runner,
            metadata,
            dialer: Arc::new(TcpDialer::default()),
            readiness: Readiness::new(),
            liveness: Liveness::new(),
            telemetry,
            build,
            guard: LeaderGuard::always(),
            observer: None,
            verdicts: Verdicts::default(),
        }
    }
}
