//! Grants while they wait to be written: 8 bytes each in a spool, by entitlement. What a grant says beyond its
//! entitlement and its principal lies in a second spool; neighbours share it.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::spool::Spool;
use crate::c1z::C1zError;
use crate::wire::record::GrantExtra;

/// Bytes of a grant: principal and extra.
const GRANT: usize = 8;
/// Extras begin at multiples of this, so that 32 bits reach 32 GiB.
const ALIGN: u64 = 8;
/// Grants that are read at once.
const STEP: u64 = 8 << 10;

/// Grants of one entitlement that came in a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    /// Number of the first grant in the spool.
    pub(super) first: u64,
    pub(super) count: u64,
    /// When they were fetched.
    pub(super) time: u32,
}

/// An entitlement and where its grants are.
#[derive(Debug)]
pub(super) struct Entitlement {
    /// Number of its resource.
    pub(super) resource: u32,
    pub(super) id: Box<str>,
    /// Its own row is there.
    pub(super) stored: bool,
    pub(super) segments: Vec<Segment>,
    /// Where expansion's results lie in their spool.
    pub(super) products: (u64, u64),
}

impl Entitlement {
    /// Somebody holds it.
    pub(super) fn has_grants(&self) -> bool {
        !self.segments.is_empty() || self.products.1 > 0
    }
}

/// A grant that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) principal: u32,
    /// 0 for a grant that says nothing else.
    pub(super) extra: u32,
    pub(super) time: u32,
}

#[derive(Debug)]
pub(super) struct Grants {
    pub(super) entitlements: Vec<Entitlement>,
    numbers: HashTable<u32>,
    hasher: RandomState,
    last: u32,
    waiting: Spool,
    count: u64,
    extras: Spool,
    last_extra: (u32, Vec<u8>),
    /// Principals that vanished, and how many grants there were by then.
    gone: HashMap<u32, u64>,
}

fn at<T>(list: &[T], number: u32) -> Option<&T> {
    usize::try_from(number).ok().and_then(|at| list.get(at))
}

impl Grants {
    pub(super) fn create(dir: &Path) -> Result<Self, C1zError> {
        Ok(Self {
            entitlements: Vec::new(),
            numbers: HashTable::new(),
            hasher: RandomState::new(),
            last: 0,
            waiting: Spool::create(dir)?,
            count: 0,
            extras: Spool::create(dir)?,
            last_extra: (0, Vec::new()),
            gone: HashMap::new(),
        })
    }

    pub(super) fn entitlement(&self, number: u32) -> Option<&Entitlement> {
        at(&self.entitlements, number)
    }

    /// The number of this entitlement, a new one if it was not there.
    pub(super) fn number(&mut self, resource: u32, id: &str) -> u32 {
        let is_it = |one: &Entitlement| one.resource == resource && *one.id == *id;
        if self.entitlement(self.last).is_some_and(is_it) {
            return self.last;
        }
        let Self {
            entitlements,
            numbers,
            hasher,
            last,
            ..
        } = self;
        let entry = numbers.entry(
            hasher.hash_one((resource, id)),
            |number| at(entitlements, *number).is_some_and(is_it),
            |number| at(entitlements, *number).map_or(0, |one| hasher.hash_one((one.resource, &*one.id))),
        );
        *last = match entry {
            Entry::Occupied(slot) => *slot.get(),
            Entry::Vacant(slot) => {
                let number = u32::try_from(entitlements.len()).unwrap_or(u32::MAX);
                slot.insert(number);
                entitlements.push(Entitlement {
                    resource,
                    id: id.into(),
                    stored: false,
                    segments: Vec::new(),
                    products: (0, 0),
                });
                number
            }
        };
        *last
    }

    pub(super) fn entitlement_mut(&mut self, number: u32) -> Option<&mut Entitlement> {
        usize::try_from(number)
            .ok()
            .and_then(|at| self.entitlements.get_mut(at))
    }

