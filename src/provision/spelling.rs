//! Names of account fields and action arguments as people write them. Whoever maps attributes in C1 writes `firstName` as
//! often as `given_name`; both mean one thing. What means nothing that is known is refused with the nearest known name,
//! because a value that is silently dropped looks like one that was taken. Pure.

use baton::task::{JsonObject, TaskError};
use serde_json::Value;

use super::error::{invalid, shown};

/// Spellings, as letters and digits in lower case, and the key that each stands for. Other ways to write a key itself, such
/// as `givenName` for `given_name`, need no row.
const SPELLINGS: [(&str, &str); 58] = [
    ("login", "username"),
    ("loginname", "username"),
    ("accountname", "username"),
    ("emailaddress", "email"),
    ("mail", "email"),
    ("primaryemail", "email"),
    ("workemail", "email"),
    ("firstname", "given_name"),
    ("given", "given_name"),
    ("forename", "given_name"),
    ("lastname", "family_name"),
    ("family", "family_name"),
    ("surname", "family_name"),
    ("sn", "family_name"),
    ("displayname", "formatted_name"),
    ("fullname", "formatted_name"),
    ("formatted", "formatted_name"),
    ("nick", "nickname"),
    ("jobtitle", "title"),
    ("usertype", "type"),
    ("employeetype", "type"),
    ("phone", "primary_phone"),
    ("phonenumber", "primary_phone"),
    ("telephone", "primary_phone"),
    ("telephonenumber", "primary_phone"),
    ("workphone", "primary_phone"),
    ("mobile", "mobile_phone"),
    ("mobilenumber", "mobile_phone"),
    ("mobilephonenumber", "mobile_phone"),
    ("cell", "mobile_phone"),
    ("cellphone", "mobile_phone"),
    ("language", "preferred_language"),
    ("zoneinfo", "timezone"),
    ("tz", "timezone"),
    ("populationid", "population"),
    ("populationname", "population"),
    ("disabled", "create_disabled"),
    ("verificationrequired", "require_verification"),
    ("mfa", "mfa_enabled"),
    ("identityprovider", "identity_provider_id"),
    ("idp", "identity_provider_id"),
    ("idpid", "identity_provider_id"),
    ("attributes", "additional_attributes"),
    ("customattributes", "additional_attributes"),
    // Arguments of actions alone.
    ("user", "user_id"),
    ("account", "user_id"),
    ("accountid", "user_id"),
    ("id", "user_id"),
    ("resourceid", "user_id"),
    ("population", "population_id"),
    ("profile", "user_profile"),
    ("attributes", "user_profile"),
    ("sendrecoverymail", "send_recovery"),
    ("group", "group_id"),
    ("id", "group_id"),
    ("resourceid", "group_id"),
    ("groupname", "name"),
    ("confirm", "confirm_name"),
];

/// Letters and digits alone, in lower case.
fn folded(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// The key among `keys` that a name stands for.
pub(crate) fn key_of<'a>(name: &str, keys: &[&'a str]) -> Option<&'a str> {
    if let Some(key) = keys.iter().find(|key| **key == name) {
        return Some(key);
    }
    let name = folded(name);
    let usual = |key: &&&str| {
        SPELLINGS
            .iter()
            .any(|(spelling, meant)| *spelling == name && *meant == **key)
    };
    let own = keys.iter().find(|key| folded(key) == name);
    own.or_else(|| keys.iter().find(usual)).copied()
}

/// Whether a name stands for the field of the identity provider.
pub(crate) fn is_identity_provider(name: &str) -> bool {
    key_of(name, &["identity_provider_id"]).is_some()
}

/// The key that is spelled most like a name.
pub(crate) fn nearest<'a>(name: &str, keys: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name: String = folded(name).chars().take(64).collect();
    keys.into_iter().min_by_key(|key| distance(&name, &folded(key)))
}

