//! Short-lived work on the runtime's threads that ends with its owner: dropping the handle ends the task, so a
//! sync that is cancelled leaves nothing running; its records and spans belong to those of its owner. Long-lived work belongs to the supervisor.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::{JoinError, JoinHandle};
use tracing::Instrument as _;

/// A running task; dropping it aborts the work.
#[derive(Debug)]
pub struct Task<T>(JoinHandle<T>);

/// Starts `work` on the runtime. Must be called inside one.
pub fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Task<T> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place the ban points to; the handle aborts on drop"
    )]
    Task(tokio::spawn(work.in_current_span()))
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match Pin::new(&mut self.0).poll(cx) {
            Poll::Ready(ended) => value(ended).map_or(Poll::Pending, Poll::Ready),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Waits for work that continues even if nobody waits any longer. Only for work that ends soon by itself.
pub async fn detached<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place the ban points to; the work has a limit of its own"
    )]
    let running = tokio::spawn(work.in_current_span());
    match value(running.await) {
        Some(value) => value,
        None => std::future::pending().await,
    }
}

/// Starts work that nobody waits for and that ends soon by itself, within a limit of its own.
pub fn background(work: impl Future<Output = ()> + Send + 'static) {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place the ban points to; the work has a limit of its own"
    )]
    drop(tokio::spawn(work.in_current_span()));
}

/// The value of work that ended; its panic goes on here. `None` for work that was aborted, which only our own drop does, or
/// a runtime that is going down.
fn value<T>(ended: Result<T, JoinError>) -> Option<T> {
    match ended.map_err(JoinError::try_into_panic) {
        Ok(value) => Some(value),
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_)) => None,
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
