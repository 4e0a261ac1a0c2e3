//! Whether what stands at PingOne was made by a call of ours, by the times that PingOne tells: this machine's clock may be
//! wrong.

use jiff::{SignedDuration, Timestamp};

use super::context::TaskContext;

/// How far PingOne's clocks may be apart, the one that dates its answers and the one that dates an object.
const CLOCKS: SignedDuration = SignedDuration::from_mins(15);

/// A moment by PingOne's clock, before a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Since(Timestamp);

/// When something was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    /// After the moment.
    Since,
    /// Before it, or after it by clocks that are apart.
    Unclear,
    /// Before it.
    Before,
}

impl Since {
    /// Now: the time that PingOne told last, and what has passed since. Where it told none, this machine's time.
    pub(crate) fn now(task: &TaskContext) -> Self {
        let told = task.client().stats().clock();
        let now = told.and_then(|(told, heard)| told.checked_add(heard.elapsed()).ok());
        let now = now.unwrap_or_else(Timestamp::now);
        // As PingOne writes times.
        Self(Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now))
    }

    /// When an object was made that PingOne dates so.
    pub(crate) fn judge(self, at: Option<Timestamp>) -> Made {
        match at {
            Some(at) if at >= self.0 => Made::Since,
            Some(at) if self.0.duration_since(at) > CLOCKS => Made::Before,
            _ => Made::Unclear,
        }
    }
}
