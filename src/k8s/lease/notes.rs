//! What a leader leaves on the Lease for the terms after its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Annotations = BTreeMap<String, String>;

/// Annotations of the Lease, seen and written with the election's own requests: what is put here reaches the API server
/// with the next renewal. Clones share one content. Without a Lease it is a memory of this process alone.
#[derive(Debug, Clone, Default)]
pub struct Notes(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    seen: Annotations,
    /// Not written yet; `None` removes.
    pending: BTreeMap<&'static str, Option<String>>,
}

impl Notes {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The annotation as it is, or as it will be after the next renewal.
    pub fn get(&self, key: &str) -> Option<String> {
        let inner = self.inner();
        match inner.pending.get(key) {
            Some(pending) => pending.clone(),
            None => inner.seen.get(key).cloned(),
        }
    }

    /// Sets it with the next renewal.
    pub fn put(&self, key: &'static str, value: String) {
        self.inner().pending.insert(key, Some(value));
    }

    /// Removes it with the next renewal.
    pub fn remove(&self, key: &'static str) {
        self.inner().pending.insert(key, None);
    }

    /// The Lease is like this now; what is as wanted is pending no more.
    pub(super) fn saw(&self, annotations: Option<&Annotations>) {
        let mut inner = self.inner();
        inner.seen = annotations.cloned().unwrap_or_default();
        let Inner { seen, pending } = &mut *inner;
        pending.retain(|key, wanted| seen.get(*key) != wanted.as_ref());
    }

    /// A new term begins: what an earlier one of this process did not get written is out of date.
    pub(super) fn begin(&self) {
        self.inner().pending.clear();
    }

    /// Writes what is pending into the annotations of a Lease that is about to be written.
    pub(super) fn apply(&self, annotations: &mut Option<Annotations>) {
        let inner = self.inner();
        if inner.pending.is_empty() {
            return;
        }
        let annotations = annotations.get_or_insert_default();
        for (key, wanted) in &inner.pending {
            match wanted {
                Some(value) => annotations.insert((*key).to_owned(), value.clone()),
                None => annotations.remove(*key),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(pairs: &[(&str, &str)]) -> Annotations {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn what_is_put_or_removed_is_written_once_and_others_annotations_stay() {
        let notes = Notes::default();
        let mut stored = Some(lease(&[("a", "1"), ("theirs", "x")]));
        notes.saw(stored.as_ref());
        notes.put("b", "2".to_owned());
        notes.remove("a");
        assert_eq!((notes.get("a"), notes.get("b").as_deref()), (None, Some("2")));
        notes.apply(&mut stored);
        assert_eq!(stored, Some(lease(&[("b", "2"), ("theirs", "x")])));
        notes.saw(stored.as_ref());
        // Somebody edits it after that: nothing is written over it.
        let mut edited = Some(lease(&[("b", "3")]));
        notes.saw(edited.as_ref());
        notes.apply(&mut edited);
        assert_eq!(edited, Some(lease(&[("b", "3")])));
        assert_eq!(notes.get("b").as_deref(), Some("3"));
    }

    #[test]
    fn a_write_that_was_lost_is_tried_again_within_the_term_only() {
        let notes = Notes::default();
        notes.put("a", "1".to_owned());
        notes.saw(None);
        let mut stored = None;
        notes.apply(&mut stored);
        assert_eq!(stored, Some(lease(&[("a", "1")])));
        notes.begin();
        notes.saw(Some(&lease(&[("a", "7")])));
        assert_eq!(notes.get("a").as_deref(), Some("7"));
    }
}
