//! What is wrong with the settings. Texts name flag, environment, file key and what kind of value is wanted; never the
//! value itself.

use std::fmt;

use super::fields::Field;
use process::error::ErrorClass;

/// A start that ends before it begins (exit code 64).
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The command line itself: help, version, a typo.
    #[error("{0}")]
    CommandLine(#[from] clap::Error),
    /// A value that does not fit.
    #[error("{}: {problem} (value from the {source_name})", place(field))]
    Invalid {
        /// The setting.
        field: &'static Field,
        /// What is wanted.
        problem: String,
        /// Where the value came from.
        source_name: &'static str,
    },
    /// Values that are missing.
    #[error("{}", missing(settings))]
    Missing {
        /// The settings.
        settings: Vec<Lack>,
    },
    /// A feature that is not built.
    #[error("--{0} is not supported by baton-ping-one")]
    Unsupported(String),
    /// Settings that exclude each other.
    #[error("--{0} and --{1} exclude each other")]
    Exclusive(&'static str, &'static str),
    /// Something else about several settings.
    #[error("{0}")]
    Relation(String),
    /// The configuration file.
    #[error("configuration file {path}: {problem}")]
    File {
        path: String,
        /// What is wrong.
        problem: String,
    },
}

/// A setting that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lack {
    pub field: &'static Field,
    /// The one that is set and makes no sense without it; `None` where every run needs it.
    pub beside: Option<&'static str>,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field;
        match self.beside {
            None => write!(f, "{} is required: {}", place(field), field.help),
            Some(beside) => write!(f, "--{} also needs {}: {}", beside, place(field), field.help),
        }
    }
}

fn place(field: &Field) -> String {
    format!("--{0} ({1}, configuration key {0})", field.name, field.env())
}

/// One sentence, or a line for each of several.
fn missing(settings: &[Lack]) -> String {
    match settings {
        [one] => one.to_string(),
        _ => settings
            .iter()
            .fold(format!("{} settings are missing", settings.len()), |all, one| {
                format!("{all}\n  {one}")
            }),
    }
}

impl ConfigError {
    /// The setting without which the rest may be in order, where it is one that is set.
    pub(super) fn setting(&self) -> Option<String> {
        match self {
            Self::Invalid { field, .. } => Some(field.name.to_owned()),
            Self::Unsupported(name) => name.split('=').next().map(str::to_owned),
            Self::Exclusive(_, name) => Some((*name).to_owned()),
            Self::CommandLine(_) | Self::Missing { .. } | Self::Relation(_) | Self::File { .. } => None,
        }
    }

    /// What kind of failure it is: always one of what was asked for.
    pub const fn class(&self) -> ErrorClass {
        ErrorClass::Rejected
    }

    /// The exit code: 0 for help and version, 64 for everything that is wrong.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::CommandLine(error) if !error.use_stderr() => 0,
            _ => 64,
        }
    }
}
