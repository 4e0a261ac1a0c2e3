//! One task at work: its client with the task's budget, its cancellation, its audit trail, its dry run.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OnceCell, OwnedMutexGuard};
use tokio::time::Instant;
use uuid::Uuid;

pub(crate) use super::audit::Told;
use super::audit::{AuditSink, ChangeOutcome, Trail};
use super::error::Failure;
use super::plan::Plan;
use super::scope::Wanted;
use super::settings::ProvisionOptions;
use super::turns::Turns;
use crate::error::ErrorClass;
use crate::pingone::types::Environment;
use crate::pingone::{Budget, Client, PingOneError, Principal, WriteCall, Written};
use crate::runtime::permit::Permit;
use crate::task::{Annotation, RateLimit, WriteContext};

/// Before what may only not be visible yet is read again (connector-model.md §7.1).
pub(crate) const SETTLE: Duration = Duration::from_secs(2);
/// How long a list may not show an assignment that was just made.
const LAG: Duration = Duration::from_mins(1);
/// For reads that decide a lost answer when the task's own time is over.
const DECIDE: Budget = Budget(Duration::from_secs(15));

/// What does not change while the process lives, read once.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    environment: OnceCell<Environment>,
    organization: OnceCell<Option<String>>,
    turns: Turns,
    recent: Mutex<Vec<Recent>>,
}

/// An assignment that we made and that PingOne's lists may not show yet.
#[derive(Debug)]
struct Recent {
    made: Instant,
    principal: Principal,
    wanted: Wanted,
    assignment: Uuid,
}

impl Facts {
    /// Keeps an assignment in mind while lists may lag behind.
    pub(crate) fn remember(&self, principal: Principal, wanted: &Wanted, assignment: Uuid) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|one| one.made.elapsed() < LAG);
        recent.push(Recent {
            made: Instant::now(),
            principal,
            wanted: wanted.clone(),
            assignment,
        });
    }

    /// Assignments of this meaning that we made a moment ago.
    pub(crate) fn remembered(&self, principal: Principal, wanted: &Wanted) -> Vec<Uuid> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = recent
            .iter()
            .filter(|one| one.principal == principal && one.wanted == *wanted && one.made.elapsed() < LAG);
        ours.map(|one| one.assignment).collect()
    }

    /// They are deleted.
    pub(crate) fn forget(&self, principal: Principal, wanted: &Wanted) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|one| one.principal != principal || one.wanted != *wanted);
    }
}

/// One task.
#[derive(Debug)]
pub(crate) struct Work {
    options: Arc<ProvisionOptions>,
    client: Client,
    trail: Trail,
    facts: Arc<Facts>,
    context: WriteContext,
    plan: Option<Mutex<Plan>>,
    rate: Mutex<Option<RateLimit>>,
    half_done: Arc<AtomicBool>,
}

impl Work {
    pub(crate) fn new(
        options: Arc<ProvisionOptions>,
        (client, permit): (&Client, &Permit),
        audit: Arc<dyn AuditSink>,
        facts: Arc<Facts>,
        context: WriteContext,
    ) -> Self {
        let plan = options.dry_run.then(Mutex::default);
        let (permit, token) = (permit.clone(), context.token.clone());
        let half_done = Arc::new(AtomicBool::new(false));
        let begun = Arc::clone(&half_done);
        let may_write =
            Permit::new(move || permit.may_begin() && (!token.is_cancelled() || begun.load(Ordering::Relaxed)));
        Self {
            options,
            client: client
                .with_transaction(context.task_id.as_str())
                .for_task(Budget::PROVISION, may_write),
            trail: Trail::new(audit, context.task_id.clone()),
            facts,
            context,
            plan,
            rate: Mutex::default(),
            half_done,
        }
    }

    /// The settings.
    pub(crate) fn options(&self) -> &ProvisionOptions {
        &self.options
    }

    /// The client, for reads: `work.read(work.client().user(id)).await`.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// A client whose budget is not the task's, for reads that decide what a lost answer left open.
    pub(crate) fn deciding(&self) -> Client {
        self.client.for_task(DECIDE, Permit::always())
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

    /// One write. Cancelling keeps it from starting but never ends it half-way: its outcome would not be known. In a
    /// dry run it is only written down. A success leaves an audit line; a failure whose outcome is unknown is the
    /// caller's to decide by a read and to tell with [`Work::decided`].
    pub(crate) async fn write(&self, call: &WriteCall, told: Told<'_>) -> Result<Written, Failure> {
        let written = self.send(call).await?;
        if !written.is_planned() {
            self.told(call, told, ChangeOutcome::Done, written.request_id.clone());
        }
        Ok(written)
    }

    /// One write whose audit line is the caller's to leave with [`Work::told`], because only the answer names what was
    /// made. Else as [`Work::write`].
    pub(crate) async fn send(&self, call: &WriteCall) -> Result<Written, Failure> {
        if let Some(plan) = &self.plan {
            if let Ok(mut plan) = plan.lock() {
                plan.add(call);
            }
            return Ok(Written::planned());
        }
        self.trail.begins(call.operation.as_str(), &call.object);
        let written = self.client.write(call).await?;
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

    /// What became of a write whose answer was lost: seen by a read, or not to be known.
    pub(crate) fn decided(&self, call: &WriteCall, told: Told<'_>, outcome: ChangeOutcome) {
        self.told(call, told, outcome, None);
    }

    /// Leaves an audit line.
    pub(crate) fn told(&self, call: &WriteCall, told: Told<'_>, outcome: ChangeOutcome, request_id: Option<String>) {
        self.trail.tell(call.operation.as_str(), told, outcome, request_id);
    }

    /// Waits inside the task's budget; cancelling ends it. `false`: there is no time left for it.
    pub(crate) async fn wait(&self, time: Duration) -> Result<bool, Failure> {
        if self.client.time_left() <= time {
            return Ok(false);
        }
        tokio::select! {
            biased;
            () = self.cancelled() => Err(Failure::Cancelled),
            () = tokio::time::sleep(time) => Ok(true),
        }
    }

    /// The configured environment, read once per process.
    pub(crate) async fn environment(&self) -> Result<Environment, Failure> {
        let read = self
            .facts
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
        let read = self.facts.organization.get_or_try_init(|| async {
            match self.read(self.client.organization(id)).await {
                Ok(organization) => Ok(organization.name),
                Err(failure) if failure.pingone().is_some_and(is_hidden) => Ok(None),
                Err(failure) => Err(failure),
            }
        });
        read.await.cloned()
    }

    /// What is kept between tasks.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Waits until no other task changes the same object.
    pub(crate) async fn turn(&self, object: impl ToString) -> Result<OwnedMutexGuard<()>, Failure> {
        let key = object.to_string();
        tokio::select! {
            biased;
            () = self.context.token.cancelled() => Err(Failure::Cancelled),
            turn = self.facts.turns.take(&key) => Ok(turn),
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
        self.plan.map(|plan| plan.into_inner().unwrap_or_default())
    }
}

/// Not ours to see, or not there.
fn is_hidden(error: &PingOneError) -> bool {
    matches!(error.class(), ErrorClass::Forbidden | ErrorClass::NotFound)
}
