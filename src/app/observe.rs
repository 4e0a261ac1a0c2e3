//! Events from the ends of tasks.

use std::sync::Arc;

use super::syncs::Syncs;
use crate::error::ErrorClass;
use crate::k8s::events::{Event, Events};
use crate::task::{SyncFacts, TaskEnd, TaskObserver, Verdict};
use crate::telemetry::Metrics;

/// Tells the cluster what became of syncs and writes, and keeps what the next sync is held against.
pub(super) struct Observer {
    pub(super) events: Events,
    pub(super) metrics: Arc<Metrics>,
    pub(super) syncs: Arc<Syncs>,
}

impl TaskObserver for Observer {
    fn ended(&self, end: &TaskEnd) {
        if let Some(Verdict::Synced(facts)) = end.verdict {
            self.metrics.sync_succeeded_now();
            if let Some(counts) = facts.whole {
                self.syncs.uploaded(counts);
            }
        }
        if let Some(event) = event(end) {
            self.events.tell(event);
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
    match end.verdict? {
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
    use crate::task::TaskId;

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
            assert_eq!(event(&end).map(|event| event.reason()), wanted, "{end:?}");
        }
    }
}
