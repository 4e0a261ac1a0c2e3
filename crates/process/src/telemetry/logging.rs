//! Where log records go and how they look (c1-protocol.md §13): one JSON record per line (`level`, `ts`, `caller`,
//! `msg`, then the fields of the spans and of the event), or a line for people when standard output is a terminal. Records of
//! other crates are kept at `warn` at every level, because their finer records hold headers and bodies. Records are
//! written by a thread of their own, so that logging never waits.

mod json;
pub(super) mod writer;

use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry, reload};

/// The crates whose records follow the level: every one whose name begins so.
const OURS: [&str; 3] = ["baton", "pingone", "process"];
/// Changes to the directory are logged at every level.
const AUDIT: &str = "baton_ping_one::audit";
/// The change of the level itself is logged at every level.
const LEVEL: &str = "process::log_level";
/// Logs each failed call at `error`, although it also returns the error to us, and we log it once.
const TOLD_BY_US: &str = "kube_client::client::builder";

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// Everything of ours.
    Debug,
    /// Starts, ends and changes.
    #[default]
    Info,
    /// What may need a look.
    Warn,
    /// What went wrong.
    Error,
}

impl LogLevel {
    /// The name, as the flag takes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    fn targets(self) -> Targets {
        let (ours, others) = match self {
            Self::Debug => (LevelFilter::DEBUG, LevelFilter::WARN),
            Self::Info => (LevelFilter::INFO, LevelFilter::WARN),
            Self::Warn => (LevelFilter::WARN, LevelFilter::WARN),
            Self::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
        };
        Targets::new()
            .with_default(others)
            .with_targets(OURS.map(|name| (name, ours)))
            .with_target(AUDIT, LevelFilter::INFO)
            .with_target(LEVEL, LevelFilter::INFO)
            .with_target(TOLD_BY_US, LevelFilter::OFF)
    }
}

impl FromStr for LogLevel {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "debug" => Ok(Self::Debug),
            "info" => Ok(Self::Info),
            "warn" => Ok(Self::Warn),
            "error" => Ok(Self::Error),
            _ => Err(LogError::UnknownLevel),
        }
    }
}

/// How a record looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// A line for people.
    Console,
}

/// Something else that looks at spans and records, with a filter of its own.
pub type BesideLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// What `--log-level`, `--log-format` and `--log-path` say.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// How much.
    pub level: LogLevel,
    /// How it looks.
    pub format: LogFormat,
    /// Files that are appended to; `stderr` and `stdout` name the streams. Empty means standard error.
    pub paths: Vec<PathBuf>,
}

/// Why logging could not be set up or changed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A log file could not be opened.
    #[error("log file {} could not be opened (--log-path, BATON_LOG_PATH, config.log-path)", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The thread that writes could not be started.
    #[error("the thread that writes the log could not be started")]
    Thread(#[source] io::Error),
    /// Another logger is already installed.
    #[error("logging was set up twice")]
    Twice,
    /// No such level.
    #[error("the log level must be one of debug, info, warn, error")]
    UnknownLevel,
    /// The subscriber is gone.
    #[error("the log level can no longer be changed")]
    Gone,
}

impl LogError {
    /// What kind of failure it is.
    pub const fn class(&self) -> crate::error::ErrorClass {
        match self {
            Self::Open { .. } | Self::Thread(_) => crate::error::ErrorClass::Local,
            Self::UnknownLevel => crate::error::ErrorClass::Rejected,
            Self::Twice | Self::Gone => crate::error::ErrorClass::Bug,
        }
    }
}

/// Changes the level of a running process, and knows what is still to be written.
#[derive(Clone)]
pub struct LogControl {
    set: Arc<dyn Fn(LogLevel) -> Result<(), LogError> + Send + Sync>,
    queue: Arc<writer::Queue>,
}

impl std::fmt::Debug for LogControl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogControl")
    }
}

impl LogControl {
    /// From now on, this level. The change is logged whatever the level is.
    pub fn set_level(&self, level: LogLevel) -> Result<(), LogError> {
        (self.set)(level)?;
        tracing::info!(target: LEVEL, log_level = level.as_str(), "log level changed");
        Ok(())
    }

