//! The registry and its typed handles. The registry is injected, never the global one.

use std::time::Duration;

use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use super::process::ProcessCollector;

/// Prefix of every name but `process_*`.
pub const PREFIX: &str = "baton_ping_one_";

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, sum and count.
    Histogram,
}

impl Kind {
    /// The word in the exposition format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric of the table.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// Full name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Label names.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

macro_rules! specs {
    ($($ident:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(const $ident: Spec = Spec { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };)+
        /// Every metric of ours and the process's, in the order of `docs/metrics.md`.
        pub const SPECS: &[Spec] = &[$($ident),+];
    };
}

specs! {
    BUILD_INFO = Gauge "baton_ping_one_build_info" ["version", "revision", "rustc"]
        "Always 1; the labels say which build runs.";
    LEADER = Gauge "baton_ping_one_leader" [] "1 while this replica leads, else 0.";
    LEASE_TRANSITIONS = Counter "baton_ping_one_lease_transitions_total" []
        "How often this replica took or lost the Lease.";
    SESSION_CONNECTED = Gauge "baton_ping_one_session_connected" []
        "1 while C1 answers, 0 before Hello and after a failed call.";
    RPC_HANDLED = Counter "baton_ping_one_rpc_client_handled_total" ["method", "code"]
        "Calls to C1 that ended, by gRPC code.";
    RPC_SECONDS = Histogram "baton_ping_one_rpc_client_handling_seconds" ["method"]
        "How long calls to C1 took.";
    TASKS_IN_FLIGHT = Gauge "baton_ping_one_tasks_in_flight" [] "Tasks of C1 that are being worked on.";
    TASKS_FINISHED = Counter "baton_ping_one_tasks_finished_total" ["kind", "outcome"]
        "Tasks of C1 that ended.";
    TASK_SECONDS = Histogram "baton_ping_one_task_duration_seconds" ["kind"]
        "How long tasks took, from the poll to the end of FinishTask.";
    FINISH_FAILURES = Counter "baton_ping_one_finish_failures_total" []
        "FinishTask calls that C1 did not take; the task is offered again.";
    HEARTBEAT_FAILURES = Counter "baton_ping_one_heartbeat_failures_total" []
        "Heartbeats that C1 did not answer.";
    SYNC_LAST_SUCCESS = Gauge "baton_ping_one_sync_last_success_timestamp_seconds" []
        "When the last sync was uploaded, or written by a daemon without C1; 0 before the first.";
    SYNC_SECONDS = Histogram "baton_ping_one_sync_duration_seconds" ["outcome"]
        "How long syncs took, without the upload.";
    SYNC_OBJECTS = Gauge "baton_ping_one_sync_objects" ["resource_type"]
        "Resources in the last successful sync.";
    SYNC_ANSWERS = Counter "baton_ping_one_sync_answers_total" ["source"]
        "Sync tasks by what answered them: a warm snapshot or a fresh sync.";
    ENGINE_FALLBACKS = Counter "baton_ping_one_storage_engine_fallbacks_total" []
        "Syncs that asked for a storage engine we do not write and got SQLite.";
    PINGONE_REQUESTS = Counter "baton_ping_one_pingone_requests_total" ["operation", "status_class"]
        "Requests to PingOne.";
    PINGONE_SECONDS = Histogram "baton_ping_one_pingone_request_duration_seconds" ["operation"]
        "How long requests to PingOne took.";
    PINGONE_RETRIES = Counter "baton_ping_one_pingone_retries_total" ["reason"]
        "Requests to PingOne that were repeated.";
    C1Z_SIZE = Gauge "baton_ping_one_c1z_size_bytes" ["form"] "Size of the last file.";
    UPLOAD_BYTES = Counter "baton_ping_one_upload_bytes_total" [] "Bytes sent to C1 in uploads, repeats included.";
    CREDENTIALS_RELOADS = Counter "baton_ping_one_credentials_reloads_total" ["outcome"]
        "Changed credentials, by whether they were taken.";
    PROCESS_CPU = Counter "process_cpu_seconds_total" [] "User and system CPU time.";
    PROCESS_RESIDENT = Gauge "process_resident_memory_bytes" [] "Resident memory.";
    PROCESS_VIRTUAL = Gauge "process_virtual_memory_bytes" [] "Virtual memory.";
    PROCESS_OPEN_FDS = Gauge "process_open_fds" [] "Open file descriptors.";
    PROCESS_MAX_FDS = Gauge "process_max_fds" [] "Limit of open file descriptors.";
    PROCESS_START = Gauge "process_start_time_seconds" [] "When the process started.";
    PROCESS_THREADS = Gauge "process_threads" [] "Threads of the process.";
}

pub(super) const PROCESS_SPECS: [Spec; 7] = [
    PROCESS_CPU,
    PROCESS_RESIDENT,
    PROCESS_VIRTUAL,
    PROCESS_OPEN_FDS,
    PROCESS_MAX_FDS,
    PROCESS_START,
    PROCESS_THREADS,
];

const REQUEST_BUCKETS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const TASK_BUCKETS: &[f64] = &[0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];
const SYNC_BUCKETS: &[f64] = &[1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 7200.0, 21600.0];

/// Methods of C1's service that we call.
pub const RPC_METHODS: [&str; 6] = ["Hello", "GetTask", "GetTasks", "Heartbeat", "FinishTask", "UploadAsset"];

/// How a task, or a sync, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Success,
    /// Ended with an error.
    Error,
    /// Ended by C1, by a lost heartbeat or by our shutdown.
    Cancelled,
}

impl Outcome {
    /// Every value.
    pub const ALL: [Self; 3] = [Self::Success, Self::Error, Self::Cancelled];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What answered a sync task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncSource {
    /// A warm snapshot.
    Snapshot,
    /// A sync that ran for the task.
    Fresh,
}

impl SyncSource {
    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Fresh => "fresh",
        }
    }
}

