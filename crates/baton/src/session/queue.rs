//! The state behind `GetTasks` (c1-protocol.md §7.3), without I/O: which task to hand out, whether to ask for more, or
//! how long to wait.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::retry_delay;
use crate::proto::c1::connectorapi::baton::v1::{Task, task::TaskType};

/// The protocol's limit of a page (DEV-6).
const MAX_PAGE: usize = 100;
const IDLE_WAIT: Duration = Duration::from_millis(100);

/// What to do next.
#[derive(Debug)]
pub(super) enum Step {
    /// Work on this one.
    Hand(Box<Task>),
    /// Ask for more. A task that is already in hand is worked on whatever the answer is.
    Fetch {
        page_size: u32,
        known: Vec<String>,
        in_hand: Option<Box<Task>>,
    },
    /// Nothing to do for so long.
    Wait(Duration),
}

#[derive(Debug)]
pub(super) struct Queue {
    low: usize,
    high: usize,
    queued: VecDeque<Task>,
    in_flight: HashSet<String>,
    /// Those of them that hold no slot.
    aside: HashSet<String>,
    next_poll_at: Instant,
}

impl Queue {
    pub(super) fn new(slots: usize, now: Instant) -> Self {
        Self {
            low: slots,
            high: slots.saturating_mul(2),
            queued: VecDeque::new(),
            in_flight: HashSet::new(),
            aside: HashSet::new(),
            next_poll_at: now,
        }
    }

    /// What waits for a slot or holds one.
    fn known(&self) -> usize {
        let in_slots = self.in_flight.len().saturating_sub(self.aside.len());
        self.queued.len().saturating_add(in_slots)
    }

    /// The task is worked on without a slot.
    pub(super) fn set_aside(&mut self, id: &str) {
        self.aside.insert(id.to_owned());
    }

    fn pop(&mut self) -> Option<Box<Task>> {
        let task = self.queued.pop_front()?;
        self.in_flight.insert(task.id.clone());
        Some(Box::new(task))
    }

    pub(super) fn step(&mut self, now: Instant) -> Step {
        let in_hand = self.pop();
        let until_poll = self.next_poll_at.saturating_duration_since(now);
        if self.known() < self.low && until_poll.is_zero() {
            let ids = self.queued.iter().map(|task| &task.id).chain(&self.in_flight);
            let page = self.high.saturating_sub(self.known()).clamp(1, MAX_PAGE);
            return Step::Fetch {
                page_size: u32::try_from(page).unwrap_or(1),
                known: ids.cloned().collect(),
                in_hand,
            };
        }
        match in_hand {
            Some(task) => Step::Hand(task),
            None if self.known() < self.low => Step::Wait(until_poll.max(IDLE_WAIT)),
            None => Step::Wait(IDLE_WAIT),
        }
    }

    /// Takes an answer in and says what to do next.
    pub(super) fn fetched(&mut self, tasks: Vec<Task>, next_poll: Duration, now: Instant) {
        let before = self.queued.len();
        for task in tasks {
            let known = self.in_flight.contains(&task.id) || self.queued.iter().any(|queued| queued.id == task.id);
            if !known && !matches!(task.task_type, Some(TaskType::None(_))) {
                self.queued.push_back(task);
            }
        }
        let nothing_new = self.queued.len() == before;
        let next_poll = if nothing_new {
            retry_delay::idle_poll(next_poll)
        } else {
            next_poll
        };
        self.next_poll_at = now.checked_add(next_poll).unwrap_or(now);
    }

    /// After an answer, when nothing was in hand.
    pub(super) fn hand_or_wait(&mut self, now: Instant) -> Step {
        match self.pop() {
            Some(task) => Step::Hand(task),
            None => Step::Wait(self.next_poll_at.saturating_duration_since(now).max(IDLE_WAIT)),
        }
    }

    /// Puts back what was taken and is not worked on after all.
    pub(super) fn put_back(&mut self, task: Task) {
        self.in_flight.remove(&task.id);
        self.queued.push_front(task);
    }

