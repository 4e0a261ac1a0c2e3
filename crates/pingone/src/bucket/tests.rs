#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "seconds and counts of a simulation"
)]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::*;

/// How a server counts.
#[derive(Debug, Clone, Copy)]
enum Counting {
    /// A token bucket that holds so many seconds of its rate.
    Tokens(f64),
    /// So many in each whole second.
    Seconds,
    /// So many in any second.
    AnySecond,
}

/// A server with a limit of its own. It asks for the whole seconds until it has room.
struct Server {
    limit: f64,
    counting: Counting,
    tokens: f64,
    last: f64,
    window: (u64, f64),
    recent: VecDeque<f64>,
}

impl Server {
    fn new(limit: f64, counting: Counting) -> Self {
        let tokens = match counting {
            Counting::Tokens(seconds) => (limit * seconds).max(1.0),
            _ => 0.0,
        };
        Self {
            limit,
            counting,
            tokens,
            last: 0.0,
            window: (0, 0.0),
            recent: VecDeque::new(),
        }
    }

    /// A request arrives; `false`: refused.
    fn take(&mut self, at: f64) -> bool {
        match self.counting {
            Counting::Tokens(seconds) => {
                self.tokens = (self.tokens + (at - self.last) * self.limit).min((self.limit * seconds).max(1.0));
                self.last = at;
                let room = self.tokens >= 1.0;
                if room {
                    self.tokens -= 1.0;
                }
                room
            }
            Counting::Seconds => {
                let window = at.floor() as u64;
                if window != self.window.0 {
                    self.window = (window, 0.0);
                }
                let room = self.window.1 < self.limit;
                if room {
                    self.window.1 += 1.0;
                }
                room
            }
            Counting::AnySecond => {
                while self.recent.front().is_some_and(|first| at - first >= 1.0) {
                    self.recent.pop_front();
                }
                let room = (self.recent.len() as f64) < self.limit;
                if room {
                    self.recent.push_back(at);
                }
                room
            }
        }
    }
}

/// What a run came to.
#[derive(Debug)]
struct Outcome {
    /// Seconds over requests ÷ limit.
    over: f64,
    refused_share: f64,
}

/// Sends `count` requests through the bucket; they arrive up to `jitter` late and are answered after `latency`.
fn simulate(bucket: &mut Bucket, server: &mut Server, count: u32, latency: f64, jitter: f64) -> Outcome {
    let begun = Instant::now();
    let at = |seconds: f64| begun + Duration::from_secs_f64(seconds);
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 11) as f64 / (1_u64 << 53) as f64
    };
    // (microseconds, kind, sent): 0 = arrives, 1 = answer taken, 2 = answer refused
    let mut events: BinaryHeap<Reverse<(u64, u8, u64)>> = BinaryHeap::new();
    let micros = |seconds: f64| (seconds * 1e6) as u64;
    let (mut now, mut open, mut done, mut refused, mut under_way) = (0.0_f64, count, 0, 0_u32, 0);
    while done < count {
        let ready = bucket.ready_at(at(now)).saturating_duration_since(begun).as_secs_f64();
        let next_event = events.peek().map(|Reverse((time, ..))| *time as f64 / 1e6);
        if open > 0 && under_way < 64 && next_event.is_none_or(|event| ready.max(now) <= event) {
            now = ready.max(now);
            bucket.take(at(now));
            (open, under_way) = (open - 1, under_way + 1);
            // Mostly on time, sometimes late, as a busy machine is.
            let late = if random() < 0.1 {
                random() * jitter
            } else {
                random() * jitter * 0.1
            };
            events.push(Reverse((micros(now + late), 0, micros(now))));
            continue;
        }
        let Some(Reverse((time, kind, sent))) = events.pop() else {
            break;
        };
        now = now.max(time as f64 / 1e6);
        match kind {
            0 => {
                let answer = if server.take(time as f64 / 1e6) { 1 } else { 2 };
                events.push(Reverse((time + micros(latency), answer, sent)));
            }
            1 => {
                bucket.accepted(at(sent as f64 / 1e6));
                (done, under_way) = (done + 1, under_way - 1);
            }
            _ => {
                refused += 1;
                (open, under_way) = (open + 1, under_way - 1);
                bucket.refused(at(sent as f64 / 1e6), at(now), Duration::from_secs(1));
            }
        }
    }
    let sent = f64::from(count + refused);
    Outcome {
        over: now / (f64::from(count) / server.limit) - 1.0,
        refused_share: f64::from(refused) / sent,
    }
}

