//! Every knob of the stand-in with what it is tried on. A knob that is missing here fails a test.

use std::collections::BTreeSet;

use sandbox::pingone::{
    AuthMethod, ChangeKind, Changes, Drift, FaultAction, GatewayText, Options, Readers, RetryAfter, SourceType,
    Treatment, knobs,
};

use super::{reads, writes};

/// What a knob is tried on.
pub enum Row {
    /// A sync must succeed and give the truth
    Read(fn(&mut Options)),
    /// A sync must give the truth or fail
    ReadOrFail(fn(&mut Options)),
    /// As above, just after twenty changes
    Behind(fn(&mut Options)),
    /// Writes: what is said is so
    Write(fn(&mut Options)),
    /// Not a behaviour of PingOne; why
    No(&'static str),
}

use Row::{Behind, No, Read, ReadOrFail, Write};

const ADDRESS: &str = "an address or the program itself";
const SHAPE: &str = "the size of the directory";

/// A scoped worker must not publish what it sees as if it were everything, but its view may be what is wanted.
const SCOPED: &str = "changes what the truth is for this worker";

/// Applications and gateways are read where that is switched on.
const OFF: &str = "only matters with applications or gateways in the sync";

/// Cases that cannot be decided from outside, by how their name begins, with the reason (docs/docs-info.md, known limits).
const KNOWN: &[(&str, &str)] = &[
    ("Miscount { key: \"directMemberCounts.groups\"", NONE_TOLD),
    ("Narrowed(1) on /environments/{id}/groups limit", UNCOUNTED),
    ("Hidden(3) on /environments/{id}/groups limit", UNCOUNTED),
    ("Narrowed(1) on /environments/{id}/users memberOfGroups", SAMPLED),
    ("Hidden(3) on /environments/{id}/users memberOfGroups", SAMPLED),
    ("Hidden(3) on /environments/{id}/users/{id}/roleAssignments", UNCOUNTED),
    ("Hidden(3) on /environments/{id}/groups/{id}/roleAssignments", UNCOUNTED),
];

const NONE_TOLD: &str = "to ask each group that counts nothing would double the requests";
const UNCOUNTED: &str = "nothing else counts these";
const SAMPLED: &str = "what the group counts in all costs a request each; some are asked";

/// Why a case is not decided.
pub fn known(case: &str) -> Option<&'static str> {
    KNOWN
        .iter()
        .find(|(start, _)| case.starts_with(start))
        .map(|(_, why)| *why)
}

