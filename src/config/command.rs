//! The command line, built from the table of settings.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command as Clap};

use super::choices::Output;
use super::error::ConfigError;
use super::examine::{Examined, examine};
use super::fields::{FIELDS, Field, Kind};
use super::help;
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
    /// Ask a running daemon what it does.
    Status,
    /// Compare two files.
    Diff(Diff),
    /// Look at everything that the work needs.
    Doctor(Doctor),
    /// Show or delete stored observations.
    State(StateCommand),
    /// Print a completion script for this shell.
    Completion(clap_complete::Shell),
    /// Print the manual's page of the program, or of this command.
    Man(Option<String>),
}

/// What to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    pub old: PathBuf,
    pub new: PathBuf,
    /// Counts by type and no rows.
    pub counts: bool,
    pub format: Output,
}

/// What `doctor` is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doctor {
    /// How it answers.
    pub format: Output,
    /// A new file for what it found, to be sent to somebody who helps.
    pub bundle: Option<PathBuf>,
    /// The settings.
    pub examined: Examined,
}

/// What to do with what syncs observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateCommand {
    Show,
    /// The next sync reads everything.
    Drop,
}

/// What to show of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspect {
    pub file: PathBuf,
    /// Which rows.
    pub view: InspectView,
    /// Names beside the ids of grants.
    pub names: bool,
    /// How.
    pub format: Output,
}

/// Rows of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InspectView {
    /// Counts.
    Stats,
    ResourceTypes,
    Resources,
    Entitlements,
    Grants,
    /// What this principal holds.
    Access(String),
    /// Who holds this entitlement.
    Holders(String),
    /// Resources and entitlements with this in id, name or profile.
    Search(String),
    /// Rows that name what is not there.
    Check,
}

/// A command with its settings.
#[derive(Debug)]
pub struct Invocation {
    /// What to do.
    pub command: Command,
    /// With which settings; only for `Run` are all of them checked.
    pub config: Config,
}

const VIEWS: [&str; 9] = [
    "stats",
    "resource-types",
    "resources",
    "entitlements",
    "grants",
    "access",
    "holders",
    "search",
    "check",
];

/// What only one view takes, with how it is written.
const OF_VIEWS: [(&str, &str, &str); 4] = [
    ("principal", "--principal", "access"),
    ("entitlement", "--entitlement", "holders"),
    ("text", "text", "search"),
    ("names", "--names", "grants"),
];

/// The view of this name; what it is about comes with it. What belongs to another one is refused: it would have no effect.
fn view(sub: &ArgMatches) -> Result<InspectView, ConfigError> {
    let asked = sub.get_one::<String>("view").map_or("", String::as_str);
    let is_given = |id: &str| sub.value_source(id) == Some(ValueSource::CommandLine);
    let stray = OF_VIEWS.iter().find(|(id, _, of)| is_given(id) && *of != asked);
    if let Some((_, written, of)) = stray {
        let text = format!("`inspect {asked}` takes no {written}: it is for `inspect {of}`");
        return Err(ConfigError::Relation(text));
    }
    let text = |id: &str| sub.get_one::<String>(id).cloned().unwrap_or_default();
    Ok(match asked {
        "resource-types" => InspectView::ResourceTypes,
        "resources" => InspectView::Resources,
        "entitlements" => InspectView::Entitlements,
        "grants" => InspectView::Grants,
        "access" => InspectView::Access(text("principal")),
        "holders" => InspectView::Holders(text("entitlement")),
        "search" => InspectView::Search(text("text")),
        "check" => InspectView::Check,
        _ => InspectView::Stats,
    })
}

