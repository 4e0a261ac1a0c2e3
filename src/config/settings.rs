//! The settings, typed and checked.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use uuid::Uuid;

use super::command::Output;
use super::error::ConfigError;
use super::fields::{EXCLUSIVE, Kind, TOGETHER, field};
use super::kubernetes::KubernetesSettings;
use super::one_shot::OneShot;
use super::values::{Environment, ReadFile, Source, Values};

/// How roles and their scopes are shown (connector-model.md §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RoleModel {
    /// Entitlements on roles.
    #[default]
    Entitlements,
}

/// Kind of file that is asked for (c1z.md §1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StorageEngine {
    /// Nobody said anything.
    #[default]
    Unset,
    /// v1.
    Sqlite,
    /// v3, which is answered with v1 and a warning.
    Pebble,
}

/// How to reach PingOne.
#[derive(Debug, Clone)]
pub struct PingOneSettings {
    /// OAuth client id; empty where a changeable source gives it.
    pub client_id: String,
    /// OAuth client secret; absent where a changeable source gives it.
    pub client_secret: Option<SecretString>,
    /// The environment; absent where a changeable source gives it.
    pub environment_id: Option<Uuid>,
    /// The environment that the client lives in, if another.
    pub auth_environment_id: Option<Uuid>,
    /// Top-level domain or letter code of the region.
    pub region: String,
    /// Overrides the API's origin.
    pub base_url: Option<String>,
    /// Overrides the token URL.
    pub auth_url: Option<String>,
    /// Requests a second, 0 for automatic.
    pub rate_limit: u32,
    /// Requests at a time.
    pub max_in_flight: usize,
    /// http and untrusted certificates are accepted.
    pub insecure: bool,
    /// Time for one answer.
    pub timeout: Duration,
}

/// How to reach C1.
#[derive(Debug, Clone)]
pub struct C1Settings {
    /// Client id.
    pub client_id: String,
    /// Client secret.
    pub client_secret: SecretString,
}

/// What flags, environment and files say of C1's credentials: either half may stand in a source that can change.
#[derive(Debug, Clone, Default)]
pub struct FixedC1 {
    /// Client id.
    pub client_id: Option<String>,
    /// Client secret.
    pub client_secret: Option<SecretString>,
}

/// What is synced.
#[derive(Debug, Clone, Default)]
pub struct SyncSettings {
    /// Ids of the types to sync; empty for all.
    pub resource_types: Vec<String>,
    /// Targets as (type, id).
    pub resources: Vec<(String, String)>,
    /// An empty sync.
    pub skip_full_sync: bool,
    /// Types and resources only.
    pub skip_entitlements_and_grants: bool,
    /// No grants.
    pub skip_grants: bool,
    /// See [`RoleModel`].
    pub role_model: RoleModel,
    /// `all` or `assigned`.
    pub role_population_entitlements: &'static str,
    /// `all`, `candidates` or `groups-and-workers`.
    pub role_scan: &'static str,
    /// For the scan `candidates`.
    pub role_candidates: Vec<String>,
    /// Populations to sync.
    pub population_filter: Vec<String>,
    /// SCIM filter.
    pub user_filter: Option<String>,
    /// External groups are left out.
    pub skip_external_groups: bool,
    /// Custom attributes in profiles.
    pub custom_attributes: Vec<String>,
    /// Attributes with employee ids.
    pub employee_id_attributes: Vec<String>,
    /// Types that mark service accounts.
    pub service_account_types: Vec<String>,
    /// Largest loss in percent.
    pub max_shrink_percent: u8,
    /// The next loss is accepted.
    pub accept_shrink: bool,
    /// Kind of file.
    pub storage_engine: StorageEngine,
}

