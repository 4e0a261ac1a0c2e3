//! Events from the ends of tasks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::board::Board;
use super::syncs::Syncs;
use crate::k8s::events::{Event, Events};
use baton::task::{SyncFacts, TaskEnd, TaskObserver, Verdict};
use process::error::ErrorClass;

/// Tells the cluster what became of syncs and writes, and keeps what the next sync is held against. What C1 did not take
/// counts as nothing until it does.
pub(super) struct Observer {
    pub(super) events: Events,
    pub(super) syncs: Arc<Syncs>,
    pub(super) board: Arc<Board>,
    pub(super) unreached: AtomicBool,
}

impl TaskObserver for Observer {
    fn began(&self, task: &TaskEnd) {
        self.board.began(task);
    }

    fn ended(&self, end: &TaskEnd) {
        self.board.ended(end);
        if let Some(Verdict::Synced(facts)) = end.verdict.filter(|_| end.reported) {
            self.syncs.succeeded(facts.whole);
        }
        if let Some(event) = event(end) {
            self.events.tell(event);
        }
    }

    fn reached(&self, unreached: Option<&str>) {
        let was_unreached = self.unreached.swap(unreached.is_some(), Ordering::Relaxed);
        match unreached {
            Some(reason) if !was_unreached => self.events.tell(Event::C1Unreached {
                reason: reason.to_owned(),
            }),
            None if was_unreached => self.events.tell(Event::C1Reached),
            _ => {}
        }
    }
}

/// A sync that was written.
pub(super) const fn completed(facts: SyncFacts) -> Event {
    Event::SyncCompleted {
        resources: facts.resources,
        grants: facts.grants,
        took: facts.took,
    }
}

fn event(end: &TaskEnd) -> Option<Event> {
    let verdict = end.verdict?;
    if !end.reported {
        return Some(Event::TaskUnreported {
            action: end.kind,
            task_id: end.id.to_string(),
        });
    }
    match verdict {
        Verdict::Synced(facts) => Some(completed(facts)),
        Verdict::Done | Verdict::Failed(ErrorClass::Cancelled) => None,
        Verdict::Failed(class) if end.kind == "sync_full" => Some(Event::SyncFailed {
            class,
            task_id: Some(end.id.to_string()),
        }),
        // Off by configuration is no failure of the target system.
        Verdict::Failed(ErrorClass::Precondition) => None,
        Verdict::Failed(class) if end.writes => Some(Event::ProvisioningFailed {
            action: end.kind,
            class,
            task_id: end.id.to_string(),
        }),
        Verdict::Failed(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use baton::task::TaskId;

    fn end(kind: &'static str, writes: bool, verdict: Option<Verdict>) -> TaskEnd {
        TaskEnd {
            verdict,
            ..TaskEnd::new(TaskId::new("t1"), kind, writes)
        }
    }

    #[test]
    fn syncs_and_failed_writes_are_told_and_nothing_else() {
        let failed = |class| Some(Verdict::Failed(class));
        let facts = SyncFacts {
            resources: 3,
            grants: 4,
            took: Duration::from_secs(5),
            whole: None,
        };
        let cases = [
            (
                end("sync_full", false, Some(Verdict::Synced(facts))),
                Some("SyncCompleted"),
            ),
            (end("sync_full", false, failed(ErrorClass::Corrupt)), Some("SyncFailed")),
            (end("sync_full", false, failed(ErrorClass::Cancelled)), None),
            (
                end("grant", true, failed(ErrorClass::Forbidden)),
                Some("ProvisioningFailed"),
            ),
            (end("grant", true, failed(ErrorClass::Precondition)), None),
            (end("grant", true, Some(Verdict::Done)), None),
            (end("list_events", false, failed(ErrorClass::Bug)), None),
            (end("hello", false, None), None),
        ];
        for (end, wanted) in cases {
            let unreported = TaskEnd {
                reported: false,
                ..end.clone()
            };
            let told = end.verdict.map(|_| "TaskUnreported");
            assert_eq!(event(&unreported).map(|event| event.reason()), told, "{end:?}");
            assert_eq!(event(&end).map(|event| event.reason()), wanted, "{end:?}");
        }
    }
}
