//! The settings, typed and checked.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use uuid::Uuid;

use super::access::AccessSettings;
use super::choices::{
    DeprovisionMode, Incremental, Output, RoleModel, RolePopulationEntitlements, RoleScan, StorageEngine,
};
use super::error::{ConfigError, Lack};
use super::fields::{EXCLUSIVE, Kind, TOGETHER, field};
use super::kubernetes::KubernetesSettings;
use super::one_shot::OneShot;
use super::pingone::PingOneSettings;
use super::traces::TraceSettings;
use super::values::{Environment, ReadFile, Values};

/// How to reach C1.
#[derive(Debug, Clone)]
pub struct C1Settings {
    pub client_id: String,
    pub client_secret: SecretString,
}

/// What flags, environment and files say of C1's credentials: either half may stand in a source that can change.
#[derive(Debug, Clone, Default)]
pub struct FixedC1 {
    pub client_id: Option<String>,
    pub client_secret: Option<SecretString>,
}

/// What is synced.
#[derive(Debug, Clone, Default)]
pub struct SyncSettings {
    /// Ids of the types to sync; empty for all.
    pub resource_types: Vec<String>,
    /// What is synced beyond the types of every sync.
    pub access: AccessSettings,
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
    /// Populations that each role is offered on.
    pub role_population_entitlements: RolePopulationEntitlements,
    /// Whose role assignments are read.
    pub role_scan: RoleScan,
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
    /// What of earlier syncs is used again.
    pub incremental: Incremental,
    /// Older observations are read again.
    pub observation_max_age: Duration,
    /// The same for what a sync left that was ended early; zero for never.
    pub resume_max_age: Duration,
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
    /// What deleting an account does.
    pub deprovision_mode: DeprovisionMode,
}

