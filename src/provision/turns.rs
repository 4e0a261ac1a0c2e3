//! One task at a time per principal: two equal grants side by side would each see nothing and both write.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::OwnedMutexGuard;

/// Unused turns are dropped when there are more than this many.
const KEPT: usize = 256;

/// Whose turn it is, by any text.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits for the turn; it lasts until the guard is dropped.
    pub(crate) async fn take(&self, key: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if turns.len() > KEPT {
                turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            Arc::clone(turns.entry(key.to_owned()).or_default())
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_of_one_key_follow_each_other_and_of_two_do_not() {
        let turns = Turns::default();
        let first = turns.take("a").await;
        drop(turns.take("b").await);
        let second = turns.take("a");
        tokio::pin!(second);
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        drop(first);
        second.await;
    }

    #[tokio::test]
    async fn unused_turns_are_dropped() {
        let turns = Turns::default();
        let held = turns.take("held").await;
        for n in 0..1_000 {
            drop(turns.take(&n.to_string()).await);
        }
        assert!(turns.0.lock().unwrap().len() <= KEPT + 1);
        assert!(turns.0.lock().unwrap().contains_key("held"));
        drop(held);
    }
}
