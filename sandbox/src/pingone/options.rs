//! Every knob of the fake PingOne: a flag of `sandbox pingone` and a field here. The default is what the real service most
//! likely does; where the contract's letter is G, both answers can be chosen. Contract: pingone-api.md §9.

#![expect(clippy::struct_excessive_bools, reason = "each knob is a flag of its own")]

use super::builder::Directory;
use clap::{Args, Parser, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

mod behaviour;

pub use behaviour::{
    AccessModel, Audit, Filters, Groups, Hidden, Limits, RetryAfter, Roles, SourceType, Timing, Treatment, Users,
};

/// All settings of one sandbox.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Addresses and what is printed at the start.
    #[command(flatten)]
    pub listen: Listen,
    /// Size and shape of the made-up directory.
    #[command(flatten)]
    pub directory: Shape,
    /// Token endpoint.
    #[command(flatten)]
    pub auth: Auth,
    /// What the worker applications may do, and how refusals look.
    #[command(flatten)]
    pub access: Access,
    /// Paging.
    #[command(flatten)]
    pub paging: Paging,
    /// Filters.
    #[command(flatten)]
    pub filters: Filters,
    /// Users and how objects look.
    #[command(flatten)]
    pub users: Users,
    /// Groups and memberships.
    #[command(flatten)]
    pub groups: Groups,
    /// Roles and assignments.
    #[command(flatten)]
    pub roles: Roles,
    /// Applications, gateways, keys.
    #[command(flatten)]
    pub access_model: AccessModel,
    /// Rate limits.
    #[command(flatten)]
    pub limits: Limits,
    /// Latency, visibility and faults.
    #[command(flatten)]
    pub timing: Timing,
    /// Audit activities.
    #[command(flatten)]
    pub audit: Audit,
    /// A hand-made directory instead of a generated one (in-process use only).
    #[arg(skip)]
    pub custom: Option<Directory>,
}

impl Options {
    /// What these flags say, as on the command line. A value ends where the next flag begins; of a flag that stands there twice
    /// the last one counts.
    pub fn parse(flags: &str) -> Result<Self, clap::Error> {
        #[derive(Parser)]
        #[command(args_override_self = true)]
        struct Line {
            #[command(flatten)]
            options: Options,
        }
        let flags = flags.split("--").map(str::trim).filter(|flag| !flag.is_empty());
        let words = flags.flat_map(|flag| match flag.split_once(' ') {
            Some((name, value)) => vec![format!("--{name}"), value.to_owned()],
            None => vec![format!("--{flag}")],
        });
        let line = Line::try_parse_from(std::iter::once("sandbox".to_owned()).chain(words))?;
        Ok(line.options)
    }
}

impl Default for Options {
    #[expect(clippy::expect_used, reason = "the empty command line is valid; a test proves it")]
    fn default() -> Self {
        Self::parse("").expect("defaults parse")
    }
}

/// Addresses and output.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Addresses")]
pub struct Listen {
    /// API listener (port 0: any free port)
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub api_addr: SocketAddr,
    /// Token listener
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub auth_addr: SocketAddr,
    /// Base of every href, like `https://api.pingone.eu/v1` (point 17); default: the API listener's own address
    #[arg(long, value_name = "URL")]
    pub public_base: Option<String>,
    /// Also write the line printed at the start (URLs, ids, secrets) to this file, mode 0600
    #[arg(long, value_name = "FILE")]
    pub credentials_file: Option<PathBuf>,
    /// Worker threads of the program
    #[arg(long, default_value_t = 2)]
    pub threads: usize,
    /// Compress answers when the client accepts gzip
    #[arg(long)]
    pub gzip: bool,
}

/// Ready-made directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// One population, nothing else
    Empty,
    /// A small company with nesting, filters, external groups, roles and incomplete users
    Demo,
    /// Like demo, with groups nested in rings
    Rings,
    /// Like demo, with 1,000 applications: 300 limited to groups, 40 workers; and 14 gateways
    #[value(name = "apps-1k")]
    Apps1k,
    /// 2,000 users, 100 groups, 24 memberships per user
    #[value(name = "bench-2k")]
    Bench2k,
    /// 50,000 users, 1,000 groups, 24 memberships per user, most through filters
    #[value(name = "bench-50k")]
    Bench50k,
    /// 1,000,000 users, 10,000 groups, 3.4 memberships per user
    #[value(name = "bench-1m")]
    Bench1m,
}

