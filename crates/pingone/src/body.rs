//! Bodies of answers: how much of them may be in memory at a time, and the buffers that they are read into.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::Reason;
use super::transport::transport_reason;

/// Largest body that is read: a page of 200 users at the largest profile, ten times over.
const BODY_MAX: usize = 64 * 1024 * 1024;
/// Kilobytes of bodies that are in memory at a time: more requests may be under way than that, their answers wait in the
/// sockets.
const ROOM_KIB: usize = 4 * 1024;
/// What a body of unknown length counts, in kilobytes.
const UNKNOWN_KIB: u64 = 512;
/// Buffers from this size on are worth keeping for the next body, up to the other one.
const KEPT: std::ops::RangeInclusive<usize> = 64 * 1024..=1024 * 1024;
/// Most buffers that are kept.
const SPARE: usize = 8;

/// Room for bodies. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Bodies {
    room: Arc<Semaphore>,
    buffers: Arc<Mutex<Buffers>>,
}

/// Large buffers between two bodies. Fresh memory for each page would cost more than to read it; kept only while
/// requests are under way, so that a client at rest holds none.
#[derive(Debug, Default)]
struct Buffers {
    spare: Vec<Vec<u8>>,
    /// Requests under way, until their bodies are dropped.
    busy: usize,
}

/// A request is under way: its body is still to come, or in memory.
#[derive(Debug)]
pub(crate) struct UnderWay(Bodies);

/// One body. Its room is free again when it is dropped.
pub(crate) struct Body {
    bytes: Vec<u8>,
    under_way: UnderWay,
    _room: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    pub(crate) fn new() -> Self {
        Self {
            room: Arc::new(Semaphore::new(ROOM_KIB)),
            buffers: Arc::default(),
        }
    }

    /// Says that a request is under way, until this or its body is dropped.
    pub(crate) fn under_way(&self) -> UnderWay {
        self.lock().busy += 1;
        UnderWay(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Buffers> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    /// Reads a body into one buffer, so that it is never held twice.
    pub(crate) async fn read(self, mut answer: reqwest::Response, url: &reqwest::Url) -> Result<Body, Reason> {
        let length = answer.content_length();
        let kib = length.map_or(UNKNOWN_KIB, |length| length / 1024 + 1);
        let most = u32::try_from(ROOM_KIB).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.0.room).acquire_many_owned(u32::try_from(kib).unwrap_or(most).min(most));
        // Never closed, so never an error.
        let room = room.await.ok();
        let promised = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        let bytes = self.0.lock().take(promised.min(BODY_MAX));
        let mut body = Body {
            bytes,
            under_way: self,
            _room: room,
        };
        loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => body.bytes.extend_from_slice(&chunk),
                Ok(None) => return Ok(body),
                Err(error) => return Err(transport_reason(&error, url)),
            }
            if body.bytes.len() > BODY_MAX {
                return Err(Reason::Corrupt {
                    what: format!("the body is longer than {BODY_MAX} bytes"),
                });
            }
        }
    }
}

impl Buffers {
    /// An empty buffer for so many bytes. What is small is not worth a large one.
    fn take(&mut self, bytes: usize) -> Vec<u8> {
        let small = (1..*KEPT.start()).contains(&bytes);
        let mut buffer = if small { None } else { self.spare.pop() }.unwrap_or_default();
        buffer.reserve(bytes);
        buffer
    }

    fn give_back(&mut self, mut buffer: Vec<u8>) {
        if KEPT.contains(&buffer.capacity()) && self.spare.len() < SPARE {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut buffers = self.0.lock();
        buffers.busy = buffers.busy.saturating_sub(1);
        if buffers.busy == 0 {
            buffers.spare = Vec::new();
        }
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.under_way.0.lock().give_back(std::mem::take(&mut self.bytes));
    }
}

/// Its length alone: a body holds people's data.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_buffers_are_used_again_while_requests_are_under_way_and_none_is_kept_at_rest() {
        let bodies = Bodies::new();
        let under_way = bodies.under_way();
        let mut first = bodies.lock().take(300_000);
        first.extend_from_slice(b"somebody");
        let at = first.as_ptr();
        bodies.lock().give_back(first);
        // A small body does not take it, one of unknown length does.
        let small = bodies.lock().take(10);
        assert!(small.capacity() < 300_000);
        let again = bodies.lock().take(0);
        assert_eq!((again.as_ptr(), again.len()), (at, 0));
        bodies.lock().give_back(again);
        bodies.lock().give_back(small);
        assert_eq!(bodies.lock().spare.len(), 1);
        drop(under_way);
        let buffers = bodies.lock();
        assert_eq!((buffers.spare.len(), buffers.busy), (0, 0));
    }

    #[test]
    fn neither_many_nor_vast_ones_are_kept() {
        let bodies = Bodies::new();
        let _under_way = bodies.under_way();
        let mut buffers = bodies.lock();
        let vast = buffers.take(10_000_000);
        buffers.give_back(vast);
        assert!(buffers.spare.is_empty());
        let taken: Vec<_> = (0..20).map(|_| buffers.take(100_000)).collect();
        for buffer in taken {
            buffers.give_back(buffer);
        }
        assert_eq!(buffers.spare.len(), SPARE);
    }
}
