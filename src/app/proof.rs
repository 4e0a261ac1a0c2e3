//! Asks PingOne until it answers, says meanwhile why the process is not ready, and keeps liveness informed.

use std::time::Duration;

use pingone::PingOneError;
use process::runtime::liveness::Pulse;
use process::runtime::readiness::{Condition, Readiness};

/// What is asked for, and how often.
pub(super) struct Proof<'a> {
    /// What an answer fulfils.
    pub(super) condition: Condition,
    pub(super) readiness: &'a Readiness,
    pub(super) pulse: &'a Pulse,
    /// Longest time of one question.
    pub(super) limit: Duration,
    /// Pause between two.
    pub(super) again: Duration,
}

impl Proof<'_> {
    /// `Ok` with the first answer; an error only where `is_final` says that asking again is no use.
    pub(super) async fn until<F>(
        &self,
        ask: impl Fn() -> F,
        is_final: impl Fn(&PingOneError) -> bool,
    ) -> Result<(), PingOneError>
    where
        F: Future<Output = Result<(), PingOneError>>,
    {
        loop {
            self.pulse.due_within(self.limit + self.again);
            let error = match ask().await {
                Ok(()) => {
                    self.readiness.meet(self.condition);
                    return Ok(());
                }
                Err(error) => error,
            };
            tracing::warn!(error = %error, error_class = error.class().as_str(), "PingOne could not be asked");
            self.readiness.miss(self.condition, error.to_string());
            if is_final(&error) {
                return Err(error);
            }
            tokio::time::sleep(self.again).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use process::runtime::liveness::Liveness;

    #[tokio::test(start_paused = true)]
    async fn a_question_that_is_wedged_fails_liveness() {
        let limit = Duration::from_mins(1);
        let liveness = Liveness::new();
        let is_late = || liveness.states()[0].late_by.is_some();
        for name in ["validation", "credentials"] {
            let pulse = liveness.register(name, limit);
            let proof = Proof {
                condition: Condition::Credentials,
                readiness: &Readiness::new(),
                pulse: &pulse,
                limit,
                again: Duration::from_secs(5),
            };
            let looking = async {
                tokio::time::sleep(limit).await;
                assert!(!is_late());
                tokio::time::sleep(limit).await;
                assert!(is_late());
            };
            tokio::select! {
                _ = proof.until(std::future::pending, |_| true) => panic!("it never answers"),
                () = looking => {}
            }
        }
    }
}