/// What provisioning may do.
#[derive(Debug, Clone, Default)]
pub struct ProvisionSettings {
    /// Tasks that change PingOne are carried out.
    pub enabled: bool,
    /// Reads and checks only.
    pub dry_run: bool,
    /// Role names or ids that are never touched.
    pub protected_roles: Vec<String>,
    /// User ids that get no action, no new password and no deletion.
    pub protected_users: Vec<String>,
    /// Population of new accounts.
    pub default_population: Option<Uuid>,
    /// `delete`, `disable` or `disable-then-delete`.
    pub deprovision_mode: &'static str,
}

/// Health, metrics, status.
#[derive(Debug, Clone)]
pub struct AdminSettings {
    /// A failed bind ends the start.
    pub required: bool,
    /// Address.
    pub address: IpAddr,
    /// Port.
    pub port: u16,
}

/// Logs.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// Least level.
    pub level: String,
    /// `console` or `json`; empty decides by the terminal.
    pub format: String,
    /// Destinations.
    pub paths: Vec<String>,
}

/// When syncs and tasks run.
#[derive(Debug, Clone)]
pub struct ScheduleSettings {
    /// Own clock.
    pub sync_interval: Option<Duration>,
    /// Oldest warm snapshot.
    pub sync_max_age: Duration,
    /// Time after SIGTERM.
    pub shutdown_grace: Duration,
    /// Tasks at a time.
    pub task_concurrency: usize,
    /// Poll with `GetTasks`.
    pub get_tasks: bool,
}

/// Every setting.
#[derive(Debug, Clone)]
pub struct Config {
    /// How to reach PingOne.
    pub pingone: PingOneSettings,
    /// How to reach C1; its presence makes the program a daemon.
    pub c1: Option<C1Settings>,
    /// The halves of C1's credentials that do not change, for merging with a source that can.
    pub fixed_c1: FixedC1,
    /// What concerns the cluster.
    pub kubernetes: KubernetesSettings,
    /// What is synced.
    pub sync: SyncSettings,
    /// What provisioning may do.
    pub provision: ProvisionSettings,
    /// Health, metrics, status.
    pub admin: AdminSettings,
    /// Logs.
    pub log: LogSettings,
    /// When things run.
    pub schedule: ScheduleSettings,
    /// The single piece of work without C1.
    pub one_shot: OneShot,
    /// The file.
    pub file: PathBuf,
    /// Where files grow.
    pub temp_dir: PathBuf,
    /// Asked for, but not done: the previous sync's file is never kept.
    pub keep_previous_sync: bool,
    /// Counts of the last good sync.
    pub state_dir: Option<PathBuf>,
    /// How results are printed.
    pub output: Output,
    /// A created password may be printed to a terminal.
    pub show_password: bool,
    /// A new file that a created password goes to.
    pub password_file: Option<PathBuf>,
    /// The event feed is offered.
    pub event_feed: bool,
    /// This process's name towards C1.
    pub host_id: Option<String>,
    /// Overrides the host of C1: `host` or `host:port`.
    pub c1_api_host: Option<String>,
    /// Appended to the user agent that C1 sees (c1-protocol.md §18 DEV-5).
    pub user_agent_suffix: Option<String>,
    /// `HTTPS_PROXY`
    pub https_proxy: Option<String>,
    /// `NO_PROXY`
    pub no_proxy: Option<String>,
}

impl Config {
    /// Settings for commands that need no connection: only their form is checked.
    pub(crate) fn unchecked(values: &Values, env: &Environment) -> Result<Self, ConfigError> {
        Self::build(values, env, None)
    }

