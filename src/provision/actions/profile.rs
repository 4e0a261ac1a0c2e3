//! A partial profile as changes of PingOne's attributes (connector-model.md §7.3, §7.7): names of ours and of PingOne's,
//! texts or null, checked before anything is sent. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::args::{shown, truth};
use crate::provision::error::invalid;
use baton::task::{JsonObject, TaskError};
use pingone::types::User;

/// A key of the account fields that is an attribute of the user object.
#[derive(Debug)]
pub(crate) struct Named {
    /// Our key, part of the contract with C1.
    pub(crate) key: &'static str,
    /// For people.
    pub(super) display_name: &'static str,
    /// PingOne's attribute, and its part where it has parts.
    pub(crate) path: (&'static str, &'static str),
    /// Most characters; 0 where PingOne names no limit.
    max_chars: usize,
    /// An argument of its own in `update_profile`.
    pub(super) settable: bool,
}

const fn named(
    key: &'static str,
    display_name: &'static str,
    path: (&'static str, &'static str),
    max_chars: usize,
) -> Named {
    Named {
        key,
        display_name,
        path,
        max_chars,
        settable: true,
    }
}

/// Texts of the user object under our keys, in the order of connector-model.md §7.3; lengths of pingone-api.md §6.4.
pub(crate) const NAMED: [Named; 14] = [
    named("username", "Username", ("username", ""), 128),
    named("email", "Email", ("email", ""), 0),
    named("given_name", "Given name", ("name", "given"), 0),
    named("family_name", "Family name", ("name", "family"), 0),
    named("formatted_name", "Formatted name", ("name", "formatted"), 0),
    named("nickname", "Nickname", ("nickname", ""), 256),
    named("title", "Title", ("title", ""), 256),
    named("type", "Type", ("type", ""), 256),
    named("external_id", "External ID", ("externalId", ""), 1024),
    named("primary_phone", "Primary phone", ("primaryPhone", ""), 32),
    named("mobile_phone", "Mobile phone", ("mobilePhone", ""), 32),
    named("locale", "Locale", ("locale", ""), 256),
    named(
        "preferred_language",
        "Preferred language",
        ("preferredLanguage", ""),
        256,
    ),
    named("timezone", "Time zone", ("timezone", ""), 256),
];

/// Texts of the user object that have no key of ours.
const OTHERS: [(&str, &str); 10] = [
    ("accountId", ""),
    ("name", "middle"),
    ("name", "honorificPrefix"),
    ("name", "honorificSuffix"),
    ("address", "streetAddress"),
    ("address", "locality"),
    ("address", "region"),
    ("address", "postalCode"),
    ("address", "countryCode"),
    ("photo", "href"),
];

/// Attributes with parts.
const COMPLEX: [&str; 3] = ["name", "address", "photo"];

/// Phone numbers.
const PHONES: [&str; 2] = ["primaryPhone", "mobilePhone"];

/// What a profile update cannot change, and what can.
const ELSEWHERE: [(&str, &str); 17] = [
    ("enabled", "use enable_user or disable_user"),
    ("create_disabled", "use disable_user"),
    ("require_verification", "it is for new accounts only"),
    ("account", "use lock_user or unlock_user"),
    ("password", "rotate the user's credentials instead"),
    ("lifecycle", "PingOne keeps it"),
    ("emailVerified", "PingOne keeps it"),
    ("verifyStatus", "PingOne keeps it"),
    ("identityProvider", "use identity_provider_id"),
    ("id", "PingOne keeps it"),
    ("environment", "PingOne keeps it"),
    ("createdAt", "PingOne keeps it"),
    ("updatedAt", "PingOne keeps it"),
    ("lastSignOn", "PingOne keeps it"),
    ("memberOfGroupIDs", "grant or revoke the group instead"),
    ("memberOfGroupNames", "grant or revoke the group instead"),
    ("memberOfExternalGroups", "external groups are changed at their source"),
];

/// An attribute: its name, and its part or nothing.
type Path = (String, String);

/// The change of one attribute.
#[derive(Debug, Clone, PartialEq)]
struct Change {
    /// As the caller named it.
    key: String,
    /// Null clears.
    value: Value,
    /// An attribute that PingOne's own documentation does not know.
    custom: bool,
}

/// What a profile asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Changes {
    attributes: BTreeMap<Path, Change>,
    /// Id or exact name of the population to move to.
    pub(super) population: Option<String>,
    /// MFA on or off.
    pub(super) mfa_enabled: Option<bool>,
    /// Id of the identity provider that the user signs on with.
    pub(crate) identity_provider: Option<String>,
}