    /// Takes everything that waits.
    pub(super) fn take(&mut self) -> Vec<Task> {
        self.queued.drain(..).collect()
    }

    /// A handler returned.
    pub(super) fn finished(&mut self, id: &str) {
        self.in_flight.remove(id);
        self.aside.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::c1::connectorapi::baton::v1::task;

    fn task(id: &str) -> Task {
        Task {
            id: id.to_owned(),
            task_type: Some(TaskType::Hello(task::HelloTask::default())),
            ..Task::default()
        }
    }

    fn fetch(step: Step) -> (u32, Vec<String>, Option<String>) {
        match step {
            Step::Fetch {
                page_size,
                mut known,
                in_hand,
            } => {
                known.sort();
                (page_size, known, in_hand.map(|task| task.id))
            }
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn asks_for_twice_the_slots_less_what_is_known() {
        let mut queue = Queue::new(3, Instant::now());
        assert_eq!(fetch(queue.step(Instant::now())), (6, vec![], None));
        queue.fetched(vec![task("a"), task("b")], Duration::ZERO, Instant::now());
        assert!(matches!(queue.hand_or_wait(Instant::now()), Step::Hand(one) if one.id == "a"));
        let (page, known, in_hand) = fetch(queue.step(Instant::now()));
        assert_eq!(
            (page, known, in_hand),
            (4, vec!["a".to_owned(), "b".to_owned()], Some("b".to_owned()))
        );
        queue.fetched(vec![task("c")], Duration::ZERO, Instant::now());
        assert!(
            matches!(queue.step(Instant::now()), Step::Hand(one) if one.id == "c"),
            "three known: no call"
        );
        assert!(matches!(queue.step(Instant::now()), Step::Wait(wait) if wait == IDLE_WAIT));
        queue.finished("a");
        assert_eq!(fetch(queue.step(Instant::now())).0, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_without_a_slot_is_known_and_takes_no_room() {
        let mut queue = Queue::new(1, Instant::now());
        queue.fetched(vec![task("a")], Duration::ZERO, Instant::now());
        assert!(matches!(queue.step(Instant::now()), Step::Hand(_)));
        assert!(matches!(queue.step(Instant::now()), Step::Wait(_)));
        queue.set_aside("a");
        assert_eq!(fetch(queue.step(Instant::now())), (2, vec!["a".to_owned()], None));
        queue.finished("a");
        assert_eq!(fetch(queue.step(Instant::now())), (2, vec![], None));
    }

    #[tokio::test(start_paused = true)]
    async fn waits_until_the_next_poll_is_due() {
        let mut queue = Queue::new(2, Instant::now());
        queue.fetched(vec![], Duration::from_secs(5), Instant::now());
        assert!(matches!(queue.step(Instant::now()), Step::Wait(wait) if wait == Duration::from_secs(5)));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(fetch(queue.step(Instant::now())).0, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn drops_known_and_empty_tasks_and_never_asks_for_more_than_a_page() {
        let mut queue = Queue::new(80, Instant::now());
        assert_eq!(fetch(queue.step(Instant::now())).0, 100);
        let none = Task {
            id: "n".to_owned(),
            task_type: Some(TaskType::None(task::NoneTask::default())),
            ..Task::default()
        };
        queue.fetched(vec![task("a"), task("a"), none], Duration::ZERO, Instant::now());
        assert_eq!(queue.known(), 1);
        assert!(matches!(queue.hand_or_wait(Instant::now()), Step::Hand(_)));
        queue.fetched(vec![task("a")], Duration::ZERO, Instant::now());
        assert_eq!(queue.known(), 1, "in flight");
        // Nothing new, and no time to wait given: not at once again.
        assert!(matches!(queue.hand_or_wait(Instant::now()), Step::Wait(wait) if wait == retry_delay::IDLE_PAUSE));
        tokio::time::advance(retry_delay::IDLE_PAUSE).await;
        fetch(queue.step(Instant::now()));
    }
}
