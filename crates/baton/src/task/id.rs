//! The id of a task.

use std::fmt;

/// C1's id of a task, 27 letters and digits. An id of another shape is kept: the task is worked on, and C1 refuses
/// what it refuses (c1-protocol.md §7.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(String);

impl TaskId {
    /// Any text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Longest part of an id that is shown.
const SHOWN_CHARS: usize = 64;

/// For people: whatever is no letter and no digit is escaped, and a long one is cut.
impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars().take(SHOWN_CHARS) {
            write!(f, "{}", c.escape_default())?;
        }
        if self.0.chars().nth(SHOWN_CHARS).is_some() {
            f.write_str("…")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_id_is_one_short_word() {
        let id = "2VYLQ7mYPgDZqnHvHRgSbKhHNRm";
        assert_eq!(TaskId::new(id).to_string(), id);
        let odd = TaskId::new(format!("a\nb\u{1b}{}", "x".repeat(1000)));
        let shown = odd.to_string();
        assert!(shown.starts_with("a\\nb\\u{1b}xx") && shown.len() < 100, "{shown}");
    }
}