const COUNTINGS: [Counting; 6] = [
    Counting::Tokens(1.0),
    Counting::Tokens(0.2),
    Counting::Tokens(0.1),
    Counting::Tokens(0.05),
    Counting::Seconds,
    Counting::AnySecond,
];

/// Requests of a sync of 2,000 users.
const REQUESTS: u32 = 2_356;

fn run(ceiling: f64, limit: f64, counting: Counting, latency: f64, jitter: f64) -> Outcome {
    let mut bucket = Bucket::new(ceiling, Instant::now());
    simulate(
        &mut bucket,
        &mut Server::new(limit, counting),
        REQUESTS,
        latency,
        jitter,
    )
}

#[test]
fn a_limit_that_was_told_is_used_to_the_full_however_the_server_counts() {
    for counting in COUNTINGS {
        for (latency, jitter) in [(0.05, 0.0), (0.05, 0.03), (0.3, 0.05)] {
            let outcome = run(99.75, 100.0, counting, latency, jitter);
            assert!(
                outcome.refused_share <= 0.02,
                "{counting:?} {latency} {jitter}: {outcome:?}"
            );
            // Who counts any second strictly refuses what jitter pushes together, and one refusal costs a minute.
            let most = if matches!(counting, Counting::AnySecond) && jitter > 0.0 {
                0.3
            } else {
                0.05
            };
            assert!(outcome.over <= most, "{counting:?} {latency} {jitter}: {outcome:?}");
        }
    }
}

#[test]
fn a_limit_that_nothing_tells_is_learned_however_the_server_counts() {
    for limit in [40.0, 60.0] {
        for counting in COUNTINGS {
            for jitter in [0.0, 0.03] {
                let outcome = run(100.0, limit, counting, 0.05, jitter);
                assert!(
                    outcome.refused_share <= 0.02,
                    "{limit} {counting:?} {jitter}: {outcome:?}"
                );
                assert!(outcome.over <= 0.25, "{limit} {counting:?} {jitter}: {outcome:?}");
            }
        }
    }
}

/// Requests of a sync of 1,000 users.
const FEW: u32 = 1_200;

#[test]
fn a_limit_that_nothing_tells_costs_a_short_sync_little_where_a_second_of_it_is_saved_up() {
    for limit in [40.0, 60.0, 90.0] {
        for jitter in [0.0, 0.03] {
            let mut bucket = Bucket::new(100.0, Instant::now());
            let mut server = Server::new(limit, Counting::Tokens(1.0));
            let outcome = simulate(&mut bucket, &mut server, FEW, 0.05, jitter);
            assert!(outcome.refused_share <= 0.01, "{limit} {jitter}: {outcome:?}");
            assert!(outcome.over <= 0.03, "{limit} {jitter}: {outcome:?}");
        }
    }
}

/// How much of a second a server saves up, and how late requests come at most.
const SHORT: [(f64, f64); 7] = [
    (0.5, 0.0),
    (0.5, 0.03),
    (0.2, 0.0),
    (0.2, 0.03),
    (0.1, 0.0),
    (0.1, 0.03),
    (0.05, 0.0),
];

#[test]
fn a_limit_that_nothing_tells_costs_a_short_sync_little_where_less_than_a_second_is_saved_up() {
    for (saved, jitter) in SHORT {
        for (count, most) in [(FEW, 0.13), (10 * FEW, 0.09)] {
            let outcomes: Vec<Outcome> = (35..=45)
                .map(|limit| {
                    let mut bucket = Bucket::new(100.0, Instant::now());
                    let mut server = Server::new(f64::from(limit), Counting::Tokens(saved));
                    simulate(&mut bucket, &mut server, count, 0.05, jitter)
                })
                .collect();
            // One limit more or less decides over a refusal, and each costs a second.
            let over = outcomes.iter().map(|one| one.over).sum::<f64>() / outcomes.len() as f64;
            let refused = outcomes.iter().map(|one| one.refused_share).fold(0.0, f64::max);
            assert!(refused <= 0.01, "{saved} {jitter} {count}: {outcomes:?}");
            assert!(over <= most, "{saved} {jitter} {count}: {over}");
        }
    }
}

#[test]
fn a_limit_far_below_a_lifted_ceiling_is_found() {
    for counting in COUNTINGS {
        let outcome = run(100_000.0, 40.0, counting, 0.05, 0.0);
        assert!(
            outcome.over <= 0.35 && outcome.refused_share <= 0.15,
            "{counting:?}: {outcome:?}"
        );
    }
}