    /// Settings for a run: everything is checked.
    pub(crate) fn checked(values: &Values, env: &Environment, read: ReadFile<'_>) -> Result<Self, ConfigError> {
        let changing = values.is_set("credentials-secret") || values.is_set("credentials-dir");
        for group in TOGETHER {
            // The other half of a pair of credentials may stand in the source that can change.
            if !(changing && group.contains(&"client-id")) {
                together(values, group)?;
            }
        }
        for set in EXCLUSIVE {
            exclusive(values, set)?;
        }
        let config = Self::build(values, env, Some(read))?;
        if values.choice("output")? == "csv" {
            return Err(values.invalid("output", "must be table or json here; csv is for inspect"));
        }
        // A daemon answers full syncs, with C1 or without it; grants left out would read as revocations.
        let daemon = changing || config.c1.is_some() || config.schedule.sync_interval.is_some();
        if config.sync.skip_grants && (daemon || config.sync.resources.is_empty()) {
            return Err(ConfigError::Relation(
                "skip-grants can only be set within a targeted sync".to_owned(),
            ));
        }
        for name in ["pingone-client-id", "pingone-client-secret", "pingone-environment-id"] {
            let from_file = name == "pingone-client-secret" && values.is_set("pingone-client-secret-file");
            if let Some(field) = field(name).filter(|_| !values.is_set(name) && !from_file && !changing) {
                return Err(ConfigError::Missing { field });
            }
        }
        Ok(config)
    }

    fn build(values: &Values, env: &Environment, read: Option<ReadFile<'_>>) -> Result<Self, ConfigError> {
        let temp_dir = values
            .optional("c1z-temp-dir")
            .or_else(|| env.get("BATON_TMPDIR").filter(|dir| !dir.is_empty()).cloned())
            .map_or_else(std::env::temp_dir, PathBuf::from);
        let fixed_c1 = FixedC1 {
            client_id: values.optional("client-id"),
            client_secret: secret(values, "client-secret", "client-secret-file", read)?,
        };
        let variable = |name: &str| env.get(name).filter(|text| !text.is_empty()).cloned();
        Ok(Self {
            pingone: pingone(values, read)?,
            c1: c1(&fixed_c1),
            fixed_c1,
            kubernetes: KubernetesSettings::build(values, env)?,
            sync: sync(values)?,
            provision: provision(values)?,
            admin: admin(values)?,
            log: LogSettings {
                level: values.text("log-level").to_owned(),
                format: values.text("log-format").to_owned(),
                paths: values.list("log-path"),
            },
            schedule: ScheduleSettings {
                sync_interval: values.duration("sync-interval")?,
                sync_max_age: values.duration("sync-max-age")?.unwrap_or_default(),
                shutdown_grace: values.duration("shutdown-grace")?.unwrap_or_default(),
                task_concurrency: usize::try_from(values.int("task-concurrency")?).unwrap_or(1),
                get_tasks: variable("BATON_GET_TASKS")
                    .is_some_and(|text| matches!(text.as_str(), "1" | "t" | "T" | "TRUE" | "true" | "True")),
            },
            one_shot: OneShot::choose(values)?,
            file: PathBuf::from(values.text("file")),
            temp_dir,
            keep_previous_sync: values.flag("keep-previous-sync-c1z")?,
            state_dir: values.optional("state-dir").map(PathBuf::from),
            output: if values.choice("output")? == "json" {
                Output::Json
            } else {
                Output::Table
            },
            show_password: values.flag("show-password")?,
            password_file: values.optional("password-file").map(PathBuf::from),
            event_feed: values.flag("event-feed-enabled")?,
            host_id: variable("BATON_HOST_ID").or_else(|| variable("POD_NAME")),
            c1_api_host: variable("BATON_C1_API_HOST"),
            user_agent_suffix: user_agent_suffix(values)?,
            https_proxy: variable("HTTPS_PROXY").or_else(|| variable("https_proxy")),
            no_proxy: variable("NO_PROXY").or_else(|| variable("no_proxy")),
        })
    }
}

fn user_agent_suffix(values: &Values) -> Result<Option<String>, ConfigError> {
    let suffix = values.optional("user-agent-suffix").map(|text| text.trim().to_owned());
    let suffix = suffix.filter(|text| !text.is_empty());
    match &suffix {
        Some(text) if text.len() > 200 || !text.chars().all(|c| c == ' ' || c.is_ascii_graphic()) => {
            Err(values.invalid("user-agent-suffix", "must be at most 200 visible characters of ASCII"))
        }
        _ => Ok(suffix),
    }
}