/// Size and shape of the generated directory. A flag given beside `--preset` outranks it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Directory (point 60)")]
pub struct Shape {
    /// Ready-made sizes
    #[arg(long, value_enum, default_value_t = Preset::Demo)]
    pub preset: Preset,
    /// Seed of everything made up, identifiers included
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Users
    #[arg(long)]
    pub users: Option<u32>,
    /// Groups
    #[arg(long)]
    pub groups: Option<u32>,
    /// Populations (at least 1)
    #[arg(long)]
    pub populations: Option<u32>,
    /// Roles, built-in ones included (at least 12)
    #[arg(long)]
    pub roles: Option<u32>,
    /// Memberships per user on average, direct and indirect
    #[arg(long, value_name = "X")]
    pub memberships_per_user: Option<f64>,
    /// Share of the memberships that come through user filters
    #[arg(long, value_name = "SHARE")]
    pub dynamic_share: Option<f64>,
    /// Share of the groups that have a user filter
    #[arg(long, value_name = "SHARE")]
    pub filtered_groups: Option<f64>,
    /// Share of the groups that are nested two deep
    #[arg(long, value_name = "SHARE")]
    pub nested_groups: Option<f64>,
    /// Share of the groups that come from outside
    #[arg(long, value_name = "SHARE")]
    pub external_groups: Option<f64>,
    /// Share of the users with a role assignment of their own
    #[arg(long, value_name = "SHARE")]
    pub users_with_roles: Option<f64>,
    /// Share of the users without name, e-mail or last sign-on (point 37)
    #[arg(long, value_name = "SHARE")]
    pub incomplete_users: Option<f64>,
    /// Rings of nested groups (point 41)
    #[arg(long)]
    pub rings: Option<u32>,
    /// Rings of nested groups that all have a user filter
    #[arg(long, value_name = "RINGS")]
    pub dynamic_rings: Option<u32>,
    /// Applications beside those that every environment has (access-model.md §11 point 132)
    #[arg(long)]
    pub applications: Option<u32>,
    /// Of these, limited to groups
    #[arg(long, value_name = "APPLICATIONS")]
    pub group_conditions: Option<u32>,
    /// Of these, workers with roles
    #[arg(long)]
    pub workers: Option<u32>,
    /// Gateways, of each type in turn (access-model.md §11 point 120)
    #[arg(long)]
    pub gateways: Option<u32>,
}

/// How the application authenticates (pingone-api.md §2.1, D).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AuthMethod {
    /// `CLIENT_SECRET_BASIC`
    Basic,
    /// `CLIENT_SECRET_POST`
    Post,
    /// `PRIVATE_KEY_JWT`; the secret is the private key in PEM form
    PrivateKeyJwt,
}

/// Token endpoint (points 1 to 6).
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Token endpoint (points 1-6)")]
pub struct Auth {
    /// The worker's tokenEndpointAuthMethod (point 2, D)
    #[arg(long, value_enum, default_value_t = AuthMethod::Basic)]
    pub auth_method: AuthMethod,
    /// Status when credentials stand in header and body (point 2, G): 400 or 401
    #[arg(long, value_name = "STATUS", default_value_t = 400, value_parser = clap::value_parser!(u16).range(400..=401))]
    pub both_credentials_status: u16,
    /// The worker application is disabled (point 3, G)
    #[arg(long)]
    pub client_disabled: bool,
    /// Life of a token in seconds (point 4)
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub token_seconds: u64,
    /// Percent-decode id and secret of a Basic header (pingone-api.md §2.1: unproven)
    #[arg(long)]
    pub basic_percent_decoding: bool,
    /// Answer an empty `scope` member instead of none (pingone-api.md §2.2, G)
    #[arg(long)]
    pub empty_scope: bool,
    /// Host name for which `/as/token` works without environment id (point 6, D)
    #[arg(long, value_name = "HOST")]
    pub custom_domain: Option<String>,
    /// Bytes of a token, about
    #[arg(long, value_name = "BYTES", default_value_t = 900)]
    pub token_bytes: usize,
    /// Bind a cursor to the token it was made with: another token gives 400 (pingone-api.md §2.2, G)
    #[arg(long)]
    pub cursor_bound_to_token: bool,
}

/// Who may read something whose reader the contract leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Readers {
    /// Every role that reads the directory or the configuration
    Any,
    /// Only Organization Admin
    OrganizationAdmin,
    /// No role
    Nobody,
}

/// Text of the gateway's refusal (pingone-api.md §3.5, S).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GatewayText {
    /// `Invalid key=value pair (missing equal-sign) in Authorization header`
    KeyValue,
    /// `Missing Authentication Token`
    MissingToken,
}

