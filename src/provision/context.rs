//! One task at work: its client with the task's budget, its cancellation, its audit trail, its dry run.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

pub(crate) use super::audit::AuditEntry;
use super::audit::{AuditSink, ChangeOutcome, Trail};
use super::error::Failure;
use super::memory::Memory;
use super::plan::Plan;
use super::settings::ProvisionOptions;
use baton::schedule::WriteGuard;
use baton::task::{Annotation, RateLimit, TaskId, WriteContext};
use pingone::types::Environment;
use pingone::{Budget, Client, Operation, PingOneError, WriteCall, Written};
use process::error::ErrorClass;
use process::runtime::leader_guard::LeaderGuard;

/// For reads that decide a lost answer when the task's own time is over.
const DECIDE: Budget = Budget(Duration::from_secs(15));

/// One task.
#[derive(Debug)]
pub(crate) struct TaskContext {
    options: Arc<ProvisionOptions>,
    client: Client,
    trail: Trail,
    memory: Arc<Memory>,
    context: WriteContext,
    plan: Option<Mutex<Plan>>,
    rate: Mutex<Option<RateLimit>>,
    half_done: Arc<AtomicBool>,
    /// Tells the snapshots that a write is under way.
    _noted: Option<WriteGuard>,
}

impl TaskContext {
    pub(crate) fn new(
        options: Arc<ProvisionOptions>,
        (client, guard): (&Client, &LeaderGuard),
        audit: Arc<dyn AuditSink>,
        memory: Arc<Memory>,
        context: WriteContext,
        noted: Option<WriteGuard>,
    ) -> Self {
        let plan = options.dry_run.then(Mutex::default);
        let (guard, token) = (guard.clone(), context.token.clone());
        let half_done = Arc::new(AtomicBool::new(false));
        let begun = Arc::clone(&half_done);
        let may_write =
            LeaderGuard::new(move || guard.may_begin() && (!token.is_cancelled() || begun.load(Ordering::Relaxed)));
        Self {
            options,
            client: client
                .with_transaction(context.task_id.as_str())
                .for_task(Budget::PROVISION, may_write),
            trail: Trail::new(audit, context.task_id.clone()),
            memory,
            context,
            plan,
            rate: Mutex::default(),
            half_done,
            _noted: noted,
        }
    }

    /// The task's id.
    pub(crate) const fn id(&self) -> &TaskId {
        &self.context.task_id
    }

    /// The settings.
    pub(crate) fn options(&self) -> &ProvisionOptions {
        &self.options
    }

    /// The client, for reads: `task.read(task.client().user(id)).await`.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// A client whose budget is not the task's, for reads that decide what a lost answer left open.
    pub(crate) fn deciding(&self) -> Client {
        self.client.for_task(DECIDE, LeaderGuard::always())
    }

    /// From here on cancelling does not end the task: what it has begun to write would be left half done, and C1 would
    /// never learn of it.
    pub(crate) fn carry_on(&self) {
        self.half_done.store(true, Ordering::Relaxed);
    }

    async fn cancelled(&self) {
        if self.half_done.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.context.token.cancelled().await;
    }

