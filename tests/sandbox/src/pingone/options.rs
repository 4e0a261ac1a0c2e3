//! Every knob of the fake PingOne: a flag of `sandbox pingone` and a field here. The default is what the real service most
//! likely does; where the contract's letter is G, both answers can be chosen. Contract: pingone-api 9.

#![expect(clippy::struct_excessive_bools, reason = "each knob is a flag of its own")]

use super::builder::Directory;
use super::faults::Fault;
use clap::{Args, Parser, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

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

impl Default for Options {
    #[expect(clippy::expect_used, reason = "the empty command line is valid; a test proves it")]
    fn default() -> Self {
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            options: Options,
        }
        Line::try_parse_from(["sandbox"]).expect("defaults parse").options
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
}

/// How the application authenticates (pingone-api 2.1, D).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AuthMethod {
    /// `CLIENT_SECRET_BASIC`
    Basic,
    /// `CLIENT_SECRET_POST`
    Post,
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
    /// Percent-decode id and secret of a Basic header (2.1: unproven)
    #[arg(long)]
    pub basic_percent_decoding: bool,
    /// Answer an empty `scope` member instead of none (2.2, G)
    #[arg(long)]
    pub empty_scope: bool,
    /// Host name for which `/as/token` works without environment id (point 6, D)
    #[arg(long, value_name = "HOST")]
    pub custom_domain: Option<String>,
    /// Bytes of a token, about
    #[arg(long, value_name = "BYTES", default_value_t = 900)]
    pub token_bytes: usize,
    /// Bind a cursor to the token it was made with: another token gives 400 (2.2, G)
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

/// Text of the gateway's refusal (3.5, S).
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
    /// Status of a missing right (3.4, S): 403 or 401
    #[arg(long, value_name = "STATUS", default_value_t = 403, value_parser = clap::value_parser!(u16).range(401..=403))]
    pub denied_status: u16,
    /// Leave `INSUFFICIENT_PERMISSIONS` out of the refusal (3.4, S)
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
    /// Who may read `GET /roles` (2.4, contested)
    #[arg(long, value_enum, default_value_t = Readers::Any)]
    pub platform_role_readers: Readers,
    /// Directory roles may not read the role assignments of groups (2.4, open)
    #[arg(long)]
    pub group_assignments_hidden: bool,
    /// A population-scoped worker sees every group, not only those of its populations (G)
    #[arg(long)]
    pub scoped_worker_sees_all_groups: bool,
    /// The worker may not read the capabilities (section 5, G)
    #[arg(long)]
    pub capabilities_hidden: bool,
    /// The organization and licence are hidden from environment administrators (2.4, G)
    #[arg(long)]
    pub organization_hidden: bool,
    /// The MFA service is not enabled: its calls answer 403 `not licensed` (3.4, S)
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
    /// Largest page of users (point 13; open question 3: 100, 200 or 1000)
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
    /// Leave out `count` above this many rows (4, D); 0: never
    #[arg(long, value_name = "ROWS", default_value_t = 0)]
    pub count_up_to: usize,
    /// Leave out `size` (4, D)
    #[arg(long)]
    pub no_size: bool,
    /// Leave out `prev` (4, D)
    #[arg(long)]
    pub no_prev: bool,
    /// Life of a cursor in seconds (point 16, G); 0: for ever
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub cursor_seconds: u64,
    /// Rows that move while a listing is read (point 18, G)
    #[arg(long, value_enum, default_value_t = Drift::None)]
    pub drift: Drift,
    /// Answer `limit=0` or a negative limit like 1 instead of refusing it (4, G)
    #[arg(long)]
    pub clamp_small_limits: bool,
    /// An empty listing has no `_embedded` (4, G)
    #[arg(long)]
    pub no_embedded_when_empty: bool,
    /// `self` lists its parameters in the order of the request instead of another one (3.2, S)
    #[arg(long)]
    pub self_as_asked: bool,
}

