//! Notices a peer that holds the connection open and says nothing: the TCP below is alive, so the kernel does not, and
//! HTTP/2 pings may be sent only every five minutes (DEV-1). The connection is watched for bytes instead, and can be
//! cut, so that its calls fail at once and the next one opens another.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// What is known of the newest connection. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    newest: Option<Arc<Connection>>,
    /// Tells it from every other one of this process; 0 before the first.
    number: u64,
}

/// Connections of this process so far.
static OPENED: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
struct Connection(Mutex<State>);

#[derive(Debug)]
struct State {
    heard: Instant,
    cut: bool,
    reader: Option<Waker>,
    written_bytes: u64,
}

impl Connection {
    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts what was written.
    fn wrote(&self, written: io::Result<usize>) -> io::Result<usize> {
        if let Ok(count) = written {
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            self.with(|state| state.written_bytes = state.written_bytes.saturating_add(count));
        }
        written
    }
}

impl Watch {
    /// Watches a connection from now on, instead of the one before.
    pub(super) fn over<S>(&self, inner: S) -> Watched<S> {
        let connection = Arc::new(Connection(Mutex::new(State {
            heard: Instant::now(),
            cut: false,
            reader: None,
            written_bytes: 0,
        })));
        let mut seen = self.seen();
        seen.newest = Some(Arc::clone(&connection));
        seen.number = OPENED.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        drop(seen);
        Watched { inner, connection }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> Option<Arc<Connection>> {
        self.seen().newest.clone()
    }

    /// Tells the newest connection from every other one.
    pub(super) fn number(&self) -> u64 {
        self.seen().number
    }

    /// Bytes that the newest connection has taken.
    pub(super) fn written_bytes(&self) -> u64 {
        self.current()
            .map_or(0, |connection| connection.with(|state| state.written_bytes))
    }

    /// When the newest connection opened or gave its last byte. `None` when none is open.
    pub(super) fn heard(&self) -> Option<Instant> {
        self.current()?.with(|state| (!state.cut).then_some(state.heard))
    }

    /// Ends the newest connection.
    pub(super) fn cut(&self) {
        self.cut_if(|_| true);
    }

    /// Ends the newest connection if it opened before `since` and has given no byte after it. Answers whether it did.
    pub(super) fn cut_if_silent(&self, since: Instant) -> bool {
        self.cut_if(|state| state.heard <= since)
    }

    fn cut_if(&self, is_due: impl FnOnce(&State) -> bool) -> bool {
        let Some(connection) = self.current() else { return false };
        let reader = connection.with(|state| {
            let silent = !state.cut && is_due(state);
            state.cut |= silent;
            silent.then(|| state.reader.take())
        });
        if let Some(Some(reader)) = &reader {
            reader.wake_by_ref();
        }
        reader.is_some()
    }
}

/// A stream that is watched until it is dropped.
#[derive(Debug)]
pub(super) struct Watched<S> {
    inner: S,
    connection: Arc<Connection>,
}

impl<S> Drop for Watched<S> {
    fn drop(&mut self) {
        self.connection.with(|state| state.cut = true);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let cut = self.connection.with(|state| {
            state.reader = Some(cx.waker().clone());
            state.cut
        });
        if cut {
            let text = "the peer held the connection open and said nothing";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)));
        }
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.inner).poll_read(cx, buf));
        if buf.filled().len() > before {
            self.connection.with(|state| state.heard = Instant::now());
        }
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes));
        Poll::Ready(self.connection.wrote(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, slices));
        Poll::Ready(self.connection.wrote(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::{advance, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_connection_that_stays_silent_is_cut_and_its_reader_learns_of_it() {
        let watch = Watch::default();
        assert!(!watch.cut_if_silent(Instant::now()), "there is none");
        let (near, mut far) = duplex(64);
        let mut near = watch.over(near);
        advance(Duration::from_secs(1)).await;
        let called = Instant::now();
        advance(Duration::from_secs(1)).await;
        far.write_all(b"x").await.unwrap();
        assert_eq!(near.read_u8().await.unwrap(), b'x');
        assert!(!watch.cut_if_silent(called));
        assert_eq!(watch.heard(), Some(Instant::now()));
        let mut read = first_byte(near);
        assert!(timeout(Duration::from_secs(1), &mut read).await.is_err());
        assert!(watch.cut_if_silent(Instant::now()));
        assert!(!watch.cut_if_silent(Instant::now()), "once");
        assert_eq!(watch.heard(), None);
        let ended = timeout(Duration::from_secs(1), read).await.unwrap();
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    fn first_byte(mut stream: Watched<tokio::io::DuplexStream>) -> Pin<Box<dyn Future<Output = io::Result<u8>>>> {
        Box::pin(async move { stream.read_u8().await })
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_opened_after_the_call_is_not_blamed_for_it() {
        let watch = Watch::default();
        let called = Instant::now();
        advance(Duration::from_secs(1)).await;
        let (near, _far) = duplex(64);
        let near = watch.over(near);
        assert!(!watch.cut_if_silent(called));
        drop(near);
        assert!(!watch.cut_if_silent(Instant::now()), "nor one that is closed");
    }
}
