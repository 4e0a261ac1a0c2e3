//! Raw values by precedence.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use clap::ArgMatches;
use clap::parser::ValueSource;
use secrecy::SecretString;
use uuid::Uuid;

use super::choices::Choice;
use super::error::ConfigError;
use super::fields::{FIELDS, Field, Kind, field};
use super::file;
use process::error::io_words;

/// The process environment, or a made-up one in tests.
pub type Environment = BTreeMap<String, String>;

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The command line.
    Flag,
    Environment,
    /// The configuration file.
    File,
    /// Nobody said anything.
    Default,
}

impl Source {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Flag => "command line",
            Self::Environment => "environment",
            Self::File => "configuration file",
            Self::Default => "defaults",
        }
    }
}

#[derive(Clone)]
struct Raw {
    texts: Vec<String>,
    source: Source,
}

/// Every setting's raw value and where it came from. Has no `Debug`: it holds secrets.
#[derive(Clone)]
pub struct Values(BTreeMap<&'static str, Raw>);

/// Reads a file to text.
pub(crate) type ReadFile<'a> = &'a dyn Fn(&Path) -> std::io::Result<String>;

impl Values {
    /// Collects the values; nothing is judged yet but whether the file's keys are known.
    pub(crate) fn collect(matches: &ArgMatches, env: &Environment, read: ReadFile<'_>) -> Result<Self, ConfigError> {
        Ok(Self::of(matches, env, &config_file(env, read)?))
    }

    /// The same without the configuration file.
    pub(super) fn without_file(matches: &ArgMatches, env: &Environment) -> Self {
        Self::of(matches, env, &BTreeMap::new())
    }

    fn of(matches: &ArgMatches, env: &Environment, file: &BTreeMap<String, Vec<String>>) -> Self {
        let mut values = BTreeMap::new();
        for field in FIELDS {
            let raw = from_flag(field, matches)
                .map(|texts| Raw {
                    texts,
                    source: Source::Flag,
                })
                .or_else(|| {
                    let text = env.get(&field.env()).filter(|text| !text.is_empty())?;
                    Some(Raw {
                        texts: from_text(field, text),
                        source: Source::Environment,
                    })
                })
                .or_else(|| {
                    file.get(field.name).map(|texts| Raw {
                        texts: texts.clone(),
                        source: Source::File,
                    })
                })
                .unwrap_or_else(|| Raw {
                    texts: from_text(field, field.default),
                    source: Source::Default,
                });
            values.insert(field.name, raw);
        }
        Self(values)
    }

    /// Forgets what somebody set it to.
    pub(super) fn reset(&mut self, name: &str) {
        if let (Some(raw), Some(field)) = (self.0.get_mut(name), field(name)) {
            *raw = Raw {
                texts: from_text(field, field.default),
                source: Source::Default,
            };
        }
    }

    fn raw(&self, name: &str) -> Option<&Raw> {
        self.0.get(name)
    }

    /// Whether somebody set it to something.
    pub fn is_set(&self, name: &str) -> bool {
        self.raw(name)
            .is_some_and(|raw| raw.source != Source::Default && raw.texts.iter().any(|text| !text.is_empty()))
    }

    /// Where the value came from.
    pub fn source(&self, name: &str) -> Source {
        self.raw(name).map_or(Source::Default, |raw| raw.source)
    }

    /// The text; empty when there is none.
    pub fn text(&self, name: &str) -> &str {
        self.raw(name)
            .and_then(|raw| raw.texts.last())
            .map(String::as_str)
            .unwrap_or_default()
    }

    /// The text, trimmed, if there is one.
    pub fn optional(&self, name: &str) -> Option<String> {
        let text = self.text(name).trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The list.
    pub fn list(&self, name: &str) -> Vec<String> {
        let texts = self.raw(name).map(|raw| raw.texts.as_slice()).unwrap_or_default();
        texts
            .iter()
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
            .collect()
    }

    pub(crate) fn invalid(&self, name: &str, problem: impl Into<String>) -> ConfigError {
        match field(name) {
            Some(field) => ConfigError::Invalid {
                field,
                problem: problem.into(),
                source_name: self.source(name).as_str(),
            },
            None => ConfigError::Relation(problem.into()),
        }
    }

    /// The id.
    pub fn uuid(&self, name: &str) -> Result<Option<Uuid>, ConfigError> {
        let Some(text) = self.optional(name) else {
            return Ok(None);
        };
        Uuid::try_parse(&text)
            .map(Some)
            .map_err(|_| self.invalid(name, "must be a UUID such as 5f0c6a52-6a1e-4f0b-9a43-2f9a1c0d7e11"))
    }

    /// A secret from its own setting or from its file, whichever ranks higher; a line's end is not part of it.
    pub fn secret(
        &self,
        name: &str,
        file: &str,
        read: Option<ReadFile<'_>>,
    ) -> Result<Option<SecretString>, ConfigError> {
        let rank = |source: Source| match source {
            Source::Flag => 0,
            Source::Environment => 1,
            Source::File => 2,
            Source::Default => 3,
        };
        let direct = self.is_set(name) && rank(self.source(name)) <= rank(self.source(file));
        if direct || !self.is_set(file) {
            return Ok(self
                .is_set(name)
                .then(|| SecretString::from(self.text(name).trim_end_matches(['\r', '\n']))));
        }
        let Some(read) = read else { return Ok(None) };
        let text = read(Path::new(self.text(file)))
            .map_err(|error| self.invalid(file, format!("must name a file that can be read: {}", io_words(&error))))?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(self.invalid(file, "must name a file that is not empty"));
        }
        Ok(Some(SecretString::from(text)))
    }

    /// A truth value: Go's `ParseBool` forms (c1-protocol.md §2.4).
    pub fn flag(&self, name: &str) -> Result<bool, ConfigError> {
        match self.text(name).trim() {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
            "" | "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
            _ => Err(self.invalid(name, "must be true or false")),
        }
    }

    /// A whole number within the field's limits.
    pub fn int(&self, name: &str) -> Result<i64, ConfigError> {
        let Some(Kind::Int(least, most)) = field(name).map(|field| field.kind) else {
            return Ok(0);
        };
        let number = self
            .text(name)
            .trim()
            .parse::<i64>()
            .ok()
            .filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| self.invalid(name, format!("must be a whole number from {least} to {most}")))
    }

    /// One of the setting's values.
    pub(crate) fn choice<T: Choice>(&self, name: &str) -> Result<T, ConfigError> {
        let text = self.text(name).trim();
        let found = T::ALL.iter().find(|(known, _)| *known == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<_> = T::ALL
                .iter()
                .map(|(name, _)| *name)
                .filter(|name| !name.is_empty())
                .collect();
            self.invalid(name, format!("must be one of {}", names.join(", ")))
        })
    }

    /// A time; `None` for `off` and for no time at all.
    pub fn duration(&self, name: &str) -> Result<Option<std::time::Duration>, ConfigError> {
        let text = self.text(name).trim();
        if text.is_empty() || text == "off" || text == "0" {
            return Ok(None);
        }
        match parse_duration(text) {
            Some(time) if time.is_zero() => Ok(None),
            Some(time) if time <= LONGEST => Ok(Some(time)),
            Some(_) => Err(self.invalid(name, "must be at most 8784h (a year)")),
            None => Err(self.invalid(name, "must be a time such as 90s, 15m or 1h30m")),
        }
    }

    /// Ends the start where a feature is asked for that is not built.
    pub(crate) fn refuse_unsupported(&self) -> Result<(), ConfigError> {
        for field in FIELDS.iter().filter(|field| field.unsupported) {
            if field.kind == Kind::Bool {
                // Its default is false, in each of the spellings.
                if self.flag(field.name)? {
                    return Err(ConfigError::Unsupported(field.name.to_owned()));
                }
                continue;
            }
            let default = from_text(field, field.default);
            if self
                .raw(field.name)
                .is_some_and(|raw| !raw.texts.is_empty() && raw.texts != default)
            {
                return Err(ConfigError::Unsupported(field.name.to_owned()));
            }
        }
        Ok(())
    }
}