/// Filters (points 19 to 23).
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Filters (points 19-23)")]
pub struct Filters {
    /// Refuse `type eq "DIRECT"` inside memberOfGroups (point 19, S)
    #[arg(long)]
    pub refuse_direct: bool,
    /// Refuse memberOfGroups on groups (point 21, S)
    #[arg(long)]
    pub refuse_nested_filter: bool,
    /// memberOfGroups without a type leaves indirect members out (6.6, G)
    #[arg(long)]
    pub plain_means_direct: bool,
    /// Code of a refused filter is `REQUEST_FAILED` and not `INVALID_REQUEST` (3.4, S)
    #[arg(long)]
    pub filter_request_failed: bool,
    /// Refused filters list what is supported in `innerError` (3.4, S)
    #[arg(long)]
    pub filter_hints: bool,
}

/// How an attribute that cannot be changed on this path is treated (6.5, G).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Treatment {
    /// Ignored
    Ignore,
    /// 400
    Refuse,
}

/// Users and the look of objects (points 24 to 38).
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Users and objects (points 24-38)")]
pub struct Users {
    /// Unknown members, links, statuses and enum values everywhere (point 37)
    #[arg(long)]
    pub forward_compatibility: bool,
    /// Unset attributes are null instead of absent (3.2: accept both)
    #[arg(long)]
    pub nulls: bool,
    /// Answer `application/json` instead of `application/hal+json;charset=UTF-8` (3.2, S)
    #[arg(long)]
    pub plain_content_type: bool,
    /// Attributes that must be unique, beside username (point 26, S)
    #[arg(long, value_name = "ATTRIBUTE")]
    pub unique_attribute: Vec<String>,
    /// Create without population is refused although a default exists (6.4, S)
    #[arg(long)]
    pub population_required: bool,
    /// Create without e-mail is refused (6.4: the schema says required)
    #[arg(long)]
    pub email_required: bool,
    /// A `password` in application/json (point 28, D)
    #[arg(long, value_enum, default_value_t = Treatment::Ignore)]
    pub json_password: Treatment,
    /// enabled, mfaEnabled, population, account in PUT or PATCH of a user (6.5, G)
    #[arg(long, value_enum, default_value_t = Treatment::Ignore)]
    pub state_in_patch: Treatment,
    /// `mfaEnabled` of a new user when not given (6.4, contested)
    #[arg(long)]
    pub mfa_by_default: bool,
    /// Status for an unknown population in a create (6.4, G): 400 or 404
    #[arg(long, value_name = "STATUS", default_value_t = 400)]
    pub unknown_population_status: u16,
    /// Lock without `unlockAt` does not lock (6.5, contested)
    #[arg(long)]
    pub open_lock_ignored: bool,
    /// The first lock or unlock after enabling answers 415 (point 33, S)
    #[arg(long)]
    pub lock_415_after_enabling: bool,
    /// Lock and unlock of a disabled user answer 415 (6.5, S)
    #[arg(long)]
    pub lock_415_when_disabled: bool,
    /// Most users of the licence (3.4 LICENSE_EXCEEDED); 0: no limit
    #[arg(long, value_name = "USERS", default_value_t = 0)]
    pub licensed_users: u32,
    /// Disabling a user ends its sessions (open question 13)
    #[arg(long)]
    pub disable_ends_sessions: bool,
    /// Send `Location` with a 201 (6.4, G)
    #[arg(long)]
    pub location_header: bool,
}

/// Type under which members from a source are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SourceType {
    /// `INDIRECT`: not found by `type eq "DIRECT"`, not in the direct counts
    Indirect,
    /// `DIRECT`
    Direct,
}

/// Groups and memberships (points 39 to 46).
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Groups (points 39-46)")]
pub struct Groups {
    /// Adding to a dynamic group by hand is refused (point 39, contested)
    #[arg(long)]
    pub refuse_dynamic_add: bool,
    /// Removing from an external group works (6.6, contested)
    #[arg(long)]
    pub external_remove: bool,
    /// Type of the members of external groups (6.6, open)
    #[arg(long, value_enum, default_value_t = SourceType::Indirect)]
    pub external_members: SourceType,
    /// Leave out `directMemberCounts` (6.7: absent means "ask")
    #[arg(long)]
    pub no_direct_counts: bool,
    /// Status of a successful add (6.6, S): 201 with a body, or 204
    #[arg(long, value_name = "STATUS", default_value_t = 201)]
    pub add_status: u16,
    /// Adding an existing member answers 201 instead of UNIQUENESS_VIOLATION (6.6, G)
    #[arg(long)]
    pub duplicate_member_ok: bool,
    /// Status for removing an indirect membership (point 43, G): 400 or 404
    #[arg(long, value_name = "STATUS", default_value_t = 400)]
    pub remove_indirect_status: u16,
    /// Most nested groups of a group (point 41, D)
    #[arg(long, value_name = "GROUPS", default_value_t = 250)]
    pub max_nested: usize,
}

