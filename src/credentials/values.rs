//! The values of one source, and what several add up to.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use super::Origin;
use super::key::Key;
use super::problem::Problem;

/// Longest value that is taken for a credential.
pub(super) const LONGEST: usize = 64 * 1024;

#[derive(Clone)]
enum Value {
    Text(SecretString),
    Bad(Problem),
}

/// The values of one source, or of several laid over each other.
#[derive(Clone, Default)]
pub struct Values {
    entries: Vec<(Key, Value)>,
    trimmed: Vec<Key>,
    ignored: Vec<String>,
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.entries.iter().map(|(key, value)| match value {
            Value::Text(_) => (key, "…".to_owned()),
            Value::Bad(problem) => (key, problem.to_string()),
        });
        f.debug_map().entries(keys).finish()
    }
}

impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        Key::ALL.iter().all(|key| match (self.get(*key), other.get(*key)) {
            (None, None) => true,
            (Some(Value::Text(a)), Some(Value::Text(b))) => a.expose_secret() == b.expose_secret(),
            (Some(Value::Bad(a)), Some(Value::Bad(b))) => a == b,
            _ => false,
        }) && self.ignored == other.ignored
    }
}

impl Values {
    /// Reads the known keys out of what a source holds; `lookup` answers with the raw bytes. Line ends at the end of a value
    /// are cut off and remembered in [`Values::trimmed`]. A key that is there with an empty or impossible value counts as there:
    /// no later source covers the mistake up.
    pub fn read<'a>(origin: Origin, mut lookup: impl FnMut(Key) -> Option<&'a [u8]>) -> Self {
        let mut values = Self::default();
        for key in Key::ALL {
            if let Some(bytes) = lookup(key) {
                values.insert(key, origin, bytes);
            }
        }
        values
    }

    /// Adds one value of a source.
    pub fn insert(&mut self, key: Key, origin: Origin, bytes: &[u8]) {
        let ends_at = bytes.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'));
        let cut = ends_at.map_or(0, |last| last + 1);
        let kept = bytes.get(..cut).unwrap_or(bytes);
        let value = match std::str::from_utf8(kept) {
            Ok("") => Value::Bad(Problem::Empty { key, origin }),
            Ok(_) if kept.len() > LONGEST => Value::Bad(Problem::Malformed { key, why: "too long" }),
            Ok(text)
                if text
                    .chars()
                    .any(|c| c.is_control() && !(key.has_lines() && matches!(c, '\r' | '\n'))) =>
            {
                Value::Bad(Problem::Malformed {
                    key,
                    why: "it has line breaks or control characters inside",
                })
            }
            Ok(text) => Value::Text(SecretString::from(text)),
            Err(_) => Value::Bad(Problem::Malformed { key, why: "not UTF-8" }),
        };
        if cut < bytes.len() && !key.has_lines() && matches!(value, Value::Text(_)) {
            self.trimmed.push(key);
        }
        self.entries.retain(|(old, _)| *old != key);
        self.entries.push((key, value));
    }

    /// Keys whose value ended in a line end that was cut off.
    pub fn trimmed(&self) -> &[Key] {
        &self.trimmed
    }

    /// The same of a source that holds these keys: settings among them that only the process's own environment can set are
    /// remembered in [`Values::ignored`].
    #[must_use]
    pub fn beside<'a>(mut self, keys: impl IntoIterator<Item = &'a str>) -> Self {
        let is_ours = |name: &str| Key::ALL.iter().any(|key| key.name() == name);
        let ignored = keys
            .into_iter()
            .filter(|name| name.starts_with("BATON_") && !is_ours(name));
        self.ignored = ignored.map(str::to_owned).collect();
        self
    }

    /// Keys that look like settings and are not read from this source.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// What sources add up to, the first one first.
    #[must_use]
    pub fn merged(sources: impl IntoIterator<Item = Self>) -> Self {
        sources.into_iter().fold(Self::default(), |mut merged, source| {
            merged.fill(&source);
            merged
        })
    }

    /// Whether no key is there.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether one of these keys is there, with whatever value.
    pub fn has_any(&self, keys: &[Key]) -> bool {
        keys.iter().any(|key| self.get(*key).is_some())
    }

    /// Fills what is missing from a later source.
    pub(super) fn fill(&mut self, later: &Self) {
        for (key, value) in &later.entries {
            if self.get(*key).is_none() {
                self.entries.push((*key, value.clone()));
            }
        }
    }

    fn get(&self, key: Key) -> Option<&Value> {
        self.entries
            .iter()
            .find(|(have, _)| *have == key)
            .map(|(_, value)| value)
    }

    pub(super) fn text(&self, key: Key) -> Result<&SecretString, Problem> {
        match self.get(key) {
            None => Err(Problem::Missing(key)),
            Some(Value::Bad(problem)) => Err(problem.clone()),
            Some(Value::Text(text)) => Ok(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(Key, &[u8])]) -> Values {
        Values::read(Origin::Secret, |key| {
            pairs.iter().find(|(have, _)| *have == key).map(|(_, bytes)| *bytes)
        })
    }

    #[test]
    fn a_newline_at_the_end_is_cut_off_and_remembered() {
        let read = values(&[(Key::PingOneClientSecret, b"abc\r\n"), (Key::PingOneClientId, b"id")]);
        assert_eq!(read.trimmed(), [Key::PingOneClientSecret]);
        assert_eq!(read.text(Key::PingOneClientSecret).unwrap().expose_secret(), "abc");
    }
}
