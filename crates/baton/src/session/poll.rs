//! The task loop (c1-protocol.md §7.2, §7.3): wait, hold a slot, ask, hand out. One loop for both ways of asking.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;

use super::client::{POLL_LIMIT, SUSPICION_LIMIT};
use super::error::RpcError;
use super::inner::{Inner, Place, Tokens};
use super::queue::{Queue, Step};
use super::verdicts::Verdicts;
use super::{convert, retry_delay};
use crate::proto::c1::connectorapi::baton::v1 as pb;
use crate::task::Task;
use process::runtime::liveness::Pulse;
use process::runtime::shutdown::Term;

/// How often a loop that waits for a slot says that it is alive.
const SLOT_TICK: Duration = Duration::from_secs(15);

/// What a poll gave.
#[derive(Debug)]
enum Polled {
    /// A task, and how long to wait before the next poll.
    Task(Box<pb::Task>, Duration),
    Nothing(Duration),
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
            let delay = retry_delay::next_poll(answer.next_poll);
            return Ok(match answer.task {
                Some(task) if !convert::is_none(Some(&task)) => Polled::Task(Box::new(task), delay),
                _ => Polled::Nothing(retry_delay::idle_poll(delay)),
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
                let next_poll = retry_delay::next_poll(answer.next_poll);
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

    /// The task's work holds no slot.
    fn set_aside(&self, id: &str) {
        if let Some(queue) = &self.queue {
            lock(queue).set_aside(id);
        }
    }
}

/// A task that the queue handed out. The queue learns of its end however the work ends.
struct Handed {
    source: Arc<Source>,
    id: String,
    _place: Place,
}

impl Drop for Handed {
    fn drop(&mut self) {
        if let Some(queue) = &self.source.queue {
            lock(queue).finished(&self.id);
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
        Step::Fetch { .. } => Polled::Nothing(retry_delay::IDLE_PAUSE),
    }
}

/// How often the same failure in a row is logged: the first, second, fourth, eighth time, and so on.
#[derive(Debug, Default)]
struct Failures {
    in_a_row: u32,
    last: String,
}

impl Failures {
    fn note(&mut self, error: &RpcError) -> Duration {
        let error_class = error.class().as_str();
        let text = error.chain();
        let is_news = self.is_news(&text);
        let delay = retry_delay::poll_pause(self.in_a_row, retry_delay::chance());
        let (attempt, retry_in_ms) = (self.in_a_row, delay.as_millis());
        if is_news {
            tracing::warn!(attempt, retry_in_ms, error_class, error = text, "poll failed");
        } else {
            tracing::debug!(attempt, retry_in_ms, error_class, error = text, "poll failed");
        }
        delay
    }

    fn is_news(&mut self, text: &str) -> bool {
        self.in_a_row = self.in_a_row.saturating_add(1);
        let is_other = text != self.last;
        text.clone_into(&mut self.last);
        is_other || self.in_a_row.is_power_of_two()
    }
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
    let mut failures = Failures::default();
    while let Some(slot) = next_slot(inner, term, pulse, delay).await {
        while tasks.try_join_next().is_some() {}
        pulse.due_within(POLL_LIMIT + SUSPICION_LIMIT);
        let mut poll = std::pin::pin!(source.poll());
        // An answer that is there is taken: the task in it is ours already.
        let answer = tokio::select! {
            biased;
            answer = poll.as_mut() => answer,
            () = term.stopping().cancelled() => {
                hand_back_what_comes(&source, poll.as_mut(), tasks).await;
                break;
            }
        };
        match answer {
            Ok(polled) => {
                failures = Failures::default();
                inner.tell_reached(None);
                send_again(inner, tasks);
                delay = match polled {
                    Polled::Nothing(delay) => delay,
                    Polled::Task(task, delay) => {
                        if start(&source, *task, tokens, slot, tasks) {
                            delay
                        } else {
                            delay.max(retry_delay::IDLE_PAUSE)
                        }
                    }
                };
            }
            Err(error) => {
                inner.tell_reached(Some(&error));
                delay = failures.note(&error);
            }
        }
    }
    // What C1 handed over and no slot was free for goes back.
    let queued = source.queue.as_deref().map(|queue| lock(queue).take());
    for task in queued.unwrap_or_default() {
        hand_back(inner, task, tasks);
    }
}

/// A poll is open while the term stops: C1 may be handing a task over at this moment. It is awaited for a short while, and
/// what it brings goes back at once.
async fn hand_back_what_comes(
    source: &Source,
    poll: impl Future<Output = Result<Polled, RpcError>>,
    tasks: &mut JoinSet<()>,
) {
    match timeout(source.inner.parting_limit, poll).await {
        Ok(Ok(Polled::Task(task, _))) => hand_back(&source.inner, *task, tasks),
        Ok(Ok(Polled::Nothing(_))) => {}
        Ok(Err(error)) => tracing::debug!(error = error.chain(), "the last poll failed"),
        Err(_) => tracing::debug!("the last poll was given up"),
    }
}

/// Gives a task back that was not started, unless its id is being worked on already.
fn hand_back(inner: &Arc<Inner>, task: pb::Task, tasks: &mut JoinSet<()>) {
    let fingerprint = Verdicts::fingerprint(&task);
    let task = convert::task(task);
    if let Some(place) = inner.in_flight.enter(task.id.as_str()) {
        let inner = Arc::clone(inner);
        tasks.spawn(async move {
            inner.hand_back(task, fingerprint).await;
            drop(place);
        });
    }
}

/// C1 answers: verdicts that it did not take on an earlier connection are sent again.
fn send_again(inner: &Arc<Inner>, tasks: &mut JoinSet<()>) {
    for verdict in inner.verdicts.to_send_again(inner.client.connection()) {
        if let Some(place) = inner.in_flight.enter(&verdict.request.task_id) {
            let inner = Arc::clone(inner);
            tasks.spawn(async move {
                inner.send_again(verdict).await;
                drop(place);
            });
        }
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
    let fingerprint = Verdicts::fingerprint(&task);
    let task = convert::task(task);
    let id = task.id.clone();
    let Some(place) = source.inner.in_flight.enter(id.as_str()) else {
        tracing::warn!(task_id = %id, "task offered again while it is being worked on; ignored");
        return false;
    };
    let handed = Handed {
        source: Arc::clone(source),
        id: id.as_str().to_owned(),
        _place: place,
    };
    let parent = if task.kind.is_sync() {
        &tokens.syncs
    } else {
        &tokens.short
    };
    let token = parent.child_token();
    let slot = room(source, &task, slot);
    let span = tracing::info_span!("task", task_id = %id, task_type = task.kind.as_str());
    let source = Arc::clone(source);
    let work = async move {
        Box::pin(source.inner.handle(task, fingerprint, token)).await;
        drop((handed, slot));
    };
    tasks.spawn(work.instrument(span));
    true
}

/// One slot is kept for short tasks: a sync that would hold the last one works without it. Its heartbeats go on, and how
/// many syncs run at once is for their runner to say.
fn room(source: &Source, task: &Task, slot: OwnedSemaphorePermit) -> OwnedSemaphorePermit {
    let inner = &source.inner;
    let takes_last = task.kind.is_sync() && inner.slot_count > 1 && inner.slots.available_permits() == 0;
    if takes_last && let Ok(aside) = Arc::clone(&inner.aside).try_acquire_owned() {
        source.set_aside(task.id.as_str());
        return aside;
    }
    slot
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_failure_is_logged_ever_more_rarely_and_another_at_once() {
        let mut failures = Failures::default();
        let logged = (0..100).filter(|_| failures.is_news("refused")).count();
        assert_eq!(logged, 7, "1, 2, 4, 8, 16, 32, 64");
        assert!(failures.is_news("silent") && !failures.is_news("silent"));
    }
}
