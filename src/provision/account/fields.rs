//! The fields of a new account (connector-model.md §7.3): types, fallbacks, lengths. Pure. Error texts name the field,
//! never its value.

use serde_json::{Map, Value, json};

use crate::provision::actions::{Changes, NAMED, check_text, kept_by_pingone, truth};
use crate::provision::error::{Failure, shown};
use crate::provision::spelling::spelled;
use crate::sync::is_bare_address;
use baton::task::AccountInfo;

/// Most bytes of one account's fields; PingOne's own limits are far below.
const FIELDS_MAX_BYTES: usize = 256 * 1024;
/// Fields that are no text of the user object.
const OTHERS: [&str; 6] = [
    "population",
    "create_disabled",
    "require_verification",
    "mfa_enabled",
    "identity_provider_id",
    "additional_attributes",
];

/// Whom to create.
#[derive(Debug, Default, PartialEq)]
pub(super) struct NewAccount {
    /// Unique in the environment.
    pub(super) username: String,
    /// The texts of the user object that have fields of their own.
    pub(super) body: Map<String, Value>,
    /// Id or exact name.
    pub(super) population: Option<String>,
    /// To be disabled at once.
    pub(super) create_disabled: bool,
    /// To prove the address.
    pub(super) require_verification: bool,
    /// Not sent when unset, because the environment has a default of its own.
    pub(super) mfa_enabled: Option<bool>,
    /// Where the user signs on.
    pub(super) identity_provider: Option<String>,
    /// Further attributes, not yet held against the schema.
    pub(super) additional: Map<String, Value>,
    /// All of it as the body of the call has it, to hold the account against.
    pub(super) asked: Changes,
}

impl NewAccount {
    /// Reads the fields. What has the wrong type is refused, never silently the default.
    pub(super) fn read(account: &AccountInfo) -> Result<Self, Failure> {
        if size(&account.profile) > FIELDS_MAX_BYTES {
            return Err(Failure::invalid(format!(
                "the account's fields are larger than {} KiB",
                FIELDS_MAX_BYTES / 1024
            )));
        }
        let profile = &spelled(&account.profile, &keys(), |name, nearest| {
            format!(
                "{name} is no field of an account; the nearest is {nearest}. Put attributes of the schema into \
                 additional_attributes"
            )
        })?;
        let mut read = Self::default();
        let email = text(profile, "email")?.or_else(|| primary_email(account));
        if email.as_ref().is_some_and(|email| !is_bare_address(email)) {
            return Err(Failure::invalid("email is not one e-mail address"));
        }
        let username = text(profile, "username")?
            .or_else(|| filled(&account.login))
            .or_else(|| email.clone())
            .ok_or_else(|| Failure::invalid("username is missing"))?;
        for named in &NAMED {
            let value = match named.key {
                "username" => Some(username.clone()),
                "email" => email.clone(),
                key => text(profile, key)?,
            };
            if let Some(value) = value {
                check_text(named.key, named.path, &value)?;
                put(&mut read.body, named.path, value);
            }
        }
        read.username = username;
        read.population = text(profile, "population")?;
        read.create_disabled = flag(profile, "create_disabled")?.unwrap_or(false);
        read.require_verification = flag(profile, "require_verification")?.unwrap_or(false);
        read.mfa_enabled = flag(profile, "mfa_enabled")?;
        read.identity_provider = text(profile, "identity_provider_id")?;
        read.additional = additional(profile)?;
        Ok(read)
    }
}

/// Every key of the account fields.
pub(crate) fn keys() -> Vec<&'static str> {
    NAMED.iter().map(|named| named.key).chain(OTHERS).collect()
}

fn size(values: &Map<String, Value>) -> usize {
    fn of(value: &Value) -> usize {
        match value {
            Value::String(text) => text.len(),
            Value::Array(values) => values.iter().map(of).sum::<usize>() + values.len(),
            Value::Object(members) => size(members),
            _ => 8,
        }
    }
    values.iter().map(|(key, value)| key.len() + of(value)).sum()
}

/// A text that says something: an expression of C1's over an empty value gives an empty text.
fn filled(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| text.to_owned())
}

fn text(profile: &Map<String, Value>, key: &str) -> Result<Option<String>, Failure> {
    match profile.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(filled(text)),
        Some(_) => Err(Failure::invalid(format!("{key} must be a text"))),
    }
}

fn flag(profile: &Map<String, Value>, key: &str) -> Result<Option<bool>, Failure> {
    match profile.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => truth(value)
            .map(Some)
            .ok_or_else(|| Failure::invalid(format!("{key} must be true or false"))),
    }
}

/// The primary address, or the only one.
fn primary_email(account: &AccountInfo) -> Option<String> {
    let primary = account.emails.iter().find(|email| email.is_primary);
    let only = account.emails.first().filter(|_| account.emails.len() == 1);
    primary.or(only).and_then(|email| filled(&email.address))
}

/// Further attributes: an object, or a text that holds one. None may be one that has a field of its own or that is not
/// for us to set.
fn additional(profile: &Map<String, Value>) -> Result<Map<String, Value>, Failure> {
    const KEY: &str = "additional_attributes";
    let mut found = match profile.get(KEY) {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(map)) => map.clone(),
        Some(Value::String(text)) if text.trim().is_empty() => Map::new(),
        Some(Value::String(text)) => match serde_json::from_str(text) {
            Ok(Value::Object(map)) => map,
            _ => return Err(Failure::invalid(format!("{KEY} must be a map"))),
        },
        Some(_) => return Err(Failure::invalid(format!("{KEY} must be a map"))),
    };
    found.retain(|_, value| !value.is_null() && *value != json!(""));
    for name in found.keys() {
        let ours = NAMED.iter().any(|named| named.key == name || named.path.0 == name);
        if ours || OTHERS.contains(&name.as_str()) || name == "mfaEnabled" {
            return Err(Failure::invalid(format!(
                "{KEY} must not hold {}: it has a field of its own",
                shown(name)
            )));
        }
        if kept_by_pingone(name) {
            return Err(Failure::invalid(format!(
                "{KEY} must not hold {}: it is not set when a user is created",
                shown(name)
            )));
        }
    }
    Ok(found)
}

fn put(body: &mut Map<String, Value>, (name, part): (&str, &str), value: String) {
    if part.is_empty() {
        body.insert(name.to_owned(), Value::String(value));
        return;
    }
    let parts = body.entry(name).or_insert_with(|| json!({}));
    if let Value::Object(parts) = parts {
        parts.insert(part.to_owned(), Value::String(value));
    }
}

#[cfg(test)]
mod tests;
