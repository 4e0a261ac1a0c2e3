//! Starts the process's long-lived tasks and owns their end. A must-run task that returns or fails, and any task that
//! panics, takes the process down with exit code 1: a pod that does nothing must not look healthy. At a signal, work
//! drains first and services (admin server, Lease) end after it, all within one budget; a second signal ends at once.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use super::readiness::Readiness;
use super::shutdown::{Shutdown, Signals};

/// Why a supervised task failed.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What the end of a task means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// It runs as long as the process; its end takes the process down.
    MustRun,
    /// It may end; its failure is logged.
    MayFinish,
}

/// When a task is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// First: it watches the draining token (or a term made from it).
    Work,
    /// After all work has ended: it watches the process token. The Lease is released here.
    Service,
}

/// How the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// At a signal, everything ended within the budget.
    Clean,
    /// A must-run task ended or failed, or a task panicked.
    Failed {
        /// The task's name.
        task: &'static str,
    },
    /// The budget ran out while work was still running.
    GraceExceeded,
    /// A second signal.
    Forced,
}

impl Ending {
    /// The exit code (c1-protocol.md §7.6).
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Failed { .. } => 1,
            Self::GraceExceeded | Self::Forced => 143,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    name: &'static str,
    stage: Stage,
    policy: Policy,
}

/// The running tasks.
#[derive(Debug)]
pub struct Supervisor {
    tasks: JoinSet<Result<(), Failure>>,
    roster: HashMap<Id, Entry>,
    shutdown: Shutdown,
    readiness: Readiness,
}

impl Supervisor {
    /// No task yet.
    pub fn new(shutdown: Shutdown, readiness: Readiness) -> Self {
        Self {
            tasks: JoinSet::new(),
            roster: HashMap::new(),
            shutdown,
            readiness,
        }
    }

    /// Starts a task in a span of its own. Must be called inside a runtime.
    pub fn start<F>(&mut self, name: &'static str, stage: Stage, policy: Policy, work: F)
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let span = tracing::info_span!("supervised", task = name);
        let id = self.tasks.spawn(work.instrument(span)).id();
        self.roster.insert(id, Entry { name, stage, policy });
    }

    /// Runs until a signal or a failure, drains, and says how it went. `grace` is the budget of the whole stop.
    pub async fn run(mut self, mut signals: impl Signals, grace: Duration) -> Ending {
        let failed = loop {
            tokio::select! {
                biased;
                signal = signals.received() => {
                    tracing::info!(signal = signal.as_str(), "shutdown started");
                    break None;
                }
                Some(ended) = self.tasks.join_next_with_id() => {
                    if let Some(task) = self.judge(ended, false) {
                        break Some(task);
                    }
                }
                else => std::future::pending().await,
            }
        };
        self.stop(signals, grace, failed).await
    }

    async fn stop(mut self, mut signals: impl Signals, grace: Duration, failed: Option<&'static str>) -> Ending {
        let started = Instant::now();
        let deadline = started.checked_add(grace).unwrap_or(started);
        self.readiness.drain();
        self.shutdown.draining().cancel();
        let drained = tokio::select! {
            biased;
            signal = signals.received() => {
                tracing::warn!(signal = signal.as_str(), running = ?self.running(), "second signal: ended at once");
                return Ending::Forced;
            }
            drained = timeout_at(deadline, self.drain()) => drained,
        };
        match (drained, failed) {
            (Ok(None), None) => {
                tracing::info!(elapsed_ms = started.elapsed().as_millis(), "shutdown finished");
                Ending::Clean
            }
            (Ok(failed_late), failed) => Ending::Failed {
                task: failed.or(failed_late).unwrap_or("unknown"),
            },
            (Err(_), failed) => {
                tracing::error!(running = ?self.running(), "shutdown budget used up; work was abandoned");
                failed.map_or(Ending::GraceExceeded, |task| Ending::Failed { task })
            }
        }
    }

