//! One rate bucket (pingone-api.md §5), pure: time comes in as an argument.
//!
//! Starts at its ceiling; what is not used may be caught up with for a tenth of a second, but no second ever holds more
//! starts than its rate allows, so that a server which counts by the second has nothing to refuse. A refusal pauses the
//! bucket for what PingOne asked. The rate falls once per pause, at most to two fifths, and not below what the server
//! has borne out since the pause before; then it grows by a twentieth of the ceiling per clean second, and for a minute not
//! beyond nine tenths of the rate at which the refusal came, or what was borne out.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// From this rate on a bucket that was never refused does not count: there is no limit in sight.
const UNLIMITED: f64 = 20_000.0;
/// What may be caught up with after idle time, in seconds of the rate.
const BURST: Duration = Duration::from_millis(100);
/// How long a refusal is remembered.
const MEMORY: Duration = Duration::from_mins(1);
/// The least rate that refusals lead to.
const FLOOR: f64 = 0.5;
/// Share of the rate at which a refusal came, beyond which the next minute does not go unless more was borne out.
const CAP: f64 = 0.9;
/// Bounds of the rate after a refusal, as shares of the one at which it came. One address gets 35 % of a licence's rate, so
/// what nothing tells of is often there.
const LEAST: f64 = 0.4;
const MOST: f64 = 0.98;
/// Starts that are remembered for the count by the second.
const STARTS_MAX: f64 = 1_000.0;
/// The second is taken a little longer: requests do not arrive as evenly as they leave.
const SECOND: f64 = 1.01;
/// Without a start for so long the rate that was measured before says nothing any more.
const IDLE: Duration = Duration::from_millis(500);
/// Factor on what was taken within the first second, where no limit was in sight.
const FIRST_GUESS: f64 = 5.0;

/// What a refusal says about the minute after it.
#[derive(Debug, Clone, Copy)]
struct Cap {
    /// Not beyond this rate, as long as the others take what they took then.
    rate: f64,
    /// Starts of the others in the second before the refusal. The limit may be theirs, too: what they take less of it
    /// later is ours.
    others: f64,
    until: Instant,
}

/// A token bucket that learns from refusals.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    ceiling: f64,
    rate: f64,
    /// When the next request may start if nothing is to be caught up with.
    next: Instant,
    /// The latest starts, for the count by the second.
    starts: VecDeque<Instant>,
    paused_until: Option<Instant>,
    /// Requests that were sent before this moment belong to the last pause.
    fell_at: Option<Instant>,
    /// What others took of a shared limit in the last second.
    others: f64,
    cap: Option<Cap>,
    grown_at: Instant,
    taken: Taken,
    span: Span,
    /// The fewest requests that came between a pause and a refusal: the server saves up no more than these.
    saved: f64,
}

/// The time since the last pause.
#[derive(Debug, Clone, Copy)]
struct Span {
    begun: Instant,
    /// Requests of it that were taken.
    taken: u32,
}

impl Bucket {
    pub(crate) fn new(ceiling: f64, now: Instant) -> Self {
        Self {
            ceiling,
            rate: ceiling,
            next: now,
            starts: VecDeque::new(),
            paused_until: None,
            fell_at: None,
            others: 0.0,
            cap: None,
            grown_at: now,
            taken: Taken::new(now),
            span: Span { begun: now, taken: 0 },
            saved: f64::INFINITY,
        }
    }

    /// A new ceiling; what was learned from refusals stays.
    pub(crate) fn set_ceiling(&mut self, ceiling: f64) {
        if self.fell_at.is_none() || ceiling < self.rate {
            self.rate = ceiling;
        }
        self.ceiling = ceiling;
    }

    /// There is no limit in sight.
    pub(crate) fn is_free(&self) -> bool {
        self.rate >= UNLIMITED && self.fell_at.is_none()
    }

    /// The rate that holds now, where there is a limit in sight.
    pub(crate) fn limit(&self) -> Option<f64> {
        (!self.is_free()).then_some(self.rate)
    }

    /// When the next request may start, if `take` is not called before.
    pub(crate) fn ready_at(&mut self, now: Instant) -> Instant {
        if self.is_free() {
            return now;
        }
        self.grow(now);
        let spaced = self.next.max(self.paused_until.unwrap_or(now));
        let (starts, second) = self.per_second();
        let counted = self
            .starts
            .len()
            .checked_sub(starts)
            .and_then(|index| self.starts.get(index))
            .map(|start| *start + second);
        counted.map_or(spaced, |counted| spaced.max(counted))
    }

    /// What others take now of a limit that they may share with this bucket: starts in the last second.
    pub(crate) fn set_others(&mut self, starts: f64) {
        self.others = starts;
    }

    /// Starts in the last second, where there is a limit in sight.
    pub(crate) fn used(&self, now: Instant) -> f64 {
        let since = |start: &&Instant| now.saturating_duration_since(**start) < Duration::from_secs(1);
        let starts = self.starts.iter().rev().take_while(since).count();
        u32::try_from(starts).map_or(0.0, f64::from)
    }

    /// A request starts now.
    pub(crate) fn take(&mut self, now: Instant) {
        if self.is_free() {
            return;
        }
        let start = self.next.max(now.checked_sub(BURST).unwrap_or(now));
        self.next = start + Duration::from_secs_f64(1.0 / self.rate.max(FLOOR));
        let (most, _) = self.per_second();
        self.starts.push_back(now);
        while self.starts.len() > most {
            self.starts.pop_front();
        }
    }

