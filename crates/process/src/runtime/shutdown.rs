//! How the process ends: a tree of tokens (process → leadership → task) and the signals that start it.
//! Two kinds of token run side by side: *draining* says "take no new work, syncs end, short work may finish";
//! *process* says "end now". A leadership term has one of each, so that losing the Lease does not end the process.

use std::future::Future;
use std::io;

use tokio::signal::unix::{Signal as UnixSignal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The process's two tokens. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    process: CancellationToken,
    draining: CancellationToken,
}

impl Shutdown {
    /// Nothing is cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when everything must end: after the work has drained, or when the budget is used up.
    pub const fn process(&self) -> &CancellationToken {
        &self.process
    }

    /// Cancelled at the first signal, and when a must-run task failed.
    pub const fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// A new term of leadership. Without a Lease there is one term, as long as the process.
    pub fn term(&self) -> Term {
        Term {
            work: self.process.child_token(),
            stopping: self.draining.child_token(),
        }
    }
}

/// One term of leadership. Clones share it.
#[derive(Debug, Clone)]
pub struct Term {
    work: CancellationToken,
    stopping: CancellationToken,
}

impl Term {
    /// Cancelled when all leader work must end: the Lease is lost or the process ends.
    pub const fn work(&self) -> &CancellationToken {
        &self.work
    }

    /// Cancelled when no new work may be taken and syncs must end; short work may finish.
    pub const fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Ends the term: the Lease is lost. A term never comes back; ask for a new one.
    pub fn end(&self) {
        self.stopping.cancel();
        self.work.cancel();
    }
}

/// A request to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM
    Terminate,
    /// SIGINT
    Interrupt,
}

impl Signal {
    /// The name in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        }
    }
}

/// Where requests to end come from: the operating system, or a test's channel.
pub trait Signals: Send {
    /// Waits for the next signal; never returns when none can come any more.
    fn received(&mut self) -> impl Future<Output = Signal> + Send;
}

/// SIGTERM and SIGINT of this process.
#[derive(Debug)]
pub struct ProcessSignals {
    terminate: UnixSignal,
    interrupt: UnixSignal,
}

impl ProcessSignals {
    /// Replaces the default action of both signals. Must be called inside a runtime.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

impl Signals for ProcessSignals {
    async fn received(&mut self) -> Signal {
        tokio::select! {
            Some(()) = self.terminate.recv() => Signal::Terminate,
            Some(()) = self.interrupt.recv() => Signal::Interrupt,
            else => std::future::pending().await,
        }
    }
}

impl Signals for tokio::sync::mpsc::Receiver<Signal> {
    async fn received(&mut self) -> Signal {
        match self.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losing_the_lease_ends_the_term_and_not_the_process() {
        let shutdown = Shutdown::new();
        let term = shutdown.term();
        term.end();
        assert!(term.work().is_cancelled() && term.stopping().is_cancelled());
        assert!(!shutdown.process().is_cancelled() && !shutdown.draining().is_cancelled());
        assert!(!shutdown.term().work().is_cancelled(), "the next term starts afresh");
    }

    #[test]
    fn draining_stops_new_work_and_leaves_running_work_alone() {
        let shutdown = Shutdown::new();
        let term = shutdown.term();
        shutdown.draining().cancel();
        assert!(term.stopping().is_cancelled());
        assert!(!term.work().is_cancelled());
        shutdown.process().cancel();
        assert!(term.work().is_cancelled());
    }
}
