//! The task loop (c1-protocol.md §7.2, §7.3): wait, hold a slot, ask, hand out. One loop for both ways of asking.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::client::POLL_LIMIT;
use super::error::RpcError;
use super::queue::{Queue, Step};
use super::run::Inner;
use super::{convert, pace};
use crate::proto::c1::connectorapi::baton::v1 as pb;
use crate::runtime::liveness::Pulse;
use crate::runtime::shutdown::Term;

/// How often a loop that waits for a slot says that it is alive.
const SLOT_TICK: Duration = Duration::from_secs(15);

/// What a poll gave.
#[derive(Debug)]
enum Polled {
    /// A task, and how long to wait before the next poll.
    Task(Box<pb::Task>, Duration),
    Nothing(Duration),
}

/// Ids that are being worked on.
#[derive(Debug, Default)]
pub(super) struct InFlight(Mutex<HashSet<String>>);

impl InFlight {
    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the id is new.
    fn enter(&self, id: &str) -> bool {
        self.lock().insert(id.to_owned())
    }

    fn leave(&self, id: &str) {
        self.lock().remove(id);
    }
}

/// Asks with `GetTask` or, with a queue, with `GetTasks`.
struct Source {
    inner: Arc<Inner>,
    queue: Option<Arc<Mutex<Queue>>>,
}

impl Source {
    async fn poll(&self) -> Result<Polled, RpcError> {
        let Some(queue) = &self.queue else {
            let answer = self.inner.client.get_task().await?;
            let delay = pace::next_poll(answer.next_poll);
            return Ok(match answer.task {
                Some(task) if !convert::is_none(Some(&task)) => Polled::Task(Box::new(task), delay),
                _ => Polled::Nothing(pace::idle_poll(delay)),
            });
        };
        let step = lock(queue).step(Instant::now());
        let Step::Fetch {
            page_size,
            known,
            in_hand,
        } = step
        else {
            return Ok(polled(step));
        };
        // A shutdown ends the call; the task in hand stays with the queue until then.
        let mut in_hand = InHand { queue, task: in_hand };
        match (self.inner.client.get_tasks(page_size, known).await, in_hand.task.take()) {
            (Ok(answer), in_hand) => {
                let now = Instant::now();
                let next_poll = pace::next_poll(answer.next_poll);
                let mut queue = lock(queue);
                queue.fetched(answer.tasks, next_poll, now);
                Ok(polled(in_hand.map_or_else(|| queue.hand_or_wait(now), Step::Hand)))
            }
            (Err(error), Some(task)) => {
                tracing::warn!(error = error.chain(), "asking for more tasks failed");
                Ok(Polled::Task(task, Duration::ZERO))
            }
            (Err(error), None) => Err(error),
        }
    }

    fn finished(&self, id: &str) {
        if let Some(queue) = &self.queue {
            lock(queue).finished(id);
        }
    }
}

/// A task that is handed out when a call ends, and goes back to the queue if the call is dropped.
struct InHand<'a> {
    queue: &'a Mutex<Queue>,
    task: Option<Box<pb::Task>>,
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            lock(self.queue).put_back(*task);
        }
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

fn polled(step: Step) -> Polled {
    match step {
        Step::Hand(task) => Polled::Task(task, Duration::ZERO),
        Step::Wait(delay) => Polled::Nothing(delay),
        Step::Fetch { .. } => Polled::Nothing(pace::IDLE_PAUSE),
    }
}

/// The tokens that end running tasks.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    /// Ends syncs: at the start of a shutdown.
    pub(super) syncs: CancellationToken,
    /// Ends short tasks: near the end of a shutdown's budget, or when the term ends.
    pub(super) short: CancellationToken,
}

/// Polls and hands out until the term stops. Running tasks are left in `tasks`.
pub(super) async fn run(inner: &Arc<Inner>, term: &Term, tokens: &Tokens, pulse: &Pulse, tasks: &mut JoinSet<()>) {
    let source = Arc::new(Source {
        inner: Arc::clone(inner),
        queue: inner
            .batched
            .then(|| Arc::new(Mutex::new(Queue::new(inner.slot_count, Instant::now())))),
    });
    let mut delay = Duration::ZERO;
    let mut failures = 0u32;
    while let Some(slot) = next_slot(inner, term, pulse, delay).await {
        while tasks.try_join_next().is_some() {}
        pulse.due_within(POLL_LIMIT);
        // An answer that is there is taken: the task in it is ours already.
        let answer = tokio::select! {
            biased;
            answer = source.poll() => answer,
            () = term.stopping().cancelled() => break,
        };
        match answer {
            Ok(polled) => {
                failures = 0;
                delay = match polled {
                    Polled::Nothing(delay) => delay,
                    Polled::Task(task, delay) => {
                        if start(&source, *task, tokens, slot, tasks) {
                            delay
                        } else {
                            delay.max(pace::IDLE_PAUSE)
                        }
                    }
                };
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                delay = pace::poll_pause(failures, pace::chance());
                tracing::warn!(
                    attempt = failures,
                    retry_in_ms = delay.as_millis(),
                    error_class = error.class().as_str(),
                    error = error.chain(),
                    "poll failed"
                );
            }
        }
    }
    // What C1 handed over and no slot was free for goes back.
    for task in source
        .queue
        .as_deref()
        .map(|queue| lock(queue).take())
        .unwrap_or_default()
    {
        let inner = Arc::clone(inner);
        tasks.spawn(async move { inner.hand_back(convert::task(task)).await });
    }
}

/// Waits for the delay and then for a slot. `None`: the term stops.
async fn next_slot(inner: &Inner, term: &Term, pulse: &Pulse, delay: Duration) -> Option<OwnedSemaphorePermit> {
    pulse.due_within(delay);
    tokio::select! {
        biased;
        () = term.stopping().cancelled() => return None,
        () = tokio::time::sleep(delay) => {}
    }
    loop {
        pulse.due_within(SLOT_TICK);
        tokio::select! {
            biased;
            () = term.stopping().cancelled() => return None,
            slot = Arc::clone(&inner.slots).acquire_owned() => return slot.ok(),
            () = tokio::time::sleep(SLOT_TICK) => {}
        }
    }
}

/// Starts a task on its slot. `false`: this id is being worked on already, so nothing was started.
fn start(
    source: &Arc<Source>,
    task: pb::Task,
    tokens: &Tokens,
    slot: OwnedSemaphorePermit,
    tasks: &mut JoinSet<()>,
) -> bool {
    let task = convert::task(task);
    let id = task.id.clone();
    if !source.inner.in_flight.enter(id.as_str()) {
        tracing::warn!(task_id = %id, "task offered again while it is being worked on; ignored");
        return false;
    }
    let parent = if task.kind.is_sync() {
        &tokens.syncs
    } else {
        &tokens.short
    };
    let token = parent.child_token();
    let span = tracing::info_span!("task", task_id = %id, task_type = task.kind.as_str());
    let source = Arc::clone(source);
    let work = async move {
        Box::pin(source.inner.handle(task, token)).await;
        source.inner.in_flight.leave(id.as_str());
        source.finished(id.as_str());
        drop(slot);
    };
    tasks.spawn(work.instrument(span));
    true
}
