//! How many requests are under way at a time (pingone-api.md §5): as many as the rate needs at the latency seen, grown
//! while that raises throughput, at most what the settings allow.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Requests under way at the start.
const START: usize = 8;
/// How long a size is tried before it is judged.
const TRIAL: Duration = Duration::from_millis(200);
/// A larger size must raise throughput by this factor to stay.
const WORTH: f64 = 1.05;

/// A semaphore whose size follows what it brings.
#[derive(Debug)]
pub(crate) struct InFlight {
    semaphore: Semaphore,
    size: AtomicUsize,
    surplus: AtomicUsize,
    most: usize,
    trial: Mutex<Trial>,
}

#[derive(Debug)]
struct Trial {
    begun: Instant,
    done: u32,
    waited: u32,
    best: f64,
    grown_from: Option<usize>,
    rest: u32,
}

/// A place among the requests under way.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    owner: &'a InFlight,
    permit: Option<SemaphorePermit<'a>>,
}

impl InFlight {
    pub(crate) fn new(most: usize, now: Instant) -> Self {
        let most = most.max(1);
        let size = START.min(most);
        Self {
            semaphore: Semaphore::new(size),
            size: AtomicUsize::new(size),
            surplus: AtomicUsize::new(0),
            most,
            trial: Mutex::new(Trial {
                begun: now,
                done: 0,
                waited: 0,
                best: 0.0,
                grown_from: None,
                rest: 0,
            }),
        }
    }

    /// Waits for a place.
    pub(crate) async fn enter(&self) -> Place<'_> {
        if let Ok(permit) = self.semaphore.try_acquire() {
            return Place {
                owner: self,
                permit: Some(permit),
            };
        }
        if let Ok(mut trial) = self.trial.lock() {
            trial.waited += 1;
        }
        // The semaphore is never closed.
        Place {
            owner: self,
            permit: self.semaphore.acquire().await.ok(),
        }
    }

    /// How many may be under way now.
    pub(crate) fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    /// A request ended: judges the size when a trial is over.
    pub(crate) fn finished(&self, now: Instant) {
        let Ok(mut trial) = self.trial.lock() else { return };
        trial.done += 1;
        let span = now.saturating_duration_since(trial.begun);
        if span < TRIAL {
            return;
        }
        let throughput = f64::from(trial.done) / span.as_secs_f64();
        let crowded = trial.waited > 0;
        let size = self.size();
        let next = trial.judge(throughput, crowded, size, self.most);
        trial.begun = now;
        trial.done = 0;
        trial.waited = 0;
        drop(trial);
        self.resize(size, next);
    }

    fn resize(&self, from: usize, to: usize) {
        if to > from {
            let taken_back = self
                .surplus
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |surplus| {
                    Some(surplus.saturating_sub(to - from))
                });
            let kept = taken_back.unwrap_or(0).min(to - from);
            self.semaphore.add_permits(to - from - kept);
        } else if from > to {
            self.surplus.fetch_add(from - to, Ordering::Relaxed);
        }
        self.size.store(to, Ordering::Relaxed);
    }
}

impl Trial {
    /// The size for the next trial.
    fn judge(&mut self, throughput: f64, crowded: bool, size: usize, most: usize) -> usize {
        if let Some(before) = self.grown_from.take() {
            if throughput < self.best * WORTH {
                // Not worth it: back, and leave it for a while.
                self.rest = 20;
                return before;
            }
            self.best = throughput;
        } else if self.rest > 0 {
            self.rest -= 1;
            self.best = throughput;
            return size;
        } else {
            self.best = throughput;
        }
        if !crowded || size >= most {
            return size;
        }
        self.grown_from = Some(size);
        (size + (size / 2).max(1)).min(most)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let surplus = &self.owner.surplus;
        let took = surplus
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |surplus| surplus.checked_sub(1))
            .is_ok();
        if let Some(permit) = self.permit.take()
            && took
        {
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs trials against a server whose throughput grows with the size up to `knee`.
    fn settle(knee: usize, most: usize) -> usize {
        let start = Instant::now();
        let in_flight = InFlight::new(most, start);
        let mut now = start;
        for _ in 0..40 {
            now += Duration::from_millis(250);
            let rate = in_flight.size().min(knee) * 25;
            in_flight.trial.lock().unwrap().waited = 1;
            in_flight.trial.lock().unwrap().done = u32::try_from(rate).unwrap();
            in_flight.finished(now);
        }
        in_flight.size()
    }

    #[test]
    fn grows_while_that_raises_throughput_and_no_further() {
        for (knee, most, least, largest) in [(4, 64, 8, 12), (30, 64, 26, 45), (1_000, 64, 64, 64), (1_000, 1, 1, 1)] {
            let size = settle(knee, most);
            assert!((least..=largest).contains(&size), "knee {knee}: {size}");
        }
    }

    #[tokio::test]
    async fn a_smaller_size_takes_effect_as_places_are_left() {
        let in_flight = InFlight::new(64, Instant::now());
        let places = [in_flight.enter().await, in_flight.enter().await];
        in_flight.resize(8, 6);
        drop(places);
        assert_eq!(in_flight.semaphore.available_permits(), 6);
        in_flight.resize(6, 9);
        assert_eq!(in_flight.semaphore.available_permits(), 9);
    }
}