/// Which build runs.
#[derive(Debug, Clone, Copy)]
pub struct BuildInfo {
    /// Crate version.
    pub version: &'static str,
    /// Source revision, or `unknown`.
    pub revision: &'static str,
    /// Compiler version.
    pub rustc: &'static str,
}

impl BuildInfo {
    /// This build.
    pub const CURRENT: Self = Self {
        version: env!("CARGO_PKG_VERSION"),
        revision: env!("BATON_REVISION"),
        rustc: env!("BATON_RUSTC_VERSION"),
    };
}

/// Typed handles. Cheap to share behind an `Arc`; recording never blocks and never fails.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// `leader`
    pub leader: IntGauge,
    /// `lease_transitions_total`
    pub lease_transitions: IntCounter,
    /// `session_connected`
    pub session_connected: IntGauge,
    /// `tasks_in_flight`
    pub tasks_in_flight: IntGauge,
    /// `finish_failures_total`
    pub finish_failures: IntCounter,
    /// `heartbeat_failures_total`
    pub heartbeat_failures: IntCounter,
    /// `upload_bytes_total`
    pub upload_bytes: IntCounter,
    /// `storage_engine_fallbacks_total`
    pub engine_fallbacks: IntCounter,
    rpc_handled: IntCounterVec,
    rpc_seconds: HistogramVec,
    tasks_finished: IntCounterVec,
    task_seconds: HistogramVec,
    sync_last_success: Gauge,
    sync_seconds: HistogramVec,
    sync_objects: IntGaugeVec,
    sync_answers: IntCounterVec,
    pingone_requests: IntCounterVec,
    pingone_seconds: HistogramVec,
    pingone_retries: IntCounterVec,
    c1z_size: IntGaugeVec,
    credentials_reloads: IntCounterVec,
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
        let build_info = b.gauges(BUILD_INFO)?;
        build_info
            .with_label_values(&[build.version, build.revision, build.rustc])
            .set(1);
        b.0.register(Box::new(ProcessCollector::new()?))?;
        let sync_last_success = Gauge::with_opts(Opts::new(SYNC_LAST_SUCCESS.name, SYNC_LAST_SUCCESS.help))?;
        let metrics = Self {
            leader: b.gauge(LEADER)?,
            lease_transitions: b.counter(LEASE_TRANSITIONS)?,
            session_connected: b.gauge(SESSION_CONNECTED)?,
            tasks_in_flight: b.gauge(TASKS_IN_FLIGHT)?,
            finish_failures: b.counter(FINISH_FAILURES)?,
            heartbeat_failures: b.counter(HEARTBEAT_FAILURES)?,
            upload_bytes: b.counter(UPLOAD_BYTES)?,
            engine_fallbacks: b.counter(ENGINE_FALLBACKS)?,
            rpc_handled: b.counters(RPC_HANDLED)?,
            rpc_seconds: b.histograms(RPC_SECONDS, REQUEST_BUCKETS)?,
            tasks_finished: b.counters(TASKS_FINISHED)?,
            task_seconds: b.histograms(TASK_SECONDS, TASK_BUCKETS)?,
            sync_last_success: b.add(sync_last_success)?,
            sync_seconds: b.histograms(SYNC_SECONDS, SYNC_BUCKETS)?,
            sync_objects: b.gauges(SYNC_OBJECTS)?,
            sync_answers: b.counters(SYNC_ANSWERS)?,
            pingone_requests: b.counters(PINGONE_REQUESTS)?,
            pingone_seconds: b.histograms(PINGONE_SECONDS, REQUEST_BUCKETS)?,
            pingone_retries: b.counters(PINGONE_RETRIES)?,
            c1z_size: b.gauges(C1Z_SIZE)?,
            credentials_reloads: b.counters(CREDENTIALS_RELOADS)?,
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
            for outcome in Outcome::ALL {
                self.tasks_finished.with_label_values(&[*kind, outcome.as_str()]);
            }
        }
        for outcome in Outcome::ALL {
            self.sync_seconds.with_label_values(&[outcome.as_str()]);
        }
        for source in [SyncSource::Snapshot, SyncSource::Fresh] {
            self.sync_answers.with_label_values(&[source.as_str()]);
        }
        for outcome in ["accepted", "refused"] {
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

    /// A sync ended.
    pub fn sync(&self, outcome: Outcome, elapsed: Duration) {
        self.sync_seconds
            .with_label_values(&[outcome.as_str()])
            .observe(elapsed.as_secs_f64());
    }

    /// A sync has reached whom it is for.
    pub fn sync_succeeded_now(&self) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        self.sync_last_success
            .set(now.unwrap_or_default().as_secs_f64().floor());
    }

    /// How many resources of a type the last successful sync holds.
    pub fn sync_objects(&self, resource_type: &'static str, count: u64) {
        self.sync_objects
            .with_label_values(&[resource_type])
            .set(saturating(count));
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

    /// Changed credentials were taken (`accepted`) or not (`refused`).
    pub fn credentials_reload(&self, outcome: &'static str) {
        self.credentials_reloads.with_label_values(&[outcome]).inc();
    }

    /// The registry, for further collectors.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The text exposition, version 0.0.4.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

fn saturating(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// All label sets that can arise at once; the ceiling keeps a careless label out.
    const SERIES_CEILING: usize = 1500;

    fn filled() -> Metrics {
        let metrics = Metrics::new(BuildInfo::CURRENT, &["sync_full", "grant"]).unwrap();
        metrics.rpc("Hello", "OK", Duration::from_millis(3));
        metrics.task("grant", Outcome::Success, Duration::from_millis(3));
        metrics.sync_objects("user", 7);
        metrics.pingone_request("list_users", "2xx", Duration::from_millis(3));
        metrics.pingone_retry("throttled");
        metrics.c1z_size("c1z", 9);
        metrics
    }

    #[test]
    fn the_registry_holds_exactly_the_table() {
        let families = filled().registry.gather();
        let found: BTreeSet<_> = families
            .iter()
            .map(|family| {
                (
                    family.name().to_owned(),
                    format!("{:?}", family.get_field_type()).to_lowercase(),
                    family.help().to_owned(),
                )
            })
            .collect();
        let wanted: BTreeSet<_> = SPECS
            .iter()
            .map(|spec| {
                (
                    spec.name.to_owned(),
                    spec.kind.as_str().to_owned(),
                    spec.help.to_owned(),
                )
            })
            .collect();
        assert_eq!(found, wanted);
        let series: usize = families.iter().map(|family| family.get_metric().len()).sum();
        assert!(series < SERIES_CEILING, "{series}");
    }

    #[test]
    fn names_follow_the_rules() {
        for spec in SPECS {
            assert!(
                spec.name.starts_with(PREFIX) || spec.name.starts_with("process_"),
                "{}",
                spec.name
            );
            assert_eq!(
                spec.name.ends_with("_total"),
                spec.kind == Kind::Counter,
                "{}",
                spec.name
            );
            assert!(spec.help.ends_with('.'), "{}", spec.name);
            if spec.kind == Kind::Histogram {
                assert!(spec.name.ends_with("_seconds"), "{}", spec.name);
            }
        }
    }

    #[test]
    fn the_document_lists_exactly_the_table() {
        let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).unwrap();
        let found: Vec<_> = document
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(str::to_owned)
            .collect();
        let wanted: Vec<_> = SPECS
            .iter()
            .map(|spec| {
                let labels: Vec<_> = spec.labels.iter().map(|label| format!("`{label}`")).collect();
                format!(
                    "| `{}` | {} | {} | {} |",
                    spec.name,
                    spec.kind.as_str(),
                    labels.join(", "),
                    spec.help
                )
            })
            .collect();
        assert_eq!(found, wanted, "docs/metrics.md should be:\n{}", wanted.join("\n"));
    }

    #[test]
    fn counters_exist_before_anything_happened() {
        let metrics = Metrics::new(BuildInfo::CURRENT, &["sync_full"]).unwrap();
        let text = metrics.render().unwrap();
        for series in [
            "baton_ping_one_tasks_finished_total{kind=\"sync_full\",outcome=\"error\"} 0",
            "baton_ping_one_heartbeat_failures_total 0",
            "baton_ping_one_sync_answers_total{source=\"snapshot\"} 0",
            "baton_ping_one_session_connected 0",
        ] {
            assert!(text.contains(series), "{series} is not in\n{text}");
        }
    }
}
