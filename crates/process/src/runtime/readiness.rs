//! Whether this process is ready: every condition that was asked for holds, and it is not draining.
//! Leadership is not a condition, or a rolling update would deadlock: a standby replica that never said Hello is ready.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

/// What must hold before the process is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// The configuration was read and is valid.
    Configuration,
    /// `PingOne`'s credentials were proved once.
    Credentials,
    /// C1 answered Hello in this term, or this replica stands by. Without C1: `PingOne` was validated once.
    Session,
}

impl Condition {
    /// The name in `/readyz` and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Credentials => "credentials",
            Self::Session => "session",
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct State {
    /// Unmet conditions with the reason; a condition that is not in the map holds.
    unmet: BTreeMap<Condition, String>,
    draining: bool,
}

/// The conditions' state. Clones share it.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<watch::Sender<State>>);

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

impl Readiness {
    /// All three conditions unmet, not draining.
    pub fn new() -> Self {
        let unmet = [Condition::Configuration, Condition::Credentials, Condition::Session]
            .into_iter()
            .map(|condition| (condition, "not checked yet".to_owned()))
            .collect();
        Self(Arc::new(watch::Sender::new(State { unmet, draining: false })))
    }

    /// The condition holds.
    pub fn meet(&self, condition: Condition) {
        self.0
            .send_if_modified(|state| state.unmet.remove(&condition).is_some());
    }

    /// The condition does not hold. The reason is one sentence for an operator and never a secret.
    pub fn miss(&self, condition: Condition, reason: impl Into<String>) {
        let reason = reason.into();
        self.0.send_if_modified(|state| {
            let before = state.unmet.insert(condition, reason.clone());
            before.as_deref() != Some(reason.as_str())
        });
    }

    /// The process is shutting down; there is no way back.
    pub fn drain(&self) {
        self.0
            .send_if_modified(|state| !std::mem::replace(&mut state.draining, true));
    }

    /// Empty when ready, else each reason with its name.
    pub fn unmet(&self) -> Vec<(&'static str, String)> {
        let state = self.0.borrow();
        let mut reasons: Vec<_> = state
            .unmet
            .iter()
            .map(|(condition, reason)| (condition.as_str(), reason.clone()))
            .collect();
        if state.draining {
            reasons.push(("draining", "the process is shutting down".to_owned()));
        }
        reasons
    }

    /// Whether the process is ready.
    pub fn is_ready(&self) -> bool {
        self.unmet().is_empty()
    }

    /// Waits until the process is ready.
    pub async fn ready(&self) {
        let mut states = self.0.subscribe();
        // The sender lives as long as `self`, so the wait cannot fail.
        drop(states.wait_for(|state| state.unmet.is_empty() && !state.draining).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_ready_when_every_condition_holds_and_not_while_draining() {
        let readiness = Readiness::new();
        assert_eq!(readiness.unmet().len(), 3);
        for condition in [Condition::Configuration, Condition::Credentials, Condition::Session] {
            assert!(!readiness.is_ready());
            readiness.meet(condition);
        }
        assert!(readiness.is_ready());
        readiness.miss(Condition::Session, "C1 does not answer");
        assert_eq!(readiness.unmet(), [("session", "C1 does not answer".to_owned())]);
        readiness.meet(Condition::Session);
        readiness.drain();
        assert_eq!(readiness.unmet()[0].0, "draining");
    }
}