/// Roles and role assignments (points 47 to 53).
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Roles (points 47-53)")]
pub struct Roles {
    /// A user's list leaves out what it inherits through groups (6.10, S)
    #[arg(long)]
    pub no_inherited: bool,
    /// Inherited assignments do not name their group (6.10, G)
    #[arg(long)]
    pub inherited_unmarked: bool,
    /// Scope types in lower case (6.10, D)
    #[arg(long)]
    pub lower_case_scopes: bool,
    /// Permissions of built-in roles have no id (6.9, S)
    #[arg(long)]
    pub no_permission_ids: bool,
    /// `GET /roles` leaves out `type` (6.9, G)
    #[arg(long)]
    pub no_role_type: bool,
    /// A second equal assignment answers 201 with another id instead of an error (6.10, G)
    #[arg(long)]
    pub duplicate_assignment_ok: bool,
    /// Seconds during which a new assignment is read only (point 51, S)
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub read_only_seconds: u64,
    /// Status of an assignment beyond the actor's scope (6.10): 403 or 400
    #[arg(long, value_name = "STATUS", default_value_t = 403)]
    pub beyond_scope_status: u16,
}

/// How a refusal tells when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RetryAfter {
    /// Whole seconds
    Seconds,
    /// An HTTP date
    Date,
    /// Not at all
    Absent,
}

/// Rate limits (point 54).
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Rate limits (point 54)")]
pub struct Limits {
    /// Requests per second of one group for this source address: dir-access, dir-bulk, dir-write, config, assignments, audit,
    /// authn, mfa, other; like `audit=3.5`
    #[arg(long, value_name = "GROUP=RATE")]
    pub rate: Vec<String>,
    /// The same rate for every group that `--rate` does not name (no flag: unlimited)
    #[arg(long, value_name = "RATE")]
    pub rate_each: Option<f64>,
    /// One bucket shared by all calls of the API
    #[arg(long, value_name = "RATE")]
    pub rate_shared: Option<f64>,
    /// Burst of a bucket in seconds of its rate
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pub rate_burst: f64,
    /// `capabilities` tell the licence's rates (section 5, G)
    #[arg(long)]
    pub rates_in_capabilities: bool,
    /// Share of the licence's rate that one address gets (D); capabilities tell rate / share
    #[arg(long, value_name = "SHARE", default_value_t = 0.35)]
    pub ip_share: f64,
    /// Role assignments count in the configuration group (open question 2)
    #[arg(long)]
    pub assignments_in_config: bool,
    /// Form of Retry-After
    #[arg(long, value_enum, default_value_t = RetryAfter::Seconds)]
    pub retry_after: RetryAfter,
    /// Status of a request whose headers exceed 6 KB (point 58, G): 431 or 400
    #[arg(long, value_name = "STATUS", default_value_t = 431)]
    pub header_limit_status: u16,
}

/// Latency, visibility, faults (points 38, 55, 56).
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Latency, visibility, faults (points 38, 55, 56)")]
pub struct Timing {
    /// Time before each answer
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub latency_ms: u64,
    /// Up to this much more, at random
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub latency_jitter_ms: u64,
    /// A created object is 404 and unlisted for so long (point 38, D)
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub create_delay_ms: u64,
    /// A deleted object still lists for so long (point 38, D)
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub delete_delay_ms: u64,
    /// A user whose row cannot be served, by number (point 56, S)
    #[arg(long, value_name = "N")]
    pub poisoned_user: Vec<u32>,
    /// A fault as JSON, see `sandbox pingone --help` (point 55)
    #[arg(long, value_name = "JSON", value_parser = super::faults::parse_fault)]
    pub fault: Vec<Fault>,
}

/// Audit activities (point 59).
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Audit activities (point 59)")]
pub struct Audit {
    /// Time until an event can be read
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub activity_delay_ms: u64,
    /// Days that events are kept
    #[arg(long, value_name = "DAYS", default_value_t = 14)]
    pub activity_days: u32,
}