/// A list of users by their ids. Anything else would never match, and protect nobody.
fn user_ids(values: &Values, name: &'static str) -> Result<Vec<String>, ConfigError> {
    let ids: Vec<String> = values.list(name).iter().map(|id| id.trim().to_owned()).collect();
    match ids.iter().find(|id| Uuid::try_parse(id).is_err()) {
        Some(other) => Err(values.invalid(name, format!("must be ids of users, and {other} is not a UUID"))),
        None => Ok(ids),
    }
}

fn together(values: &Values, group: &[&'static str]) -> Result<(), ConfigError> {
    // A secret may come from its file instead.
    let given = |name: &str| values.is_set(name) || (name == "client-secret" && values.is_set("client-secret-file"));
    match (
        group.iter().find(|name| given(name)),
        group.iter().find(|name| !given(name)),
    ) {
        (Some(given), Some(missing)) => Err(ConfigError::Together { given, missing }),
        _ => Ok(()),
    }
}

fn exclusive(values: &Values, set: &[&'static str]) -> Result<(), ConfigError> {
    let mut first = None;
    for name in set.iter().filter(|name| values.is_set(name)) {
        let switch = field(name).is_some_and(|field| field.kind == Kind::Bool);
        if switch && !values.flag(name)? {
            continue;
        }
        if let Some(first) = first.replace(*name) {
            return Err(ConfigError::Exclusive(first, name));
        }
    }
    Ok(())
}

fn uuid(values: &Values, name: &str) -> Result<Option<Uuid>, ConfigError> {
    let Some(text) = values.optional(name) else {
        return Ok(None);
    };
    Uuid::try_parse(&text)
        .map(Some)
        .map_err(|_| values.invalid(name, "must be a UUID such as 5f0c6a52-6a1e-4f0b-9a43-2f9a1c0d7e11"))
}

/// A secret from its own setting or from its file, whichever ranks higher; a line's end is not part of it.
fn secret(
    values: &Values,
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
    let direct = values.is_set(name) && rank(values.source(name)) <= rank(values.source(file));
    if direct || !values.is_set(file) {
        return Ok(values
            .is_set(name)
            .then(|| SecretString::from(values.text(name).trim_end_matches(['\r', '\n']))));
    }
    let Some(read) = read else { return Ok(None) };
    let text = read(Path::new(values.text(file)))
        .map_err(|error| values.invalid(file, format!("must name a file that can be read ({})", error.kind())))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(values.invalid(file, "must name a file that is not empty"));
    }
    Ok(Some(SecretString::from(text)))
}

fn pingone(values: &Values, read: Option<ReadFile<'_>>) -> Result<PingOneSettings, ConfigError> {
    let region = values.text("pingone-region").trim().to_owned();
    let codes = ["NA", "CA", "EU", "AU", "SG", "AP"];
    let known = super::fields::REGIONS
        .iter()
        .chain(&codes)
        .any(|known| known.eq_ignore_ascii_case(&region));
    if !known {
        return Err(values.invalid("pingone-region", "must be one of com, ca, eu, com.au, sg, asia"));
    }
    Ok(PingOneSettings {
        client_id: values.text("pingone-client-id").trim().to_owned(),
        client_secret: secret(values, "pingone-client-secret", "pingone-client-secret-file", read)?,
        environment_id: uuid(values, "pingone-environment-id")?,
        auth_environment_id: uuid(values, "pingone-auth-environment-id")?,
        region,
        base_url: values.optional("pingone-base-url"),
        auth_url: values.optional("pingone-auth-url"),
        rate_limit: u32::try_from(values.int("pingone-rate-limit")?).unwrap_or(0),
        max_in_flight: usize::try_from(values.int("pingone-max-in-flight")?).unwrap_or(1),
        insecure: values.flag("insecure")?,
        timeout: Duration::from_secs(u64::try_from(values.int("http-timeout-seconds")?).unwrap_or(300)),
    })
}

fn c1(fixed: &FixedC1) -> Option<C1Settings> {
    Some(C1Settings {
        client_id: fixed.client_id.clone()?,
        client_secret: fixed.client_secret.clone()?,
    })
}

fn sync(values: &Values) -> Result<SyncSettings, ConfigError> {
    let resources = values.list("sync-resources");
    let resources = resources.iter().map(|bid| {
        parse_bid(bid).ok_or_else(|| values.invalid("sync-resources", "must be ids such as bid:r:group/<id>"))
    });
    let known: BTreeSet<&str> = ["group", "population", "role", "user"].into();
    let resource_types = values.list("sync-resource-types");
    if let Some(unknown) = resource_types.iter().find(|id| !known.contains(id.as_str())) {
        let problem = format!("must be among user, group, population, role; {unknown} is not");
        return Err(values.invalid("sync-resource-types", problem));
    }
    Ok(SyncSettings {
        resource_types,
        resources: resources.collect::<Result<_, _>>()?,
        skip_full_sync: values.flag("skip-full-sync")?,
        skip_entitlements_and_grants: values.flag("skip-entitlements-and-grants")?,
        skip_grants: values.flag("skip-grants")?,
        role_model: RoleModel::Entitlements,
        role_population_entitlements: values.choice("role-population-entitlements")?,
        role_scan: values.choice("role-assignment-scan")?,
        role_candidates: values.list("role-assignment-candidates"),
        population_filter: values.list("population-filter"),
        user_filter: values.optional("user-filter"),
        skip_external_groups: values.flag("skip-external-groups")?,
        custom_attributes: values.list("sync-custom-attributes"),
        employee_id_attributes: values.list("employee-id-attributes"),
        service_account_types: values.list("service-account-types"),
        max_shrink_percent: u8::try_from(values.int("max-shrink-percent")?).unwrap_or(50),
        accept_shrink: values.flag("accept-shrink")?,
        storage_engine: match values.choice("storage-engine")? {
            "sqlite" => StorageEngine::Sqlite,
            "pebble" => StorageEngine::Pebble,
            _ => StorageEngine::Unset,
        },
    })
}

/// `bid:r:[<parent type>/<parent id>/]<type>/<id>` with `\` before `:`, `/` and `\` (c1z.md §12).
fn parse_bid(bid: &str) -> Option<(String, String)> {
    let mut parts = vec![String::new()];
    let mut chars = bid.strip_prefix("bid:r:")?.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => parts.last_mut()?.push(chars.next()?),
            '/' => parts.push(String::new()),
            ':' => return None,
            other => parts.last_mut()?.push(other),
        }
    }
    let id = parts.pop()?;
    let kind = parts.pop()?;
    (parts.is_empty() || parts.len() == 2).then_some(())?;
    (!id.is_empty() && !kind.is_empty()).then_some((kind, id))
}

fn provision(values: &Values) -> Result<ProvisionSettings, ConfigError> {
    Ok(ProvisionSettings {
        enabled: values.flag("provisioning")?,
        dry_run: values.flag("dry-run")?,
        protected_roles: values.list("protected-roles"),
        protected_users: user_ids(values, "protected-users")?,
        default_population: uuid(values, "default-population-id")?,
        deprovision_mode: values.choice("deprovision-mode")?,
    })
}

fn admin(values: &Values) -> Result<AdminSettings, ConfigError> {
    let address = values.text("health-check-bind-address").trim();
    Ok(AdminSettings {
        required: values.flag("health-check")?,
        address: match address {
            "localhost" => IpAddr::from(Ipv4Addr::LOCALHOST),
            address => address
                .parse()
                .map_err(|_| values.invalid("health-check-bind-address", "must be an IP address or localhost"))?,
        },
        port: u16::try_from(values.int("health-check-port")?).unwrap_or(8081),
    })
}