    /// One read; cancelling the task ends it.
    pub(crate) async fn read<T>(&self, read: impl Future<Output = Result<T, PingOneError>>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.cancelled() => Err(Failure::Cancelled),
            result = read => result.map_err(Failure::from),
        }
    }

    /// Sends one write. Cancelling keeps it from starting but never ends it half-way: its outcome would not be known. In
    /// a dry run it is only written down. Its audit line is the caller's to leave with [`TaskContext::audit`]; a task
    /// that is dropped before leaves it as unknown.
    pub(super) async fn send(&self, call: &WriteCall, entry: AuditEntry<'_>) -> Result<Written, Failure> {
        if let Some(plan) = &self.plan {
            if let Ok(mut plan) = plan.lock() {
                plan.add(call);
            }
            return Ok(Written::planned());
        }
        self.trail.begins(call.operation.as_str(), entry);
        let written = self.client.write(call).await.map_err(|mut error| {
            if !error.was_sent() {
                self.trail.over();
            }
            if error.operation == Operation::Token {
                error.object = format!("{}, to {} {}", error.object, call.operation.text(), call.subject());
            }
            error
        })?;
        if let (Some(info), Ok(mut rate)) = (written.rate, self.rate.lock()) {
            *rate = Some(RateLimit {
                limit: info.limit,
                remaining: info.remaining,
                reset_after: info.reset_after,
                over: info.remaining <= 0,
            });
        }
        Ok(written)
    }

    /// Leaves an audit line.
    pub(crate) fn audit(
        &self,
        call: &WriteCall,
        entry: AuditEntry<'_>,
        outcome: ChangeOutcome,
        request_id: Option<String>,
    ) {
        self.trail.record(call.operation.as_str(), entry, outcome, request_id);
    }

    /// Waits; `false` if the task is cancelled first.
    pub(super) async fn sleep(&self, time: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.cancelled() => false,
            () = tokio::time::sleep(time) => true,
        }
    }

    /// Waits inside the task's budget; cancelling ends it. `false`: there is no time left for it.
    pub(crate) async fn wait(&self, time: Duration) -> Result<bool, Failure> {
        if self.client.time_left() <= time {
            return Ok(false);
        }
        if self.sleep(time).await {
            Ok(true)
        } else {
            Err(Failure::Cancelled)
        }
    }

    /// The configured environment, read once per process.
    pub(crate) async fn environment(&self) -> Result<Environment, Failure> {
        let read = self
            .memory
            .environment
            .get_or_try_init(|| self.read(self.client.environment()));
        read.await.cloned()
    }

    /// The configured environment's id.
    pub(crate) fn environment_id(&self) -> Result<Uuid, Failure> {
        let id = Uuid::try_parse(self.client.environment_id());
        id.map_err(|_| Failure::invalid("pingone-environment-id is not a UUID"))
    }

    /// The organization's name, or `None` where we may not read it. Read once per process.
    pub(crate) async fn organization_name(&self, id: Uuid) -> Result<Option<String>, Failure> {
        let read = self.memory.organization.get_or_try_init(|| async {
            match self.read(self.client.organization(id)).await {
                Ok(organization) => Ok(organization.name),
                Err(failure) if failure.pingone().is_some_and(is_hidden) => Ok(None),
                Err(failure) => Err(failure),
            }
        });
        read.await.cloned()
    }

    /// What is kept between tasks.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Waits until no other task changes the same object.
    pub(crate) async fn lock(&self, object: impl ToString) -> Result<OwnedMutexGuard<()>, Failure> {
        let key = object.to_string();
        tokio::select! {
            biased;
            () = self.context.token.cancelled() => Err(Failure::Cancelled),
            lock = self.memory.locks.take(&key) => Ok(lock),
        }
    }

    /// Writes are only written down.
    pub(crate) const fn is_dry_run(&self) -> bool {
        self.plan.is_some()
    }

    /// The task has an outcome: what it wrote is told, or was refused.
    pub(crate) fn ended(&self) {
        self.trail.over();
    }

    /// What a reply says about rates: the last rate headers, and the time slept.
    pub(crate) fn annotations(&self) -> Vec<Annotation> {
        let mut annotations = Vec::new();
        if let Some(rate) = self.rate.lock().ok().and_then(|rate| rate.clone()) {
            annotations.push(Annotation::RateLimit(rate));
        }
        let slept = self.client.slept();
        if slept >= Duration::from_millis(1) {
            annotations.push(Annotation::RateLimitWait(slept));
        }
        annotations
    }

    /// The plan of a dry run, `None` where writes were real.
    pub(crate) fn into_plan(self) -> Option<Plan> {
        let plan = self.plan?.into_inner().unwrap_or_default();
        Some(plan.checked_by(self.client.asked()))
    }
}

/// Not ours to see, or not there.
fn is_hidden(error: &PingOneError) -> bool {
    matches!(error.class(), ErrorClass::Forbidden | ErrorClass::NotFound)
}
