//! The shell around [`Candidate`]: reads the clock, talks to the API server, runs the leader's work.

use std::future::Future;
use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Timing;
use super::candidate::{Action, Candidate, Doubt, Failed, Moment, Observed};
use super::store::LeaseStore;
use super::term_limit::TermLimit;
use crate::k8s::error::K8sError;
use process::runtime::leader_guard::LeaderGuard;
use process::runtime::liveness::Pulse;
use process::runtime::spawn::{Task, spawn};

/// Old work that has lost its lease stops within this time; beyond it the process is no good.
const STOPPING: std::time::Duration = std::time::Duration::from_mins(2);

/// One term of leadership, handed to the work that may only be done by the leader.
#[derive(Debug, Clone)]
pub struct Leadership {
    /// `leaseTransitions` of this term.
    pub term: i32,
    /// Ask [`LeaderGuard::may_begin`] immediately before each call to C1 and each write to PingOne.
    pub guard: LeaderGuard,
    /// Cancelled when the lease is in doubt: stop at once, begin nothing.
    pub lost: CancellationToken,
}

/// What an election tells of itself, for logs, metrics and Events.
#[derive(Debug)]
#[non_exhaustive]
pub enum ElectionNotice<'a> {
    /// A term began.
    Elected {
        /// The term.
        term: i32,
        /// Who held the Lease before.
        before: Option<&'a str>,
    },
    /// A term ended in doubt.
    Lost {
        /// The term.
        term: i32,
        /// Why.
        doubt: Doubt,
    },
    /// A term ended and the Lease was given back.
    Released,
    /// Another process holds the Lease now. Told when it changes.
    Following {
        /// Who.
        holder: &'a str,
    },
    /// A call failed. Told when the kind of failure changes, not for each.
    Failing(&'a K8sError),
    /// Calls succeed again.
    Recovered,
}

impl ElectionNotice<'_> {
    /// Writes the log line.
    pub fn log(&self) {
        match self {
            Self::Elected { term, before } => {
                tracing::info!(term, before = before.unwrap_or_default(), "leadership was taken");
            }
            Self::Lost { term, doubt } => tracing::warn!(term, reason = %doubt, "leadership was lost"),
            Self::Released => tracing::info!("lease was released"),
            Self::Following { holder } => tracing::info!(holder, "another process led"),
            Self::Failing(error) => {
                tracing::warn!(error = %error, error_class = error.class().as_str(), "lease call failed");
            }
            Self::Recovered => tracing::info!("lease calls succeeded again"),
        }
    }
}

