//! One page of events out of the activities of a window, in whatever order they come. Pure.
//!
//! Kept in memory: the events of the page and the places of what was handed out before.

use std::collections::{BTreeMap, BTreeSet};

use super::cursor::{Cursor, Key, MAX_SEEN, Position};
use super::window::{OVERLAP_MS, TRAIL_MS, Window};
use baton::task::Event;

/// The events of a page while its window is read.
#[derive(Debug)]
pub(super) struct Gathered {
    cursor: Cursor,
    size: usize,
    /// The first events beyond what was handed out.
    found: BTreeMap<Position, Event>,
    /// More events than fit on the page.
    more: bool,
    /// Where that lies which was handed out beyond the floor.
    passed: BTreeSet<Position>,
    newest_ms: Option<i64>,
    left_out: u64,
    /// Requests that reading took.
    pub(super) pages: u32,
}

impl Gathered {
    pub(super) fn new(cursor: &Cursor, size: usize) -> Self {
        Self {
            cursor: cursor.clone(),
            size: size.max(1),
            found: BTreeMap::new(),
            more: false,
            passed: BTreeSet::new(),
            newest_ms: None,
            left_out: 0,
            pages: 0,
        }
    }

    /// Takes an activity in. The same one may come again.
    pub(super) fn offer(&mut self, position: Position, event: impl FnOnce() -> Option<Event>) {
        self.newest_ms = self.newest_ms.max(Some(position.at_ms));
        if position <= self.cursor.floor() {
            return;
        }
        if self.cursor.seen().contains(&position.key) {
            self.passed.insert(position);
            return;
        }
        let Some(event) = event() else {
            self.left_out = self.left_out.saturating_add(1);
            return;
        };
        self.found.insert(position, event);
        if self.found.len() > self.size {
            self.found.pop_last();
            self.more = true;
        }
    }

    /// Activities that are no events.
    pub(super) const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The events, where to go on, and whether there is more now.
    pub(super) fn finish(self, window: &Window, now_ms: i64) -> (Vec<Event>, Cursor, bool) {
        let reach = match (self.more, self.found.last_key_value(), window.until_ms()) {
            (true, Some((last, _)), _) => *last,
            (_, _, Some(until_ms)) => Position::end_of(until_ms),
            (_, _, None) => Position::end_of(i64::MAX),
        };
        // What may still come lies after this.
        let late_ms = self
            .newest_ms
            .map_or(i64::MIN, |newest| newest.saturating_sub(OVERLAP_MS));
        let settled = Position::end_of(late_ms.max(now_ms.saturating_sub(TRAIL_MS)));
        let mut floor = self.cursor.floor().max(reach.min(settled));

        let met: BTreeSet<Key> = self.passed.iter().map(|position| position.key).collect();
        // In a window that ends before now there may be more beyond its end.
        let unmet = self
            .cursor
            .seen()
            .iter()
            .filter(|key| window.until_ms().is_some() && !met.contains(key));
        let mut seen: BTreeSet<Key> = unmet.copied().collect();
        let mut beyond: BTreeSet<Position> = self.passed.iter().chain(self.found.keys()).copied().collect();
        beyond.retain(|position| *position > floor);
        // Beyond this many a cursor would be too long: what comes late before the floor is lost then.
        while beyond.len().saturating_add(seen.len()) > MAX_SEEN {
            match beyond.pop_first() {
                Some(first) => floor = floor.max(first),
                None => {
                    seen.pop_first();
                }
            }
        }
        seen.extend(beyond.iter().map(|position| position.key));
        let next = Cursor::new(floor, window.next_span_s(self.pages), seen);
        let has_more = self.more || window.until_ms().is_some();
        (self.found.into_values().collect(), next, has_more)
    }
}

#[cfg(test)]
mod tests;