/// Authorization (points 7 to 12).
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Authorization (points 7-12)")]
pub struct Access {
    /// Role of the worker: NAME, NAME@ENVIRONMENT, NAME@ORGANIZATION or NAME@POPULATION:<n-th population, from 0>
    #[arg(long, value_name = "ROLE", default_values_t = ["Identity Data Admin".to_owned(), "Environment Admin".to_owned()])]
    pub worker_role: Vec<String>,
    /// The worker has no role at all
    #[arg(long)]
    pub no_worker_role: bool,
    /// Role of the other environment's worker over this environment (point 5, D); same forms
    #[arg(long, value_name = "ROLE")]
    pub foreign_worker_role: Vec<String>,
    /// Milliseconds until a role granted to a worker takes effect (point 10, S)
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub rights_delay_ms: u64,
    /// Status of a missing right (pingone-api.md §3.4, S): 403 or 401
    #[arg(long, value_name = "STATUS", default_value_t = 403, value_parser = clap::value_parser!(u16).range(401..=403))]
    pub denied_status: u16,
    /// Leave `INSUFFICIENT_PERMISSIONS` out of the refusal (pingone-api.md §3.4, S)
    #[arg(long)]
    pub denied_without_detail: bool,
    /// Status of sub-resources of an unknown environment (point 11, S): 400, 401 or 403
    #[arg(long, value_name = "STATUS", default_value_t = 403, value_parser = clap::value_parser!(u16).range(400..=403))]
    pub unknown_environment_status: u16,
    /// Status of the environment being synced
    #[arg(long, value_name = "STATUS", default_value = "ACTIVE")]
    pub environment_status: String,
    /// Text of the 403 for an unknown path (point 12, S)
    #[arg(long, value_enum, default_value_t = GatewayText::KeyValue)]
    pub gateway_text: GatewayText,
    /// Who may read `GET /roles` (pingone-api.md §2.4, contested)
    #[arg(long, value_enum, default_value_t = Readers::Any)]
    pub platform_role_readers: Readers,
    /// Directory roles may not read the role assignments of groups (pingone-api.md §2.4, open)
    #[arg(long)]
    pub group_assignments_hidden: bool,
    /// A population-scoped worker sees every group, not only those of its populations (G)
    #[arg(long)]
    pub scoped_worker_sees_all_groups: bool,
    /// The worker may not read the capabilities (pingone-api.md §5, G)
    #[arg(long)]
    pub capabilities_hidden: bool,
    /// The organization and licence are hidden from environment administrators (pingone-api.md §2.4, G)
    #[arg(long)]
    pub organization_hidden: bool,
    /// The MFA service is not enabled: its calls answer 403 `not licensed` (pingone-api.md §3.4, S)
    #[arg(long)]
    pub mfa_off: bool,
    /// The audit service is not enabled
    #[arg(long)]
    pub audit_off: bool,
}

/// What rows do while a chain is being read (point 18, G).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Drift {
    /// Nothing
    None,
    /// Each later page leaves out one row
    Skip,
    /// Each later page repeats the last row of the page before
    Duplicate,
}

/// Paging (points 13 to 18).
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Paging (points 13-18)")]
pub struct Paging {
    /// Largest page of users (point 13; pingone-api.md §11, question 3: 100, 200 or 1000)
    #[arg(long, value_name = "ROWS", default_value_t = 200)]
    pub max_page_users: usize,
    /// Largest page of every other listing
    #[arg(long, value_name = "ROWS", default_value_t = 200)]
    pub max_page: usize,
    /// Pages are at random smaller than asked (point 13, D)
    #[arg(long)]
    pub uneven_pages: bool,
    /// Each n-th page is empty but has `next` (point 14, G); 0: never
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub empty_page_every: u64,
    /// The last full page has a `next` that leads to an empty page without one (point 14, S)
    #[arg(long)]
    pub trailing_empty_page: bool,
    /// Leave out `count` (point 15, D)
    #[arg(long)]
    pub no_count: bool,
    /// Leave out `count` above this many rows (pingone-api.md §4, D); 0: never
    #[arg(long, value_name = "ROWS", default_value_t = 0)]
    pub count_up_to: usize,
    /// Leave out `size` (pingone-api.md §4, D)
    #[arg(long)]
    pub no_size: bool,
    /// Leave out `prev` (pingone-api.md §4, D)
    #[arg(long)]
    pub no_prev: bool,
    /// Life of a cursor in seconds (point 16, G); 0: for ever
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub cursor_seconds: u64,
    /// Status of a cursor that is refused (pingone-api.md §2.2, §3.4, §11, question 8, G): 400, 401 or 403
    #[arg(long, value_name = "STATUS", default_value_t = 400, value_parser = |text: &str| behaviour::one_of(text, &[400, 401, 403]))]
    pub cursor_status: u16,
    /// Rows that move while a listing is read (point 18, G)
    #[arg(long, value_enum, default_value_t = Drift::None)]
    pub drift: Drift,
    /// A cursor counts rows instead of naming one: what is made or deleted on earlier pages moves rows over the border
    #[arg(long)]
    pub offset_cursors: bool,
    /// Answer `limit=0` or a negative limit like 1 instead of refusing it (pingone-api.md §4, G)
    #[arg(long)]
    pub clamp_small_limits: bool,
    /// An empty listing has no `_embedded` (pingone-api.md §4, G)
    #[arg(long)]
    pub no_embedded_when_empty: bool,
    /// `self` lists its parameters in the order of the request instead of another one (pingone-api.md §3.2, S)
    #[arg(long)]
    pub self_as_asked: bool,
}
