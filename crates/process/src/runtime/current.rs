//! A value that others replace and that is read anew each time it is needed: the credentials in use.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

/// Reads the value that is in force now. Readers tell replaced values apart with [`Arc::ptr_eq`].
///
/// ```
/// use process::runtime::current::Current;
///
/// assert_eq!(*Current::fixed(7).get(), 7);
/// ```
pub struct Current<T>(Arc<dyn Fn() -> Arc<T> + Send + Sync>);

impl<T: Send + Sync + 'static> Current<T> {
    /// Asks `read` each time. It must be cheap, must not block, and must answer the same [`Arc`] until the value changes.
    pub fn new(read: impl Fn() -> Arc<T> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// A value that never changes.
    pub fn fixed(value: T) -> Self {
        let value = Arc::new(value);
        Self::new(move || Arc::clone(&value))
    }

    /// The value in force.
    pub fn get(&self) -> Arc<T> {
        (self.0)()
    }
}

impl<T: Send + Sync + 'static> From<watch::Receiver<Arc<T>>> for Current<T> {
    fn from(values: watch::Receiver<Arc<T>>) -> Self {
        Self::new(move || Arc::clone(&values.borrow()))
    }
}

impl<T> Clone for Current<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Current<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").finish_non_exhaustive()
    }
}
