//! The link that all connections to the stand-in share. It can be made slow: what connectors send then arrives at so many
//! bytes a second, whichever connection it is on.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// What is read at once of a slow link.
const PIECE_BYTES: usize = 4096;

#[derive(Debug, Default)]
struct Shared {
    bytes_per_second: Option<u32>,
    free_at: Option<Instant>,
}

/// The link. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Link(Arc<Mutex<Shared>>);

impl Link {
    /// From now on so slow; `None` is as fast as it can be.
    pub(super) fn limit(&self, bytes_per_second: Option<u32>) {
        self.lock().bytes_per_second = bytes_per_second;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_slow(&self) -> bool {
        self.lock().bytes_per_second.is_some()
    }

    /// When the link has carried these bytes as well.
    fn carry(&self, bytes: usize) -> Option<Instant> {
        let mut shared = self.lock();
        let rate = shared.bytes_per_second?.max(1);
        let now = Instant::now();
        let free_at = shared.free_at.map_or(now, |at| at.max(now));
        let takes =
            Duration::from_secs(1).mul_f64(f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / f64::from(rate));
        let done = free_at.checked_add(takes).unwrap_or(now);
        shared.free_at = Some(done);
        Some(done)
    }

    pub(super) fn over<S>(&self, inner: S) -> Linked<S> {
        Linked {
            inner,
            link: self.clone(),
            wait: None,
        }
    }
}

/// A stream over the link.
pub(super) struct Linked<S> {
    inner: S,
    link: Link,
    wait: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Linked<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(wait) = &mut self.wait {
            ready!(wait.as_mut().poll(cx));
            self.wait = None;
        }
        if !self.link.is_slow() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let mut piece = [0; PIECE_BYTES];
        let room = buf.remaining().min(PIECE_BYTES);
        let mut part = ReadBuf::new(piece.get_mut(..room).unwrap_or_default());
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut part))?;
        buf.put_slice(part.filled());
        self.wait = self.link.carry(part.filled().len()).map(|at| Box::pin(sleep_until(at)));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Linked<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
