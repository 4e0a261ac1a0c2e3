//! Short-lived work on the runtime's threads that ends with its owner: dropping the handle ends the task, so a
//! sync that is cancelled leaves nothing running. Long-lived work belongs to the supervisor.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;

/// A running task; dropping it aborts the work.
#[derive(Debug)]
pub struct Task<T>(JoinHandle<T>);

/// Starts `work` on the runtime. Must be called inside one.
pub fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Task<T> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place the ban points to; the handle aborts on drop"
    )]
    Task(tokio::spawn(work))
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match Pin::new(&mut self.0).poll(cx) {
            Poll::Ready(Ok(value)) => Poll::Ready(value),
            Poll::Ready(Err(error)) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Aborted: only our own drop does that, or a runtime that is going down.
                Err(_) => Poll::Pending,
            },
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Waits for work that goes on when the waiting ends. For work that ends soon by itself.
pub async fn detached<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place the ban points to; the work has a limit of its own"
    )]
    let running = tokio::spawn(work);
    match running.await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only a runtime that is going down ends it.
            Err(_) => std::future::pending().await,
        },
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