    /// Waits for the work, then ends the services and waits for them. Returns the first task that panicked meanwhile.
    async fn drain(&mut self) -> Option<&'static str> {
        let mut failed = None;
        while self.roster.values().any(|entry| entry.stage == Stage::Work) {
            let Some(ended) = self.tasks.join_next_with_id().await else {
                break;
            };
            failed = failed.or(self.judge(ended, true));
        }
        self.shutdown.process().cancel();
        while let Some(ended) = self.tasks.join_next_with_id().await {
            failed = failed.or(self.judge(ended, true));
        }
        failed
    }

    fn running(&self) -> Vec<&'static str> {
        self.roster.values().map(|entry| entry.name).collect()
    }

    /// The task's name if its end takes the process down.
    fn judge(&mut self, ended: Result<(Id, Result<(), Failure>), JoinError>, draining: bool) -> Option<&'static str> {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, Ok(outcome)),
            Err(error) => (error.id(), Err(error)),
        };
        let entry = self.roster.remove(&id)?;
        let fatal = match outcome {
            Err(_) => {
                tracing::error!(task = entry.name, "task panicked");
                true
            }
            Ok(Err(error)) => {
                tracing::error!(
                    task = entry.name,
                    error = &*error as &dyn std::error::Error,
                    "task failed"
                );
                entry.policy == Policy::MustRun
            }
            Ok(Ok(())) if draining || entry.policy == Policy::MayFinish => {
                tracing::debug!(task = entry.name, "task ended");
                false
            }
            Ok(Ok(())) => {
                tracing::error!(task = entry.name, "task ended though it must run");
                true
            }
        };
        fatal.then_some(entry.name)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::sync::mpsc;

    use super::super::shutdown::Signal;
    use super::*;

    const GRACE: Duration = Duration::from_secs(20);

    fn supervisor() -> (Supervisor, Shutdown, Readiness) {
        let shutdown = Shutdown::new();
        let readiness = Readiness::new();
        (
            Supervisor::new(shutdown.clone(), readiness.clone()),
            shutdown,
            readiness,
        )
    }

    fn forever(supervisor: &mut Supervisor, shutdown: &Shutdown) {
        let token = shutdown.draining().clone();
        supervisor.start("loop", Stage::Work, Policy::MustRun, async move {
            token.cancelled().await;
            Ok(())
        });
    }

    #[tokio::test(start_paused = true)]
    async fn a_must_run_task_that_ends_fails_or_panics_ends_the_process_with_1() {
        type Work = std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;
        let cases: [(&str, Work); 3] = [
            ("ends", Box::pin(async { Ok(()) })),
            ("fails", Box::pin(async { Err("no".into()) })),
            ("panics", Box::pin(async { panic!("planted") })),
        ];
        for (name, work) in cases {
            let (mut supervisor, shutdown, readiness) = supervisor();
            forever(&mut supervisor, &shutdown);
            supervisor.start(name, Stage::Work, Policy::MustRun, work);
            let (_keep, signals) = mpsc::channel(1);
            let ending = supervisor.run(signals, GRACE).await;
            assert_eq!(ending, Ending::Failed { task: name });
            assert_eq!(ending.exit_code(), 1);
            assert!(!readiness.is_ready() && shutdown.process().is_cancelled());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_may_finish_ends_quietly_but_its_panic_does_not() {
        let (mut supervisor, shutdown, _) = supervisor();
        forever(&mut supervisor, &shutdown);
        supervisor.start("once", Stage::Work, Policy::MayFinish, async { Ok(()) });
        supervisor.start("tried", Stage::Work, Policy::MayFinish, async { Err("no".into()) });
        let (signal, signals) = mpsc::channel(1);
        let run = supervisor.run(signals, GRACE);
        let (ending, ()) = tokio::join!(run, async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            signal.send(Signal::Terminate).await.unwrap();
        });
        assert_eq!(ending, Ending::Clean);

        let (mut supervisor, shutdown, _) = self::supervisor();
        forever(&mut supervisor, &shutdown);
        supervisor.start("once", Stage::Work, Policy::MayFinish, async { panic!("planted") });
        let (_keep, signals) = mpsc::channel(1);
        assert_eq!(supervisor.run(signals, GRACE).await.exit_code(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn services_end_only_after_the_work() {
        let (mut supervisor, shutdown, readiness) = supervisor();
        let worked = Arc::new(AtomicBool::new(false));
        let (draining, done) = (shutdown.draining().clone(), Arc::clone(&worked));
        supervisor.start("work", Stage::Work, Policy::MustRun, async move {
            draining.cancelled().await;
            tokio::time::sleep(Duration::from_secs(5)).await;
            done.store(true, Ordering::SeqCst);
            Ok(())
        });
        let process = shutdown.process().clone();
        supervisor.start("lease", Stage::Service, Policy::MustRun, async move {
            process.cancelled().await;
            if worked.load(Ordering::SeqCst) {
                Ok(())
            } else {
                Err("released too early".into())
            }
        });
        let (signal, signals) = mpsc::channel(1);
        signal.send(Signal::Interrupt).await.unwrap();
        assert_eq!(supervisor.run(signals, GRACE).await, Ending::Clean);
        assert_eq!(readiness.unmet().last().map(|reason| reason.0), Some("draining"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_signal_ends_at_once_and_the_budget_ends_it_otherwise() {
        for (signals_sent, ending) in [(2, Ending::Forced), (1, Ending::GraceExceeded)] {
            let (mut supervisor, ..) = supervisor();
            supervisor.start("stuck", Stage::Work, Policy::MustRun, std::future::pending());
            let (signal, signals) = mpsc::channel(2);
            for _ in 0..signals_sent {
                signal.send(Signal::Terminate).await.unwrap();
            }
            let started = Instant::now();
            assert_eq!(supervisor.run(signals, GRACE).await, ending);
            assert_eq!(
                started.elapsed(),
                if signals_sent == 2 { Duration::ZERO } else { GRACE }
            );
            assert_eq!(ending.exit_code(), 143);
        }
    }
}