    /// Waits until everything that was logged is written, and not longer than `limit`.
    pub fn flush(&self, limit: Duration) {
        self.queue.flush(limit);
    }

    /// A control that changes nothing, for a process that set up no logging (tests).
    pub fn inert() -> Self {
        Self {
            set: Arc::new(|_| Ok(())),
            queue: Arc::default(),
        }
    }
}

impl LogConfig {
    /// Starts logging for the whole process, records of panics included. `beside` sees spans and records on its own.
    pub fn install(&self, beside: Option<BesideLayer>) -> Result<LogControl, LogError> {
        let (subscriber, control) = self.subscriber_beside(beside)?;
        tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)?;
        log_panics();
        Ok(control)
    }

    /// The subscriber and its control, not installed.
    pub fn subscriber(&self) -> Result<(impl Subscriber + Send + Sync + use<>, LogControl), LogError> {
        self.subscriber_beside(None)
    }

    fn subscriber_beside(
        &self,
        beside: Option<BesideLayer>,
    ) -> Result<(impl Subscriber + Send + Sync + use<>, LogControl), LogError> {
        let (filter, handle) = reload::Layer::new(self.level.targets());
        let notice = match self.format {
            LogFormat::Json => json::dropped,
            LogFormat::Console => |dropped| {
                let writer::Dropped { records, audit } = dropped;
                format!(
                    "WARN log records were dropped: they came faster than they were read count={records} \
                         audit_lines={audit}\n"
                )
            },
        };
        let writer = writer::Lossy::start(self.sinks()?, notice, self.format == LogFormat::Console);
        let writer = writer.map_err(LogError::Thread)?;
        let control = LogControl {
            set: Arc::new(move |level| handle.reload(level.targets()).map_err(|_| LogError::Gone)),
            queue: writer.queue(),
        };
        let layer = self.layer(BoxMakeWriter::new(writer)).with_filter(filter);
        Ok((Registry::default().with(beside).with(layer), control))
    }

    fn layer<S>(&self, writer: BoxMakeWriter) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        match self.format {
            LogFormat::Json => json::JsonLayer::new(writer).boxed(),
            LogFormat::Console => tracing_subscriber::fmt::layer()
                .with_writer(writer)
                .with_ansi(false)
                .with_target(false)
                .boxed(),
        }
    }

    fn sinks(&self) -> Result<Vec<writer::Sink>, LogError> {
        let mut sinks: Vec<writer::Sink> = Vec::new();
        for path in &self.paths {
            sinks.push(match path.to_str() {
                Some("stderr") => Box::new(io::stderr()),
                Some("stdout") => Box::new(io::stdout()),
                _ => Box::new(
                    OpenOptions::new()
                        .create(true)
                        .append(true)
                        .open(path)
                        .map_err(|source| LogError::Open {
                            path: path.clone(),
                            source,
                        })?,
                ),
            });
        }
        if sinks.is_empty() {
            sinks.push(Box::new(io::stderr()));
        }
        Ok(sinks)
    }
}

