//! Profile values. A key's JSON type is part of the contract with C1 (connector-model.md §1 point 1).

use std::collections::BTreeMap;

/// A JSON-like value. Maps are sorted, so that the encoded bytes are the same on every run.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// JSON null; only inside customer data, never for a key of ours (connector-model.md §3.2).
    Null,
    /// A truth value.
    Bool(bool),
    Number(f64),
    /// A text.
    String(String),
    List(Vec<Value>),
    /// A nested object.
    Object(BTreeMap<String, Value>),
}

/// A resource's profile. A key without a value is left out, never null (connector-model.md §3.2).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Profile(pub BTreeMap<String, Value>);

impl Profile {
    /// Sets a text; an absent one leaves the key out.
    pub fn text(&mut self, key: &str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.0.insert(key.to_owned(), Value::String(value.into()));
        }
    }

    /// Sets a truth value; an absent one leaves the key out.
    pub fn flag(&mut self, key: &str, value: Option<bool>) {
        if let Some(value) = value {
            self.0.insert(key.to_owned(), Value::Bool(value));
        }
    }

    /// Sets a count; an absent one leaves the key out.
    pub fn count(&mut self, key: &str, value: Option<u64>) {
        if let Some(value) = value {
            #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
            self.0.insert(key.to_owned(), Value::Number(value as f64));
        }
    }

    /// Sets a list of texts; an absent one leaves the key out.
    pub fn list(&mut self, key: &str, values: Option<Vec<String>>) {
        if let Some(values) = values {
            self.0.insert(
                key.to_owned(),
                Value::List(values.into_iter().map(Value::String).collect()),
            );
        }
    }

    /// Sets any value.
    pub fn set(&mut self, key: &str, value: Value) {
        self.0.insert(key.to_owned(), value);
    }

    /// Reads a value back.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }
}