/// Takes `count` requests one after the other as the bucket allows.
fn drive(bucket: &mut Bucket, start: Instant, count: u32) -> Instant {
    let mut now = start;
    for _ in 0..count {
        now = bucket.ready_at(now).max(now);
        bucket.take(now);
        bucket.accepted(now);
    }
    now
}

#[test]
fn no_second_holds_more_starts_than_the_rate_even_after_idle_time() {
    let start = Instant::now();
    let mut bucket = Bucket::new(50.0, start);
    let mut starts = Vec::new();
    let mut now = start + Duration::from_secs(10);
    for n in 0..300 {
        now = bucket.ready_at(now).max(now);
        bucket.take(now);
        starts.push(now);
        if n % 70 == 69 {
            now += Duration::from_secs(1);
        }
    }
    for (index, begun) in starts.iter().enumerate() {
        let within = starts
            .iter()
            .skip(index)
            .filter(|start| **start < *begun + Duration::from_secs(1))
            .count();
        assert!(within <= 50, "{within} from {index}");
    }
    assert!(
        starts[4] - starts[0] < Duration::from_millis(1),
        "idle time is caught up with"
    );
}

#[test]
fn an_early_refusal_counts_once_per_pause() {
    let start = Instant::now();
    let mut bucket = Bucket::new(100.0, start);
    let now = drive(&mut bucket, start, 20);
    bucket.refused(now, now, Duration::from_secs(2));
    assert!((bucket.rate() - 40.0).abs() < f64::EPSILON, "{}", bucket.rate());
    for _ in 0..20 {
        bucket.refused(now, now, Duration::from_secs(2));
    }
    assert!((bucket.rate() - 40.0).abs() < f64::EPSILON);
    assert_eq!(bucket.ready_at(now), now + Duration::from_secs(2));
}

#[test]
fn what_was_taken_for_long_before_a_refusal_is_not_given_up() {
    for (count, rate) in [(200, 66.7), (900, 90.0)] {
        let start = Instant::now();
        let mut bucket = Bucket::new(100.0, start);
        let now = drive(&mut bucket, start, count);
        bucket.refused(now, now, Duration::from_secs(1));
        assert!((bucket.rate() - rate).abs() < 2.5, "{count}: {}", bucket.rate());
    }
}

#[test]
fn growth_is_a_twentieth_a_second_and_capped_for_a_minute() {
    let start = Instant::now();
    let mut bucket = Bucket::new(100.0, start);
    let now = drive(&mut bucket, start, 20);
    bucket.refused(now, now, Duration::ZERO);
    for (seconds, rate) in [(2, 50.0), (50, 90.0), (70, 100.0)] {
        bucket.ready_at(now + Duration::from_secs(seconds));
        assert!((bucket.rate() - rate).abs() < 0.5, "{seconds}: {}", bucket.rate());
    }
}

#[test]
fn a_refusal_that_somebody_else_earned_does_not_bring_the_rate_to_a_crawl() {
    let start = Instant::now();
    let mut bucket = Bucket::new(100.0, start);
    for n in 0..20_u64 {
        let now = start + Duration::from_millis(400 * n);
        bucket.take(now);
        bucket.accepted(now);
    }
    let now = start + Duration::from_secs(8);
    bucket.refused(now, now, Duration::from_secs(1));
    assert!((bucket.rate() - 40.0).abs() < f64::EPSILON, "{}", bucket.rate());
}

#[test]
fn no_limit_in_sight_costs_no_wait_until_a_refusal() {
    let start = Instant::now();
    let mut bucket = Bucket::new(100_000.0, start);
    assert!(bucket.limit().is_none());
    for _ in 0..100_000 {
        assert_eq!(bucket.ready_at(start), start);
        bucket.take(start);
        bucket.accepted(start);
    }
    bucket.refused(start, start, Duration::from_secs(1));
    assert!(bucket.ready_at(start) > start && bucket.limit().is_some());
}

#[test]
fn a_new_ceiling_keeps_what_was_learned() {
    let start = Instant::now();
    let mut bucket = Bucket::new(100.0, start);
    bucket.refused(start, start, Duration::ZERO);
    let learned = bucket.rate();
    bucket.set_ceiling(200.0);
    assert!((bucket.rate() - learned).abs() < f64::EPSILON);
    bucket.set_ceiling(0.6);
    assert!(bucket.rate() <= 0.6);
}
