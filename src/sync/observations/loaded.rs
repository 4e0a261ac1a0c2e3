//! What syncs before this one left, read through once.

use std::collections::HashMap;

use uuid::Uuid;

use super::record::{GroupHead, Kind, Parts, Seconds};
use super::rules::Turn;
use super::segment::{Appender, Place};
use super::store::{Store, remove};
use super::tally::Tally;

/// What is kept of a group, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    pub(super) segment: usize,
    pub(super) began: Seconds,
    pub(super) head: GroupHead,
    pub(super) place: Place,
}

/// What a sync begins with.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) store: Store,
    pub(super) out: Option<Appender>,
    pub(super) stored: HashMap<(Kind, Uuid), Stored>,
    pub(super) turn: Turn,
    pub(super) tally: Tally,
}

/// The newest place of what is kept of each group, and the times of everything that is young enough. Files without any are
/// removed.
pub(super) fn read_through(
    store: &mut Store,
    now: Seconds,
    max_age: Seconds,
) -> (HashMap<(Kind, Uuid), Stored>, Vec<Seconds>) {
    let (mut stored, mut times) = (HashMap::new(), Vec::new());
    let mut kept = Vec::new();
    for segment in std::mem::take(&mut store.segments) {
        let before = times.len();
        let mut see = |at: Seconds| {
            if now.saturating_sub(at) < max_age {
                times.push(at);
            }
        };
        if let Ok(mut blocks) = segment.blocks() {
            while let Some((kind, place, content)) = blocks.next() {
                let mut parts = Parts(&content);
                if kind == Kind::UserRoles {
                    while let Some(record) = parts.user() {
                        see(record.at);
                    }
                } else if let Some(head) = parts.group() {
                    see(head.at);
                    stored.entry((kind, head.group)).or_insert(Stored {
                        segment: kept.len(),
                        began: segment.head.began,
                        head,
                        place,
                    });
                }
            }
            if blocks.torn() > 0 {
                tracing::warn!(
                    bytes = blocks.torn(),
                    "observations end in a torn or damaged part, which does not count"
                );
            }
        }
        if times.len() > before {
            kept.push(segment);
        } else {
            remove(&segment.path);
            stored.retain(|_, found| found.segment < kept.len());
        }
    }
    store.segments = kept;
    (stored, times)
}
