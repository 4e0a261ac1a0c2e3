//! Which stretch of time is read for one page. Pure.
//!
//! The last ten minutes are always read whole: activities are recorded late, and clocks differ. A backlog before them
//! is read in stretches short enough that a page does not cost more than a few requests.

use jiff::Timestamp;

use super::cursor::Cursor;

/// An activity can be read this long after its record at the latest (pingone-api.md §6.11).
pub(super) const OVERLAP_MS: i64 = 60_000;
/// Whatever was recorded before this can be read, also where our clock and PingOne's differ by minutes.
pub(super) const TRAIL_MS: i64 = 600_000;
/// How far back PingOne answers.
const KEPT_MS: i64 = 14 * 24 * 3_600_000;
/// Requests that a stretch of a backlog may take.
const MAX_PAGES: u32 = 10;
/// A stretch that takes no more requests than this is made longer the next time.
const FEW_PAGES: u32 = 3;
/// A stretch that held too much is cut to this part of itself.
const CUT: i64 = 8;
const MIN_SPAN_MS: i64 = 1_000;

/// The oldest time that can be asked for.
pub(super) const fn oldest_ms(now_ms: i64) -> i64 {
    now_ms.saturating_sub(KEPT_MS)
}

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "the unit belongs to each")]
pub(super) struct Window {
    from_ms: i64,
    /// `None`: up to now.
    until_ms: Option<i64>,
    /// Where the last ten minutes begin.
    live_ms: i64,
}

impl Window {
    /// From the cursor's floor on, as far as the last page found sensible.
    pub(super) fn first(cursor: &Cursor, now_ms: i64) -> Self {
        let (from_ms, live_ms) = (cursor.floor().at_ms, now_ms.saturating_sub(TRAIL_MS));
        let span_ms = i64::from(cursor.span_s()).saturating_mul(1_000);
        let until_ms = from_ms.saturating_add(span_ms);
        Self {
            from_ms,
            until_ms: (span_ms > 0 && until_ms < live_ms).then_some(until_ms),
            live_ms,
        }
    }

    /// Whether so many requests are too many. The last ten minutes cannot be divided.
    pub(super) const fn is_too_much(&self, pages: u32) -> bool {
        pages > MAX_PAGES && self.span_ms() > MIN_SPAN_MS && self.from_ms < self.live_ms
    }

    /// The first part of it.
    pub(super) fn narrowed(self) -> Self {
        let span_ms = (self.span_ms() / CUT).max(MIN_SPAN_MS);
        Self {
            until_ms: Some(self.from_ms.saturating_add(span_ms)),
            ..self
        }
    }

    const fn span_ms(&self) -> i64 {
        match self.until_ms {
            Some(until_ms) => until_ms.saturating_sub(self.from_ms),
            None => self.live_ms.saturating_sub(self.from_ms),
        }
    }

    /// Its end, where that is not now.
    pub(super) const fn until_ms(&self) -> Option<i64> {
        self.until_ms
    }

    /// The span to try next, in seconds; 0 is everything.
    pub(super) fn next_span_s(&self, pages: u32) -> u32 {
        let Some(_) = self.until_ms else { return 0 };
        let factor = if pages <= FEW_PAGES { 4 } else { 1 };
        u32::try_from((self.span_ms() / 1_000).max(1).saturating_mul(factor)).unwrap_or(0)
    }

    /// The filter that finds what was recorded in it, both ends included.
    pub(super) fn filter(&self) -> String {
        let from = format!("recordedAt ge \"{}\"", stamp(self.from_ms));
        match self.until_ms {
            Some(until_ms) => format!("{from} and recordedAt le \"{}\"", stamp(until_ms)),
            None => from,
        }
    }
}

/// Times are written with milliseconds, as PingOne writes them.
fn stamp(at_ms: i64) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_772_442_845_123;
    const DAY: i64 = 24 * 3_600_000;

    fn at(from_ms: i64, span_s: u32) -> Window {
        let start = Cursor::starting(from_ms);
        Window::first(&Cursor::new(start.floor(), span_s, start.seen().clone()), NOW)
    }

    #[test]
    fn the_filter_bounds_the_record_in_milliseconds() {
        assert_eq!(at(NOW, 0).filter(), "recordedAt ge \"2026-03-02T09:14:05.123Z\"");
        assert_eq!(
            at(NOW - DAY - 123, 60).filter(),
            "recordedAt ge \"2026-03-01T09:14:05.000Z\" and recordedAt le \"2026-03-01T09:15:05.000Z\""
        );
    }

    #[test]
    fn the_last_ten_minutes_are_never_divided() {
        let live = at(NOW - TRAIL_MS, 0);
        assert!(!live.is_too_much(10_000));
        assert_eq!(at(NOW - 2 * TRAIL_MS, 3_600).until_ms(), None);
        assert!(at(NOW - 2 * TRAIL_MS, 0).is_too_much(MAX_PAGES + 1));
        assert!(!at(NOW - 2 * TRAIL_MS, 0).is_too_much(MAX_PAGES));
    }

    #[test]
    fn a_backlog_is_narrowed_to_a_second_at_the_least_and_then_read_whole() {
        let mut window = at(NOW - 14 * DAY, 0);
        let mut rounds = 0;
        while window.is_too_much(MAX_PAGES + 1) {
            window = window.narrowed();
            rounds += 1;
            assert!(window.until_ms().unwrap() <= NOW - TRAIL_MS);
        }
        assert_eq!(window.until_ms(), Some(NOW - 14 * DAY + MIN_SPAN_MS));
        assert!(rounds <= 7, "{rounds}");
    }

    #[test]
    fn a_stretch_with_little_in_it_grows() {
        let window = at(NOW - DAY, 60);
        assert_eq!(window.next_span_s(FEW_PAGES), 240);
        assert_eq!(window.next_span_s(FEW_PAGES + 1), 60);
        assert_eq!(at(NOW - DAY, 0).next_span_s(1), 0);
    }
}