/// Longest time that a setting takes.
const LONGEST: std::time::Duration = std::time::Duration::from_hours(366 * 24);

/// Parts of number and unit, such as `1h30m`.
fn parse_duration(text: &str) -> Option<std::time::Duration> {
    let mut total = std::time::Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let number: u64 = number.parse().ok()?;
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(unit_end)?;
        let part = match unit {
            "ms" => std::time::Duration::from_millis(number),
            "s" => std::time::Duration::from_secs(number),
            "m" => std::time::Duration::from_secs(number.checked_mul(60)?),
            "h" => std::time::Duration::from_secs(number.checked_mul(3_600)?),
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = tail;
    }
    Some(total)
}

fn from_flag(field: &Field, matches: &ArgMatches) -> Option<Vec<String>> {
    // The subcommand's own flags outrank those before it; not every subcommand has every setting.
    let places = [matches.subcommand().map(|(_, sub)| sub), Some(matches)];
    let given = |place: &&ArgMatches| {
        place.try_contains_id(field.name).is_ok() && place.value_source(field.name) == Some(ValueSource::CommandLine)
    };
    let place = places.into_iter().flatten().find(given)?;
    let texts: Vec<String> = place.get_many::<String>(field.name)?.cloned().collect();
    Some(if field.kind == Kind::List {
        texts.iter().flat_map(|text| csv(text)).collect()
    } else {
        texts
    })
}

