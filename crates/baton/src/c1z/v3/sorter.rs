//! Rows in the order of their keys within bounded memory: batches are sorted and spilled as runs, the runs are merged at
//! the end. Rows that already come in order make one run and cost one copy.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::path::Path;

use super::spool::{Run, Spool};
use crate::c1z::C1zError;

/// Bytes of rows that are sorted at once.
const BATCH: usize = 4 << 20;
/// Numbers that are sorted at once.
const PAIRS: usize = 1 << 20;
/// Bytes of all runs together that a merge holds.
const MERGE: usize = 8 << 20;
/// Bytes before each row in a spool: the lengths of its key and its value.
const HEADER: usize = 8;

/// Where each run lies in the spool.
type Runs = Vec<(u64, u64)>;

/// Bytes that each run may hold while `runs` are merged.
fn step(runs: usize) -> usize {
    (MERGE / runs.max(1)).clamp(4 << 10, 256 << 10)
}

/// Sorts rows by key.
#[derive(Debug)]
pub(in crate::c1z) struct Sorter {
    spool: Spool,
    batch: Vec<u8>,
    /// Offset, length of the key, length of the value.
    rows: Vec<(u32, u32, u32)>,
    runs: Runs,
    limit: usize,
    /// Largest key that was spilled.
    last: Vec<u8>,
}

fn slice(bytes: &[u8], at: u32, length: u32) -> &[u8] {
    let (at, length) = (
        usize::try_from(at).unwrap_or(usize::MAX),
        usize::try_from(length).unwrap_or(usize::MAX),
    );
    bytes.get(at..).and_then(|rest| rest.get(..length)).unwrap_or_default()
}

impl Sorter {
    pub(in crate::c1z) fn create(dir: &Path) -> Result<Self, C1zError> {
        Ok(Self {
            spool: Spool::create(dir)?,
            batch: Vec::new(),
            rows: Vec::new(),
            runs: Vec::new(),
            limit: BATCH,
            last: Vec::new(),
        })
    }

    /// Adds a row, whose value `fill` makes.
    pub(in crate::c1z) fn add<E>(
        &mut self,
        key: &[u8],
        fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), C1zError>
    where
        C1zError: From<E>,
    {
        let length = |from: usize, to: usize| u32::try_from(to - from).unwrap_or(u32::MAX);
        let start = self.batch.len();
        self.batch.extend_from_slice(key);
        let middle = self.batch.len();
        fill(&mut self.batch)?;
        let end = self.batch.len();
        self.rows
            .push((length(0, start), length(start, middle), length(middle, end)));
        if end >= self.limit { self.spill() } else { Ok(()) }
    }

    /// Ends the batch: behind the last run where that goes on in order.
    fn spill(&mut self) -> Result<(), C1zError> {
        let batch = &self.batch;
        // Stable: of two equal keys the one that came first stays first.
        self.rows
            .sort_by(|one, other| slice(batch, one.0, one.1).cmp(slice(batch, other.0, other.1)));
        let Some((first, last)) = self.rows.first().zip(self.rows.last()) else {
            return Ok(());
        };
        let goes_on = slice(batch, first.0, first.1) > self.last.as_slice();
        let start = self.spool.len();
        for (at, key, value) in &self.rows {
            self.spool.append(&key.to_le_bytes())?;
            self.spool.append(&value.to_le_bytes())?;
            self.spool.append(slice(batch, *at, key.saturating_add(*value)))?;
        }
        match self.runs.last_mut() {
            Some(run) if goes_on => run.1 = self.spool.len(),
            _ => self.runs.push((start, self.spool.len())),
        }
        slice(batch, last.0, last.1).clone_into(&mut self.last);
        self.rows.clear();
        self.batch.clear();
        Ok(())
    }

    /// Hands out every row by key; of equal keys the one that came first comes first.
    pub(in crate::c1z) fn drain(
        &mut self,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), C1zError>,
    ) -> Result<(), C1zError> {
        self.spill()?;
        self.batch = Vec::new();
        self.rows = Vec::new();
        let (spool, runs) = (&self.spool, std::mem::take(&mut self.runs));
        let step = step(runs.len());
        let mut runs: Vec<Run> = runs
            .into_iter()
            .map(|(start, end)| Run::new(start, end, step))
            .collect();
        let mut heads = BinaryHeap::new();
        for (at, run) in runs.iter_mut().enumerate() {
            let mut key = Vec::new();
            heads.extend(next_key(run, spool, &mut key)?.map(|value| Reverse((key, at, value))));
        }
        while let Some(mut head) = heads.peek_mut() {
            let Reverse((key, at, value)) = &mut *head;
            let Some(run) = runs.get_mut(*at) else {
                return Ok(());
            };
            each(key, run.take(spool, *value)?.unwrap_or_default())?;
            if let Some(next) = next_key(run, spool, key)? {
                *value = next;
            } else {
                PeekMut::pop(head);
            }
        }
        Ok(())
    }
}