/// What a profile may name beside the attributes themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A profile with keys of ours and PingOne's names.
    Whole,
    /// `additional_attributes`: no attribute that has a name of ours.
    Additional,
}

impl Changes {
    /// Reads a profile. Nothing is left out silently: what cannot be changed here is an error that says so.
    pub(super) fn read(&mut self, profile: &JsonObject, form: Form) -> Result<(), TaskError> {
        for (key, value) in profile {
            self.read_one(key, value, form)?;
        }
        Ok(())
    }

    fn read_one(&mut self, key: &str, value: &Value, form: Form) -> Result<(), TaskError> {
        let ours = NAMED.iter().find(|named| named.key == key);
        let theirs = NAMED.iter().find(|named| named.path == (key, ""));
        if form == Form::Additional && (ours.or(theirs).is_some() || COMPLEX.contains(&key) || switch(key)) {
            let message = format!(
                "additional_attributes must not hold {}: it has a key of its own",
                shown(key)
            );
            return Err(invalid(message));
        }
        if let Some((_, remedy)) = ELSEWHERE.iter().find(|(name, _)| *name == key) {
            return Err(invalid(format!("{key} is not changed by a profile update: {remedy}")));
        }
        if form == Form::Whole && key == "additional_attributes" {
            let Value::Object(further) = value else {
                return Err(invalid("additional_attributes must be an object"));
            };
            return self.read(further, Form::Additional);
        }
        if form == Form::Whole && switch(key) {
            return self.read_switch(key, value);
        }
        if let Some(named) = ours.or(theirs) {
            return self.set_text(key, named.path, value);
        }
        if COMPLEX.contains(&key) {
            return self.read_parts(key, value);
        }
        if let Some(path) = part(key).or_else(|| OTHERS.iter().find(|path| **path == (key, "")).copied()) {
            return self.set_text(key, path, value);
        }
        self.set(key, (key, ""), cleared(value), true)
    }

    fn read_switch(&mut self, key: &str, value: &Value) -> Result<(), TaskError> {
        let text = |what: &str| match value {
            Value::String(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
            _ => Err(invalid(format!("{key} must be the {what}; it cannot be cleared"))),
        };
        match key {
            "mfa_enabled" | "mfaEnabled" => {
                self.mfa_enabled = Some(truth(value).ok_or_else(|| invalid(format!("{key} must be true or false")))?);
            }
            "identity_provider_id" => self.identity_provider = Some(text("id of an identity provider")?),
            _ => {
                let id = value
                    .as_object()
                    .and_then(|object| object.get("id"))
                    .and_then(Value::as_str);
                self.population = Some(match id {
                    Some(id) => id.to_owned(),
                    None => text("id or name of a population")?,
                });
            }
        }
        Ok(())
    }

    /// `name`, `address` and `photo` as PingOne writes them; null clears every part.
    fn read_parts(&mut self, key: &str, value: &Value) -> Result<(), TaskError> {
        let known = || all_paths().filter(move |path| path.0 == key);
        match value {
            Value::Null => known().try_for_each(|path| self.set_text(key, path, value)),
            Value::Object(parts) => parts.iter().try_for_each(|(part, value)| {
                let path = known().find(|path| path.1 == part);
                let path = path.ok_or_else(|| invalid(format!("{key} has no part {}", shown(part))))?;
                self.set_text(&format!("{key}.{part}"), path, value)
            }),
            _ => Err(invalid(format!("{key} must be an object"))),
        }
    }

    fn set_text(&mut self, key: &str, path: (&str, &str), value: &Value) -> Result<(), TaskError> {
        let value = cleared(value);
        if let Some(text) = value.as_str() {
            check_text(key, path, text)?;
        } else if !value.is_null() {
            return Err(invalid(format!("{} must be a text", shown(key))));
        } else if path == ("username", "") {
            return Err(invalid("username cannot be cleared"));
        }
        self.set(key, path, value, false)
    }

    fn set(&mut self, key: &str, path: (&str, &str), value: Value, custom: bool) -> Result<(), TaskError> {
        let path = (path.0.to_owned(), path.1.to_owned());
        let change = Change {
            key: key.to_owned(),
            value,
            custom,
        };
        match self.attributes.insert(path, change) {
            None => Ok(()),
            Some(other) => Err(invalid(format!(
                "{} and {} name the same attribute",
                shown(&other.key),
                shown(key)
            ))),
        }
    }

    /// What the body of a new user asks for, under our keys.
    pub(crate) fn of_new_user(body: &JsonObject) -> Result<Self, TaskError> {
        let mut asked = Self::default();
        for (name, value) in body {
            if name == "identityProvider" {
                let id = value.get("id").and_then(Value::as_str);
                asked.identity_provider = id.map(str::to_owned);
            } else {
                asked.read_one(name, value, Form::Whole)?;
            }
        }
        for ((name, part), change) in &mut asked.attributes {
            if let Some(named) = NAMED.iter().find(|named| named.path == (name.as_str(), part.as_str())) {
                named.key.clone_into(&mut change.key);
            }
        }
        Ok(asked)
    }

    /// Keys of what a new user does not have as it was asked for, the population aside.
    pub(crate) fn unmet_by_new_user(&self, user: &User) -> Vec<&str> {
        let mut unmet = self.unmet(&User::default(), user);
        if self.mfa_enabled.is_some() && self.mfa_enabled != user.mfa_enabled {
            unmet.push("mfa_enabled");
        }
        if self.identity_provider.is_some() && self.identity_provider.as_deref() != provider_id(user) {
            unmet.push("identity_provider_id");
        }
        unmet
    }

    /// Whether nothing is asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.attributes.is_empty()
            && self.population.is_none()
            && self.mfa_enabled.is_none()
            && self.identity_provider.is_none()
    }