/// Letters that must be put in, left out or replaced to make one text of another.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        let mut next = vec![left];
        for (above, wanted) in row.iter().skip(1).zip(&other) {
            let replaced = diagonal + usize::from(letter != *wanted);
            diagonal = *above;
            left = replaced.min(left + 1).min(above + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// A value that says nothing: an expression of C1's over an empty attribute gives one.
pub(crate) fn is_void(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The same values under the keys that their names stand for. Unknown names without a value are left out; one with a
/// value is refused: `unknown` says so, given the name and the nearest key.
pub(crate) fn spelled(
    values: &JsonObject,
    keys: &[&str],
    unknown: impl Fn(String, &str) -> String,
) -> Result<JsonObject, TaskError> {
    let mut named: JsonObject = JsonObject::new();
    for (name, value) in values {
        let Some(key) = key_of(name, keys) else {
            if is_void(value) {
                continue;
            }
            let nearest = nearest(name, keys.iter().copied()).unwrap_or_default();
            return Err(invalid(unknown(shown(name), nearest)));
        };
        match named.get(key) {
            Some(other) if !is_void(other) && !is_void(value) && other != value => {
                let message = format!("{} names {key}, which is given with another value as well", shown(name));
                return Err(invalid(message));
            }
            Some(other) if !is_void(other) => {}
            _ => {
                named.insert(key.to_owned(), value.clone());
            }
        }
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    const KEYS: [&str; 7] = [
        "username",
        "email",
        "given_name",
        "family_name",
        "population",
        "mfa_enabled",
        "title",
    ];

    fn object(value: &Value) -> JsonObject {
        value.as_object().unwrap().clone()
    }

    fn read(value: &Value) -> Result<JsonObject, TaskError> {
        spelled(&object(value), &KEYS, |name, nearest| {
            format!("{name} is unknown; nearest {nearest}")
        })
    }

    #[test]
    fn usual_spellings_stand_for_one_key() {
        let cases = [
            (
                "given_name",
                ["firstName", "first_name", "First Name", "givenName", "given-name"],
            ),
            ("family_name", ["lastName", "last_name", "surname", "FamilyName", "sn"]),
            (
                "email",
                ["email_address", "emailAddress", "mail", "E-Mail", "primary_email"],
            ),
            (
                "population",
                [
                    "population_id",
                    "populationId",
                    "Population",
                    "POPULATION_ID",
                    "populationName",
                ],
            ),
            (
                "mfa_enabled",
                ["mfaEnabled", "mfa", "MFA_ENABLED", "mfa-enabled", "mfa enabled"],
            ),
        ];
        for (key, names) in cases {
            for name in names {
                assert_eq!(
                    read(&json!({ name: "x" })).unwrap(),
                    object(&json!({ key: "x" })),
                    "{name}"
                );
            }
        }
        for (spelling, _) in SPELLINGS {
            assert_eq!(folded(spelling), spelling, "a spelling is never met");
        }
    }

    /// Pairs of a spelling, folded, and its key out of the tables of a page whose second column is `Also`.
    fn published(page: &str) -> BTreeSet<(String, String)> {
        let mut pairs = BTreeSet::new();
        let mut in_table = false;
        for line in page.lines() {
            in_table = line.starts_with('|') && (in_table || line.ends_with("| Also |"));
            let mut names = line.split('`').skip(1).step_by(2);
            if let (true, Some(key)) = (in_table, names.next()) {
                pairs.extend(names.map(|name| (folded(name), key.to_owned())));
            }
        }
        pairs
    }

    #[test]
    fn every_spelling_is_in_the_published_page() {
        let page = include_str!("../../docs/connector.mdx");
        let taken = SPELLINGS.map(|(spelling, key)| (spelling.to_owned(), key.to_owned()));
        assert_eq!(published(page), BTreeSet::from(taken));
    }

    #[test]
    fn unknown_names_are_left_out_without_a_value_and_refused_with_one() {
        for void in [json!(null), json!(""), json!(" "), json!([]), json!({})] {
            assert!(read(&json!({"department": void})).unwrap().is_empty(), "{void}");
        }
        for (name, nearest) in [
            ("emial", "email"),
            ("titel", "title"),
            ("user_nam", "username"),
            ("zzz", "email"),
        ] {
            let error = read(&json!({ name: false })).unwrap_err().message;
            assert!(error.contains(&format!("{name:?}")), "{error}");
            if name != "zzz" {
                assert!(error.ends_with(&format!("nearest {nearest}")), "{error}");
            }
        }
        let long = read(&json!({"x".repeat(100_000): 1})).unwrap_err().message;
        assert!(long.len() < 200, "{}", long.len());
    }

    #[test]
    fn two_names_of_one_key_must_agree() {
        for agreeing in [
            json!({"email": "a", "mail": "a"}),
            json!({"email": "a", "mail": ""}),
            json!({"email": null, "emailAddress": "a"}),
        ] {
            assert_eq!(read(&agreeing).unwrap()["email"], "a", "{agreeing}");
        }
        let error = read(&json!({"email": "a", "mail": "b"})).unwrap_err().message;
        assert!(error.contains("email") && !error.contains('b'), "{error}");
    }

    #[test]
    fn distances_are_those_of_the_books() {
        for (one, other, wanted) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "ab", 2),
            ("kitten", "sitting", 3),
            ("ab", "ba", 2),
        ] {
            assert_eq!(distance(one, other), wanted, "{one} {other}");
        }
    }
}
