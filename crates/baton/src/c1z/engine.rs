//! Which kind of file a sync writes.

use std::fmt;
use std::str::FromStr;

/// The storage engine of a file, by the names that C1 and the SDK use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum StorageEngine {
    /// Version 1: a SQLite database.
    Sqlite,
    /// Version 3: sorted tables. What the SDK writes unless told otherwise.
    #[default]
    Pebble,
}

impl StorageEngine {
    /// Every engine.
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Pebble];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Pebble => "pebble",
        }
    }
}

impl fmt::Display for StorageEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A name that is no engine's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no storage engine: use sqlite or pebble")]
pub struct UnknownEngine(String);

impl FromStr for StorageEngine {
    type Err = UnknownEngine;

    fn from_str(text: &str) -> Result<Self, UnknownEngine> {
        let engine = Self::ALL.into_iter().find(|engine| engine.as_str() == text);
        engine.ok_or_else(|| UnknownEngine(text.to_owned()))
    }
}