    /// Attributes of the customer and their new values: to be held against the environment's schema, because PingOne
    /// ignores what it does not know (pingone-api.md §3.1).
    pub(super) fn custom(&self) -> impl Iterator<Item = (&str, &Value)> {
        let custom = self.attributes.iter().filter(|(_, change)| change.custom);
        custom.map(|((name, _), change)| (name.as_str(), &change.value))
    }

    /// Replaces a custom attribute's value, where the schema wants its text read as something else.
    pub(super) fn set_custom(&mut self, name: &str, value: Value) {
        if let Some(change) = self.attributes.get_mut(&(name.to_owned(), String::new())) {
            change.value = value;
        }
    }

    /// Without the attributes that the user has already.
    pub(super) fn differing(&self, user: &User) -> Self {
        let mut differing = self.clone();
        differing
            .attributes
            .retain(|(name, part), change| current(user, name, part) != change.value);
        differing
    }

    /// The body that changes the attributes, nothing where there are none. An attribute with parts is sent whole with
    /// what stays of it, so that it does not matter whether PingOne merges or replaces it.
    pub(super) fn body(&self, user: &User) -> Option<Value> {
        let mut body = Map::new();
        for ((name, part), change) in &self.attributes {
            if part.is_empty() {
                body.insert(name.clone(), change.value.clone());
                continue;
            }
            let parts = body.entry(name.clone()).or_insert_with(|| kept(user, name));
            if let Value::Object(parts) = parts {
                parts.insert(part.clone(), change.value.clone());
            }
        }
        (!body.is_empty()).then_some(Value::Object(body))
    }

    /// The keys of the attributes, as the caller named them.
    pub(super) fn keys(&self) -> Vec<&str> {
        self.attributes.values().map(|change| change.key.as_str()).collect()
    }

    /// Keys whose attribute is not as it was asked for: PingOne left it as it was, or it has a third value. Where PingOne
    /// changed it, another case of the letters is the same value (pingone-api.md §6.4); so are the same digits of a phone.
    pub(crate) fn unmet(&self, before: &User, after: &User) -> Vec<&str> {
        let unmet = self.attributes.iter().filter(|((name, part), change)| {
            let now = current(after, name, part);
            let is_rewritten = || same_letters(&now, &change.value) && now != current(before, name, part);
            let is_number = || PHONES.contains(&name.as_str()) && same_digits(&now, &change.value);
            now != change.value && !is_rewritten() && !is_number()
        });
        unmet.map(|(_, change)| change.key.as_str()).collect()
    }

    /// Keys that have a third value: neither as before nor as it was asked for.
    pub(super) fn otherwise(&self, before: &User, after: &User) -> Vec<&str> {
        let unmet = self.unmet(before, after);
        let other = self.attributes.iter().filter(|((name, part), change)| {
            unmet.contains(&change.key.as_str()) && current(after, name, part) != current(before, name, part)
        });
        other.map(|(_, change)| change.key.as_str()).collect()
    }
}

/// A name that a profile takes as it is, because it is a key of ours or PingOne's own.
pub(super) fn is_known(name: &str) -> bool {
    let named = NAMED.iter().any(|named| named.key == name || named.path == (name, ""));
    let others = OTHERS.contains(&(name, "")) || COMPLEX.contains(&name) || part(name).is_some();
    named || others || switch(name) || kept_by_pingone(name) || name == "additional_attributes"
}

fn same_letters(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => one.trim().to_lowercase() == other.trim().to_lowercase(),
        _ => false,
    }
}

