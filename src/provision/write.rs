//! Writes carried to a certain end: the shell around the machine that decides what comes next. Every call that was sent
//! leaves one audit line.

mod machine;
#[cfg(test)]
mod simulation;

use std::future::Future;

use process::error::ErrorClass;
use tokio::time::Instant;

use super::audit::ChangeOutcome;
use super::context::{AuditEntry, TaskContext};
use super::error::{Failure, unknown, unproved};
use machine::{Event, Machine, Proof, Reason, Refusal, Step};
pub(crate) use machine::{Reaction, Rules, SETTLE};
use pingone::{Client, PingOneError, WriteCall, Written};

/// A call, what it changes, and how it is carried out.
#[derive(Clone, Copy)]
pub(crate) struct Write<'a> {
    pub(crate) call: &'a WriteCall,
    pub(crate) entry: AuditEntry<'a>,
    pub(crate) rules: Rules,
    /// Whether an answer of PingOne's that shows the right object can be worked with.
    accepts: fn(&WriteCall, &Written) -> bool,
    /// The caller leaves the line of a success, because only the result says what was made.
    caller_audits: bool,
}

impl<'a> Write<'a> {
    pub(crate) fn new(call: &'a WriteCall, entry: AuditEntry<'a>, rules: Rules) -> Self {
        Self {
            call,
            entry,
            rules,
            accepts: |_, _| true,
            caller_audits: false,
        }
    }

    /// The same write, whose answer must also pass this test.
    pub(crate) fn accepting(self, accepts: fn(&WriteCall, &Written) -> bool) -> Self {
        Self { accepts, ..self }
    }

    /// The same write; the caller leaves the audit line of a success.
    pub(crate) fn audited_by_caller(self) -> Self {
        Self {
            caller_audits: true,
            ..self
        }
    }
}

/// How a write ended well.
#[derive(Debug)]
pub(crate) enum Applied<T> {
    /// A dry run: nothing was sent.
    Planned,
    /// PingOne's answer shows it, and so does a read.
    Answered(Written),
    /// PingOne confirmed it without showing it, or its answer was lost; a read shows it.
    Seen(T),
    /// PingOne refused, and a read shows that it is so already.
    Already(T),
}

/// What a read says of a write.
#[derive(Debug)]
pub(crate) enum Look<T> {
    /// It took effect, or it is so already.
    Found(T),
    /// Something else stands in its place, so it did not take effect.
    Other(T),
    /// Nothing of it is to be seen.
    Missing,
}

impl<T> From<Option<T>> for Look<T> {
    fn from(found: Option<T>) -> Self {
        found.map_or(Self::Missing, Self::Found)
    }
}

/// Carries a write to its end. `verify` reads whether it took effect: `Some` if so.
pub(crate) async fn apply<T, F>(
    task: &TaskContext,
    write: Write<'_>,
    verify: impl Fn(Client) -> F,
) -> Result<Applied<T>, Failure>
where
    F: Future<Output = Result<Option<T>, Failure>>,
{
    let applied = apply_with(task, write, |client, _| {
        let found = verify(client);
        async move { Ok(Look::from(found.await?)) }
    });
    Box::pin(applied).await
}

/// The same for a state that is there or not.
pub(crate) async fn apply_state<F>(
    task: &TaskContext,
    write: Write<'_>,
    holds: impl Fn(Client) -> F,
) -> Result<Applied<()>, Failure>
where
    F: Future<Output = Result<bool, PingOneError>>,
{
    apply(task, write, |client| {
        let held = holds(client);
        async move { Ok(held.await?.then_some(())) }
    })
    .await
}

/// The same with a read that is told of the refusal that it is to explain.
pub(crate) async fn apply_with<T, F>(
    task: &TaskContext,
    write: Write<'_>,
    verify: impl Fn(Client, Option<PingOneError>) -> F,
) -> Result<Applied<T>, Failure>
where
    F: Future<Output = Result<Look<T>, Failure>>,
{
    let begun = Instant::now();
    let mut machine = Machine::new(write.rules, task.client().time_left());
    let mut run = Run {
        task,
        write,
        written: None,
        failure: None,
        unread: None,
        open: None,
        is_so: false,
        told_cancelled: false,
    };
    let mut found = None;
    let mut step = Step::Send;
    loop {
        let event = match step {
            Step::Send => match run.send().await {
                Some(event) => event,
                None => return Ok(Applied::Planned),
            },
            Step::Verify => {
                let refusal = run.failure.as_ref().and_then(Failure::pingone).cloned();
                (run.unread, run.is_so) = (None, false);
                match verify(task.deciding(), refusal).await {
                    Ok(Look::Found(seen)) => {
                        found = Some(seen);
                        run.is_so = true;
                        Event::Found
                    }
                    Ok(Look::Other(seen)) => {
                        found = Some(seen);
                        Event::Other
                    }
                    Ok(Look::Missing) => Event::Missing,
                    Err(failure) => {
                        let may_pass = failure.pingone().is_some();
                        run.unread(failure);
                        if may_pass { Event::Unreadable } else { Event::Untellable }
                    }
                }
            }
            Step::Wait(time) => run.wait(time).await,
            Step::Done(proof) => return run.done(proof, found),
            Step::GiveUp(reason) => return Err(run.give_up(reason)),
        };
        step = machine.next(event, begun.elapsed());
    }
}

