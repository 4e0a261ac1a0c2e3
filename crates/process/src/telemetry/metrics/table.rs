//! Every metric: name, kind, labels and what it says. docs/metrics.md lists the same.

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
        $(pub(super) const $ident: Spec = Spec { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };)+
        /// Every metric of ours and the process's, in the order of `docs/metrics.md`.
        pub const SPECS: &[Spec] = &[$($ident),+];
    };
}

specs! {
    BUILD_INFO = Gauge "baton_ping_one_build_info" ["version", "revision", "rustc"]
        "Always 1; the labels say which build runs.";
    ENVIRONMENT_INFO = Gauge "baton_ping_one_environment_info" ["environment", "region"]
        "Always 1 once it is known which environment is served.";
    LEADER = Gauge "baton_ping_one_leader" [] "1 while this replica leads, else 0.";
    STANDBY = Gauge "baton_ping_one_standby" [] "1 while this replica stands by for the Lease, else 0.";
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
        "Tasks of C1 that ended; unreported ones are counted again by their outcome once C1 takes it.";
    TASK_SECONDS = Histogram "baton_ping_one_task_duration_seconds" ["kind"]
        "How long tasks took, from the poll to the end of FinishTask.";
    FINISH_FAILURES = Counter "baton_ping_one_finish_failures_total" []
        "Verdicts that C1 did not take; they are kept and sent again when C1 asks or the connection is another one.";
    VERDICTS_UNREPORTED = Gauge "baton_ping_one_unreported_verdicts" []
        "Verdicts that C1 has not taken yet and that are kept to be sent again.";
    HEARTBEAT_FAILURES = Counter "baton_ping_one_heartbeat_failures_total" []
        "Heartbeats that C1 did not answer.";
    SYNC_LAST_SUCCESS = Gauge "baton_ping_one_sync_last_success_timestamp_seconds" []
        "When the last sync was uploaded, or written by a daemon without C1; 0 before the first.";
    SYNCS_RUNNING = Gauge "baton_ping_one_syncs_running" [] "Syncs that run now.";
    SYNC_PROGRESS = Gauge "baton_ping_one_sync_progress_timestamp_seconds" []
        "When a sync last got on; 0 before the first. Old while a sync runs: it is wedged.";
    SYNC_SECONDS = Histogram "baton_ping_one_sync_duration_seconds" ["outcome"]
        "How long syncs took, without the upload.";
    SYNC_OBJECTS = Gauge "baton_ping_one_sync_objects" ["resource_type"]
        "Resources in the last successful sync.";
    SYNC_GRANTS = Gauge "baton_ping_one_sync_grants" ["resource_type"]
        "Grants on resources of this type in the last successful sync.";
    SYNC_WARNINGS = Counter "baton_ping_one_sync_warnings_total" ["kind"]
        "What syncs left out or found odd.";
    SYNC_SHRUNK = Counter "baton_ping_one_sync_shrink_refusals_total" []
        "Syncs that were not published because the directory had become too small.";
    SYNC_ANSWERS = Counter "baton_ping_one_sync_answers_total" ["source"]
        "Sync tasks by what answered them: a warm snapshot, an equal sync that ran already, or a fresh sync.";
    OBSERVATIONS = Counter "baton_ping_one_sync_observations_total" ["kind", "source"]
        "What syncs know of roles and members: reused from earlier syncs, or read, by why.";
    OBSERVATIONS_OLDEST = Gauge "baton_ping_one_sync_observation_oldest_seconds" []
        "Age of the oldest observation that the last sync used; 0 where it used none.";
    OBSERVATIONS_COMPARED = Counter "baton_ping_one_sync_observations_compared_total" []
        "Kept observations that were read again although nothing spoke against them.";
    OBSERVATION_DIFFERENCES = Counter "baton_ping_one_sync_observation_differences_total" []
        "Compared observations that were others, and no audit activity told of a change.";
    SYNC_ACTIVITIES = Counter "baton_ping_one_sync_activities_read_total" []
        "Audit activities that syncs read to learn what changed.";
    ACTIVITY_GAPS = Counter "baton_ping_one_sync_activity_gaps_total" ["reason"]
        "Syncs that read everything because the audit activities proved nothing.";
    PINGONE_REQUESTS = Counter "baton_ping_one_pingone_requests_total" ["operation", "status_class"]
        "Requests to PingOne.";
    PINGONE_SECONDS = Histogram "baton_ping_one_pingone_request_duration_seconds" ["operation"]
        "How long requests to PingOne took.";
    PINGONE_RETRIES = Counter "baton_ping_one_pingone_retries_total" ["reason"]
        "Requests to PingOne that were repeated.";
    PINGONE_RATE = Gauge "baton_ping_one_pingone_rate_limit" ["group"]
        "Requests to PingOne that may begin in a second; lower for a while after refusals.";
    PINGONE_WAITING = Gauge "baton_ping_one_pingone_requests_waiting" ["group"]
        "Requests to PingOne that wait for their turn.";
    PINGONE_WAITED = Gauge "baton_ping_one_pingone_rate_wait_seconds" ["group"]
        "How long the rate held requests back since the start.";
    C1Z_SIZE = Gauge "baton_ping_one_c1z_size_bytes" ["form"] "Size of the last file.";
    UPLOAD_BYTES = Counter "baton_ping_one_upload_bytes_total" [] "Bytes sent to C1 in uploads, repeats included.";
    LOG_DROPPED = Counter "baton_ping_one_log_records_dropped_total" []
        "Log records that were dropped because they came faster than they were read.";
    CREDENTIALS_RELOADS = Counter "baton_ping_one_credentials_reloads_total" ["outcome"]
        "Changed credentials by what became of them: accepted, refused, unproved (no verdict yet), restored (the old value is back).";
    CREDENTIALS_PROBLEM = Gauge "baton_ping_one_credentials_problem" ["side", "reason"]
        "1 while what the sources hold cannot be used for this reason; unproved is no verdict yet. What was in use stays in use.";
    CREDENTIALS_INFO = Gauge "baton_ping_one_credentials_info" ["side", "fingerprint"]
        "Always 1; the fingerprint tells the credentials in use apart and reveals nothing of them.";
    CREDENTIALS_SINCE = Gauge "baton_ping_one_credentials_in_use_since_timestamp_seconds" ["side"]
        "Since when the credentials in use are in use.";
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
