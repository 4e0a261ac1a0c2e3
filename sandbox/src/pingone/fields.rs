//! Attributes of users as clients write them: which there are, their types, and laying them over a user.

use super::answer::Refusal;
use serde_json::{Map, Value, json};

/// Attributes that the customer added to the schema (point 61): two texts, a JSON one, a list.
pub(crate) const CUSTOM_ATTRIBUTES: [&str; 4] = ["employeeNumber", "department", "preferences", "badges"];

/// Text attributes that a client may write, with their longest length (pingone-api.md §6.4, S; others G).
pub(crate) const TEXTS: [(&str, usize); 13] = [
    ("username", 128),
    ("email", 256),
    ("externalId", 1024),
    ("accountId", 1024),
    ("locale", 256),
    ("mobilePhone", 32),
    ("nickname", 256),
    ("preferredLanguage", 256),
    ("primaryPhone", 32),
    ("timezone", 256),
    ("title", 256),
    ("type", 256),
    ("employeeNumber", 1024),
];

/// Attributes with parts, and the parts.
const COMPLEX: [(&str, &[&str]); 3] = [
    (
        "name",
        &[
            "formatted",
            "given",
            "middle",
            "family",
            "honorificPrefix",
            "honorificSuffix",
        ],
    ),
    (
        "address",
        &["streetAddress", "locality", "region", "postalCode", "countryCode"],
    ),
    ("photo", &["href"]),
];

/// The JSON object of a body; 400 for anything else (pingone-api.md §3.4, S).
pub(crate) fn object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(body)) => Ok(body),
        _ => Err(Refusal::new(
            400,
            "INVALID_REQUEST",
            "The request could not be completed. The request body is not valid JSON.",
        )),
    }
}

pub(crate) fn text_of<'a>(body: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    body.get(key).and_then(Value::as_str)
}

/// 400 `INVALID_VALUE` for a member that is there with another JSON type (pingone-api.md §3.4, S).
pub(crate) fn wrong_type(target: &str) -> Refusal {
    Refusal::invalid("INVALID_VALUE", target, "has a wrong type")
}

/// A member that `read` understands; `None` if it is absent or null.
fn member<'a, T>(
    sent: &'a Map<String, Value>,
    key: &str,
    read: impl Fn(&'a Value) -> Option<T>,
) -> Result<Option<T>, Refusal> {
    match sent.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => read(value).map(Some).ok_or_else(|| wrong_type(key)),
    }
}

/// A text.
pub(crate) fn sent_text<'a>(sent: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, Refusal> {
    member(sent, key, Value::as_str)
}

/// A boolean.
pub(crate) fn sent_flag(sent: &Map<String, Value>, key: &str) -> Result<Option<bool>, Refusal> {
    member(sent, key, Value::as_bool)
}

/// An object.
pub(crate) fn sent_object<'a>(
    sent: &'a Map<String, Value>,
    key: &str,
) -> Result<Option<&'a Map<String, Value>>, Refusal> {
    member(sent, key, Value::as_object)
}

/// The text of one part of an object, like the id of `{"id": "…"}`.
pub(crate) fn sent_part<'a>(sent: &'a Map<String, Value>, key: &str, part: &str) -> Result<Option<&'a str>, Refusal> {
    let Some(object) = sent_object(sent, key)? else {
        return Ok(None);
    };
    let target = || format!("{key}.{part}");
    match object.get(part) {
        None | Some(Value::Null) => Err(Refusal::invalid("REQUIRED_VALUE", &target(), "must not be null")),
        Some(value) => value.as_str().map(Some).ok_or_else(|| wrong_type(&target())),
    }
}

/// 400 `UNIQUENESS_VIOLATION` (pingone-api.md §3.3).
pub(crate) fn not_unique(target: &str) -> Refusal {
    Refusal::invalid(
        "UNIQUENESS_VIOLATION",
        target,
        "is unique but a non-unique value is provided",
    )
}

pub(crate) fn writable(key: &str) -> bool {
    TEXTS.iter().any(|(name, _)| *name == key)
        || COMPLEX.iter().any(|(name, _)| *name == key)
        || CUSTOM_ATTRIBUTES.contains(&key)
}

/// Lays what was sent over a user: null clears, unknown names and wrong case are ignored (points 27, 30).
pub(crate) fn merge(body: &mut Map<String, Value>, sent: &Map<String, Value>) -> Result<(), Refusal> {
    for (key, value) in sent.iter().filter(|(key, _)| writable(key)) {
        if value.is_null() {
            body.remove(key);
            continue;
        }
        if let Some((_, parts)) = COMPLEX.iter().find(|(name, _)| name == key) {
            let Value::Object(value) = value else {
                return Err(wrong_type(key));
            };
            let kept = body.entry(key.clone()).or_insert_with(|| json!({}));
            let Value::Object(kept) = kept else {
                return Err(wrong_type(key));
            };
            for part in *parts {
                match value.get(*part) {
                    None => {}
                    Some(Value::Null) => drop(kept.remove(*part)),
                    Some(Value::String(text)) => drop(kept.insert((*part).to_owned(), json!(text))),
                    Some(_) => return Err(wrong_type(&format!("{key}.{part}"))),
                }
            }
            if kept.is_empty() {
                body.remove(key);
            }
            continue;
        }
        let text = TEXTS.iter().any(|(name, _)| name == key) || key == "department";
        if text && !value.is_string() {
            return Err(wrong_type(key));
        }
        if key == "badges" && !value.as_array().is_some_and(|list| list.iter().all(Value::is_string)) {
            return Err(wrong_type(key));
        }
        body.insert(key.clone(), value.clone());
    }
    Ok(())
}

pub(crate) fn plausible_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    !local.is_empty() && domain.contains('.') && !text.contains([' ', '"']) && !domain.contains('@')
}
