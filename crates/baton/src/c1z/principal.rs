//! Principals and other resources by number. An id that is a UUID costs 20 bytes and its place in the table; any other id
//! is kept as text.

use std::cmp::Ordering;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use uuid::Uuid;

/// Bytes of a UUID's text.
const TEXT: usize = 36;
/// Room for it.
pub(super) type IdBuffer = [u8; TEXT];

/// Who can hold a grant.
#[derive(Debug, Default)]
pub(super) struct Principals {
    known: Vec<Principal>,
    numbers: HashTable<u32>,
    hasher: RandomState,
    types: Vec<String>,
    texts: Vec<Box<str>>,
}

#[derive(Debug, Clone, Copy)]
struct Principal {
    kind: u16,
    /// The id is in `texts`, at the place that the bytes name.
    is_text: bool,
    bytes: [u8; 16],
}

/// An id within its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key<'a> {
    Uuid([u8; 16]),
    Text(&'a str),
}

impl<'a> Key<'a> {
    /// A UUID only where its text is exactly this again.
    fn of(id: &'a str) -> Self {
        // Of this length only the form with hyphens is one.
        let plain = id.len() == TEXT && !id.bytes().any(|byte| byte.is_ascii_uppercase());
        match Uuid::try_parse(id) {
            Ok(uuid) if plain => Self::Uuid(uuid.into_bytes()),
            _ => Self::Text(id),
        }
    }

    fn text<'b>(self, buffer: &'b mut IdBuffer) -> &'b str
    where
        'a: 'b,
    {
        match self {
            Self::Uuid(bytes) => Uuid::from_bytes(bytes).as_hyphenated().encode_lower(buffer),
            Self::Text(text) => text,
        }
    }
}

impl Principal {
    fn key(self, texts: &[Box<str>]) -> Key<'_> {
        if self.is_text {
            let at = usize::try_from(u128::from_be_bytes(self.bytes)).unwrap_or(usize::MAX);
            Key::Text(texts.get(at).map(AsRef::as_ref).unwrap_or_default())
        } else {
            Key::Uuid(self.bytes)
        }
    }
}

fn at<T: Copy>(list: &[T], number: u32) -> Option<T> {
    usize::try_from(number).ok().and_then(|at| list.get(at)).copied()
}

impl Principals {
    /// The number of this principal, a new one if it was not there.
    pub(super) fn number(&mut self, resource_type: &str, id: &str) -> u32 {
        let kind = self.kind_number(resource_type);
        self.number_of(kind, Key::of(id))
    }

    /// The same for a type's number.
    pub(super) fn number_of(&mut self, kind: u16, key: Key<'_>) -> u32 {
        let Self {
            known,
            numbers,
            hasher,
            texts,
            ..
        } = self;
        let entry = numbers.entry(
            hasher.hash_one((kind, key)),
            |number| at(known, *number).is_some_and(|one| one.kind == kind && one.key(texts) == key),
            |number| at(known, *number).map_or(0, |one| hasher.hash_one((one.kind, one.key(texts)))),
        );
        let slot = match entry {
            Entry::Occupied(slot) => return *slot.get(),
            Entry::Vacant(slot) => slot,
        };
        let number = u32::try_from(known.len()).unwrap_or(u32::MAX);
        slot.insert(number);
        let (is_text, bytes) = match key {
            Key::Uuid(bytes) => (false, bytes),
            Key::Text(text) => {
                texts.push(text.into());
                let place = u128::try_from(texts.len() - 1).unwrap_or(u128::MAX);
                (true, place.to_be_bytes())
            }
        };
        known.push(Principal { kind, is_text, bytes });
        number
    }

    /// The number of a type, a new one if it was not there.
    pub(super) fn kind_number(&mut self, resource_type: &str) -> u16 {
        let found = self.types.iter().position(|known| known == resource_type);
        let kind = found.unwrap_or_else(|| {
            self.types.push(resource_type.to_owned());
            self.types.len() - 1
        });
        u16::try_from(kind).unwrap_or(u16::MAX)
    }