/// Reads the next key of a run and answers the length of its value, which follows.
fn next_key(run: &mut Run, spool: &Spool, key: &mut Vec<u8>) -> Result<Option<usize>, C1zError> {
    let header = run.take(spool, HEADER)?;
    let Some([k0, k1, k2, k3, v0, v1, v2, v3]) = header.and_then(|header| header.first_chunk::<HEADER>()).copied()
    else {
        return Ok(None);
    };
    let length = |bytes| usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX);
    key.clear();
    key.extend_from_slice(run.take(spool, length([k0, k1, k2, k3]))?.unwrap_or_default());
    Ok(Some(length([v0, v1, v2, v3])))
}

/// Sorts pairs of numbers: 8 bytes each.
#[derive(Debug)]
pub(super) struct Pairs {
    spool: Spool,
    batch: Vec<u64>,
    runs: Runs,
    limit: usize,
}

impl Pairs {
    pub(super) fn create(dir: &Path) -> Result<Self, C1zError> {
        Ok(Self {
            spool: Spool::create(dir)?,
            batch: Vec::new(),
            runs: Vec::new(),
            limit: PAIRS,
        })
    }

    pub(super) fn add(&mut self, one: u32, other: u32) -> Result<(), C1zError> {
        self.batch.push(u64::from(one) << 32 | u64::from(other));
        if self.batch.len() < self.limit {
            return Ok(());
        }
        self.batch.sort_unstable();
        let start = self.spool.len();
        for pair in self.batch.drain(..) {
            self.spool.append(&pair.to_le_bytes())?;
        }
        self.runs.push((start, self.spool.len()));
        Ok(())
    }

    /// Hands out every pair in order.
    pub(super) fn drain(mut self, mut each: impl FnMut(u32, u32) -> Result<(), C1zError>) -> Result<(), C1zError> {
        self.batch.sort_unstable();
        let mut kept = self.batch.into_iter();
        let (count, step) = (self.runs.len(), step(self.runs.len()));
        let mut runs: Vec<Run> = self
            .runs
            .into_iter()
            .map(|(start, end)| Run::new(start, end, step))
            .collect();
        // The last source is the batch that was never spilled.
        let mut next = |at: usize, spool: &Spool| -> Result<Option<u64>, C1zError> {
            let Some(run) = runs.get_mut(at) else {
                return Ok(kept.next());
            };
            let bytes = run.take(spool, 8)?.and_then(|bytes| bytes.first_chunk());
            Ok(bytes.map(|bytes| u64::from_le_bytes(*bytes)))
        };
        let mut heads = BinaryHeap::new();
        for at in 0..=count {
            heads.extend(next(at, &self.spool)?.map(|pair| Reverse((pair, at))));
        }
        while let Some(mut head) = heads.peek_mut() {
            let Reverse((pair, at)) = &mut *head;
            let half = |number| u32::try_from(number).unwrap_or(u32::MAX);
            each(half(*pair >> 32), half(*pair & u64::from(u32::MAX)))?;
            if let Some(following) = next(*at, &self.spool)? {
                *pair = following;
            } else {
                PeekMut::pop(head);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    impl From<Infallible> for C1zError {
        fn from(never: Infallible) -> Self {
            match never {}
        }
    }

    type Row = (Vec<u8>, Vec<u8>);

    fn sorted(rows: &[Row], limit: usize) -> (usize, Vec<Row>) {
        let dir = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::create(dir.path()).unwrap();
        sorter.limit = limit;
        for (key, value) in rows {
            sorter
                .add(key, |out| {
                    out.extend_from_slice(value);
                    Ok::<_, Infallible>(())
                })
                .unwrap();
        }
        let runs = sorter.runs.len();
        let mut out = Vec::new();
        sorter
            .drain(|key, value| {
                out.push((key.to_vec(), value.to_vec()));
                Ok(())
            })
            .unwrap();
        (runs, out)
    }

    proptest! {
        #[test]
        fn rows_come_out_in_order_whatever_fits_in_memory(
            rows in prop::collection::vec((prop::collection::vec(0_u8..4, 0..5), prop::collection::vec(any::<u8>(), 0..9)), 0..200),
            limit in 1_usize..400,
        ) {
            let mut expected = rows.clone();
            expected.sort_by(|one, other| one.0.cmp(&other.0));
            prop_assert_eq!(sorted(&rows, limit).1, expected);
        }

        #[test]
        fn pairs_come_out_in_order_whatever_fits_in_memory(
            pairs in prop::collection::vec((0_u32..9, any::<u32>()), 0..300),
            limit in 1_usize..50,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let mut sorter = Pairs::create(dir.path()).unwrap();
            sorter.limit = limit;
            for (one, other) in &pairs {
                sorter.add(*one, *other).unwrap();
            }
            let mut out = Vec::new();
            sorter.drain(|one, other| { out.push((one, other)); Ok(()) }).unwrap();
            let mut expected = pairs;
            expected.sort_unstable();
            prop_assert_eq!(out, expected);
        }
    }

    #[test]
    fn rows_in_order_make_one_run() {
        let rows: Vec<_> = (0_u32..100)
            .map(|at| (at.to_be_bytes().to_vec(), vec![7; 10]))
            .collect();
        assert_eq!(sorted(&rows, 64), (1, rows.clone()));
        let turned: Vec<_> = rows.iter().rev().cloned().collect();
        assert!(sorted(&turned, 64).0 > 10);
    }
}
