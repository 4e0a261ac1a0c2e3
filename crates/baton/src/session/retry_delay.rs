//! The protocol's times as pure functions (c1-protocol.md §6.3, §7.1). Back-offs of our own vary by ±10 %; what C1
//! asks for is obeyed exactly.

use std::time::Duration;

const HELLO_CAP: Duration = Duration::from_mins(5);
const POLL_CAP_SECONDS: u64 = 60;
const NEXT_POLL_CAP: Duration = Duration::from_mins(5);
const HEARTBEAT_DEFAULT: Duration = Duration::from_secs(30);
const HEARTBEAT_MIN: Duration = Duration::from_secs(1);
const HEARTBEAT_CAP: Duration = Duration::from_mins(5);
/// Where C1 asks for no pause and has nothing new, it is not asked faster (c1-protocol.md §19).
pub(super) const IDLE_PAUSE: Duration = Duration::from_secs(1);
const FINISH_FIRST: Duration = Duration::from_millis(500);
const FINISH_CAP: Duration = Duration::from_secs(5);

/// A number between 0 and 1 that varies a back-off.
pub(super) fn chance() -> f64 {
    let mut bytes = [0u8; 2];
    // Without random bytes there is no variation, which is harmless here.
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        return 0.5;
    }
    f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX)
}

/// `wait` ± 10 %.
fn varied(wait: Duration, chance: f64) -> Duration {
    wait.mul_f64(0.9 + 0.2 * chance.clamp(0.0, 1.0))
}

fn doubled(first: Duration, cap: Duration, failures: u32) -> Duration {
    let factor = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(cap)
}

/// Pause after the n-th failed Hello: 1 s doubling to 5 min.
pub(super) fn hello_pause(failures: u32, chance: f64) -> Duration {
    varied(doubled(Duration::from_secs(1), HELLO_CAP, failures), chance)
}

/// Pause after the n-th failed poll in a row: n² seconds, at most 60.
pub(super) fn poll_pause(failures: u32, chance: f64) -> Duration {
    let seconds = u64::from(failures).saturating_pow(2).min(POLL_CAP_SECONDS);
    varied(Duration::from_secs(seconds), chance)
}

/// Pause after the n-th unanswered `FinishTask`.
pub(super) fn finish_pause(failures: u32, chance: f64) -> Duration {
    varied(doubled(FINISH_FIRST, FINISH_CAP, failures), chance)
}

/// C1's `next_poll`, clamped: negative and missing are 0.
pub(super) fn next_poll(asked: Option<prost_types::Duration>) -> Duration {
    positive(asked).min(NEXT_POLL_CAP)
}

/// The pause after an answer with nothing new in it.
pub(super) fn idle_poll(next_poll: Duration) -> Duration {
    if next_poll.is_zero() { IDLE_PAUSE } else { next_poll }
}

/// C1's `next_heartbeat`, clamped: 0, negative and missing are the default.
pub(super) fn heartbeat_interval(asked: Option<prost_types::Duration>) -> Duration {
    let asked = positive(asked);
    if asked.is_zero() {
        HEARTBEAT_DEFAULT
    } else {
        asked.clamp(HEARTBEAT_MIN, HEARTBEAT_CAP)
    }
}

fn positive(asked: Option<prost_types::Duration>) -> Duration {
    asked
        .and_then(|asked| Duration::try_from(asked).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "the form of the field")]
    fn asked(seconds: i64, nanos: i32) -> Option<prost_types::Duration> {
        Some(prost_types::Duration { seconds, nanos })
    }

    #[test]
    fn back_offs_follow_the_contract() {
        let secs = |pause: fn(u32, f64) -> Duration, n| pause(n, 0.5).as_secs_f64().round();
        let hello: Vec<_> = (1..=11).map(|n| secs(hello_pause, n)).collect();
        assert_eq!(hello, [1., 2., 4., 8., 16., 32., 64., 128., 256., 300., 300.]);
        let poll: Vec<_> = (1..=10).map(|n| secs(poll_pause, n)).collect();
        assert_eq!(poll, [1., 4., 9., 16., 25., 36., 49., 60., 60., 60.]);
        assert_eq!(hello_pause(u32::MAX, 0.5).as_secs(), 300);
    }

    #[test]
    fn back_offs_vary_by_a_tenth_at_most() {
        for _ in 0..1000 {
            let pause = hello_pause(1, chance()).as_secs_f64();
            assert!((0.9..=1.1).contains(&pause), "{pause}");
        }
        assert_ne!(hello_pause(1, 0.0), hello_pause(1, 1.0));
    }

    #[test]
    fn what_c1_asks_for_is_clamped() {
        for (given, wanted) in [
            (None, 0),
            (asked(-1, 0), 0),
            (asked(0, -5), 0),
            (asked(2, 0), 2000),
            (asked(3600, 0), 300_000),
            (asked(i64::MAX, 0), 300_000),
            (asked(0, 500_000_000), 500),
        ] {
            assert_eq!(next_poll(given).as_millis(), wanted, "{given:?}");
        }
        for (given, wanted) in [
            (None, 30_000),
            (asked(0, 0), 30_000),
            (asked(-7, 0), 30_000),
            (asked(0, 1), 1000),
            (asked(45, 0), 45_000),
            (asked(9999, 0), 300_000),
        ] {
            assert_eq!(heartbeat_interval(given).as_millis(), wanted, "{given:?}");
        }
    }
}
