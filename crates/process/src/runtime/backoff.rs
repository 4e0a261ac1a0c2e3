//! Waits between attempts. The only place that knows the `backoff` crate (docs/adr/0001): everything else sees
//! [`Backoff`].

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;

/// First wait (connector-model.md §9).
const FIRST: Duration = Duration::from_millis(500);
/// Longest wait.
const LONGEST: Duration = Duration::from_secs(30);

/// Exponential waits with full jitter: each is drawn between nothing and a limit that doubles.
#[derive(Debug)]
pub struct Backoff(ExponentialBackoff);

impl Default for Backoff {
    fn default() -> Self {
        Self::new(FIRST, LONGEST)
    }
}

impl Backoff {
    /// Waits whose limit starts at `first` and doubles up to `longest`. They never end by themselves: the caller has
    /// a budget.
    pub fn new(first: Duration, longest: Duration) -> Self {
        // The crate draws from [interval × (1 − f), interval × (1 + f)]: full jitter up to `first` is f = 1 around
        // half of it.
        Self(ExponentialBackoff {
            current_interval: first / 2,
            initial_interval: first / 2,
            randomization_factor: 1.0,
            multiplier: 2.0,
            max_interval: longest / 2,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        })
    }

    /// The next wait. What the server asked for is obeyed in full, with a little jitter on top so that callers do
    /// not all come back at once.
    pub fn next_delay(&mut self, asked: Option<Duration>) -> Duration {
        let drawn = self.0.next_backoff().unwrap_or(LONGEST);
        match asked {
            Some(asked) => asked + drawn.min(Duration::from_millis(250)),
            None => drawn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_longest_and_stay_below_it() {
        for _ in 0..200 {
            let mut backoff = Backoff::default();
            let mut limit = FIRST;
            for _ in 0..12 {
                let wait = backoff.next_delay(None);
                assert!(wait <= limit, "{wait:?} above {limit:?}");
                limit = (limit * 2).min(LONGEST);
            }
        }
    }

    #[test]
    fn jitter_is_full() {
        let waits: Vec<Duration> = (0..400).map(|_| Backoff::default().next_delay(None)).collect();
        assert!(waits.iter().any(|wait| *wait < FIRST / 5));
        assert!(waits.iter().any(|wait| *wait > FIRST * 4 / 5));
    }

    #[test]
    fn what_the_remote_asked_for_is_obeyed_in_full() {
        let asked = Duration::from_secs(7);
        let wait = Backoff::default().next_delay(Some(asked));
        assert!(wait >= asked && wait <= asked + Duration::from_millis(250));
    }
}
