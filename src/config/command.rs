//! The command line, built from the table of settings.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command as Clap};

use super::error::ConfigError;
use super::fields::{FIELDS, Field, Kind};
use super::settings::Config;
use super::values::{Environment, ReadFile, Values};

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Sync, serve or provision, as the settings say.
    Run,
    /// Print the configuration document.
    Config,
    /// Print the capabilities document.
    Capabilities,
    /// Ask a running daemon for its health.
    HealthCheck {
        /// `health`, `ready` or `live`.
        endpoint: String,
        /// How long to wait.
        timeout: std::time::Duration,
    },
    /// Show a file.
    Inspect(Inspect),
    /// Print a completion script for this shell.
    Completion(clap_complete::Shell),
}

/// What to show of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspect {
    /// The file.
    pub file: PathBuf,
    /// Which rows.
    pub view: InspectView,
    /// How.
    pub format: InspectFormat,
}

/// Rows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InspectView {
    /// Counts.
    Stats,
    /// Resource types.
    ResourceTypes,
    /// Resources.
    Resources,
    /// Entitlements.
    Entitlements,
    /// Grants.
    Grants,
}

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InspectFormat {
    /// Aligned columns.
    Table,
    /// A JSON array.
    Json,
    /// RFC 4180.
    Csv,
}

/// How a one-shot result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// A command with its settings.
#[derive(Debug)]
pub struct Invocation {
    /// What to do.
    pub command: Command,
    /// With which settings; only for `Run` are all of them checked.
    pub config: Config,
}

const VIEWS: [(&str, InspectView); 5] = [
    ("stats", InspectView::Stats),
    ("resource-types", InspectView::ResourceTypes),
    ("resources", InspectView::Resources),
    ("entitlements", InspectView::Entitlements),
    ("grants", InspectView::Grants),
];

/// The command line.
pub fn command_line() -> Clap {
    Clap::new("baton-ping-one")
        .version(env!("CARGO_PKG_VERSION"))
        .about(
            "PingOne connector for C1: syncs users, groups, populations and administrator roles, and provisions them",
        )
        .after_help(
            "Without client-id, credentials-secret, credentials-dir and sync-interval one sync is written to --file. With \
             client-id the program serves C1's tasks until it is stopped. One-shot flags, such as --grant-entitlement, \
             change PingOne once; docs/configuration.md lists them. Every setting can also come from the environment or \
             from the file that BATON_CONFIG_PATH names; a flag outranks the environment, the environment the file.",
        )
        .args(FIELDS.iter().map(arg))
        .subcommands(subcommands())
}

fn arg(field: &Field) -> Arg {
    let mut help = format!("{} (${})", field.help, field.env());
    if !field.default.is_empty() && field.kind != Kind::Bool {
        help = format!("{help} [default: {}]", field.default);
    }
    let mut arg = Arg::new(field.name)
        .long(field.name)
        .help(help)
        .hide(field.hidden)
        .global(true);
    if let Some(letter) = field.short {
        arg = arg.short(letter);
    }
    match field.kind {
        Kind::Bool => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_name("BOOL"),
        Kind::List => arg.action(ArgAction::Append).value_name("LIST"),
        Kind::Int(..) => arg.allow_negative_numbers(true).value_name("N"),
        Kind::Duration => arg.value_name("TIME"),
        Kind::Text | Kind::Choice(_) => arg.value_name("TEXT"),
    }
}

fn subcommands() -> Vec<Clap> {
    let endpoint = Arg::new("endpoint")
        .long("endpoint")
        .default_value("health")
        .value_name("health|ready|live");
    let timeout = Arg::new("timeout")
        .long("timeout")
        .default_value("5")
        .value_parser(clap::value_parser!(u64).range(1..=300));
    vec![
        Clap::new("config").about("Print the configuration document"),
        Clap::new("capabilities").about("Print the capabilities document"),
        Clap::new("health-check")
            .about("Ask a running daemon for its health; exit code 0 if it is well")
            .arg(endpoint.help("Which check"))
            .arg(timeout.help("Seconds to wait")),
        Clap::new("inspect").about("Show what a .c1z file holds").arg(
            Arg::new("view")
                .default_value("stats")
                .value_parser(PossibleValuesParser::new(VIEWS.map(|(name, _)| name)))
                .help("Which rows"),
        ),
        Clap::new("completion").about("Print a completion script").arg(
            Arg::new("shell")
                .required(true)
                .value_parser(clap::value_parser!(clap_complete::Shell))
                .help("For which shell"),
        ),
    ]
}

impl Invocation {
    /// Parses the command line and collects and checks the settings. `read` reads a file.
    pub fn load(
        args: impl IntoIterator<Item = OsString>,
        env: &Environment,
        read: ReadFile<'_>,
    ) -> Result<Self, ConfigError> {
        let matches = command_line().try_get_matches_from(args)?;
        let command = command(&matches);
        let values = Values::collect(&matches, env, read)?;
        values.refuse_unsupported()?;
        let config = match &command {
            Command::Run => Config::checked(&values, env, read)?,
            _ => Config::unchecked(&values, env)?,
        };
        let command = match command {
            Command::Inspect(inspect) => Command::Inspect(Inspect {
                file: config.file.clone(),
                format: match values.choice("output")? {
                    "json" => InspectFormat::Json,
                    "csv" => InspectFormat::Csv,
                    _ => InspectFormat::Table,
                },
                ..inspect
            }),
            other => other,
        };
        Ok(Self { command, config })
    }

    /// The same from the process itself.
    pub fn of_process() -> Result<Self, ConfigError> {
        let env = super::values::process_environment(std::env::vars_os());
        Self::load(std::env::args_os(), &env, &|path| std::fs::read_to_string(path))
    }
}

fn command(matches: &ArgMatches) -> Command {
    let Some((name, sub)) = matches.subcommand() else {
        return Command::Run;
    };
    let text = |id: &str| sub.get_one::<String>(id).map(String::as_str).unwrap_or_default();
    match name {
        "config" => Command::Config,
        "capabilities" => Command::Capabilities,
        "health-check" => Command::HealthCheck {
            endpoint: text("endpoint").to_owned(),
            timeout: std::time::Duration::from_secs(sub.get_one::<u64>("timeout").copied().unwrap_or(5)),
        },
        "completion" => Command::Completion(sub.get_one("shell").copied().unwrap_or(clap_complete::Shell::Bash)),
        _ => Command::Inspect(Inspect {
            file: PathBuf::new(),
            view: VIEWS
                .iter()
                .find(|(name, _)| *name == text("view"))
                .map_or(InspectView::Stats, |(_, view)| *view),
            format: InspectFormat::Table,
        }),
    }
}

#[cfg(test)]
mod tests;
