//! What the status tells of work: tasks that run and that ended lately, the last sync and the next one. Ids and counts only.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::history::Success;
use baton::task::{SyncFacts, TaskEnd, Verdict};
use process::error::ErrorClass;

/// Ended tasks that are kept.
const RECENT: usize = 20;

/// Written by whoever works, read by the status.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Kind and start, by id.
    running: BTreeMap<String, (&'static str, Timestamp)>,
    recent: VecDeque<Value>,
    /// With its end.
    last_sync: Option<(Timestamp, Value)>,
    next_sync: Option<Timestamp>,
}

impl Board {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn began(&self, task: &TaskEnd) {
        let entry = (task.kind, now());
        self.inner().running.insert(task.id.to_string(), entry);
    }

    pub(super) fn ended(&self, task: &TaskEnd) {
        let id = task.id.to_string();
        let began = self.inner().running.remove(&id).map(|(_, at)| at);
        let Some(verdict) = task.verdict else { return };
        let outcome = match verdict {
            _ if !task.reported => "unreported",
            Verdict::Synced(_) | Verdict::Done => "success",
            Verdict::Failed(class) => class.as_str(),
        };
        match verdict {
            // C1 has the file and does not know what it is.
            Verdict::Synced(_) if !task.reported => self.last_sync_is(outcome),
            Verdict::Synced(facts) => self.synced(facts),
            Verdict::Failed(class) if task.kind == "sync_full" => self.not_synced(class),
            Verdict::Done | Verdict::Failed(_) => {}
        }
        let ended = now();
        let seconds = began.map(|began| ended.as_second() - began.as_second());
        let entry =
            json!({"id": id, "kind": task.kind, "outcome": outcome, "ended_at": text(ended), "seconds": seconds});
        let mut inner = self.inner();
        inner.recent.push_front(entry);
        inner.recent.truncate(RECENT);
    }

    /// A sync was written.
    pub(super) fn synced(&self, facts: SyncFacts) {
        let at = now();
        let told = json!({
            "outcome": "success", "ended_at": text(at), "seconds": facts.took.as_secs(),
            "resources": facts.resources, "grants": facts.grants,
        });
        self.inner().last_sync = Some((at, told));
    }

    /// A sync was not written.
    pub(super) fn not_synced(&self, class: ErrorClass) {
        self.last_sync_is(class.as_str());
    }

    fn last_sync_is(&self, outcome: &str) {
        let at = now();
        self.inner().last_sync = Some((at, json!({"outcome": outcome, "ended_at": text(at)})));
    }

    /// The last sync of another process, if it is later than those of this one.
    pub(super) fn succeeded_before(&self, success: Option<Success>) {
        let Some(Success { at, counts }) = success else {
            return;
        };
        let mut inner = self.inner();
        if inner.last_sync.as_ref().is_none_or(|(own, _)| at > *own) {
            let mut told = json!({"outcome": "success", "ended_at": text(at), "by": "another process"});
            if let (Some(told), Ok(Value::Object(counts))) = (told.as_object_mut(), serde_json::to_value(counts)) {
                told.extend(counts);
            }
            inner.last_sync = Some((at, told));
        }
    }

    /// A sync on our own schedule begins; the next one begins after this time.
    pub(super) fn begins(&self, every: Duration) {
        self.inner().next_sync = now().checked_add(every).ok();
    }

    /// All of it.
    pub(super) fn tell(&self, into: &mut Map<String, Value>) {
        let inner = self.inner();
        let mut syncs = Map::new();
        syncs.insert(
            "last".to_owned(),
            inner
                .last_sync
                .as_ref()
                .map_or_else(|| "none in this process".into(), |(_, told)| told.clone()),
        );
        syncs.insert(
            "next".to_owned(),
            inner
                .next_sync
                .map_or_else(|| "when C1 asks".into(), |at| text(at).into()),
        );
        into.insert("syncs".to_owned(), syncs.into());
        let running = inner
            .running
            .iter()
            .map(|(id, (kind, since))| json!({"id": id, "kind": kind, "since": text(*since)}));
        into.insert("running_tasks".to_owned(), running.collect());
        into.insert("recent_tasks".to_owned(), inner.recent.iter().cloned().collect());
    }
}

fn now() -> Timestamp {
    Timestamp::now()
}

/// UTC with whole seconds.
pub(super) fn text(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}