    /// Adds a grant of an entitlement to a principal; `extra` is of [`Grants::extra_number`].
    pub(super) fn put(&mut self, entitlement: u32, principal: u32, extra: u32, time: u32) -> Result<(), C1zError> {
        let [p0, p1, p2, p3] = principal.to_le_bytes();
        let [e0, e1, e2, e3] = extra.to_le_bytes();
        self.waiting.append(&[p0, p1, p2, p3, e0, e1, e2, e3])?;
        let first = self.count;
        self.count += 1;
        if let Some(one) = self.entitlement_mut(entitlement) {
            match one.segments.last_mut() {
                Some(last) if last.first + last.count == first && last.time == time => last.count += 1,
                _ => one.segments.push(Segment { first, count: 1, time }),
            }
        }
        Ok(())
    }

    /// Where it is kept what a grant says beyond its references; 0 where it says nothing.
    pub(super) fn extra_number(&mut self, extra: &GrantExtra) -> Result<u32, C1zError> {
        if extra.is_empty() {
            return Ok(0);
        }
        let mut bytes = Vec::new();
        extra.encode(&mut bytes);
        if self.last_extra.1 == bytes {
            return Ok(self.last_extra.0);
        }
        // 0 means that there is none, so the first begins behind a gap.
        let place = self.extras.len().max(1).next_multiple_of(ALIGN);
        let gap = usize::try_from(place - self.extras.len()).unwrap_or(0);
        self.extras.append(&vec![0; gap])?;
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.extras.append(&length.to_le_bytes())?;
        self.extras.append(&bytes)?;
        let number = u32::try_from(place / ALIGN).map_err(|_| C1zError::Invariant {
            invariant: "size",
            what: "annotations of grants take more than 32 GiB".to_owned(),
        })?;
        self.last_extra = (number, bytes);
        Ok(number)
    }

    /// What a grant says beyond its references.
    pub(super) fn extra(&self, number: u32) -> Result<GrantExtra, C1zError> {
        if number == 0 {
            return Ok(GrantExtra::default());
        }
        let place = u64::from(number) * ALIGN;
        let mut length = [0; 4];
        self.extras.read(place, &mut length)?;
        let mut bytes = vec![0; usize::try_from(u32::from_le_bytes(length)).unwrap_or(0)];
        self.extras.read(place + 4, &mut bytes)?;
        GrantExtra::decode(&bytes).map_err(C1zError::from)
    }

    /// Takes out the grants that a principal holds so far.
    pub(super) fn forget_principal(&mut self, principal: u32) {
        self.gone.insert(principal, self.count);
    }

    pub(super) fn any_gone(&self) -> bool {
        !self.gone.is_empty()
    }

    fn is_gone(&self, principal: u32, number: u64) -> bool {
        self.gone.get(&principal).is_some_and(|count| number < *count)
    }

    /// Hands out the grants of an entitlement in the order they came in. `gone` ones only where asked for.
    pub(super) fn each(
        &self,
        entitlement: &Entitlement,
        gone: bool,
        mut each: impl FnMut(Waiting) -> Result<(), C1zError>,
    ) -> Result<(), C1zError> {
        let mut buffer = Vec::new();
        for segment in &entitlement.segments {
            let mut next = segment.first;
            let end = segment.first + segment.count;
            while next < end {
                let count = STEP.min(end - next);
                buffer.resize(usize::try_from(count).unwrap_or(0) * GRANT, 0);
                self.waiting.read(next * 8, &mut buffer)?;
                for (number, grant) in (next..).zip(buffer.as_chunks::<GRANT>().0) {
                    let [p0, p1, p2, p3, e0, e1, e2, e3] = *grant;
                    let waiting = Waiting {
                        principal: u32::from_le_bytes([p0, p1, p2, p3]),
                        extra: u32::from_le_bytes([e0, e1, e2, e3]),
                        time: segment.time,
                    };
                    if self.is_gone(waiting.principal, number) == gone {
                        each(waiting)?;
                    }
                }
                next += count;
            }
        }
        Ok(())
    }
}
