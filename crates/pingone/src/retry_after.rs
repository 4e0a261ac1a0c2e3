//! `Retry-After` in every form that occurs: seconds, an HTTP date, an absolute epoch, milliseconds
//! (connector-model.md §9).

use std::time::Duration;

/// Numbers above this are an epoch, not seconds to wait.
const EPOCH_FROM: u64 = 1_000_000_000;
/// Numbers above this are an epoch in milliseconds.
const EPOCH_MILLIS_FROM: u64 = 1_000_000_000_000;

/// Nobody means more than this; a clock that is added to must not overflow.
pub(crate) const LONGEST: Duration = Duration::from_hours(24 * 366);

/// How long to wait from `now`. `None` when the value says nothing; a time in the past is no wait.
pub(crate) fn parse(value: &str, now: jiff::Timestamp) -> Option<Duration> {
    read(value, now).map(|wait| wait.min(LONGEST))
}

fn read(value: &str, now: jiff::Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(number) = value.parse::<u64>() {
        let now_seconds = u64::try_from(now.as_second()).unwrap_or(0);
        return Some(match number {
            0..EPOCH_FROM => Duration::from_secs(number),
            EPOCH_FROM..EPOCH_MILLIS_FROM => Duration::from_secs(number.saturating_sub(now_seconds)),
            _ => Duration::from_millis(number.saturating_sub(now_seconds.saturating_mul(1_000))),
        });
    }
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?;
    Some(Duration::try_from(date.timestamp().duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_understood() {
        let now = jiff::Timestamp::from_second(1_700_000_000).unwrap();
        let cases = [
            ("0", Some(0)),
            ("7", Some(7_000)),
            (" 120 ", Some(120_000)),
            ("1.5", Some(1_500)),
            ("1700000010", Some(10_000)),
            ("1699999990", Some(0)),
            ("1700000002500", Some(2_500)),
            ("Tue, 14 Nov 2023 22:13:30 GMT", Some(10_000)),
            ("Tue, 14 Nov 2023 22:13:00 GMT", Some(0)),
            ("1e19", Some(31_622_400_000)),
            ("18446744073709551615", Some(31_622_400_000)),
            ("1e300", None),
            ("soon", None),
            ("-3", None),
            ("", None),
        ];
        for (value, millis) in cases {
            assert_eq!(parse(value, now), millis.map(Duration::from_millis), "{value}");
        }
    }
}