fn from_text(field: &Field, text: &str) -> Vec<String> {
    match field.kind {
        Kind::List => csv(text),
        _ if text.is_empty() => Vec::new(),
        _ => vec![text.to_owned()],
    }
}

/// One line of comma-separated values with quotes.
fn csv(text: &str) -> Vec<String> {
    let (mut items, mut item, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                item.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if item.is_empty() => quoted = true,
            ',' if !quoted => items.push(std::mem::take(&mut item)),
            other => item.push(other),
        }
    }
    items.push(item);
    items.retain(|item| !item.trim().is_empty());
    items
}

/// The file of `BATON_CONFIG_PATH`, else `./.baton.yaml` if it is there.
fn config_file(env: &Environment, read: ReadFile<'_>) -> Result<BTreeMap<String, Vec<String>>, ConfigError> {
    let named = env.get("BATON_CONFIG_PATH").filter(|path| !path.is_empty());
    let path = named.map_or(".baton.yaml", String::as_str);
    let fault = |problem: String| ConfigError::File {
        path: path.to_owned(),
        problem,
    };
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str());
    if named.is_some() && !matches!(extension, Some("yaml" | "yml")) {
        return Err(fault(
            "its name must end in .yaml or .yml (BATON_CONFIG_PATH)".to_owned(),
        ));
    }
    let text = match read(Path::new(path)) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(fault(format!("it cannot be read ({})", io_words(&error)))),
    };
    let entries = file::parse(&text).map_err(&fault)?;
    match entries.keys().find(|key| field(key).is_none()) {
        Some(key) => Err(fault(format!(
            "{}unknown key {key}{}",
            file::line_of(&text, key),
            suggestion(key)
        ))),
        None => Ok(entries),
    }
}

/// The known name that shares the longest beginning, if it is close.
pub(super) fn suggestion(key: &str) -> String {
    let common = |name: &str| name.bytes().zip(key.bytes()).take_while(|(a, b)| a == b).count();
    let best = FIELDS
        .iter()
        .filter(|field| !field.unsupported)
        .max_by_key(|field| common(field.name));
    match best {
        Some(field) if common(field.name) >= 6 => format!(" (did you mean {}?)", field.name),
        _ => String::new(),
    }
}

/// The process environment, for the one place that may read it.
pub(crate) fn process_environment(pairs: impl Iterator<Item = (OsString, OsString)>) -> Environment {
    pairs
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_comma_separated_with_quotes() {
        assert_eq!(csv(r#"a, b,"c, d","e ""f""",,"#), ["a", " b", "c, d", "e \"f\""]);
    }

    #[test]
    fn durations_have_units() {
        let cases = [
            ("90s", Some(90)),
            ("1h30m", Some(5_400)),
            ("15m", Some(900)),
            ("90", None),
            ("x", None),
            ("1d", None),
            ("0s", Some(0)),
            ("18446744073709551615h", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(
                parse_duration(text),
                seconds.map(std::time::Duration::from_secs),
                "{text}"
            );
        }
    }
}
