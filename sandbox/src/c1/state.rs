//! What the stand-in knows of its session: tokens, tasks that are out, host ids (c1-protocol.md §3, §7, §8).

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prost::Message as _;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::Status;

use super::log::{Entry, Received};
use super::options::Options;
use super::outcome;
use super::proto::baton as pb;
use super::proto::baton::task::TaskType;
use super::script::{Rpc, Step, TokenStep};

/// How long a call may be on the way.
const ON_THE_WAY: Duration = Duration::from_secs(2);

/// A task that was handed out.
pub(super) struct Out {
    pub(super) task: pb::Task,
    /// The bytes of the `FinishTask` that was taken.
    pub(super) finished: Option<Vec<u8>>,
    /// When that was.
    finished_at: Option<Instant>,
    pub(super) heartbeats: u64,
    pub(super) uploaded: bool,
    pub(super) cancelled: bool,
}

impl Out {
    /// What comes now may have been on the way when the task was finished.
    pub(super) fn is_just_finished(&self) -> bool {
        self.finished_at.is_some_and(|at| at.elapsed() < ON_THE_WAY)
    }
}

#[derive(Default)]
pub(super) struct Inside {
    pub(super) log: Vec<Entry>,
    pub(super) violations: Vec<String>,
    pub(super) queue: VecDeque<pb::Task>,
    pub(super) out: BTreeMap<String, Out>,
    steps: HashMap<Rpc, VecDeque<Step>>,
    pub(super) token_steps: VecDeque<TokenStep>,
    /// Live tokens.
    pub(super) tokens: HashMap<String, Live>,
    /// Keys that assertions are checked with, the newest last. Empty: the one of the options.
    keys: Vec<Vec<u8>>,
    pub(super) nonces: HashSet<String>,
    /// The host ids that Hellos gave, and the one that each connection goes by.
    hosts: HashSet<String>,
    host_of: HashMap<u64, String>,
    issued: u64,
}

/// A token that was issued.
pub(super) struct Live {
    pub(super) expires: Instant,
    /// The key that its assertion was signed with.
    key: Vec<u8>,
}

pub(super) struct State {
    pub(super) options: Options,
    started: Instant,
    inside: Mutex<Inside>,
    /// Counts entries of the log.
    pub(super) changed: watch::Sender<usize>,
}