/// PingOne may write a phone number in its own form.
fn same_digits(one: &Value, other: &Value) -> bool {
    let digits = |value: &Value| -> String { value.as_str().unwrap_or_default().matches(char::is_numeric).collect() };
    let number = digits(one);
    !number.is_empty() && number == digits(other)
}

/// The identity provider that a user signs on with, unless it is PingOne.
pub(super) fn provider_id(user: &User) -> Option<&str> {
    user.identity_provider.as_ref()?.id.as_deref()
}

/// An attribute that PingOne keeps itself or that is changed by a call of its own.
pub(crate) fn kept_by_pingone(name: &str) -> bool {
    ELSEWHERE.iter().any(|(kept, _)| *kept == name)
}

/// An empty text clears.
fn cleared(value: &Value) -> Value {
    match value {
        Value::String(text) if text.is_empty() => Value::Null,
        other => other.clone(),
    }
}

/// Keys that have a call of their own.
fn switch(key: &str) -> bool {
    matches!(
        key,
        "population" | "mfa_enabled" | "mfaEnabled" | "identity_provider_id"
    )
}

/// `name.given` and its like.
fn part(key: &str) -> Option<(&'static str, &'static str)> {
    let (name, part) = key.split_once('.')?;
    all_paths().find(|path| *path == (name, part))
}

fn all_paths() -> impl Iterator<Item = (&'static str, &'static str)> {
    NAMED.iter().map(|named| named.path).chain(OTHERS)
}

/// Lengths and formats of pingone-api.md §6.4.
pub(crate) fn check_text(key: &str, path: (&str, &str), text: &str) -> Result<(), TaskError> {
    let key = shown(key);
    let most = NAMED
        .iter()
        .find(|named| named.path == path)
        .map_or(0, |named| named.max_chars);
    if most > 0 && text.chars().count() > most {
        return Err(invalid(format!("{key} is longer than {most} characters")));
    }
    let zone = |text: &str| {
        let parts = text.split_once('/');
        parts.is_some_and(|(area, city)| !area.is_empty() && !city.is_empty())
    };
    if path == ("timezone", "") && !zone(text) {
        return Err(invalid(format!("{key} must look like Area/City")));
    }
    let country = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    if path == ("address", "countryCode") && !country(text) {
        return Err(invalid(format!("{key} must be two capital letters")));
    }
    Ok(())
}

/// The parts of an attribute that a user has.
fn kept(user: &User, name: &str) -> Value {
    let parts = all_paths().filter(|path| path.0 == name && !path.1.is_empty());
    let parts = parts.map(|(_, part)| (part.to_owned(), current(user, name, part)));
    Value::Object(parts.filter(|(_, value)| !value.is_null()).collect())
}

/// What a user has of an attribute; null for nothing.
fn current(user: &User, name: &str, part: &str) -> Value {
    let person = user.name.as_ref();
    let address = user.address.as_ref();
    let text = match (name, part) {
        ("username", _) => user.username.as_ref(),
        ("email", _) => user.email.as_ref(),
        ("nickname", _) => user.nickname.as_ref(),
        ("title", _) => user.title.as_ref(),
        ("type", _) => user.user_type.as_ref(),
        ("externalId", _) => user.external_id.as_ref(),
        ("accountId", _) => user.account_id.as_ref(),
        ("primaryPhone", _) => user.primary_phone.as_ref(),
        ("mobilePhone", _) => user.mobile_phone.as_ref(),
        ("locale", _) => user.locale.as_ref(),
        ("preferredLanguage", _) => user.preferred_language.as_ref(),
        ("timezone", _) => user.timezone.as_ref(),
        ("name", "given") => person.and_then(|name| name.given.as_ref()),
        ("name", "family") => person.and_then(|name| name.family.as_ref()),
        ("name", "middle") => person.and_then(|name| name.middle.as_ref()),
        ("name", "formatted") => person.and_then(|name| name.formatted.as_ref()),
        ("name", "honorificPrefix") => person.and_then(|name| name.honorific_prefix.as_ref()),
        ("name", "honorificSuffix") => person.and_then(|name| name.honorific_suffix.as_ref()),
        ("address", "streetAddress") => address.and_then(|address| address.street_address.as_ref()),
        ("address", "locality") => address.and_then(|address| address.locality.as_ref()),
        ("address", "region") => address.and_then(|address| address.region.as_ref()),
        ("address", "postalCode") => address.and_then(|address| address.postal_code.as_ref()),
        ("address", "countryCode") => address.and_then(|address| address.country_code.as_ref()),
        ("photo", "href") => user.photo.as_ref().and_then(|photo| photo.href.as_ref()),
        _ => return user.custom.get(name).cloned().unwrap_or_default(),
    };
    text.map_or(Value::Null, |text| json!(text))
}

#[cfg(test)]
mod tests;