/// Health, metrics, status.
#[derive(Debug, Clone)]
pub struct AdminSettings {
    /// A failed bind fails the startup.
    pub required: bool,
    pub address: IpAddr,
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
    pub sync: SyncSettings,
    /// What provisioning may do.
    pub provision: ProvisionSettings,
    /// Health, metrics, status.
    pub admin: AdminSettings,
    pub log: LogSettings,
    /// Where traces go; `None` for none.
    pub traces: Option<TraceSettings>,
    /// When things run.
    pub schedule: ScheduleSettings,
    /// The single piece of work without C1.
    pub one_shot: OneShot,
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
    pub https_proxy: Option<String>,
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
        for set in EXCLUSIVE {
            exclusive(values, set)?;
        }
        let config = Self::build(values, env, Some(read))?;
        if config.sync.incremental != Incremental::Off && config.state_dir.is_none() {
            let problem = "needs state-dir, where observations are kept";
            return Err(values.invalid("incremental", problem));
        }
        if config.sync.incremental == Incremental::Off && config.kubernetes.observations.is_some() {
            let problem = "needs incremental=true or verify: nothing else is kept for the next sync";
            return Err(values.invalid("observations-configmap", problem));
        }
        if config.output == Output::Csv {
            return Err(values.invalid("output", "must be table or json here; csv is for inspect and diff"));
        }
        // A daemon answers full syncs, with C1 or without it; grants left out would read as revocations.
        let daemon = changing || config.c1.is_some() || config.schedule.sync_interval.is_some();
        if config.sync.skip_grants && (daemon || config.sync.resources.is_empty()) {
            return Err(ConfigError::Relation(
                "skip-grants can only be set within a targeted sync".to_owned(),
            ));
        }
        match missing(values, changing) {
            settings if settings.is_empty() => Ok(config),
            settings => Err(ConfigError::Missing { settings }),
        }
    }

    fn build(values: &Values, env: &Environment, read: Option<ReadFile<'_>>) -> Result<Self, ConfigError> {
        let temp_dir = values
            .optional("c1z-temp-dir")
            .or_else(|| env.get("BATON_TMPDIR").filter(|dir| !dir.is_empty()).cloned())
            .map_or_else(std::env::temp_dir, PathBuf::from);
        let fixed_c1 = FixedC1 {
            client_id: values.optional("client-id"),
            client_secret: values.secret("client-secret", "client-secret-file", read)?,
        };
        let variable = |name: &str| env.get(name).filter(|text| !text.is_empty()).cloned();
        Ok(Self {
            pingone: PingOneSettings::build(values, read)?,
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
            traces: TraceSettings::build(values)?,
            schedule: ScheduleSettings {
                sync_interval: values.duration("sync-interval")?,
                sync_max_age: values.duration("sync-max-age")?.unwrap_or_default(),
                shutdown_grace: values.duration("shutdown-grace")?.unwrap_or_default(),
                task_concurrency: usize::try_from(values.int("task-concurrency")?).unwrap_or(1),
                get_tasks: variable("BATON_GET_TASKS")
                    .is_some_and(|text| matches!(text.as_str(), "1" | "t" | "T" | "TRUE" | "true" | "True")),
            },
            one_shot: OneShot::choose(values)?,
            file: file(values)?,
            temp_dir,
            keep_previous_sync: values.flag("keep-previous-sync-c1z")?,
            state_dir: values.optional("state-dir").map(PathBuf::from),
            output: values.choice("output")?,
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

fn file(values: &Values) -> Result<PathBuf, ConfigError> {
    match values.text("file") {
        text if text.trim().is_empty() => Err(values.invalid("file", "must name a file")),
        text => Ok(PathBuf::from(text)),
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
    if ids.iter().all(|id| Uuid::try_parse(id).is_ok()) {
        return Ok(ids);
    }
    Err(values.invalid(name, "must be ids of users (UUIDs)"))
}

/// All that is missing. With a source of credentials that can change, they may stand there.
fn missing(values: &Values, changing: bool) -> Vec<Lack> {
    let needed = ["pingone-client-id", "pingone-client-secret", "pingone-environment-id"];
    // A secret may come from elsewhere.
    let given = |name: &str| match name {
        "pingone-client-secret" => PingOneSettings::names_a_secret(values),
        "client-secret" => values.is_set(name) || values.is_set("client-secret-file"),
        _ => values.is_set(name),
    };
    let of_every_run = needed
        .into_iter()
        .filter(|name| !changing && !given(name))
        .map(|name| (name, None));
    let beside_another = TOGETHER
        .iter()
        .filter(|group| !(changing && group.contains(&"client-id")))
        .filter_map(|group| {
            let beside = group.iter().copied().find(|name| given(name))?;
            let missing = group.iter().copied().find(|name| !given(name))?;
            Some((missing, Some(beside)))
        });
    let all = of_every_run.chain(beside_another);
    all.filter_map(|(name, beside)| {
        Some(Lack {
            field: field(name)?,
            beside,
        })
    })
    .collect()
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
    Ok(SyncSettings {
        access: AccessSettings::build(values, values.choice("role-model")?)?,
        resource_types: values.list("sync-resource-types"),
        resources: resources.collect::<Result<_, _>>()?,
        skip_full_sync: values.flag("skip-full-sync")?,
        skip_entitlements_and_grants: values.flag("skip-entitlements-and-grants")?,
        skip_grants: values.flag("skip-grants")?,
        role_model: values.choice("role-model")?,
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
        storage_engine: values.choice("storage-engine")?,
        incremental: values.choice("incremental")?,
        observation_max_age: observation_max_age(values)?,
        resume_max_age: values.duration("resume-max-age")?.unwrap_or_default(),
    })
}

/// PingOne keeps activities for 14 days: what is older cannot be proved.
const OBSERVATION_OLDEST: Duration = Duration::from_hours(13 * 24);

fn observation_max_age(values: &Values) -> Result<Duration, ConfigError> {
    let age = values.duration("observation-max-age")?;
    let age = age.filter(|age| *age <= OBSERVATION_OLDEST);
    age.ok_or_else(|| values.invalid("observation-max-age", "must be a time up to 312h (13 days)"))
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
        default_population: values.uuid("default-population-id")?,
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