impl State {
    pub(super) fn new(options: Options) -> Arc<Self> {
        Arc::new(Self {
            options,
            started: Instant::now(),
            inside: Mutex::default(),
            changed: watch::Sender::new(0),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(super) fn record(&self, connection: u64, metadata: &BTreeMap<String, String>, received: Received) {
        let at = self.elapsed();
        self.lock().log.push(Entry {
            at,
            connection,
            received,
            metadata: metadata.clone(),
        });
        self.changed.send_modify(|count| *count = count.saturating_add(1));
    }

    pub(super) fn violation(&self, text: impl Into<String>) {
        let text = text.into();
        tracing::warn!(violation = text, "rule broken");
        self.lock().violations.push(text);
    }

    /// Refuses a call that breaks a rule.
    pub(super) fn refuse(&self, rpc: Rpc, text: impl Into<String>) -> Status {
        let text = format!("{}: {}", rpc.as_str(), text.into());
        self.violation(text.clone());
        Status::invalid_argument(text)
    }

    /// Plans steps. One that the method's calls cannot take is a violation, for it would be dropped unseen.
    pub(super) fn plan(&self, rpc: Rpc, steps: impl IntoIterator<Item = Step>) {
        for step in steps {
            if step.fits(rpc) {
                self.lock().steps.entry(rpc).or_default().push_back(step);
            } else {
                self.violation(format!("{}: {step:?} was planned, which it cannot take", rpc.as_str()));
            }
        }
    }

    pub(super) fn clear_plan(&self, rpc: Rpc) {
        self.lock().steps.remove(&rpc);
    }

    pub(super) fn next_step(&self, rpc: Rpc) -> Step {
        let mut inside = self.lock();
        inside
            .steps
            .get_mut(&rpc)
            .and_then(VecDeque::pop_front)
            .unwrap_or(Step::Normal)
    }

    /// A token (c1-protocol.md §3.3, §3.4).
    pub(super) fn issue_token(&self, lifetime: i64, key: Vec<u8>) -> String {
        let mut inside = self.lock();
        inside.issued = inside.issued.saturating_add(1);
        let token = format!("sandbox-token-{}", inside.issued);
        let lifetime = Duration::from_secs(u64::try_from(lifetime).unwrap_or(0));
        // A token without a lifetime is good for the one call it is fetched for.
        let good_for = lifetime.max(Duration::from_secs(1));
        let expires = Instant::now().checked_add(good_for).unwrap_or_else(Instant::now);
        inside.tokens.insert(token.clone(), Live { expires, key });
        token
    }

    /// The keys that assertions may be signed with, the newest last.
    pub(super) fn keys(&self) -> Vec<Vec<u8>> {
        let inside = self.lock();
        if inside.keys.is_empty() {
            return vec![self.options.identity.public_key.clone()];
        }
        inside.keys.clone()
    }

    /// Takes assertions of this key too from now on.
    pub(super) fn add_key(&self, key: Vec<u8>) {
        let mut keys = self.keys();
        keys.push(key);
        self.lock().keys = keys;
    }

    /// From now on only the newest key is good, and only tokens that it was used for.
    pub(super) fn retire_keys(&self) {
        let newest = self.keys().pop().unwrap_or_default();
        let mut inside = self.lock();
        inside.tokens.retain(|_, live| live.key == newest);
        inside.keys = vec![newest];
    }

    /// Takes the host id that a Hello gave for calls on its connection.
    pub(super) fn greet(&self, connection: u64, host_id: &str) {
        let mut inside = self.lock();
        inside.hosts.insert(host_id.to_owned());
        inside.host_of.insert(connection, host_id.to_owned());
    }

    /// Whether a call's host id is its session's (c1-protocol.md §2.4, §5.2): one that a Hello gave, and on one
    /// connection the same until another Hello. Two processes may be there at once, each with connections of its own.
    pub(super) fn check_host(&self, connection: u64, host_id: &str) -> Result<(), String> {
        let mut inside = self.lock();
        if inside.hosts.is_empty() {
            return Err("no Hello was said before".to_owned());
        }
        if !inside.hosts.contains(host_id) {
            return Err(format!("no Hello gave the host id {host_id}"));
        }
        let before = inside.host_of.entry(connection).or_insert_with(|| host_id.to_owned());
        if before == host_id {
            return Ok(());
        }
        Err(format!(
            "the host id changed from {before} to {host_id} without a Hello"
        ))
    }

    /// Whether ids that a poll says it knows were handed out (c1-protocol.md §7.3).
    pub(super) fn check_known(&self, ids: &[String]) -> Result<(), String> {
        let inside = self.lock();
        match ids.iter().find(|id| !inside.out.contains_key(*id)) {
            None => Ok(()),
            Some(id) => Err(format!("known task {id} was not handed out")),
        }
    }

    /// Whether a Hello may name this task: none at the start, else a hello task (c1-protocol.md §6.2, §9.1).
    pub(super) fn may_greet(&self, task_id: &str) -> Result<(), String> {
        if task_id.is_empty() {
            return Ok(());
        }
        match self.lock().out.get(task_id) {
            None => Err(format!("task {task_id} was not handed out")),
            Some(out) if matches!(out.task.task_type, Some(TaskType::Hello(_))) => Ok(()),
            Some(_) => Err(format!("task {task_id} is no hello task")),
        }
    }

    /// Tasks that hold a slot. Hello tasks end with their Hello (c1-protocol.md §9.1), a sync that was cancelled by its
    /// first heartbeat ends there, and any other only with its `FinishTask` (c1-protocol.md §7.5). Syncs leave a slot to short tasks:
    /// more of them than there are other slots wait without one.
    pub(super) fn open_tasks(&self) -> usize {
        let ended_at_once = |out: &Out| out.cancelled && out.heartbeats == 1;
        let inside = self.lock();
        let open = inside.out.values();
        let open = open.filter(|out| out.finished.is_none() && !ended_at_once(out));
        let (syncs, short): (Vec<_>, Vec<_>) =
            open.partition(|out| matches!(out.task.task_type, Some(TaskType::SyncFull(_))));
        let for_syncs = self.options.slots.saturating_sub(1).max(1);
        short.len().saturating_add(syncs.len().min(for_syncs))
    }

    /// Hands out up to `count` tasks (c1-protocol.md §7.2, §7.3).
    pub(super) fn hand_out(&self, count: usize) -> Vec<pb::Task> {
        let mut inside = self.lock();
        let mut tasks = Vec::new();
        while tasks.len() < count {
            let Some(task) = inside.queue.pop_front() else { break };
            if !matches!(task.task_type, Some(TaskType::None(_))) {
                // What was uploaded for a task stays where the task is offered again, and so do its heartbeats: whoever works
                // on it already says the next one in his own time.
                let before = inside.out.get(&task.id);
                let uploaded = before.is_some_and(|out| out.uploaded);
                let heartbeats = before.map_or(0, |out| out.heartbeats);
                inside.out.insert(
                    task.id.clone(),
                    Out {
                        task: task.clone(),
                        finished: None,
                        finished_at: None,
                        heartbeats,
                        uploaded,
                        cancelled: false,
                    },
                );
            }
            tasks.push(task);
        }
        tasks
    }

    /// Takes a `FinishTask` in (c1-protocol.md §8): once, or again with the same content (DEV-9).
    pub(super) fn finish(&self, request: &pb::BatonServiceFinishTaskRequest) -> Result<(), String> {
        let bytes = request.encode_to_vec();
        let mut inside = self.lock();
        let Some(out) = inside.out.get_mut(&request.task_id) else {
            return Err(format!("task {} was not handed out", request.task_id));
        };
        if matches!(out.task.task_type, Some(TaskType::Hello(_))) {
            return Err("a hello task is not finished".to_owned());
        }
        if let Some(state) = &request.final_state {
            let succeeded = matches!(state, pb::baton_service_finish_task_request::FinalState::Success(_));
            if succeeded && matches!(out.task.task_type, Some(TaskType::SyncFull(_))) && !out.uploaded {
                return Err("a sync succeeded without an upload".to_owned());
            }
            outcome::check(out.task.task_type.as_ref(), state)?;
        }
        match &out.finished {
            None => {
                out.finished = Some(bytes);
                out.finished_at = Some(Instant::now());
                Ok(())
            }
            Some(before) if *before == bytes => Ok(()),
            Some(_) => Err(format!(
                "task {} was finished with another content before",
                request.task_id
            )),
        }
    }
}
