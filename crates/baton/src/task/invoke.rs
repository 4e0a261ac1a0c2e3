//! Started actions: they run detached, the call waits a second for them, and later calls ask how they stand
//! (c1-protocol.md §9.6). They live in memory; after a restart their ids are unknown. Bounded: so many running at
//! once, so many settled results kept, an hour each.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use svix_ksuid::{Ksuid, KsuidLike as _};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{ActionState, ActionStatus, Code, JsonObject, TaskError};

/// How long the starting call waits for a result.
const INLINE_WAIT: Duration = Duration::from_secs(1);
/// How long an action may run.
const RUN_LIMIT: Duration = Duration::from_hours(1);
/// Settled results that are kept (connector-model.md §7.7).
const KEPT_SETTLED: usize = 1000;
/// Actions that may run at once.
const MAX_RUNNING: usize = 100;

/// How an action's handler ended.
#[derive(Debug, Clone, PartialEq)]
pub enum ActionOutcome {
    /// With this result.
    Complete(JsonObject),
    /// It failed; other results are kept beside the message.
    Failed {
        /// For people; becomes `response.fields.error`.
        message: String,
        /// What there is of a result.
        response: JsonObject,
    },
}

/// An action's state as the register keeps it: the error of a refused call is kept for the caller that waits.
#[derive(Debug, Clone)]
struct Settled {
    state: ActionState,
    refusal: Option<TaskError>,
}

#[derive(Debug, Default)]
struct Shelf {
    actions: HashMap<String, watch::Receiver<Settled>>,
    /// Ids of settled actions, oldest first.
    settled: VecDeque<String>,
    running: usize,
}

/// The started actions.
#[derive(Debug, Default)]
pub struct ActionRegistry {
    shelf: Arc<Mutex<Shelf>>,
    tasks: Mutex<JoinSet<()>>,
}

impl ActionRegistry {
    /// None started.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts an action and waits a second for it. Must be called inside a runtime.
    pub async fn start<F>(&self, name: String, work: F) -> Result<ActionState, TaskError>
    where
        F: Future<Output = Result<ActionOutcome, TaskError>> + Send + 'static,
    {
        let id = Ksuid::from_seconds(Some(jiff::Timestamp::now().as_second()), None).to_string();
        let mut states = self.launch(id, name, work)?;
        // Neither the time-out nor a vanished handler matters: the state says what there is to say.
        drop(timeout(INLINE_WAIT, states.wait_for(|one| settled(one.state.status))).await);
        let now = states.borrow().clone();
        match now.refusal {
            Some(error) => Err(error),
            None => Ok(now.state),
        }
    }

    fn launch<F>(&self, id: String, name: String, work: F) -> Result<watch::Receiver<Settled>, TaskError>
    where
        F: Future<Output = Result<ActionOutcome, TaskError>> + Send + 'static,
    {
        let first = ActionState {
            id: id.clone(),
            name,
            status: ActionStatus::Running,
            response: JsonObject::new(),
        };
        let (sender, receiver) = watch::channel(Settled {
            state: first,
            refusal: None,
        });
        {
            let mut inside = lock(&self.shelf);
            if inside.running >= MAX_RUNNING {
                let message = format!("{MAX_RUNNING} actions are running already");
                return Err(TaskError::new(Code::ResourceExhausted, message));
            }
            inside.running = inside.running.saturating_add(1);
            inside.actions.insert(id.clone(), receiver.clone());
        }
        let settled = Arc::clone(&self.shelf);
        let mut launched = lock(&self.tasks);
        while launched.try_join_next().is_some() {}
        launched.spawn(async move {
            let ended = timeout(RUN_LIMIT, AssertUnwindSafe(work).catch_unwind()).await;
            sender.send_modify(|one| settle(one, ended.unwrap_or_else(|_| Ok(Err(too_long())))));
            shelve(&mut lock(&settled), id);
        });
        Ok(receiver)
    }

    /// How an action stands.
    pub fn state(&self, id: &str) -> Result<ActionState, TaskError> {
        match lock(&self.shelf).actions.get(id) {
            Some(state) => Ok(state.borrow().state.clone()),
            None => Err(TaskError::new(Code::NotFound, format!("action id {id} not found"))),
        }
    }

