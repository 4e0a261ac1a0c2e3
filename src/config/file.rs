//! The configuration file: a flat YAML map of setting names to texts or lists of texts.
//!
//! Scalars are taken as they are written. YAML would read `0123` or `1e5` as numbers and spell them another way, and a
//! secret or an id may look like that. A parser's own text may quote a line, and a line may hold a secret, so it never
//! reaches a message.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::fields::field;

/// What the file says of each setting.
pub(super) type Entries = BTreeMap<String, Vec<String>>;

/// Reads the file's text; the error says what is wrong without quoting a value.
pub(super) fn parse(text: &str) -> Result<Entries, String> {
    if text.trim().is_empty() {
        return Ok(Entries::new());
    }
    // First the shape, then the texts: a scalar's own spelling is only given to who asks for a text.
    let shape: Value = serde_saphyr::from_str(text).map_err(|error| broken(&error))?;
    let shape = match shape {
        Value::Null => return Ok(Entries::new()),
        Value::Object(shape) => shape,
        _ => return Err("it must be a map of setting names to values".to_owned()),
    };
    let is_scalar = |value: &Value| !value.is_array() && !value.is_object();
    for (key, value) in &shape {
        let fits = is_scalar(value) || value.as_array().is_some_and(|items| items.iter().all(is_scalar));
        if !fits {
            return Err(format!(
                "{}the value of {key} must be a text, a number, true, false or a list of texts",
                line_of(text, key)
            ));
        }
    }
    serde_saphyr::with_deserializer_from_str(text, |deserializer| Texts(&shape).deserialize(deserializer))
        .map_err(|error| broken(&error))
}

/// Where a key of the map stands, as the beginning of a sentence; nothing where that cannot be told. Nothing else begins a line
/// without a blank before it.
pub(super) fn line_of(text: &str, key: &str) -> String {
    let is_here = |line: &str| {
        let rest = ["", "\"", "'"]
            .into_iter()
            .find_map(|quote| line.strip_prefix(quote)?.strip_prefix(key)?.strip_prefix(quote));
        rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
    };
    let at = text.lines().position(is_here);
    at.map_or_else(String::new, |at| format!("line {}: ", at + 1))
}

fn broken(error: &serde_saphyr::Error) -> String {
    match (error.without_snippet(), error.location()) {
        (serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. }, Some(at)) if field(key).is_some() => {
            format!("line {}: {key} stands twice", at.line())
        }
        (_, Some(at)) => format!("it is not valid YAML at line {}, column {}", at.line(), at.column()),
        (_, None) => "it is not valid YAML".to_owned(),
    }
}

/// Reads the map again, asking for a text wherever the shape has a scalar.
struct Texts<'a>(&'a Map<String, Value>);

impl<'de> DeserializeSeed<'de> for Texts<'_> {
    type Value = Entries;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Entries, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = Entries;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map of setting names to values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        let mut entries = Entries::new();
        while let Some(key) = map.next_key::<String>()? {
            let texts: Vec<Option<String>> = if self.0.get(&key).is_some_and(Value::is_array) {
                map.next_value()?
            } else {
                vec![map.next_value()?]
            };
            entries.insert(key, texts.into_iter().flatten().collect());
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_keep_their_spelling_and_nothing_is_an_empty_list() {
        let cases = [
            ("a: 0123", "0123"),
            ("a: \"0123\"", "0123"),
            ("a: 'x y'", "x y"),
            ("a: true", "true"),
            ("a: True", "True"),
            ("a: 1e5 # remark", "1e5"),
            ("a: |\n  x\n", "x\n"),
            ("a: 'null'", "null"),
        ];
        for (text, expected) in cases {
            assert_eq!(
                parse(text).unwrap(),
                Entries::from([("a".to_owned(), vec![expected.to_owned()])]),
                "{text}"
            );
        }
        for text in ["a:", "a: null", "a: ~", "a: []"] {
            assert_eq!(
                parse(text).unwrap(),
                Entries::from([("a".to_owned(), Vec::new())]),
                "{text}"
            );
        }
        for text in ["", "  \n", "# only a remark\n", "---\n", "null"] {
            assert_eq!(parse(text), Ok(Entries::new()), "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_a_value() {
        let cases = [
            ("ok: 1\nb: \"marker", "not valid YAML at line 2, column"),
            ("a: [", "not valid YAML"),
            ("a: marker\na: marker", "not valid YAML"),
            ("- marker", "must be a map"),
            ("marker", "must be a map"),
            ("ok: 1\n'a': {b: marker}", "line 2: the value of a must be"),
            ("file: 1\noutput: 2\nfile: marker", "line 3: file stands twice"),
            ("a: [[marker]]", "the value of a must be"),
            ("a: *marker", "not valid YAML"),
            ("a: \"marker", "not valid YAML"),
        ];
        for (text, expected) in cases {
            let problem = parse(text).unwrap_err();
            assert!(
                problem.contains(expected) && !problem.contains("marker"),
                "{text}: {problem}"
            );
        }
    }
}