pub const TABLE: &[(&str, Row)] = &[
    ("--api-addr", No(ADDRESS)),
    ("--auth-addr", No(ADDRESS)),
    (
        "--public-base",
        ReadOrFail(|o| o.listen.public_base = Some("https://api.pingone.eu/v1".to_owned())),
    ),
    ("--credentials-file", No(ADDRESS)),
    ("--threads", No(ADDRESS)),
    ("--gzip", Read(|o| o.listen.gzip = true)),
    ("--preset", No(SHAPE)),
    ("--seed", Read(|o| o.directory.seed = 9)),
    ("--users", No(SHAPE)),
    ("--groups", No(SHAPE)),
    ("--populations", Read(|o| o.directory.populations = Some(12))),
    ("--roles", Read(|o| o.directory.roles = Some(20))),
    ("--memberships-per-user", No(SHAPE)),
    ("--dynamic-share", Read(|o| o.directory.dynamic_share = Some(0.9))),
    ("--filtered-groups", Read(|o| o.directory.filtered_groups = Some(0.5))),
    ("--nested-groups", Read(|o| o.directory.nested_groups = Some(0.3))),
    ("--external-groups", Read(|o| o.directory.external_groups = Some(0.4))),
    ("--users-with-roles", Read(|o| o.directory.users_with_roles = Some(1.0))),
    ("--incomplete-users", Read(|o| o.directory.incomplete_users = Some(1.0))),
    ("--rings", Read(|o| o.directory.rings = Some(2))),
    (
        "--dynamic-rings",
        Read(|o| {
            o.directory.dynamic_rings = Some(2);
            o.directory.filtered_groups = Some(0.4);
        }),
    ),
    ("--auth-method", Read(|o| o.auth.auth_method = AuthMethod::Post)),
    (
        "--both-credentials-status",
        Read(|o| o.auth.both_credentials_status = 401),
    ),
    ("--client-disabled", ReadOrFail(|o| o.auth.client_disabled = true)),
    ("--token-seconds", Read(|o| o.auth.token_seconds = 2)),
    (
        "--basic-percent-decoding",
        Read(|o| o.auth.basic_percent_decoding = true),
    ),
    ("--empty-scope", Read(|o| o.auth.empty_scope = true)),
    (
        "--custom-domain",
        Read(|o| o.auth.custom_domain = Some("auth.example.com".to_owned())),
    ),
    ("--token-bytes", Read(|o| o.auth.token_bytes = 3000)),
    (
        "--cursor-bound-to-token",
        Read(|o| {
            o.auth.cursor_bound_to_token = true;
            o.auth.token_seconds = 5;
            o.timing.latency_ms = 400;
        }),
    ),
    ("--worker-role", No(SCOPED)),
    ("--no-worker-role", ReadOrFail(|o| o.access.no_worker_role = true)),
    (
        "--foreign-worker-role",
        Read(|o| o.access.foreign_worker_role = vec!["Environment Admin".to_owned()]),
    ),
    ("--rights-delay-ms", Read(|o| o.access.rights_delay_ms = 5000)),
    (
        "--denied-status",
        ReadOrFail(|o| {
            o.access.denied_status = 401;
            o.access.group_assignments_hidden = true;
            o.access.worker_role = vec!["Identity Data Read Only".to_owned()];
        }),
    ),
    (
        "--denied-without-detail",
        ReadOrFail(|o| {
            o.access.denied_without_detail = true;
            o.access.denied_status = 401;
            o.access.group_assignments_hidden = true;
            o.access.worker_role = vec!["Identity Data Read Only".to_owned()];
        }),
    ),
    (
        "--unknown-environment-status",
        Read(|o| o.access.unknown_environment_status = 401),
    ),
    (
        "--environment-status",
        ReadOrFail(|o| "DELETE_PENDING".clone_into(&mut o.access.environment_status)),
    ),
    (
        "--gateway-text",
        Read(|o| o.access.gateway_text = GatewayText::MissingToken),
    ),
    (
        "--platform-role-readers",
        ReadOrFail(|o| o.access.platform_role_readers = Readers::Nobody),
    ),
    (
        "--group-assignments-hidden",
        ReadOrFail(|o| {
            o.access.group_assignments_hidden = true;
            o.access.worker_role = vec!["Identity Data Read Only".to_owned()];
        }),
    ),
    ("--scoped-worker-sees-all-groups", No(SCOPED)),
    ("--capabilities-hidden", Read(|o| o.access.capabilities_hidden = true)),
    ("--organization-hidden", Read(|o| o.access.organization_hidden = true)),
    ("--mfa-off", Write(|o| o.access.mfa_off = true)),
    ("--audit-off", Read(|o| o.access.audit_off = true)),
    ("--max-page-users", Read(|o| o.paging.max_page_users = 7)),
    ("--max-page", Read(|o| o.paging.max_page = 3)),
    ("--uneven-pages", Read(|o| o.paging.uneven_pages = true)),
    ("--empty-page-every", Read(|o| o.paging.empty_page_every = 2)),
    ("--trailing-empty-page", Read(|o| o.paging.trailing_empty_page = true)),
    ("--no-count", Read(|o| o.paging.no_count = true)),
    ("--count-up-to", Read(|o| o.paging.count_up_to = 5)),
    ("--no-size", Read(|o| o.paging.no_size = true)),
    ("--no-prev", Read(|o| o.paging.no_prev = true)),
    (
        "--cursor-seconds",
        Read(|o| {
            o.paging.cursor_seconds = 4;
            o.timing.latency_ms = 300;
        }),
    ),
    (
        "--cursor-status",
        ReadOrFail(|o| {
            o.paging.cursor_status = 403;
            o.paging.cursor_seconds = 4;
            o.timing.latency_ms = 300;
        }),
    ),
    ("--drift", ReadOrFail(|o| o.paging.drift = Drift::Skip)),
    ("--offset-cursors", Behind(|o| o.paging.offset_cursors = true)),
    ("--clamp-small-limits", Read(|o| o.paging.clamp_small_limits = true)),
    (
        "--no-embedded-when-empty",
        Read(|o| o.paging.no_embedded_when_empty = true),
    ),
    ("--self-as-asked", Read(|o| o.paging.self_as_asked = true)),
    ("--refuse-direct", Read(|o| o.filters.refuse_direct = true)),
    (
        "--refuse-nested-filter",
        ReadOrFail(|o| o.filters.refuse_nested_filter = true),
    ),
    (
        "--plain-means-direct",
        ReadOrFail(|o| o.filters.plain_means_direct = true),
    ),
    (
        "--filter-request-failed",
        Read(|o| {
            o.filters.filter_request_failed = true;
            o.filters.refuse_direct = true;
        }),
    ),
    (
        "--filter-hints",
        Read(|o| {
            o.filters.filter_hints = true;
            o.filters.refuse_direct = true;
        }),
    ),
    (
        "--forward-compatibility",
        ReadOrFail(|o| o.users.forward_compatibility = true),
    ),
    ("--nulls", Read(|o| o.users.nulls = true)),
    ("--plain-content-type", Read(|o| o.users.plain_content_type = true)),
    (
        "--unique-attribute",
        Write(|o| o.users.unique_attribute = vec!["email".to_owned()]),
    ),
    ("--existing-id", Write(|o| o.users.existing_id = true)),
    ("--population-required", Write(|o| o.users.population_required = true)),
    ("--email-required", Write(|o| o.users.email_required = true)),
    ("--json-password", Write(|o| o.users.json_password = Treatment::Refuse)),
    (
        "--state-in-patch",
        Write(|o| o.users.state_in_patch = Treatment::Refuse),
    ),
    ("--mfa-by-default", Write(|o| o.users.mfa_by_default = true)),
    (
        "--unknown-population-status",
        Write(|o| o.users.unknown_population_status = 404),
    ),
    ("--open-lock-ignored", Write(|o| o.users.open_lock_ignored = true)),
    (
        "--lock-415-after-enabling",
        Write(|o| o.users.lock_415_after_enabling = true),
    ),
    (
        "--lock-415-when-disabled",
        Write(|o| o.users.lock_415_when_disabled = true),
    ),
    ("--licensed-users", Write(|o| o.users.licensed_users = 1)),
    (
        "--disable-ends-sessions",
        Write(|o| o.users.disable_ends_sessions = true),
    ),
    ("--location-header", Write(|o| o.users.location_header = true)),
    ("--refuse-dynamic-add", Write(|o| o.groups.refuse_dynamic_add = true)),
    ("--external-remove", Write(|o| o.groups.external_remove = true)),
    (
        "--external-members",
        Read(|o| o.groups.external_members = SourceType::Direct),
    ),
    ("--no-direct-counts", Read(|o| o.groups.no_direct_counts = true)),
    ("--add-status", Write(|o| o.groups.add_status = 204)),
    ("--duplicate-member-ok", Write(|o| o.groups.duplicate_member_ok = true)),
    (
        "--refused-member-status",
        Write(|o| o.groups.refused_member_status = 409),
    ),
    (
        "--remove-indirect-status",
        Write(|o| o.groups.remove_indirect_status = 404),
    ),
    ("--max-nested", Read(|o| o.groups.max_nested = 1)),
    ("--no-inherited", Read(|o| o.roles.no_inherited = true)),
    (
        "--inherited-unmarked",
        ReadOrFail(|o| o.roles.inherited_unmarked = true),
    ),
    ("--inherited-own-ids", Read(|o| o.roles.inherited_own_ids = true)),
    ("--lower-case-scopes", Read(|o| o.roles.lower_case_scopes = true)),
    ("--no-permission-ids", Read(|o| o.roles.no_permission_ids = true)),
    ("--no-role-type", Read(|o| o.roles.no_role_type = true)),
    (
        "--duplicate-assignment-ok",
        Write(|o| o.roles.duplicate_assignment_ok = true),
    ),
    ("--read-only-seconds", Write(|o| o.roles.read_only_seconds = 5)),
    ("--beyond-scope-status", Write(|o| o.roles.beyond_scope_status = 400)),
    ("--applications", Read(|o| o.directory.applications = Some(20))),
    (
        "--group-conditions",
        Read(|o| {
            o.directory.applications = Some(20);
            o.directory.group_conditions = Some(16);
        }),
    ),
    (
        "--workers",
        Read(|o| {
            o.directory.applications = Some(8);
            o.directory.workers = Some(8);
        }),
    ),
    ("--gateways", Read(|o| o.directory.gateways = Some(7))),
    ("--application-pages", Read(|o| o.access_model.application_pages = true)),
    (
        "--applications-without-id",
        Read(|o| {
            o.directory.applications = Some(30);
            o.access_model.applications_without_id = true;
        }),
    ),
    ("--poisoned-applications", No(OFF)),
    ("--intersections", No(OFF)),
    ("--no-roles-status", No(OFF)),
    ("--gateway-credentials-apart", No(OFF)),
    ("--hidden", No(OFF)),
    (
        "--other-environment-hidden",
        Read(|o| o.access_model.other_environment_hidden = true),
    ),
    (
        "--default-populations",
        Read(|o| o.access_model.default_populations = 2),
    ),
    (
        "--keep-named-groups",
        Write(|o| o.access_model.keep_named_groups = true),
    ),
    ("--rate", Read(|o| o.limits.rate = vec!["dir-bulk=20".to_owned()])),
    ("--rate-each", Read(|o| o.limits.rate_each = Some(50.0))),
    ("--rate-shared", Read(|o| o.limits.rate_shared = Some(50.0))),
    (
        "--rate-burst",
        Read(|o| {
            o.limits.rate_each = Some(50.0);
            o.limits.rate_burst = 0.1;
        }),
    ),
    (
        "--rates-in-capabilities",
        Read(|o| {
            o.limits.rate_each = Some(50.0);
            o.limits.rates_in_capabilities = true;
        }),
    ),
    (
        "--ip-share",
        Read(|o| {
            o.limits.rate_each = Some(50.0);
            o.limits.rates_in_capabilities = true;
            o.limits.ip_share = 1.0;
        }),
    ),
    (
        "--assignments-in-config",
        Read(|o| {
            o.limits.rate = vec!["config=30".to_owned()];
            o.limits.assignments_in_config = true;
        }),
    ),
    (
        "--retry-after",
        Read(|o| {
            o.limits.rate_each = Some(30.0);
            o.limits.retry_after = RetryAfter::Absent;
        }),
    ),
    ("--header-limit-status", Read(|o| o.limits.header_limit_status = 400)),
    ("--latency-ms", Read(|o| o.timing.latency_ms = 50)),
    ("--latency-jitter-ms", Read(|o| o.timing.latency_jitter_ms = 50)),
    ("--create-delay-ms", Write(|o| o.timing.create_delay_ms = 1500)),
    ("--delete-delay-ms", Behind(|o| o.timing.delete_delay_ms = 2000)),
    ("--read-lag-ms", Behind(|o| o.timing.read_lag_ms = 30_000)),
    (
        "--read-lag-share",
        Behind(|o| {
            o.timing.read_lag_ms = 30_000;
            o.timing.read_lag_share = 0.5;
        }),
    ),
    ("--count-lag-ms", Behind(|o| o.timing.count_lag_ms = 60_000)),
    ("--poisoned-user", ReadOrFail(|o| o.timing.poisoned_user = vec![3])),
    ("--fault", No("the actions have rows of their own")),
    ("--activity-delay-ms", Behind(|o| o.audit.activity_delay_ms = 5000)),
    ("--activity-jitter-ms", Behind(|o| o.audit.activity_jitter_ms = 5000)),
    ("--activity-duplicates", Behind(|o| o.audit.activity_duplicates = 0.5)),
    ("--activity-gaps", Behind(|o| o.audit.activity_gaps = 0.5)),
    ("--silent-changes", Behind(|o| o.audit.silent_changes = 0.5)),
    ("--activity-days", Behind(|o| o.audit.activity_days = 0)),
    (
        "--newest-activity-first",
        Behind(|o| o.audit.newest_activity_first = true),
    ),
];