/// Where notices go; must not block.
pub type NoticeFn = Arc<dyn Fn(&ElectionNotice<'_>) + Send + Sync>;

/// One process's part in an election.
pub struct Election<S> {
    store: S,
    candidate: Candidate,
    timing: Timing,
    base: Instant,
    notice: NoticeFn,
    /// Kind of the failure that was told last, and whether it was a write's.
    failing: Option<(bool, std::mem::Discriminant<K8sError>)>,
    following: Option<String>,
    pulse: Option<Pulse>,
}

/// A term with its running work. Dropping it ends the term and the work.
struct Term {
    number: i32,
    limit: TermLimit,
    lost: CancellationToken,
    work: Task<()>,
}

impl Drop for Term {
    fn drop(&mut self) {
        self.limit.revoke();
        self.lost.cancel();
    }
}

enum Woken {
    Now,
    WorkEnded,
    Stopping,
}

impl<S: LeaseStore> Election<S> {
    /// A candidate called `pod` with a random suffix, so that a pod that comes back is another holder.
    pub fn new(store: S, pod: &str, timing: Timing, notice: NoticeFn) -> Self {
        let me = format!("{pod}_{}", uuid::Uuid::new_v4().simple());
        Self {
            store,
            candidate: Candidate::new(me, timing),
            timing,
            base: Instant::now(),
            notice,
            failing: None,
            following: None,
            pulse: None,
        }
    }

    /// The same, telling that it moves. `Election::run` is late when it waits longer than for the next step of the
    /// election; it may wait for old work to stop as long as that takes.
    #[must_use]
    pub fn with_pulse(mut self, pulse: Pulse) -> Self {
        self.pulse = Some(pulse);
        self
    }

    fn due_within(&self, wait: std::time::Duration) {
        if let Some(pulse) = &self.pulse {
            pulse.due_within(wait);
        }
    }

    /// Stands for election until `stop` is cancelled, running `work` for each term. When `stop` is cancelled the work is
    /// expected to finish by itself within the shutdown budget; the lease is renewed meanwhile, and given back after the work has
    /// returned. Work that returns without `stop` gives the Lease back too and ends the election: the caller treats that
    /// as any must-run task that ended.
    pub async fn run<F>(mut self, stop: CancellationToken, mut work: impl FnMut(Leadership) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut term: Option<Term> = None;
        loop {
            if term.is_none() && stop.is_cancelled() {
                return;
            }
            // The limit may have passed between two steps; whoever asked it was told so.
            let doubted = term.as_ref().is_some_and(|term| term.limit.is_revoked());
            let action = if doubted && self.candidate.term().is_some() {
                Action::StandDown(Doubt::Expired)
            } else {
                self.candidate.decide(self.now())
            };
            let woken = match action {
                Action::StandDown(doubt) => {
                    self.stand_down(term.as_ref(), doubt);
                    Woken::Now
                }
                Action::AwaitStop => {
                    self.due_within(STOPPING);
                    if let Some(old) = &mut term {
                        (&mut old.work).await;
                    }
                    Woken::WorkEnded
                }
                Action::Wait(until) => self.wait(until, &mut term, &stop).await,
                action => {
                    let before = self.candidate.holder().map(str::to_owned);
                    if self.ask(action, &mut term).await {
                        term = self.begin(before.as_deref(), &mut work);
                    }
                    Woken::Now
                }
            };
            match woken {
                Woken::Now => {}
                Woken::Stopping => return,
                Woken::WorkEnded => {
                    let done = self.candidate.term().is_some() || stop.is_cancelled();
                    term = None;
                    if done {
                        self.release().await;
                        return;
                    }
                    self.candidate.stopped();
                }
            }
        }
    }

    fn now(&self) -> Moment {
        self.base.elapsed()
    }

    /// Sleeps, unless the work ends or, without work, the process stops.
    async fn wait(&self, until: Moment, term: &mut Option<Term>, stop: &CancellationToken) -> Woken {
        self.due_within(until.saturating_sub(self.now()));
        let sleep = tokio::time::sleep_until(self.base + until);
        if let Some(term) = term {
            tokio::select! {
                () = &mut term.work => Woken::WorkEnded,
                () = sleep => Woken::Now,
            }
        } else {
            tokio::select! {
                () = stop.cancelled() => Woken::Stopping,
                () = sleep => Woken::Now,
            }
        }
    }

    /// One request. True if a term began.
    async fn ask(&mut self, action: Action, term: &mut Option<Term>) -> bool {
        let started = self.now();
        self.due_within(self.timing.request());
        let mut deadline = self.timing.request();
        if let Some(until) = self.candidate.leads_until() {
            // A hung call must not keep a leader from standing down in time.
            deadline = deadline.min(until.saturating_sub(started));
        }
        let writes = !matches!(action, Action::Look);
        let result = match action {
            Action::Look => match self.store.look(deadline).await {
                Ok(seen) => {
                    let now = self.now();
                    self.candidate.looked(seen, now);
                    Ok(None)
                }
                Err(error) => {
                    let now = self.now();
                    self.candidate.look_failed(now);
                    Err(error)
                }
            },
            Action::Create => match self.store.create(deadline).await {
                Ok(record) => {
                    let now = self.now();
                    self.candidate.looked(Observed::Present(record), now);
                    Ok(None)
                }
                Err(error) => Err(error),
            },
            Action::Update(record, claim) => self.store.update(&record, &claim, deadline).await.map(Some),
            Action::Wait(_) | Action::StandDown(_) | Action::AwaitStop => return false,
        };
        match result {
            Ok(Some(record)) => {
                self.tell_success(writes);
                self.written(record, started, term)
            }
            Ok(None) => {
                self.tell_success(writes);
                self.tell_following();
                false
            }
            Err(error) => {
                self.failed(&error, writes);
                false
            }
        }
    }

    fn written(&mut self, record: super::Record, started: Moment, term: &mut Option<Term>) -> bool {
        let now = self.now();
        let began = self.candidate.wrote(record, started, now);
        let until = self.candidate.leads_until().unwrap_or_default();
        if let Some(term) = term
            && !began
            && !term.limit.extend(until)
        {
            self.stand_down(Some(term), Doubt::Expired);
        }
        began
    }

    fn begin<F>(&mut self, before: Option<&str>, work: &mut impl FnMut(Leadership) -> F) -> Option<Term>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let number = self.candidate.term()?;
        let spare = self.timing.duration().saturating_sub(self.timing.renew_deadline());
        let limit = TermLimit::new(self.base, self.candidate.leads_until()?, spare);
        let lost = CancellationToken::new();
        self.following = None;
        (self.notice)(&ElectionNotice::Elected { term: number, before });
        let work = spawn(work(Leadership {
            term: number,
            guard: limit.guard(),
            lost: lost.clone(),
        }));
        Some(Term {
            number,
            limit,
            lost,
            work,
        })
    }

    /// Locally first: nothing may begin any more. The Lease itself is left alone, it may not be ours.
    fn stand_down(&mut self, term: Option<&Term>, doubt: Doubt) {
        if let Some(term) = term {
            match doubt {
                Doubt::Taken => term.limit.taken(),
                Doubt::Expired | Doubt::Deleted => term.limit.revoke(),
            }
            term.lost.cancel();
            (self.notice)(&ElectionNotice::Lost {
                term: term.number,
                doubt,
            });
        }
        self.candidate.stand_down();
    }

    /// Gives the Lease back; one more try if a label was edited meanwhile. The work has stopped.
    async fn release(&mut self) {
        for _ in 0..2 {
            let Some((record, claim)) = self.candidate.release() else {
                return;
            };
            match self.store.update(&record, &claim, self.timing.request()).await {
                Ok(_) => {
                    (self.notice)(&ElectionNotice::Released);
                    return;
                }
                Err(K8sError::Conflict { .. }) => match self.store.look(self.timing.request()).await {
                    Ok(seen) => {
                        let now = self.now();
                        self.candidate.looked(seen, now);
                    }
                    Err(error) => return (self.notice)(&ElectionNotice::Failing(&error)),
                },
                Err(error) => return (self.notice)(&ElectionNotice::Failing(&error)),
            }
        }
    }

    fn failed(&mut self, error: &K8sError, writes: bool) {
        let how = match error {
            K8sError::Conflict { .. } => Failed::Conflict,
            K8sError::NotFound { .. } => Failed::Gone,
            _ => Failed::Unknown,
        };
        let now = self.now();
        self.candidate.write_failed(how, now);
        let kind = (writes, std::mem::discriminant(error));
        // Losing a race is how elections go.
        if how == Failed::Unknown && self.failing.replace(kind) != Some(kind) {
            (self.notice)(&ElectionNotice::Failing(error));
        }
    }

    /// A look that succeeds does not heal a write that is not allowed.
    fn tell_success(&mut self, writes: bool) {
        if self.failing.take_if(|(was_write, _)| writes || !*was_write).is_some() {
            (self.notice)(&ElectionNotice::Recovered);
        }
    }

    fn tell_following(&mut self) {
        let holder = self.candidate.holder();
        if self.candidate.term().is_none() && holder != self.following.as_deref() {
            if let Some(holder) = holder {
                (self.notice)(&ElectionNotice::Following { holder });
            }
            self.following = holder.map(str::to_owned);
        }
    }
}
