//! The registry and its typed handles. The registry is injected, never the global one.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use super::process::ProcessCollector;

mod observations;
mod table;

pub use table::{Kind, PREFIX, SPECS, Spec};

const REQUEST_BUCKETS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const TASK_BUCKETS: &[f64] = &[0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];
const SYNC_BUCKETS: &[f64] = &[1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 7200.0, 21600.0];

/// Methods of C1's service that we call.
pub const RPC_METHODS: [&str; 6] = ["Hello", "GetTask", "GetTasks", "Heartbeat", "FinishTask", "UploadAsset"];

/// Why requests to `PingOne` are repeated.
const RETRY_REASONS: [&str; 3] = ["transient", "throttled", "token"];

/// The file as it is, and unpacked.
const C1Z_FORMS: [&str; 2] = ["c1z", "decoded"];

/// How a task, or a sync, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Success,
    /// Ended with an error.
    Error,
    /// Ended by C1, by a lost heartbeat or by our shutdown.
    Cancelled,
    /// It ended somehow, and C1 did not take the verdict. Counted again by its own outcome if C1 takes it later.
    Unreported,
}

impl Outcome {
    /// Every value.
    pub const ALL: [Self; 4] = [Self::Success, Self::Error, Self::Cancelled, Self::Unreported];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
            Self::Unreported => "unreported",
        }
    }
}

/// What answered a sync task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncSource {
    /// A warm snapshot.
    Snapshot,
    /// An equal sync that ran already.
    Shared,
    /// A sync that ran for the task.
    Fresh,
}

impl SyncSource {
    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Shared => "shared",
            Self::Fresh => "fresh",
        }
    }
}

/// Which build runs.
#[derive(Debug, Clone, Copy)]
pub struct BuildInfo {
    /// Name of the program.
    pub package: &'static str,
    /// Crate version.
    pub version: &'static str,
    /// Source revision, or `unknown`.
    pub revision: &'static str,
    /// Compiler version.
    pub rustc: &'static str,
}

/// Typed handles. Cheap to share behind an `Arc`; recording never blocks and never fails.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub leader: IntGauge,
    pub standby: IntGauge,
    pub unreported_verdicts: IntGauge,
    /// `sync_shrink_refusals_total`
    pub shrink_refusals: IntCounter,
    /// `lease_transitions_total`
    pub lease_transitions: IntCounter,
    pub session_connected: IntGauge,
    pub tasks_in_flight: IntGauge,
    /// `finish_failures_total`
    pub finish_failures: IntCounter,
    /// `heartbeat_failures_total`
    pub heartbeat_failures: IntCounter,
    /// `upload_bytes_total`
    pub upload_bytes: IntCounter,
    rpc_handled: IntCounterVec,
    rpc_seconds: HistogramVec,
    tasks_finished: IntCounterVec,
    task_seconds: HistogramVec,
    sync_last_success: Gauge,
    syncs_running: IntGauge,
    sync_progress: Gauge,
    sync_seconds: HistogramVec,
    sync_objects: IntGaugeVec,
    environment_info: IntGaugeVec,
    sync_grants: IntGaugeVec,
    sync_warnings: IntCounterVec,
    pingone_rate: GaugeVec,
    pingone_waiting: IntGaugeVec,
    pingone_waited: GaugeVec,
    /// Brings up to date what nobody tells of.
    refresh: Refresh,
    sync_answers: IntCounterVec,
    observations: IntCounterVec,
    observations_oldest: IntGauge,
    observations_compared: IntCounter,
    observation_differences: IntCounter,
    sync_activities: IntCounter,
    activity_gaps: IntCounterVec,
    pingone_requests: IntCounterVec,
    pingone_seconds: HistogramVec,
    pingone_retries: IntCounterVec,
    c1z_size: IntGaugeVec,
    credentials_reloads: IntCounterVec,
    credentials_problem: IntGaugeVec,
    credentials_info: IntGaugeVec,
    credentials_since: IntGaugeVec,
    /// The label that each side's `credentials_info` has.
    fingerprints: Mutex<HashMap<&'static str, String>>,
    log_dropped: IntCounter,
}

/// What is called before each reading.
type RefreshFn = Box<dyn Fn(&Metrics) + Send + Sync>;

#[derive(Default)]
struct Refresh(OnceLock<RefreshFn>);