/// The command line.
pub fn command_line() -> Clap {
    Clap::new("baton-ping-one")
        .version(concat!(
            env!("CARGO_PKG_VERSION"),
            " (revision ",
            env!("BATON_REVISION"),
            ", ",
            env!("BATON_REVISION_DATE"),
            ")"
        ))
        .about(
            "PingOne connector for C1: syncs users, groups, populations and administrator roles, and provisions them",
        )
        .after_help(
            "Without client-id, credentials-secret, credentials-dir and sync-interval one sync is written to --file. With \
             client-id the program serves C1's tasks until it is stopped. Flags for one piece of work, such as \
             --grant-entitlement, change PingOne once; --help lists them, -h only what is needed first. Every setting can also come from the environment or \
             from the file that BATON_CONFIG_PATH names; a flag outranks the environment, the environment the file.",
        )
        .args(help::in_order().map(arg))
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
        .hide(help::is_silent(field))
        .hide_short_help(!help::is_first(field))
        .help_heading(help::heading(field));
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
    let path = |name: &'static str| Arg::new(name).value_parser(clap::value_parser!(PathBuf));
    let endpoint = Arg::new("endpoint")
        .long("endpoint")
        .default_value("health")
        .value_name("health|ready|live");
    let timeout = Arg::new("timeout")
        .long("timeout")
        .default_value("5")
        .value_name("SECONDS")
        .value_parser(clap::value_parser!(u64).range(1..=300));
    vec![
        Clap::new("config").about("Print the configuration document"),
        Clap::new("capabilities").about("Print the capabilities document"),
        Clap::new("health-check")
            .about("Ask a running daemon for its health; exit code 0 if it is well")
            .arg(endpoint.help("Which check"))
            .arg(timeout.help("How long to wait"))
            .args(own(&["health-check-port", "health-check-bind-address"])),
        Clap::new("status")
            .about("Ask a running daemon what it does; exit code 0 if it is ready, 1 if not, 14 if there is none")
            .args(own(&["output", "health-check-port", "health-check-bind-address"])),
        inspect(),
        Clap::new("diff")
            .about("Compare two .c1z files; exit code 0 if they hold the same, 1 if not, 2 if they cannot be compared")
            .arg(path("old").required(true).value_name("OLD.c1z").help("The older file"))
            .arg(path("new").required(true).value_name("NEW.c1z").help("The newer file"))
            .arg(
                Arg::new("counts")
                    .long("counts")
                    .action(ArgAction::SetTrue)
                    .help("Only counts by type"),
            )
            .args(own(&["output", "c1z-temp-dir"])),
        doctor(),
        Clap::new("state")
            .about("Show or delete the observations kept in state-dir")
            .arg(
                Arg::new("what")
                    .value_name("WHAT")
                    .default_value("show")
                    .value_parser(PossibleValuesParser::new(["show", "drop"]))
                    .help("show: how much, and how old; drop: the next sync reads everything"),
            )
            .args(own(&["state-dir"])),
        Clap::new("completion").about("Print a completion script").arg(
            Arg::new("shell")
                .value_name("SHELL")
                .required(true)
                .value_parser(clap::value_parser!(clap_complete::Shell))
                .help("For which shell"),
        ),
        Clap::new("man")
            .about("Print the manual's page in roff, as man reads it")
            .arg(
                Arg::new("of")
                    .value_name("COMMAND")
                    .help("The page of this command instead"),
            ),
    ]
}

fn doctor() -> Clap {
    Clap::new("doctor")
        .about("Check settings, network, credentials, rights and disks; exit code 1 for a failure, 2 for a warning")
        .arg(
            Arg::new("bundle")
                .value_parser(clap::value_parser!(PathBuf))
                .long("bundle")
                .value_name("FILE.tar.gz")
                .help("Also write what was found to a new file for support: no secret, nothing that names a person"),
        )
        .args(help::in_order().map(arg))
}

/// These settings as a subcommand's own.
fn own(names: &'static [&'static str]) -> impl Iterator<Item = Arg> {
    let fields = FIELDS.iter().filter(|field| names.contains(&field.name));
    fields.map(|field| arg(field).hide_short_help(false).help_heading(None))
}