fn action_name(action: &FaultAction) -> String {
    let value = serde_json::to_value(action).unwrap();
    match value.as_object() {
        Some(members) => members.keys().next().unwrap().clone(),
        None => value.as_str().unwrap().to_owned(),
    }
}

#[test]
fn every_knob_has_a_row() {
    let changes = FaultAction::Changes(Changes::of(ChangeKind::MoveUser, 1));
    let mut tried: BTreeSet<String> = TABLE.iter().map(|(knob, _)| (*knob).to_owned()).collect();
    assert_eq!(tried.len(), TABLE.len(), "a knob stands there twice");
    let actions = reads::actions().into_iter().chain(writes::answers()).chain([changes]);
    tried.extend(actions.map(|action| format!("fault {}", action_name(&action))));
    let knobs: BTreeSet<String> = knobs().into_iter().collect();
    let without: Vec<_> = knobs.difference(&tried).collect();
    let gone: Vec<_> = tried.difference(&knobs).collect();
    assert!(
        without.is_empty() && gone.is_empty(),
        "without a row: {without:?}; gone: {gone:?}"
    );
}

#[test]
fn what_is_not_tried_says_why() {
    for (knob, row) in TABLE {
        if let No(why) = row {
            assert!(!why.is_empty(), "{knob}");
        }
    }
}
