//! Times as the tables store them (c1z.md §4.2): text, UTC, a blank, no zone, trailing zeros trimmed.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The text of a time. Texts order as the times do.
pub(crate) fn text(at: Timestamp) -> String {
    let at = at.to_zoned(TimeZone::UTC);
    let mut text = at.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let nanos = at.subsec_nanosecond();
    if nanos > 0 {
        text.push('.');
        text.push_str(format!("{nanos:09}").trim_end_matches('0'));
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn zeros_at_the_end_are_trimmed() {
        let cases = [
            ("2025-12-17T16:31:25.12974Z", "2025-12-17 16:31:25.12974"),
            ("2025-12-17T16:31:25Z", "2025-12-17 16:31:25"),
            ("2025-12-17T16:31:25.000000001Z", "2025-12-17 16:31:25.000000001"),
            ("2025-12-17T17:31:25.5+01:00", "2025-12-17 16:31:25.5"),
        ];
        for (at, expected) in cases {
            assert_eq!(text(at.parse().unwrap()), expected);
        }
    }

    proptest! {
        #[test]
        fn texts_order_as_times_do(a in 0_i64..4_000_000_000_000, b in 0_i64..4_000_000_000_000) {
            let (first, second) = (Timestamp::from_millisecond(a).unwrap(), Timestamp::from_millisecond(b).unwrap());
            prop_assert_eq!(text(first).cmp(&text(second)), first.cmp(&second));
        }
    }
}