fn inspect() -> Clap {
    let needed = |name: &'static str, view: &'static str| {
        Arg::new(name).long(name).value_name("ID").required_if_eq("view", view)
    };
    Clap::new("inspect")
        .about("Show what a .c1z file holds")
        .arg(
            Arg::new("view")
                .value_name("VIEW")
                .default_value("stats")
                .value_parser(PossibleValuesParser::new(VIEWS))
                .help("Counts, rows, what one principal has, who has one entitlement, a search, or a check of what rows name"),
        )
        .arg(
            Arg::new("text")
                .value_name("TEXT")
                .required_if_eq("view", "search")
                .help("For search: a part of an id, a name or a profile"),
        )
        .arg(needed("principal", "access").help("For access: a principal's id, also as <type>:<id>"))
        .arg(needed("entitlement", "holders").help("For holders: an entitlement's id"))
        .arg(
            Arg::new("names")
                .long("names")
                .action(ArgAction::SetTrue)
                .help("For grants: names beside the ids. Every resource is read first and each name kept in memory, so it is not the default"),
        )
        .args(own(&["file", "output", "c1z-temp-dir"]))
        .mut_arg("file", |file| file.help("The .c1z file to read ($BATON_FILE) [default: sync.c1z]"))
}

impl Invocation {
    /// Parses the command line and collects and checks the settings. `read` reads a file.
    pub fn load(
        args: impl IntoIterator<Item = OsString>,
        env: &Environment,
        read: ReadFile<'_>,
    ) -> Result<Self, ConfigError> {
        let matches = command_line().try_get_matches_from(args)?;
        if let Some((name @ ("doctor" | "status"), _)) = matches.subcommand() {
            let values = Values::without_file(&matches, env);
            if values.text("output").trim() == "csv" {
                let problem = format!("must be table or json for {name}; csv is for inspect and diff");
                return Err(values.invalid("output", problem));
            }
        }
        if let Some(("doctor", sub)) = matches.subcommand() {
            let (config, examined) = examine(&matches, env, read)?;
            let doctor = Doctor {
                format: config.output,
                bundle: sub.get_one::<PathBuf>("bundle").cloned(),
                examined,
            };
            let command = Command::Doctor(doctor);
            return Ok(Self { command, config });
        }
        let command = command(&matches)?;
        let values = Values::collect(&matches, env, read)?;
        values.refuse_unsupported()?;
        let config = match &command {
            Command::Run => Config::checked(&values, env, read)?,
            _ => Config::unchecked(&values, env)?,
        };
        let command = match command {
            Command::Inspect(inspect) => Command::Inspect(Inspect {
                file: config.file.clone(),
                format: config.output,
                ..inspect
            }),
            Command::Diff(diff) => Command::Diff(Diff {
                format: config.output,
                ..diff
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

fn command(matches: &ArgMatches) -> Result<Command, ConfigError> {
    let Some((name, sub)) = matches.subcommand() else {
        return Ok(Command::Run);
    };
    let text = |id: &str| sub.get_one::<String>(id).map(String::as_str).unwrap_or_default();
    Ok(match name {
        "config" => Command::Config,
        "status" => Command::Status,
        "capabilities" => Command::Capabilities,
        "health-check" => Command::HealthCheck {
            endpoint: text("endpoint").to_owned(),
            timeout: std::time::Duration::from_secs(sub.get_one::<u64>("timeout").copied().unwrap_or(5)),
        },
        "diff" => Command::Diff(Diff {
            old: sub.get_one("old").cloned().unwrap_or_default(),
            new: sub.get_one("new").cloned().unwrap_or_default(),
            counts: sub.get_flag("counts"),
            format: Output::Table,
        }),
        "state" if text("what") == "drop" => Command::State(StateCommand::Drop),
        "state" => Command::State(StateCommand::Show),
        "man" => Command::Man(sub.get_one("of").cloned()),
        "completion" => Command::Completion(sub.get_one("shell").copied().unwrap_or(clap_complete::Shell::Bash)),
        _ => Command::Inspect(Inspect {
            file: PathBuf::new(),
            view: view(sub)?,
            names: sub.get_flag("names"),
            format: Output::Table,
        }),
    })
}

#[cfg(test)]
mod tests;
