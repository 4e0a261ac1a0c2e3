//! Lenient members (pingone-api.md §3.2): an optional member of an unexpected type never spoils the object. Null is
//! absent, a number or truth value where a text belongs is its text, anything else is absent. Ids are strict.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::retry_after;

thread_local! {
    static TYPE_MISMATCHES: Cell<u64> = const { Cell::new(0) };
}

/// A member has another type than the documented one.
fn type_mismatch<T>(value: Option<T>) -> Option<T> {
    TYPE_MISMATCHES.set(TYPE_MISMATCHES.get().saturating_add(1));
    value
}

/// How many members had another type than the documented one in what this thread parsed since the last call. Parsing
/// never waits, so a caller that asks before and after knows what it parsed itself.
pub(crate) fn take_type_mismatches() -> u64 {
    TYPE_MISMATCHES.replace(0)
}

macro_rules! ignore_the_rest {
    (seq) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            Ok(type_mismatch(None))
        }
    };
    (map) => {
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(type_mismatch(None))
        }
    };
    (unit) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_none<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    };
    (scalars) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok(type_mismatch(None))
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok(type_mismatch(None))
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok(type_mismatch(None))
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok(type_mismatch(None))
        }
    };
}

struct Text;

impl<'de> Visitor<'de> for Text {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(Some(text))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(type_mismatch(Some(value.to_string())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(type_mismatch(Some(value.to_string())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(type_mismatch(Some(value.to_string())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(type_mismatch(Some(value.to_string())))
    }

    ignore_the_rest!(unit);
    ignore_the_rest!(seq);
    ignore_the_rest!(map);
}

/// A text.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    deserializer.deserialize_any(Text)
}

struct Flag;

impl<'de> Visitor<'de> for Flag {
    type Value = Option<bool>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a truth value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(type_mismatch(text.to_ascii_lowercase().parse().ok()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(type_mismatch(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(type_mismatch(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(type_mismatch(None))
    }

    ignore_the_rest!(unit);
    ignore_the_rest!(seq);
    ignore_the_rest!(map);
}

/// A truth value.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    deserializer.deserialize_any(Flag)
}

struct Count;

impl<'de> Visitor<'de> for Count {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a count")
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(type_mismatch(u64::try_from(value).ok()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(type_mismatch(format!("{value:.0}").parse().ok()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(type_mismatch(text.parse().ok()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(type_mismatch(None))
    }

    ignore_the_rest!(unit);
    ignore_the_rest!(seq);
    ignore_the_rest!(map);
}

/// A count.
pub(crate) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    deserializer.deserialize_any(Count)
}

/// A time: ISO 8601, with or without fraction and offset; without an offset it is UTC.
pub(crate) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<jiff::Timestamp>, D::Error> {
    let Some(text) = text(deserializer)? else {
        return Ok(None);
    };
    match parse_time(&text) {
        None => Ok(type_mismatch(None)),
        time => Ok(time),
    }
}

fn parse_time(text: &str) -> Option<jiff::Timestamp> {
    text.parse().ok().or_else(|| format!("{text}Z").parse().ok())
}

/// A length of time in seconds, as a number or its text; `None` where it says nothing.
pub(crate) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let seconds: Option<f64> = text(deserializer)?.and_then(|text| text.trim().parse().ok());
    let told = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Ok(told.map(|told| told.min(retry_after::LONGEST)))
}

struct List<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
    type Value = Option<Vec<T>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Item<T>>()? {
            list.extend(item.0);
        }
        Ok(Some(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(type_mismatch(None))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(type_mismatch(None))
    }

    ignore_the_rest!(unit);
    ignore_the_rest!(scalars);
}

/// An item of a list that may be of a wrong type and is then left out.
struct Item<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Item<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        match T::deserialize(value) {
            Ok(item) => Ok(Self(Some(item))),
            Err(_) => Ok(Self(type_mismatch(None))),
        }
    }
}

/// A list; what is not of the item's type in it is left out.
pub(crate) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    deserializer.deserialize_any(List(PhantomData))
}

/// A list of texts; what is no text in it is left out.
pub(crate) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    list(deserializer)
}

struct Object<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(type_mismatch(None))
    }

    ignore_the_rest!(unit);
    ignore_the_rest!(scalars);
    ignore_the_rest!(seq);
}

/// A nested object whose own members are lenient.
pub(crate) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    deserializer.deserialize_any(Object(PhantomData))
}

/// Refuses a member that stands in its object twice: readers of JSON differ in which of the two counts.
pub(crate) fn once<E: serde::de::Error>(again: bool, member: &'static str) -> Result<(), E> {
    if again { Err(E::duplicate_field(member)) } else { Ok(()) }
}

macro_rules! wrappers {
    ($($(#[$doc:meta])* $name:ident, $with:ident, $type:ty;)+) => {$(
        $(#[$doc])*
        pub(crate) struct $name<T>(pub(crate) Option<T>);

        impl<'de> Deserialize<'de> for $name<$type> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $with(deserializer).map(Self)
            }
        }
    )+};
}

wrappers! {
    /// A member read with [`text`].
    AsText, text, String;
    /// A member read with [`flag`].
    AsFlag, flag, bool;
    /// A member read with [`time`].
    AsTime, time, jiff::Timestamp;
}

/// A member read with [`object`].
pub(crate) struct AsObject<T>(pub(crate) Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for AsObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_and_without_fraction_and_offset() {
        let expected = parse_time("2026-03-02T09:14:05Z");
        assert!(expected.is_some());
        for text in [
            "2026-03-02T09:14:05.000Z",
            "2026-03-02T09:14:05",
            "2026-03-02T10:14:05+01:00",
        ] {
            assert_eq!(parse_time(text), expected, "{text}");
        }
        assert_eq!(parse_time("yesterday"), None);
    }

    #[derive(serde::Deserialize, Default, Debug, PartialEq)]
    #[serde(default)]
    struct All {
        #[serde(deserialize_with = "text")]
        text: Option<String>,
        #[serde(deserialize_with = "flag")]
        flag: Option<bool>,
        #[serde(deserialize_with = "count")]
        count: Option<u64>,
        #[serde(deserialize_with = "time")]
        time: Option<jiff::Timestamp>,
        #[serde(deserialize_with = "texts")]
        texts: Option<Vec<String>>,
        #[serde(deserialize_with = "seconds")]
        seconds: Option<Duration>,
    }

    #[test]
    fn members_of_an_unexpected_type_are_counted_and_good_ones_are_not() {
        let cases = [
            (
                r#"{"text":"a","flag":true,"count":7,"texts":["a"],"time":"2026-03-02T09:14:05Z"}"#,
                0,
            ),
            (
                r#"{"text":null,"flag":null,"count":null,"texts":null,"time":null,"new":{"x":[1]}}"#,
                0,
            ),
            (
                r#"{"text":7,"flag":"true","count":"7","texts":["a",7],"time":"soon"}"#,
                5,
            ),
            (r#"{"text":{"x":1},"flag":[],"count":false,"texts":{},"time":[1]}"#, 5),
            (r#"{"text":1.5,"flag":0,"count":-1,"texts":"a"}"#, 4),
        ];
        for (body, misfits) in cases {
            take_type_mismatches();
            serde_json::from_str::<All>(body).unwrap();
            assert_eq!(take_type_mismatches(), misfits, "{body}");
        }
    }

    #[test]
    fn what_makes_sense_of_an_unexpected_type_is_kept() {
        let body = r#"{"text":7,"flag":"TRUE","count":"7","texts":["a",7],"seconds":"3599"}"#;
        let found: All = serde_json::from_str(body).unwrap();
        let expected = All {
            text: Some("7".to_owned()),
            flag: Some(true),
            count: Some(7),
            time: None,
            texts: Some(vec!["a".to_owned()]),
            seconds: Some(Duration::from_secs(3_599)),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_length_of_time_that_nobody_means_is_cut() {
        #[derive(serde::Deserialize)]
        struct Told {
            #[serde(deserialize_with = "seconds")]
            expires_in: Option<Duration>,
        }
        let year = Duration::from_hours(24 * 366);
        let cases = [
            ("3600", Some(Duration::from_hours(1))),
            ("\"60\"", Some(Duration::from_mins(1))),
            ("1e19", Some(year)),
            ("1e300", None),
            ("-1", None),
            ("null", None),
        ];
        for (text, wanted) in cases {
            let told: Told = serde_json::from_str(&format!("{{\"expires_in\":{text}}}")).unwrap();
            assert_eq!(told.expires_in, wanted, "{text}");
        }
    }
}
