//! The body of a call that changes the directory.

use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

/// Media type of plain bodies.
pub const JSON: &str = "application/json";

/// A body and its media type.
#[derive(Clone, PartialEq, Eq)]
pub struct WriteBody {
    content_type: &'static str,
    bytes: Bytes,
    secret: bool,
}

impl WriteBody {
    /// A JSON body.
    pub fn json(value: &Value) -> Self {
        Self::typed(JSON, value)
    }

    /// A JSON body under a media type of PingOne's.
    pub fn typed(content_type: &'static str, value: &impl Serialize) -> Self {
        // Serializing our own values into memory does not fail: no map of them has keys that are no texts.
        let bytes = serde_json::to_vec(value).unwrap_or_default().into();
        Self {
            content_type,
            bytes,
            secret: false,
        }
    }

    /// No content, but a media type that says what is meant.
    pub fn empty(content_type: &'static str) -> Self {
        Self {
            content_type,
            bytes: Bytes::new(),
            secret: false,
        }
    }

    /// Bytes that hold a secret: never shown. `Bytes::from_owner` over zeroizing memory keeps them zeroized.
    pub fn secret(content_type: &'static str, bytes: Bytes) -> Self {
        Self {
            content_type,
            bytes,
            secret: true,
        }
    }

    /// The media type.
    pub const fn content_type(&self) -> &'static str {
        self.content_type
    }

    pub(crate) const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The JSON that it holds; `None` of a secret one.
    pub fn value(&self) -> Option<Value> {
        if self.secret {
            return None;
        }
        serde_json::from_slice(&self.bytes).ok()
    }

    /// The content for people; a secret one only by its length.
    pub fn shown(&self) -> String {
        if self.secret {
            return format!("({} bytes with a secret)", self.bytes.len());
        }
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl fmt::Debug for WriteBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteBody")
            .field("content_type", &self.content_type)
            .field("length", &self.bytes.len())
            .finish_non_exhaustive()
    }
}