    /// Waits until no action runs.
    pub async fn settled(&self) {
        loop {
            let running = lock(&self.shelf)
                .actions
                .values()
                .find(|state| !settled(state.borrow().state.status))
                .cloned();
            let Some(mut state) = running else { return };
            drop(state.wait_for(|one| settled(one.state.status)).await);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const fn settled(status: ActionStatus) -> bool {
    matches!(status, ActionStatus::Complete | ActionStatus::Failed)
}

fn too_long() -> TaskError {
    TaskError::new(Code::DeadlineExceeded, "the action ran longer than an hour")
}

type Ended = Result<Result<ActionOutcome, TaskError>, Box<dyn std::any::Any + Send>>;

fn settle(one: &mut Settled, ended: Ended) {
    let (status, message, response) = match ended {
        Ok(Ok(ActionOutcome::Complete(response))) => (ActionStatus::Complete, None, response),
        Ok(Ok(ActionOutcome::Failed { message, response })) => (ActionStatus::Failed, Some(message), response),
        Ok(Err(error)) => {
            let message = error.message.clone();
            one.refusal = Some(error);
            (ActionStatus::Failed, Some(message), JsonObject::new())
        }
        Err(_) => {
            // The panic's text may hold data, so it is not passed on.
            (
                ActionStatus::Failed,
                Some("panic in action handler".to_owned()),
                JsonObject::new(),
            )
        }
    };
    one.state.status = status;
    one.state.response = response;
    if let Some(message) = message {
        one.state.response.insert("error".to_owned(), message.into());
    }
}

fn shelve(shelf: &mut Shelf, id: String) {
    shelf.running = shelf.running.saturating_sub(1);
    shelf.settled.push_back(id);
    while shelf.settled.len() > KEPT_SETTLED {
        if let Some(oldest) = shelf.settled.pop_front() {
            shelf.actions.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "what a handler returns")]
    fn done() -> Result<ActionOutcome, TaskError> {
        Ok(ActionOutcome::Complete(JsonObject::new()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_fast_action_is_complete_when_the_call_returns() {
        let registry = ActionRegistry::new();
        let state = registry.start("a".into(), async { done() }).await.unwrap();
        assert_eq!((state.status, state.id.len()), (ActionStatus::Complete, 27));
        assert!(state.id.chars().all(|c| c.is_ascii_alphanumeric()));
        assert_eq!(registry.state(&state.id).unwrap(), state);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_action_is_running_after_a_second_and_complete_later() {
        let registry = ActionRegistry::new();
        let work = async {
            tokio::time::sleep(Duration::from_secs(90)).await;
            done()
        };
        let state = registry.start("a".into(), work).await.unwrap();
        assert_eq!(state.status, ActionStatus::Running);
        registry.settled().await;
        assert_eq!(registry.state(&state.id).unwrap().status, ActionStatus::Complete);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_and_an_endless_action_end_as_failed() {
        let registry = ActionRegistry::new();
        let state = registry.start("a".into(), async { panic!("planted") }).await.unwrap();
        assert_eq!(state.status, ActionStatus::Failed);
        assert_eq!(state.response["error"], "panic in action handler");
        let endless = registry.start("a".into(), std::future::pending()).await.unwrap();
        registry.settled().await;
        assert_eq!(registry.state(&endless.id).unwrap().status, ActionStatus::Failed);
    }

    #[tokio::test(start_paused = true)]
    async fn settled_results_are_bounded_and_running_ones_are_never_dropped() {
        let registry = ActionRegistry::new();
        let running = registry.start("a".into(), std::future::pending()).await.unwrap();
        let first = registry.start("a".into(), async { done() }).await.unwrap();
        for _ in 0..KEPT_SETTLED {
            registry.start("a".into(), async { done() }).await.unwrap();
        }
        assert_eq!(registry.state(&first.id).unwrap_err().code, Code::NotFound);
        assert_eq!(registry.state(&running.id).unwrap().status, ActionStatus::Running);
        assert_eq!(lock(&registry.shelf).actions.len(), KEPT_SETTLED + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_running_actions_are_refused() {
        let registry = ActionRegistry::new();
        for _ in 0..MAX_RUNNING {
            registry.start("a".into(), std::future::pending()).await.unwrap();
        }
        let refused = registry.start("a".into(), async { done() }).await.unwrap_err();
        assert_eq!(refused.code, Code::ResourceExhausted);
    }
}
