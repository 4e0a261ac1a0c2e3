//! Which loops still move. Each must-run loop holds a [`Pulse`] and says, before each wait, within which time it will
//! be back; `/livez` fails once a loop is late. Nothing here calls a remote system, and a loop that ended takes its
//! entry along: the supervisor decides what an end means.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Added to every promise: a loop on a busy machine is not stuck.
const SLACK: Duration = Duration::from_secs(30);

/// The register of loops. Clones share it.
#[derive(Debug, Clone)]
pub struct Liveness {
    base: Instant,
    loops: Arc<Mutex<Vec<Arc<Entry>>>>,
}

#[derive(Debug)]
struct Entry {
    name: &'static str,
    /// Milliseconds after `base` at which the loop must have ticked again.
    due_ms: AtomicU64,
}

/// How one loop stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopState {
    /// The loop's name.
    pub name: &'static str,
    /// How late it is; `None` while it is in time.
    pub late_by: Option<Duration>,
}

impl Default for Liveness {
    fn default() -> Self {
        Self::new()
    }
}

impl Liveness {
    /// An empty register.
    pub fn new() -> Self {
        Self {
            base: Instant::now(),
            loops: Arc::default(),
        }
    }

    /// Adds a loop that ticks for the first time within `first`.
    pub fn register(&self, name: &'static str, first: Duration) -> Pulse {
        let entry = Arc::new(Entry {
            name,
            due_ms: AtomicU64::new(0),
        });
        let pulse = Pulse {
            register: self.clone(),
            entry: Arc::clone(&entry),
        };
        pulse.due_within(first);
        self.lock().push(entry);
        pulse
    }

    /// Every loop's state, in the order they were registered.
    pub fn states(&self) -> Vec<LoopState> {
        let now = self.elapsed_ms();
        self.lock()
            .iter()
            .map(|entry| {
                let late = now.saturating_sub(entry.due_ms.load(Ordering::Relaxed));
                LoopState {
                    name: entry.name,
                    late_by: (late > 0).then(|| Duration::from_millis(late)),
                }
            })
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Entry>>> {
        self.loops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A loop's promise to come back. Dropping it takes the loop off the register.
#[derive(Debug)]
pub struct Pulse {
    register: Liveness,
    entry: Arc<Entry>,
}

impl Pulse {
    /// The loop is alive now and will tick again within `wait` (and a fixed slack of 30 s).
    pub fn due_within(&self, wait: Duration) {
        let wait = u64::try_from(wait.saturating_add(SLACK).as_millis()).unwrap_or(u64::MAX);
        let due = self.register.elapsed_ms().saturating_add(wait);
        self.entry.due_ms.store(due, Ordering::Relaxed);
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.register.lock().retain(|entry| !Arc::ptr_eq(entry, &self.entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_loop_is_late_only_after_its_promise_and_the_slack() {
        let liveness = Liveness::new();
        let pulse = liveness.register("poll", Duration::from_secs(10));
        tokio::time::advance(Duration::from_secs(40)).await;
        assert_eq!(liveness.states()[0].late_by, None);
        tokio::time::advance(Duration::from_millis(1500)).await;
        assert_eq!(liveness.states()[0].late_by, Some(Duration::from_millis(1500)));
        pulse.due_within(Duration::ZERO);
        assert_eq!(liveness.states()[0].late_by, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_ended_leaves_the_register() {
        let liveness = Liveness::new();
        let pulse = liveness.register("poll", Duration::ZERO);
        let other = liveness.register("lease", Duration::ZERO);
        drop(pulse);
        assert_eq!(
            liveness.states().iter().map(|state| state.name).collect::<Vec<_>>(),
            ["lease"]
        );
        drop(other);
    }
}