impl std::fmt::Debug for Refresh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Refresh").field(&self.0.get().is_some()).finish()
    }
}

struct Builder(Registry);

impl Builder {
    fn add<C: prometheus::core::Collector + Clone + 'static>(&self, collector: C) -> Result<C, prometheus::Error> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    fn counter(&self, spec: Spec) -> Result<IntCounter, prometheus::Error> {
        self.add(IntCounter::with_opts(Opts::new(spec.name, spec.help))?)
    }

    fn counters(&self, spec: Spec) -> Result<IntCounterVec, prometheus::Error> {
        self.add(IntCounterVec::new(Opts::new(spec.name, spec.help), spec.labels)?)
    }

    fn gauge(&self, spec: Spec) -> Result<IntGauge, prometheus::Error> {
        self.add(IntGauge::with_opts(Opts::new(spec.name, spec.help))?)
    }

    fn gauges(&self, spec: Spec) -> Result<IntGaugeVec, prometheus::Error> {
        self.add(IntGaugeVec::new(Opts::new(spec.name, spec.help), spec.labels)?)
    }

    fn float(&self, spec: Spec) -> Result<Gauge, prometheus::Error> {
        self.add(Gauge::with_opts(Opts::new(spec.name, spec.help))?)
    }

    fn floats(&self, spec: Spec) -> Result<GaugeVec, prometheus::Error> {
        self.add(GaugeVec::new(Opts::new(spec.name, spec.help), spec.labels)?)
    }

    fn histograms(&self, spec: Spec, buckets: &[f64]) -> Result<HistogramVec, prometheus::Error> {
        let opts = HistogramOpts::new(spec.name, spec.help).buckets(buckets.to_vec());
        self.add(HistogramVec::new(opts, spec.labels)?)
    }
}

