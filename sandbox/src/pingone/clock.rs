//! The sandbox's clock: runs on tokio's time, so that a test which pauses time pauses the sandbox with it. The wall time it
//! tells is its start plus what has passed, and never behind the machine's, by which answers are dated.

use jiff::Timestamp;
use jiff::tz::Offset;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Start of the sandbox in both times.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    wall: SystemTime,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Milliseconds since the Unix epoch.
    pub fn unix_ms(&self) -> i64 {
        let passed = self.elapsed().max(self.wall.elapsed().unwrap_or_default());
        let since = self.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() + passed;
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// Writes `2026-03-02T09:14:05.123Z` (pingone-api.md §3.2, S); a time outside the years 1 to 9999 is written as the epoch.
pub fn write_stamp(out: &mut Vec<u8>, unix_ms: i64) {
    let time = Offset::UTC.to_datetime(Timestamp::from_millisecond(unix_ms).unwrap_or(Timestamp::UNIX_EPOCH));
    digits(out, time.year().into(), 4);
    for (mark, value) in [
        (b'-', time.month()),
        (b'-', time.day()),
        (b'T', time.hour()),
        (b':', time.minute()),
    ] {
        out.push(mark);
        digits(out, value.into(), 2);
    }
    out.push(b':');
    digits(out, time.second().into(), 2);
    out.push(b'.');
    digits(out, time.millisecond().into(), 3);
    out.push(b'Z');
}

/// The stamp as text.
pub fn stamp(unix_ms: i64) -> String {
    let mut out = Vec::with_capacity(24);
    write_stamp(&mut out, unix_ms);
    String::from_utf8(out).unwrap_or_default()
}

/// Milliseconds since the epoch of a stamp with or without fraction, `Z` or offset.
pub fn parse_stamp(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

fn digits(out: &mut Vec<u8>, value: i64, width: u32) {
    let mut scale = 10_i64.pow(width - 1);
    while scale > 0 {
        out.push(b'0' + u8::try_from(value / scale % 10).unwrap_or(0));
        scale /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_reads_back_as_the_same_millisecond() {
        for ms in [
            0,
            951_782_400_123,
            1_709_164_800_000,
            1_767_225_599_999,
            4_102_444_800_001,
        ] {
            assert_eq!(parse_stamp(&stamp(ms)), Some(ms), "{}", stamp(ms));
        }
        assert_eq!(stamp(0), "1970-01-01T00:00:00.000Z");
    }
}