    /// Type and id.
    pub(super) fn get<'a>(&'a self, number: u32, buffer: &'a mut IdBuffer) -> (&'a str, &'a str) {
        match at(&self.known, number) {
            Some(one) => (self.type_of(one), one.key(&self.texts).text(buffer)),
            None => ("", ""),
        }
    }

    fn type_of(&self, one: Principal) -> &str {
        self.types
            .get(usize::from(one.kind))
            .map(String::as_str)
            .unwrap_or_default()
    }

    /// The order of types and ids as texts.
    pub(super) fn compare(&self, one: u32, other: u32) -> Ordering {
        let (Some(one), Some(other)) = (at(&self.known, one), at(&self.known, other)) else {
            return one.cmp(&other);
        };
        let by_type = self.type_of(one).cmp(self.type_of(other));
        by_type.then_with(|| match (one.key(&self.texts), other.key(&self.texts)) {
            // Lower-case digits with hyphens at the same places order as the bytes do.
            (Key::Uuid(one), Key::Uuid(other)) => one.cmp(&other),
            (one, other) => {
                let mut buffers: [IdBuffer; 2] = [[0; 36]; 2];
                let [first, second] = &mut buffers;
                one.text(first).cmp(other.text(second))
            }
        })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// The number of this principal, if it is known.
    pub(super) fn find(&self, resource_type: &str, id: &str) -> Option<u32> {
        let kind = self.types.iter().position(|known| known == resource_type)?;
        let kind = u16::try_from(kind).ok()?;
        let key = Key::of(id);
        let is_it =
            |number: &u32| at(&self.known, *number).is_some_and(|one| one.kind == kind && one.key(&self.texts) == key);
        self.numbers.find(self.hasher.hash_one((kind, key)), is_it).copied()
    }

    /// All numbers in the order of types and ids as texts.
    pub(super) fn in_order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..u32::try_from(self.known.len()).unwrap_or(u32::MAX)).collect();
        order.sort_unstable_by(|one, other| self.compare(*one, *other));
        order
    }

    /// For every type whether a filter lets it through; an empty filter lets all through.
    pub(super) fn passes(&self, types: &std::collections::BTreeSet<String>) -> Passes<'_> {
        let kinds = self.types.iter().map(|kind| types.is_empty() || types.contains(kind));
        Passes {
            known: &self.known,
            kinds: kinds.collect(),
        }
    }
}

/// What a filter lets through.
#[derive(Debug)]
pub(super) struct Passes<'a> {
    known: &'a [Principal],
    kinds: Vec<bool>,
}

impl Passes<'_> {
    pub(super) fn principal(&self, number: u32) -> bool {
        at(self.known, number).is_some_and(|one| self.kinds.get(usize::from(one.kind)) == Some(&true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_comes_back_as_it_was() {
        let ids = [
            "7c2e1d94-55a0-4a34-9a1b-c0ffee001001",
            "7C2E1D94-55A0-4A34-9A1B-C0FFEE001001",
            "7c2e1d9455a04a349a1bc0ffee001001",
            "{7c2e1d94-55a0-4a34-9a1b-c0ffee001001}",
            "7c2e1d945-5a0-4a34-9a1b-c0ffee001001",
            "u1",
            "",
        ];
        let mut principals = Principals::default();
        let all: Vec<(&str, &str)> = ["user", "group"]
            .iter()
            .flat_map(|kind| ids.map(|id| (*kind, id)))
            .collect();
        let numbers: Vec<u32> = all.iter().map(|(kind, id)| principals.number(kind, id)).collect();
        assert_eq!(numbers, (0..14).collect::<Vec<u32>>());
        for ((kind, id), number) in all.iter().zip(&numbers) {
            assert_eq!(principals.number(kind, id), *number);
            assert_eq!(principals.get(*number, &mut [0; 36]), (*kind, *id));
        }
        let mut sorted = numbers.clone();
        sorted.sort_by(|one, other| principals.compare(*one, *other));
        let sorted: Vec<_> = sorted
            .iter()
            .map(|number| all[usize::try_from(*number).unwrap()])
            .collect();
        let mut expected = all.clone();
        expected.sort_unstable();
        assert_eq!(sorted, expected);
    }
}
