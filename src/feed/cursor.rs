//! The cursor: up to where everything was handed out, and what was handed out beyond that. It is opaque to C1 and at
//! most 4096 bytes long (c1-protocol.md §9.7).

use std::collections::BTreeSet;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use pingone::types::Activity;

const VERSION: u8 = 1;
const KEY_BYTES: usize = 5;
/// Activities beyond the floor that a cursor names: 4020 bytes of text at most.
pub(super) const MAX_SEEN: usize = 600;

/// Stands for an activity's id. Two of the few hundred in a cursor are alike once in billions of activities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key([u8; KEY_BYTES]);

impl Key {
    /// Greater than or equal to every other.
    pub(super) const MAX: Self = Self([0xff; KEY_BYTES]);
    /// Less than or equal to every other.
    const MIN: Self = Self([0; KEY_BYTES]);

    fn of(id: &str) -> Self {
        let mut key = [0; KEY_BYTES];
        let hash = digest::digest(&digest::SHA256, id.as_bytes());
        key.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
        Self(key)
    }
}

/// An activity's place in the feed: PingOne documents no order, so we give them one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Position {
    /// When it was recorded, in milliseconds since the epoch.
    pub(super) at_ms: i64,
    /// Orders what was recorded in the same millisecond.
    pub(super) key: Key,
}

impl Position {
    /// Greater than that of everything recorded in this millisecond or before.
    pub(super) const fn end_of(at_ms: i64) -> Self {
        Self { at_ms, key: Key::MAX }
    }

    /// `None` for an activity that cannot be placed.
    pub(super) fn of(activity: &Activity) -> Option<Self> {
        let at = activity.recorded_at.or(activity.created_at)?;
        Some(Self {
            at_ms: at.as_millisecond(),
            key: Key::of(activity.id.as_deref().filter(|id| !id.is_empty())?),
        })
    }
}

/// Where a feed stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    floor: Position,
    /// How many seconds of a backlog fit on one page; 0 where everything does.
    span_s: u32,
    seen: BTreeSet<Key>,
}

impl Cursor {
    /// Nothing before this time is wanted.
    pub(super) const fn starting(at_ms: i64) -> Self {
        Self {
            floor: Position { at_ms, key: Key::MIN },
            span_s: 0,
            seen: BTreeSet::new(),
        }
    }

    pub(super) const fn new(floor: Position, span_s: u32, seen: BTreeSet<Key>) -> Self {
        Self { floor, span_s, seen }
    }

    /// Everything at or before this was handed out.
    pub(super) const fn floor(&self) -> Position {
        self.floor
    }

    pub(super) const fn span_s(&self) -> u32 {
        self.span_s
    }

    /// What was handed out beyond the floor.
    pub(super) const fn seen(&self) -> &BTreeSet<Key> {
        &self.seen
    }

    pub(super) fn encode(&self) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.floor.at_ms.to_be_bytes());
        bytes.extend_from_slice(&self.floor.key.0);
        bytes.extend_from_slice(&self.span_s.to_be_bytes());
        for key in &self.seen {
            bytes.extend_from_slice(&key.0);
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// `None` for what we did not encode.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (at_ms, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_first_chunk()?;
        let (span_s, rest) = rest.split_first_chunk()?;
        let (keys, left) = rest.as_chunks();
        if *version != VERSION || !left.is_empty() || keys.len() > MAX_SEEN {
            return None;
        }
        let floor = Position {
            at_ms: i64::from_be_bytes(*at_ms),
            key: Key(*key),
        };
        // A time that cannot be written in a filter is not one of ours.
        jiff::Timestamp::from_millisecond(floor.at_ms).ok()?;
        let seen = keys.iter().copied().map(Key).collect();
        Some(Self::new(floor, u32::from_be_bytes(*span_s), seen))
    }
}

#[cfg(test)]
impl Position {
    pub(super) fn made(at_ms: i64, id: &str) -> Self {
        Self {
            at_ms,
            key: Key::of(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_reads_back_and_keeps_to_its_length(
            at_ms in 0i64..=4_102_444_800_000,
            span_s in any::<u32>(),
            ids in prop::collection::btree_set(any::<u64>(), 0..=MAX_SEEN),
        ) {
            let seen = ids.iter().map(|id| Key::of(&id.to_string())).collect();
            let cursor = Cursor::new(Position::made(at_ms, "x"), span_s, seen);
            let text = cursor.encode();
            prop_assert!(text.len() <= 4096);
            prop_assert_eq!(Cursor::decode(&text), Some(cursor));
        }

        #[test]
        fn anything_else_is_refused_without_a_panic(text in ".{0,200}") {
            if let Some(cursor) = Cursor::decode(&text) {
                prop_assert_eq!(cursor.encode(), text);
            }
        }
    }

    #[test]
    fn the_longest_cursor_fits() {
        let seen: BTreeSet<_> = (0..MAX_SEEN).map(|id| Key::of(&id.to_string())).collect();
        assert_eq!(seen.len(), MAX_SEEN);
        assert!(Cursor::new(Position::end_of(i64::MAX), u32::MAX, seen).encode().len() <= 4096);
    }

    #[test]
    fn other_versions_and_times_out_of_range_are_refused() {
        let good = Cursor::starting(1_700_000_000_000).encode();
        let mut bytes = URL_SAFE_NO_PAD.decode(&good).unwrap();
        assert!(Cursor::decode(&good).is_some());
        bytes[0] = 2;
        assert_eq!(Cursor::decode(&URL_SAFE_NO_PAD.encode(&bytes)), None);
        assert_eq!(Cursor::decode(&Cursor::starting(i64::MAX).encode()), None);
        assert_eq!(Cursor::decode(good.get(3..).unwrap()), None);
    }
}