/// Panics become records that name the place and not the text: the text may hold data.
fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(target: "baton_ping_one::panic", place, "panicked");
    }));
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;

    /// Subscribers that come and go settle what all threads' records are worth: one at a time.
    static ALONE: Mutex<()> = Mutex::new(());

    fn logged(format: LogFormat, level: LogLevel, change: Option<LogLevel>, work: impl FnOnce()) -> String {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let file = tempfile::NamedTempFile::new().unwrap();
        let config = LogConfig {
            level,
            format,
            paths: vec![file.path().to_owned()],
        };
        let (subscriber, control) = config.subscriber().unwrap();
        tracing::subscriber::with_default(subscriber, || {
            if let Some(level) = change {
                control.set_level(level).unwrap();
            }
            work();
            // The end of a subscriber does not wait for long.
            control.flush(Duration::from_mins(1));
        });
        std::fs::read_to_string(file.path()).unwrap()
    }

    #[test]
    fn changes_of_the_directory_are_told_at_every_level() {
        let text = logged(LogFormat::Json, LogLevel::Error, None, || {
            tracing::info!(target: "baton_ping_one::audit", "changed");
            tracing::info!("said at info");
        });
        assert!(text.contains("changed") && !text.contains("said at info"), "{text}");
    }

    #[test]
    fn a_json_record_holds_level_time_caller_message_and_the_fields_of_its_spans() {
        let text = logged(LogFormat::Json, LogLevel::Info, None, || {
            let span = tracing::info_span!("task", task_id = "t1", kind = tracing::field::Empty);
            let _entered = span.enter();
            span.record("kind", "grant");
            tracing::warn!(attempt = 3, ok = false, ratio = 0.5, error = %"no", "call failed");
        });
        let record: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(record["level"], "warn");
        assert_eq!(record["msg"], "call failed");
        assert_eq!(record["task_id"], "t1");
        assert_eq!(record["kind"], "grant");
        assert_eq!(record["attempt"], 3);
        assert_eq!(record["ok"], false);
        assert_eq!(record["error"], "no");
        assert!(record["ts"].as_f64().unwrap() > 1.6e9);
        assert!(record["caller"].as_str().unwrap().contains("logging.rs:"));
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn a_record_of_another_crate_names_its_module_and_no_path_of_the_machine_that_built_it() {
        let text = logged(LogFormat::Json, LogLevel::Info, None, || {
            tracing::warn!(target: "h2::codec", "odd");
        });
        let record: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert!(record["caller"].as_str().unwrap().starts_with("h2::codec:"), "{record}");
    }

    #[test]
    fn a_change_of_the_level_is_told_at_every_level() {
        for format in [LogFormat::Json, LogFormat::Console] {
            let text = logged(format, LogLevel::Info, Some(LogLevel::Error), || {});
            assert!(
                text.contains("log level changed") && text.to_lowercase().contains("info"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_others_send_stays_in_its_record_and_is_bounded() {
        let sent = format!("x\nforged\u{1b}[0m{}", "y".repeat(100_000));
        for format in [LogFormat::Json, LogFormat::Console] {
            let text = logged(format, LogLevel::Info, None, || tracing::info!(sent, "got"));
            assert_eq!(text.lines().count(), 1, "{text}");
            assert!(!text.contains('\u{1b}') && text.len() < 20_000);
        }
    }

    #[test]
    fn an_error_is_logged_with_its_causes() {
        let text = logged(LogFormat::Json, LogLevel::Info, None, || {
            let error = LogError::Open {
                path: "/x".into(),
                source: io::Error::other("disk"),
            };
            tracing::error!(error = &error as &dyn std::error::Error, "stopped");
        });
        let record: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert!(record["error"].as_str().unwrap().ends_with(": disk"), "{record}");
    }

    #[test]
    fn a_record_below_the_level_is_dropped_and_others_crates_stay_quiet() {
        let work = || {
            tracing::debug!("fine");
            tracing::info!("usual");
            tracing::info!(target: "h2::codec", "headers");
            tracing::error!(target: "kube_client::client::builder", "headers");
            tracing::error!("bad");
        };
        for (level, change, lines) in [
            (LogLevel::Info, None, 2),
            (LogLevel::Debug, None, 3),
            (LogLevel::Error, None, 1),
            (LogLevel::Error, Some(LogLevel::Debug), 3),
        ] {
            let text = logged(LogFormat::Console, level, change, work);
            let told = text.lines().filter(|line| !line.contains("log level changed"));
            assert_eq!(told.count(), lines, "{text}");
            assert!(!text.contains("headers"));
        }
    }

    #[test]
    fn a_log_file_that_cannot_be_opened_is_named_with_its_flag() {
        let config = LogConfig {
            level: LogLevel::Info,
            format: LogFormat::Json,
            paths: vec!["/nowhere/at/all.log".into()],
        };
        let Err(error) = config.subscriber().map(|_| ()) else {
            panic!("opened")
        };
        assert!(error.to_string().contains("/nowhere/at/all.log") && error.to_string().contains("--log-path"));
    }
}
