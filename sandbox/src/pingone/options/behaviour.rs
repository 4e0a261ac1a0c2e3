//! Knobs of how the service behaves: filters, users, groups, roles, limits, time and faults, audit.

#![expect(clippy::struct_excessive_bools, reason = "each knob is a flag of its own")]

use super::super::applications::Intersections;
use super::super::faults::Fault;
use clap::{Args, ValueEnum};

/// Reads a status that is one of these.
pub(super) fn one_of(text: &str, known: &[u16]) -> Result<u16, String> {
    let status = text.parse().ok().filter(|status| known.contains(status));
    status.ok_or_else(|| format!("is none of {known:?}"))
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
    /// memberOfGroups without a type leaves indirect members out (pingone-api.md §6.6, G)
    #[arg(long)]
    pub plain_means_direct: bool,
    /// Code of a refused filter is `REQUEST_FAILED` and not `INVALID_REQUEST` (pingone-api.md §3.4, S)
    #[arg(long)]
    pub filter_request_failed: bool,
    /// Refused filters list what is supported in `innerError` (pingone-api.md §3.4, S)
    #[arg(long)]
    pub filter_hints: bool,
}

/// How an attribute that cannot be changed on this path is treated (pingone-api.md §6.5, G).
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
    /// Unset attributes are null instead of absent (pingone-api.md §3.2: accept both)
    #[arg(long)]
    pub nulls: bool,
    /// Answer `application/json` instead of `application/hal+json;charset=UTF-8` (pingone-api.md §3.2, S)
    #[arg(long)]
    pub plain_content_type: bool,
    /// Attributes that must be unique, beside username (point 26, S)
    #[arg(long, value_name = "ATTRIBUTE")]
    pub unique_attribute: Vec<String>,
    /// A taken username names its holder in `innerError.existingId` (pingone-api.md §3.3: in the model S, for users G)
    #[arg(long)]
    pub existing_id: bool,
    /// Create without population is refused although a default exists (pingone-api.md §6.4, S)
    #[arg(long)]
    pub population_required: bool,
    /// Create without e-mail is refused (pingone-api.md §6.4: the schema says required)
    #[arg(long)]
    pub email_required: bool,
    /// A `password` in application/json (point 28, D)
    #[arg(long, value_enum, default_value_t = Treatment::Ignore)]
    pub json_password: Treatment,
    /// enabled, mfaEnabled, population, account in PUT or PATCH of a user (pingone-api.md §6.5, G)
    #[arg(long, value_enum, default_value_t = Treatment::Ignore)]
    pub state_in_patch: Treatment,
    /// `mfaEnabled` of a new user when not given (pingone-api.md §6.4, contested)
    #[arg(long)]
    pub mfa_by_default: bool,
    /// Status for an unknown population in a create (pingone-api.md §6.4, G): 400 or 404
    #[arg(long, value_name = "STATUS", default_value_t = 400)]
    pub unknown_population_status: u16,
    /// Lock without `unlockAt` does not lock (pingone-api.md §6.5, contested)
    #[arg(long)]
    pub open_lock_ignored: bool,
    /// The first lock or unlock after enabling answers 415 (point 33, S)
    #[arg(long)]
    pub lock_415_after_enabling: bool,
    /// Lock and unlock of a disabled user answer 415 (pingone-api.md §6.5, S)
    #[arg(long)]
    pub lock_415_when_disabled: bool,
    /// Most users of the licence (pingone-api.md §3.4 `LICENSE_EXCEEDED`); 0: no limit
    #[arg(long, value_name = "USERS", default_value_t = 0)]
    pub licensed_users: u32,
    /// Disabling a user ends its sessions (pingone-api.md §11, question 13)
    #[arg(long)]
    pub disable_ends_sessions: bool,
    /// Send `Location` with a 201 (pingone-api.md §6.4, G)
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
    /// Removing from an external group works (pingone-api.md §6.6, contested)
    #[arg(long)]
    pub external_remove: bool,
    /// Type of the members of external groups (pingone-api.md §6.6, open)
    #[arg(long, value_enum, default_value_t = SourceType::Indirect)]
    pub external_members: SourceType,
    /// Leave out `directMemberCounts` (pingone-api.md §6.7: absent means "ask")
    #[arg(long)]
    pub no_direct_counts: bool,
    /// Status of a successful add (pingone-api.md §6.6, S): 201 with a body, or 204
    #[arg(long, value_name = "STATUS", default_value_t = 201)]
    pub add_status: u16,
    /// Adding an existing member answers 201 instead of `UNIQUENESS_VIOLATION` (pingone-api.md §6.6, G)
    #[arg(long)]
    pub duplicate_member_ok: bool,
    /// Status of a member that a group does not take: external or dynamic group, wrong population, duplicate
    /// (pingone-api.md §6.6, §11, question 6, G): 400, 403, 404 or 409
    #[arg(long, value_name = "STATUS", default_value_t = 400, value_parser = |text: &str| one_of(text, &[400, 403, 404, 409]))]
    pub refused_member_status: u16,
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
    /// A user's list leaves out what it inherits through groups (pingone-api.md §6.10, S)
    #[arg(long)]
    pub no_inherited: bool,
    /// Inherited assignments do not name their group (pingone-api.md §6.10, G)
    #[arg(long)]
    pub inherited_unmarked: bool,
    /// Inherited assignments have ids of their own, another for each user (pingone-api.md §11, question 5, G)
    #[arg(long)]
    pub inherited_own_ids: bool,
    /// Scope types in lower case (pingone-api.md §6.10, D)
    #[arg(long)]
    pub lower_case_scopes: bool,
    /// Permissions of built-in roles have no id (pingone-api.md §6.9, S)
    #[arg(long)]
    pub no_permission_ids: bool,
    /// `GET /roles` leaves out `type` (pingone-api.md §6.9, G)
    #[arg(long)]
    pub no_role_type: bool,
    /// A second equal assignment answers 201 with another id instead of an error (pingone-api.md §6.10, G)
    #[arg(long)]
    pub duplicate_assignment_ok: bool,
    /// Seconds during which a new assignment is read only (point 51, S)
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub read_only_seconds: u64,
    /// Status of an assignment beyond the actor's scope (pingone-api.md §6.10): 403 or 400
    #[arg(long, value_name = "STATUS", default_value_t = 403)]
    pub beyond_scope_status: u16,
}