    /// How many starts a second may hold; above [`STARTS_MAX`] the part of a second that holds so many.
    fn per_second(&self) -> (usize, Duration) {
        let rate = self.rate.max(FLOOR);
        let starts = rate.floor().clamp(1.0, STARTS_MAX);
        let second = Duration::from_secs_f64(starts / rate * SECOND);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 1..=1000"
        )]
        let starts = starts as usize;
        (starts, second)
    }

    /// A request that was sent at `sent` came back and was not refused.
    pub(crate) fn accepted(&mut self, sent: Instant) {
        self.taken.count(sent);
        if sent >= self.span.begun {
            self.span.taken = self.span.taken.saturating_add(1);
        }
    }

    /// A request that was sent at `sent` came back refused and asks for this wait.
    pub(crate) fn refused(&mut self, sent: Instant, now: Instant, wait: Duration) {
        let until = now + wait;
        if self.fell_at.is_none_or(|fell| sent > fell) {
            let reached = self.reached(sent).max(FLOOR);
            self.rate = self.borne_out(sent).clamp(reached * LEAST, reached * MOST).max(FLOOR);
            self.saved = self.saved.min(f64::from(self.span.taken));
            self.cap = Some(Cap {
                rate: self.rate.max(reached * CAP),
                others: self.others,
                until: until + MEMORY,
            });
            self.fell_at = Some(now);
        }
        self.paused_until = Some(self.paused_until.map_or(until, |known| known.max(until)));
        self.next = self.next.max(until);
        self.grown_at = self.grown_at.max(until);
        self.span = Span {
            begun: self.next,
            taken: 0,
        };
    }

    /// The rate that the server has borne out since the last pause, whatever it had saved up: that is a second of its limit
    /// at most, and so is what it counts at once. Nor is it more than what it took until an earlier refusal.
    fn borne_out(&self, sent: Instant) -> f64 {
        let length = sent.saturating_duration_since(self.span.begun).as_secs_f64();
        let taken = f64::from(self.span.taken);
        (taken / (length + 1.0)).max((taken - self.saved) / length.max(SLOT.as_secs_f64()))
    }

    /// The rate at which a refusal came: the bucket's own, since what really went out also depends on how much there was
    /// to do. Where no limit was in sight its own says nothing, and what was taken of us counts instead.
    fn reached(&self, sent: Instant) -> f64 {
        if !self.is_free() {
            return self.rate;
        }
        // What a server takes in its first moment says little: guess high, fall again.
        let (taken, whole) = self.taken.rate_before(sent);
        if whole { taken } else { taken * FIRST_GUESS }
    }

    /// The rate at which requests may start now.
    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }

    fn grow(&mut self, now: Instant) {
        let clean = now.saturating_duration_since(self.grown_at).as_secs_f64();
        if clean < 0.1 || self.fell_at.is_none() {
            return;
        }
        self.grown_at = now;
        let limit = match self.cap {
            Some(cap) if now < cap.until => cap.rate + (cap.others - self.others).max(0.0),
            _ => self.ceiling,
        };
        let grown = self.rate + clean * self.ceiling.min(UNLIMITED) / 20.0;
        self.rate = grown.min(limit).min(self.ceiling);
    }
}

/// Length of a slot of [`Taken`].
const SLOT: Duration = Duration::from_millis(100);
/// Slots of [`Taken`]: two seconds, so that the second before a refused request is whole.
const SLOTS: usize = 20;

/// Requests that were taken, by the time at which they were sent.
#[derive(Debug, Clone)]
struct Taken {
    begun: Instant,
    slots: [u32; SLOTS],
    /// Number of the newest slot since `begun`.
    newest: u64,
    busy_since: Instant,
    last: Instant,
}

impl Taken {
    fn new(now: Instant) -> Self {
        Self {
            begun: now,
            slots: [0; SLOTS],
            newest: 0,
            busy_since: now,
            last: now,
        }
    }

    fn slot(&self, at: Instant) -> u64 {
        let slots = at.saturating_duration_since(self.begun).as_millis() / SLOT.as_millis();
        u64::try_from(slots).unwrap_or(u64::MAX)
    }

    fn index(slot: u64) -> usize {
        usize::try_from(slot % SLOTS as u64).unwrap_or(0)
    }

    fn count(&mut self, sent: Instant) {
        if sent.saturating_duration_since(self.last) > IDLE {
            self.busy_since = sent;
        }
        self.last = self.last.max(sent);
        let slot = self.slot(sent);
        if slot > self.newest {
            for passed in (self.newest + 1..=slot).take(SLOTS) {
                if let Some(count) = self.slots.get_mut(Self::index(passed)) {
                    *count = 0;
                }
            }
            self.newest = slot;
        }
        if slot + SLOTS as u64 > self.newest
            && let Some(count) = self.slots.get_mut(Self::index(slot))
        {
            *count += 1;
        }
    }

    /// Requests per second that were taken in the second before this moment, and whether there was a whole second.
    fn rate_before(&self, sent: Instant) -> (f64, bool) {
        let last = self.slot(sent);
        let count: u32 = (last.saturating_sub(10)..=last.min(self.newest))
            .filter(|slot| slot + SLOTS as u64 > self.newest)
            .filter_map(|slot| self.slots.get(Self::index(slot)))
            .sum();
        let span = sent.saturating_duration_since(self.busy_since).as_secs_f64();
        (f64::from(count) / span.clamp(0.2, 1.0), span >= 1.0)
    }
}

#[cfg(test)]
mod tests;