impl Metrics {
    /// Registers everything of [`SPECS`] and creates the label values that are known beforehand, so that their series
    /// exist at 0. `task_kinds` are the names of the task kinds.
    pub fn new(build: BuildInfo, task_kinds: &[&'static str]) -> Result<Self, prometheus::Error> {
        let b = Builder(Registry::new());
        let build_info = b.gauges(table::BUILD_INFO)?;
        build_info
            .with_label_values(&[build.version, build.revision, build.rustc])
            .set(1);
        b.0.register(Box::new(ProcessCollector::new(
            table::PROCESS_SPECS.map(|spec| Opts::new(spec.name, spec.help)),
        )?))?;
        let metrics = Self {
            leader: b.gauge(table::LEADER)?,
            standby: b.gauge(table::STANDBY)?,
            unreported_verdicts: b.gauge(table::VERDICTS_UNREPORTED)?,
            shrink_refusals: b.counter(table::SYNC_SHRUNK)?,
            environment_info: b.gauges(table::ENVIRONMENT_INFO)?,
            sync_grants: b.gauges(table::SYNC_GRANTS)?,
            sync_warnings: b.counters(table::SYNC_WARNINGS)?,
            pingone_rate: b.floats(table::PINGONE_RATE)?,
            pingone_waiting: b.gauges(table::PINGONE_WAITING)?,
            pingone_waited: b.floats(table::PINGONE_WAITED)?,
            refresh: Refresh::default(),
            lease_transitions: b.counter(table::LEASE_TRANSITIONS)?,
            session_connected: b.gauge(table::SESSION_CONNECTED)?,
            tasks_in_flight: b.gauge(table::TASKS_IN_FLIGHT)?,
            finish_failures: b.counter(table::FINISH_FAILURES)?,
            heartbeat_failures: b.counter(table::HEARTBEAT_FAILURES)?,
            upload_bytes: b.counter(table::UPLOAD_BYTES)?,
            rpc_handled: b.counters(table::RPC_HANDLED)?,
            rpc_seconds: b.histograms(table::RPC_SECONDS, REQUEST_BUCKETS)?,
            tasks_finished: b.counters(table::TASKS_FINISHED)?,
            task_seconds: b.histograms(table::TASK_SECONDS, TASK_BUCKETS)?,
            sync_last_success: b.float(table::SYNC_LAST_SUCCESS)?,
            syncs_running: b.gauge(table::SYNCS_RUNNING)?,
            sync_progress: b.float(table::SYNC_PROGRESS)?,
            sync_seconds: b.histograms(table::SYNC_SECONDS, SYNC_BUCKETS)?,
            sync_objects: b.gauges(table::SYNC_OBJECTS)?,
            sync_answers: b.counters(table::SYNC_ANSWERS)?,
            observations: b.counters(table::OBSERVATIONS)?,
            observations_oldest: b.gauge(table::OBSERVATIONS_OLDEST)?,
            observations_compared: b.counter(table::OBSERVATIONS_COMPARED)?,
            observation_differences: b.counter(table::OBSERVATION_DIFFERENCES)?,
            sync_activities: b.counter(table::SYNC_ACTIVITIES)?,
            activity_gaps: b.counters(table::ACTIVITY_GAPS)?,
            pingone_requests: b.counters(table::PINGONE_REQUESTS)?,
            pingone_seconds: b.histograms(table::PINGONE_SECONDS, REQUEST_BUCKETS)?,
            pingone_retries: b.counters(table::PINGONE_RETRIES)?,
            c1z_size: b.gauges(table::C1Z_SIZE)?,
            credentials_reloads: b.counters(table::CREDENTIALS_RELOADS)?,
            credentials_problem: b.gauges(table::CREDENTIALS_PROBLEM)?,
            credentials_info: b.gauges(table::CREDENTIALS_INFO)?,
            credentials_since: b.gauges(table::CREDENTIALS_SINCE)?,
            fingerprints: Mutex::default(),
            log_dropped: b.counter(table::LOG_DROPPED)?,
            registry: b.0,
        };
        metrics.create_series(task_kinds);
        Ok(metrics)
    }

    fn create_series(&self, task_kinds: &[&'static str]) {
        for method in RPC_METHODS {
            self.rpc_handled.with_label_values(&[method, "OK"]);
            self.rpc_seconds.with_label_values(&[method]);
        }
        for kind in task_kinds {
            self.task_seconds.with_label_values(&[*kind]);
            for outcome in Outcome::ALL {
                self.tasks_finished.with_label_values(&[*kind, outcome.as_str()]);
            }
        }
        for outcome in [Outcome::Success, Outcome::Error, Outcome::Cancelled] {
            self.sync_seconds.with_label_values(&[outcome.as_str()]);
        }
        for reason in RETRY_REASONS {
            self.pingone_retries.with_label_values(&[reason]);
        }
        for form in C1Z_FORMS {
            self.c1z_size.with_label_values(&[form]);
        }
        for source in [SyncSource::Snapshot, SyncSource::Shared, SyncSource::Fresh] {
            self.sync_answers.with_label_values(&[source.as_str()]);
        }
        for outcome in ["accepted", "refused", "unproved", "restored"] {
            self.credentials_reloads.with_label_values(&[outcome]);
        }
    }

    /// A call to C1 ended.
    pub fn rpc(&self, method: &'static str, code: &'static str, elapsed: Duration) {
        self.rpc_handled.with_label_values(&[method, code]).inc();
        self.rpc_seconds
            .with_label_values(&[method])
            .observe(elapsed.as_secs_f64());
    }

    /// A task of C1 ended.
    pub fn task(&self, kind: &'static str, outcome: Outcome, elapsed: Duration) {
        self.tasks_finished.with_label_values(&[kind, outcome.as_str()]).inc();
        self.task_seconds
            .with_label_values(&[kind])
            .observe(elapsed.as_secs_f64());
    }

    /// A verdict that C1 did not take before was sent again.
    pub fn task_reported(&self, kind: &'static str, outcome: Outcome) {
        if outcome != Outcome::Unreported {
            self.tasks_finished.with_label_values(&[kind, outcome.as_str()]).inc();
        }
    }

    /// A sync ended.
    pub fn sync(&self, outcome: Outcome, elapsed: Duration) {
        self.sync_seconds
            .with_label_values(&[outcome.as_str()])
            .observe(elapsed.as_secs_f64());
    }

    /// A sync has reached whom it is for.
    pub fn sync_succeeded_now(&self) {
        self.sync_succeeded(SystemTime::now());
    }

    /// A sync reached whom it is for at this time, which may be that of an earlier process; an older time changes nothing.
    pub fn sync_succeeded(&self, at: SystemTime) {
        let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64().floor();
        self.sync_last_success.set(seconds.max(self.sync_last_success.get()));
    }

    /// A sync runs, as long as what is returned lives.
    pub fn sync_running(&self) -> impl Drop + Send + use<> {
        self.syncs_running.inc();
        Running(self.syncs_running.clone())
    }

    /// A running sync gets on.
    pub fn sync_progressed_now(&self) {
        self.sync_progress.set(unix_seconds());
    }

    /// How many resources of a type the last successful sync holds.
    pub fn sync_objects(&self, resource_type: &'static str, count: u64) {
        self.sync_objects
            .with_label_values(&[resource_type])
            .set(saturating(count));
    }

    /// How many grants on resources of a type the last successful sync holds.
    pub fn sync_grants(&self, resource_type: &'static str, count: u64) {
        self.sync_grants
            .with_label_values(&[resource_type])
            .set(saturating(count));
    }

    /// What a sync left out or found odd; 0 makes the series.
    pub fn sync_warnings(&self, kind: &'static str, count: u64) {
        self.sync_warnings.with_label_values(&[kind]).inc_by(count);
    }

    /// Which environment is served.
    pub fn environment(&self, id: &str, region: &'static str) {
        self.environment_info.with_label_values(&[id, region]).set(1);
    }

    /// How a rate group stands.
    pub fn pingone_rate(&self, group: &'static str, per_second: f64, waiting: usize, waited: Duration) {
        self.pingone_rate.with_label_values(&[group]).set(per_second);
        self.pingone_waiting
            .with_label_values(&[group])
            .set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.pingone_waited
            .with_label_values(&[group])
            .set(waited.as_secs_f64());
    }

    /// Calls this before each reading; the first one given stays.
    pub fn before_each_reading(&self, refresh: impl Fn(&Self) + Send + Sync + 'static) {
        self.refresh.0.set(Box::new(refresh)).ok();
    }

    /// What answered a sync task.
    pub fn sync_answer(&self, source: SyncSource) {
        self.sync_answers.with_label_values(&[source.as_str()]).inc();
    }

    /// A request to `PingOne` ended.
    pub fn pingone_request(&self, operation: &'static str, status_class: &'static str, elapsed: Duration) {
        self.pingone_requests
            .with_label_values(&[operation, status_class])
            .inc();
        self.pingone_duration(operation).observe(elapsed.as_secs_f64());
    }

    /// The handle for one operation's duration, for callers that resolve it once.
    pub fn pingone_duration(&self, operation: &'static str) -> Histogram {
        self.pingone_seconds.with_label_values(&[operation])
    }

    /// A request to `PingOne` is repeated.
    pub fn pingone_retry(&self, reason: &'static str) {
        self.pingone_retries.with_label_values(&[reason]).inc();
    }

    /// Size of the last file in one of its forms (`sqlite`, `c1z`).
    pub fn c1z_size(&self, form: &'static str, bytes: u64) {
        self.c1z_size.with_label_values(&[form]).set(saturating(bytes));
    }

    /// Whether the sources hold what cannot be used for this reason.
    pub fn credentials_problem(&self, side: &'static str, reason: &'static str, is_so: bool) {
        self.credentials_problem
            .with_label_values(&[side, reason])
            .set(i64::from(is_so));
    }

    /// These credentials are in use since then, and no others of this side.
    pub fn credentials_in_use(&self, side: &'static str, fingerprint: &str, since: SystemTime) {
        let seconds = since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.credentials_since
            .with_label_values(&[side])
            .set(saturating(seconds));
        let mut shown = self.fingerprints.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = shown.insert(side, fingerprint.to_owned())
            && old != fingerprint
        {
            self.credentials_info.remove_label_values(&[side, old.as_str()]).ok();
        }
        self.credentials_info.with_label_values(&[side, fingerprint]).set(1);
    }

    /// Changed credentials were taken (`accepted`) or not (`refused`), see the metric's text.
    pub fn credentials_reload(&self, outcome: &'static str) {
        self.credentials_reloads.with_label_values(&[outcome]).inc();
    }

    /// The registry, for further collectors.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The text exposition, version 0.0.4.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        if let Some(refresh) = self.refresh.0.get() {
            refresh(self);
        }
        let dropped = super::logging::writer::dropped();
        self.log_dropped.inc_by(dropped.saturating_sub(self.log_dropped.get()));
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

struct Running(IntGauge);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn unix_seconds() -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap_or_default().as_secs_f64().floor()
}

fn saturating(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
