//! Settings as `doctor` sees them: what each is and where it came from, and everything that is wrong with them at once.

use std::path::PathBuf;

use clap::ArgMatches;

use super::error::ConfigError;
use super::fields::{FIELDS, Field, Kind, field};
use super::settings::Config;
use super::values::{Environment, ReadFile, Source, Values, suggestion};

/// Variables that begin as settings do and are none.
const NOT_SETTINGS: [&str; 7] = [
    "BATON_CONFIG_PATH",
    "BATON_HOST_ID",
    "BATON_C1_API_HOST",
    "BATON_GET_TASKS",
    "BATON_TMPDIR",
    "BATON_DECODER_MAX_DECODED_SIZE_MB",
    "BATON_DECODER_MAX_MEMORY_MB",
];

/// Settings whose values may name a person, whatever they look like.
const PERSONAL: [&str; 13] = [
    "create-account-email",
    "create-account-login",
    "create-account-profile",
    "delete-resource",
    "grant-principal",
    "invoke-action-args",
    "password-file",
    "protected-users",
    "revoke-grant",
    "role-assignment-candidates",
    "rotate-credentials",
    "sync-resources",
    "user-filter",
];

/// What stands for a value that is not shown.
pub const NOT_SHOWN: &str = "(not shown)";
/// A shorter text stands in words that have nothing to do with it.
const LEAST_HIDDEN: usize = 4;

/// A setting that somebody set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub name: &'static str,
    /// What may be shown of the value: nothing of a secret, nothing that may name a person.
    pub value: String,
    pub source: Source,
}

/// What is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub text: String,
    /// What to do.
    pub remedy: &'static str,
}

impl From<String> for Fault {
    fn from(text: String) -> Self {
        let remedy = "The rest is looked at as if this were not set.";
        Self { text, remedy }
    }
}

/// What was found; no text holds a value that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// In the order of the table.
    pub settings: Vec<Shown>,
    /// Texts of settings that may name a person: nothing that is told may hold one.
    pub hidden: Vec<String>,
    /// Each names its setting.
    pub faults: Vec<Fault>,
    /// Variables that begin with `BATON_` and mean nothing, with what may be meant.
    pub unknown: Vec<String>,
    /// Files and directories of trusted certificates that variables name.
    pub trust: Vec<(&'static str, PathBuf)>,
}

/// The settings as far as they can be used, and what is wrong with the rest. What is wrong counts as not set.
pub(super) fn examine(
    matches: &ArgMatches,
    env: &Environment,
    read: ReadFile<'_>,
) -> Result<(Config, Examined), ConfigError> {
    let mut faults = Vec::new();
    let mut values = match Values::collect(matches, env, read) {
        Ok(values) => values,
        Err(error) => {
            faults.push(error.to_string().into());
            Values::without_file(matches, env)
        }
    };
    let mut settings: Vec<Shown> = FIELDS.iter().filter_map(|field| shown(field, &values)).collect();
    let hidden = FIELDS.iter().flat_map(|field| hidden(field, &values)).collect();
    let config = loop {
        let checked = values
            .refuse_unsupported()
            .and_then(|()| Config::checked(&values, env, read));
        let error = match checked {
            Ok(config) => break config,
            Err(error) => error,
        };
        let wrong = error.setting().filter(|name| values.is_set(name));
        match error {
            ConfigError::Missing { settings } => faults.extend(settings.iter().map(|lack| Fault {
                text: lack.to_string(),
                remedy: "Set the flag, the variable or the key.",
            })),
            error => faults.push(error.to_string().into()),
        }
        match wrong {
            Some(name) => {
                values.reset(&name);
                // It may be a secret in the wrong place.
                let wrong = settings.iter_mut().find(|setting| setting.name == name);
                if let Some(wrong) = wrong {
                    NOT_SHOWN.clone_into(&mut wrong.value);
                }
            }
            None => break Config::unchecked(&values, env)?,
        }
    };
    let examined = Examined {
        settings,
        hidden,
        faults,
        unknown: env.keys().filter_map(|name| unknown(name)).collect(),
        trust: ["SSL_CERT_FILE", "SSL_CERT_DIR"]
            .into_iter()
            .flat_map(|name| env.get(name).into_iter().flat_map(move |text| paths(name, text)))
            .collect(),
    };
    Ok((config, examined))
}

fn paths(name: &'static str, text: &str) -> Vec<(&'static str, PathBuf)> {
    let split = std::env::split_paths(text).filter(|path| !path.as_os_str().is_empty());
    split.map(|path| (name, path)).collect()
}

fn shown(field: &Field, values: &Values) -> Option<Shown> {
    let source = values.source(field.name);
    if source == Source::Default || !values.is_set(field.name) {
        return None;
    }
    let text = match field.kind {
        Kind::List => values.list(field.name).join(","),
        _ => values.text(field.name).to_owned(),
    };
    let value = if field.secret {
        "****".to_owned()
    } else if PERSONAL.contains(&field.name) || !addresses(field, &text).is_empty() {
        NOT_SHOWN.to_owned()
    } else {
        text
    };
    Some(Shown {
        name: field.name,
        value,
        source,
    })
}

/// The words of a value that may be somebody's address, or hold a password. C1's client ids only look like one.
fn addresses<'a>(field: &Field, text: &'a str) -> Vec<&'a str> {
    let words = text.split(|c: char| c.is_whitespace() || "/\"',;()".contains(c));
    let is_one = |word: &&str| word.contains('@') && field.name != "client-id";
    words.filter(is_one).collect()
}

fn hidden(field: &Field, values: &Values) -> Vec<String> {
    let texts = values.list(field.name).into_iter().filter(|_| !field.secret);
    let hidden = texts.flat_map(|text| {
        let mut parts: Vec<String> = addresses(field, &text).into_iter().map(str::to_owned).collect();
        if PERSONAL.contains(&field.name) && text.len() >= LEAST_HIDDEN {
            parts.push(text);
        }
        parts
    });
    hidden.collect()
}

/// What a variable is called that looks like a setting and is none; `None` if it is none of ours.
fn unknown(name: &str) -> Option<String> {
    let key = name.strip_prefix("BATON_")?.to_lowercase().replace('_', "-");
    // The cluster gives each pod the addresses of the Services around it.
    let of_a_service = key.contains("-service-") || key.contains("-port-") || key.starts_with("ping-one-");
    if field(&key).is_some() || NOT_SETTINGS.contains(&name) || of_a_service {
        return None;
    }
    Some(format!("{name}{}", suggestion(&key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_means_nothing_is_told_with_its_neighbour() {
        assert_eq!(
            unknown("BATON_PINGONE_REGOIN").as_deref(),
            Some("BATON_PINGONE_REGOIN (did you mean pingone-region?)")
        );
        for fine in [
            "PATH",
            "BATON_PINGONE_REGION",
            "BATON_HOST_ID",
            "BATON_PING_ONE_SERVICE_HOST",
        ] {
            assert_eq!(unknown(fine), None, "{fine}");
        }
    }
}