/// What is hidden from every role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Hidden {
    /// Applications and their roles
    Applications,
    /// Gateways and their roles
    Gateways,
    /// Keys
    Keys,
}

/// Applications, gateways, keys (access-model.md §11, points 101 to 132).
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Applications, gateways, keys (points 101-132)")]
pub struct AccessModel {
    /// The list of applications is paged and counted (point 101, G)
    #[arg(long)]
    pub application_pages: bool,
    /// Some applications have no id (point 106, G)
    #[arg(long)]
    pub applications_without_id: bool,
    /// With `--poisoned-user` the list of applications is 500, too (point 112, S)
    #[arg(long)]
    pub poisoned_applications: bool,
    /// What a filter of users by several groups comes to (point 111, D/S)
    #[arg(long, value_enum, default_value_t = Intersections::Answer)]
    pub intersections: Intersections,
    /// Status of the roles of an application that cannot hold any (point 118, G): 403, 404, or 200 with an empty list
    #[arg(long, value_name = "STATUS", default_value_t = 403, value_parser = |text: &str| one_of(text, &[200, 403, 404]))]
    pub no_roles_status: u16,
    /// The credentials of a gateway are not in its row (point 121, G)
    #[arg(long)]
    pub gateway_credentials_apart: bool,
    /// Refused with 403 whatever the role (point 123): may be given several times
    #[arg(long, value_enum)]
    pub hidden: Vec<Hidden>,
    /// The other environment cannot be read (point 124, D)
    #[arg(long)]
    pub other_environment_hidden: bool,
    /// Populations that call themselves the default (point 127): 1 in truth
    #[arg(long, value_name = "POPULATIONS", default_value_t = 1)]
    pub default_populations: u32,
    /// A group that limits an application cannot be deleted (point 129, G)
    #[arg(long)]
    pub keep_named_groups: bool,
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
    /// `capabilities` tell the licence's rates (pingone-api.md §5, G)
    #[arg(long)]
    pub rates_in_capabilities: bool,
    /// Share of the licence's rate that one address gets (D); capabilities tell rate / share
    #[arg(long, value_name = "SHARE", default_value_t = 0.35)]
    pub ip_share: f64,
    /// Role assignments count in the configuration group (pingone-api.md §11, question 2)
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
    /// Reads are answered by a node that is so far behind, 60 s at most
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=60_000))]
    pub read_lag_ms: u64,
    /// Share of the reads that this node answers
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    pub read_lag_share: f64,
    /// `userCount`, `directMemberCounts` and `totalMemberCounts` are so far behind
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub count_lag_ms: u64,
    /// A user whose row cannot be served, by number (point 56, S)
    #[arg(long, value_name = "N")]
    pub poisoned_user: Vec<u32>,
    /// A fault as JSON, see `sandbox pingone --help` (point 55)
    #[arg(long, value_name = "JSON", value_parser = super::super::faults::parse_fault)]
    pub fault: Vec<Fault>,
}

/// Audit activities (point 59).
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Audit activities (point 59)")]
pub struct Audit {
    /// Time until an event can be read
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub activity_delay_ms: u64,
    /// An event arrives up to so much later, at random: events overtake each other
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub activity_jitter_ms: u64,
    /// Share of the events that are listed twice
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub activity_duplicates: f64,
    /// Share of the events that are lost
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub activity_gaps: f64,
    /// Share of the changes by others that no event tells of
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub silent_changes: f64,
    /// Days that events are kept
    #[arg(long, value_name = "DAYS", default_value_t = 14)]
    pub activity_days: u32,
    /// Lists the last to arrive first: the order is not documented (pingone-api.md §6.11, G)
    #[arg(long)]
    pub newest_activity_first: bool,
}
