//! Ids in the form of C1's: 27 letters and digits.

use std::sync::atomic::{AtomicU64, Ordering};

static COUNTER: AtomicU64 = AtomicU64::new(1);

/// A fresh id.
pub fn ksuid() -> String {
    format!("task{:023}", COUNTER.fetch_add(1, Ordering::Relaxed))
}

pub(super) fn is_ksuid(text: &str) -> bool {
    text.len() == 27 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
