//! One task at a time per principal: two equal grants side by side would each see nothing and both write.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::OwnedMutexGuard;

/// Unused locks are dropped when there are more than this many.
const KEPT: usize = 256;

/// A lock for each key that is in use.
#[derive(Debug, Default)]
pub(crate) struct Locks(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Locks {
    /// Waits for the lock of one key. It is held until the guard is dropped.
    pub(crate) async fn take(&self, key: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if locks.len() > KEPT {
                locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            }
            Arc::clone(locks.entry(key.to_owned()).or_default())
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn locks_of_one_key_follow_each_other_and_of_two_do_not() {
        let locks = Locks::default();
        let first = locks.take("a").await;
        drop(locks.take("b").await);
        let second = locks.take("a");
        tokio::pin!(second);
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        drop(first);
        second.await;
    }

    #[tokio::test]
    async fn unused_locks_are_dropped() {
        let locks = Locks::default();
        let held = locks.take("held").await;
        for n in 0..1_000 {
            drop(locks.take(&n.to_string()).await);
        }
        assert!(locks.0.lock().unwrap().len() <= KEPT + 1);
        assert!(locks.0.lock().unwrap().contains_key("held"));
        drop(held);
    }
}