/// One write while it is carried out.
struct Run<'a> {
    task: &'a TaskContext,
    write: Write<'a>,
    /// PingOne's answer to the last call that it confirmed.
    written: Option<Written>,
    /// Why the last call failed, or why its refusal could not be explained.
    failure: Option<Failure>,
    /// Why the last read failed.
    unread: Option<Failure>,
    /// The last call has no audit line yet; how sure its effect is if nothing more is learnt.
    open: Option<ChangeOutcome>,
    /// The last read shows what was asked for.
    is_so: bool,
    told_cancelled: bool,
}

impl Run<'_> {
    /// Sends the call. `None`: a dry run.
    async fn send(&mut self) -> Option<Event> {
        self.close();
        let Write { call, accepts, .. } = self.write;
        self.failure = None;
        match self.task.send(call, self.write.entry).await {
            Ok(written) if written.is_planned() => None,
            Ok(written) => {
                self.open = Some(ChangeOutcome::Unknown);
                let shown = written.is_shown() && accepts(call, &written);
                let event = match (shown, written.is_shown()) {
                    (true, _) => Event::Shown,
                    (false, true) => Event::Unknown(None),
                    (false, false) => Event::Confirmed,
                };
                self.written = Some(written);
                Some(event)
            }
            Err(failure) => {
                self.written = None;
                let unknown = failure.pingone().is_some_and(PingOneError::outcome_unknown);
                let asked = failure.pingone().and_then(|error| error.retry_after);
                // What was never sent leaves no line.
                let sent = failure.pingone().is_some_and(PingOneError::was_sent);
                let outcome = if unknown {
                    ChangeOutcome::Unknown
                } else {
                    ChangeOutcome::Refused
                };
                self.open = sent.then_some(outcome);
                let event = if unknown {
                    Event::Unknown(asked)
                } else {
                    Event::Refused(refusal(call, &failure))
                };
                self.failure = Some(failure);
                Some(event)
            }
        }
    }

    /// A refusal that cannot be explained is told as the read's failure.
    fn unread(&mut self, failure: Failure) {
        if self.open == Some(ChangeOutcome::Refused) {
            self.close();
            self.failure = Some(failure);
        } else if failure.pingone().is_some() {
            self.unread = Some(failure);
        }
    }

    async fn wait(&mut self, time: std::time::Duration) -> Event {
        if self.told_cancelled {
            tokio::time::sleep(time).await;
            return Event::Waited;
        }
        if self.task.sleep(time).await {
            return Event::Waited;
        }
        self.told_cancelled = true;
        Event::Cancelled
    }

    fn done<T>(mut self, proof: Proof, found: Option<T>) -> Result<Applied<T>, Failure> {
        match (proof, found, self.written.take()) {
            (Proof::Answer, _, Some(written)) if written.is_shown() => {
                self.record(ChangeOutcome::Done, written.request_id.clone());
                Ok(Applied::Answered(written))
            }
            (Proof::Answer, Some(seen), written) => {
                self.record(ChangeOutcome::Done, written.and_then(|written| written.request_id));
                Ok(Applied::Seen(seen))
            }
            (Proof::Read, Some(seen), _) => {
                self.record(ChangeOutcome::Confirmed, None);
                Ok(Applied::Seen(seen))
            }
            (Proof::Already, Some(seen), _) => {
                self.open = self.open.map(|_| ChangeOutcome::Refused);
                self.close();
                Ok(Applied::Already(seen))
            }
            (_, None, _) => Err(self.give_up(Reason::Unknown)),
        }
    }

    fn give_up(mut self, reason: Reason) -> Failure {
        self.close();
        let call = self.write.call;
        match (reason, self.failure.take()) {
            (Reason::Unknown | Reason::Refused, _) if self.told_cancelled => Failure::Cancelled,
            (Reason::Unknown, Some(Failure::PingOne(error))) => unknown(&error, self.unread),
            (Reason::Unknown, _) => unproved(call, self.written.as_ref(), self.unread),
            (_, Some(failure)) => failure,
            (_, None) => Failure::Cancelled,
        }
    }

    /// The line of a call that succeeded.
    fn record(&mut self, outcome: ChangeOutcome, request_id: Option<String>) {
        self.open = None;
        if !self.write.caller_audits {
            self.task.audit(self.write.call, self.write.entry, outcome, request_id);
        }
    }

    /// The line of a call that did not, or of which nothing more is learnt.
    fn close(&mut self) {
        if let Some(outcome) = self.open.take() {
            let entry = match outcome {
                ChangeOutcome::Refused if !self.is_so => AuditEntry {
                    after: self.write.entry.before,
                    ..self.write.entry
                },
                _ => self.write.entry,
            };
            let request_id = match (&self.written, self.failure.as_ref().and_then(Failure::pingone)) {
                (Some(written), _) => written.request_id.clone(),
                (None, Some(error)) => error.request_id.clone(),
                (None, None) => None,
            };
            self.task.audit(self.write.call, entry, outcome, request_id);
        }
    }
}

/// What a refusal means for the course of a write.
fn refusal(call: &WriteCall, failure: &Failure) -> Refusal {
    let Some(error) = failure.pingone() else {
        return Refusal::Other;
    };
    if error.is_gone() {
        return Refusal::Absent;
    }
    if error.is_right_missing() {
        return Refusal::Right;
    }
    match error.class() {
        // A plain conflict; but whoever grants learns even from that one that the grant may be there.
        ErrorClass::AlreadyExists
            if error.status() == Some(409)
                && error.detail_code() != Some("UNIQUENESS_VIOLATION")
                && !call.operation.grants() =>
        {
            Refusal::Conflict
        }
        ErrorClass::AlreadyExists | ErrorClass::Rejected => Refusal::Taken,
        _ => Refusal::Other,
    }
}
