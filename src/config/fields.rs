//! The table of settings.

use pingone::Region;

use super::choices::{
    DeprovisionMode, Incremental, LeaderElection, Output, RoleModel, RolePopulationEntitlements, RoleScan,
    StorageEngine, SyncApplications,
};

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// A text that is one of these.
    Choice(&'static [&'static str]),
    /// A whole number between these.
    Int(i64, i64),
    /// True or false.
    Bool,
    /// A list of texts.
    List,
    /// A time such as `30s` or `1h`; `off` where the default is off.
    Duration,
}

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Flag without dashes, file key, and the base of the environment name.
    pub name: &'static str,
    /// What it is called in C1's form; empty for settings that C1 does not show.
    pub display_name: &'static str,
    /// What it means.
    pub help: &'static str,
    /// What a value looks like.
    pub kind: Kind,
    /// The default; empty for none.
    pub default: &'static str,
    /// Needed for every run.
    pub required: bool,
    /// Never shown.
    pub secret: bool,
    /// Shown by C1 as an operator's setting.
    pub ops: bool,
    /// Left out of `--help`.
    pub hidden: bool,
    /// Part of the `config` document.
    pub export: bool,
    /// Known, but its feature is not built: only the default is accepted.
    pub unsupported: bool,
    /// One-letter flag.
    pub short: Option<char>,
}

impl Field {
    /// The name in the environment.
    pub fn env(&self) -> String {
        format!("BATON_{}", self.name.to_uppercase().replace('-', "_"))
    }

    const fn new(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Self {
        Self {
            name,
            display_name: "",
            help,
            kind,
            default,
            required: false,
            secret: false,
            ops: false,
            hidden: false,
            export: false,
            unsupported: false,
            short: None,
        }
    }

    /// Part of C1's form under this name.
    const fn shown(self, display_name: &'static str) -> Self {
        Self {
            display_name,
            export: true,
            ..self
        }
    }

    const fn ops(self) -> Self {
        Self {
            ops: true,
            export: true,
            ..self
        }
    }

    const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    const fn hidden(self) -> Self {
        Self { hidden: true, ..self }
    }

    const fn unsupported(self) -> Self {
        Self {
            unsupported: true,
            hidden: true,
            ..self
        }
    }

    const fn short(self, letter: char) -> Self {
        Self {
            short: Some(letter),
            ..self
        }
    }
}

use Kind::{Bool, Choice, Duration, Int, List, Text};

/// Top-level domains of the regions; letter codes are accepted as well.
pub const REGIONS: &[&str] = &[
    Region::Com.tld(),
    Region::Ca.tld(),
    Region::Eu.tld(),
    Region::ComAu.tld(),
    Region::Sg.tld(),
    Region::Asia.tld(),
];

/// Every setting: the operator fields in the order of c1-protocol.md §12.4, ours in the order of connector-model.md
/// §8.3, then those that C1 does not show.
pub const FIELDS: &[Field] = &[
    Field::new("log-level", Text, "info", "Minimum log level: debug, info, warn or error").ops(),
    Field::new("log-level-debug-expires-at", Text, "", "Accepted and without effect in this program").ops(),
    Field::new("session-store-maximum-size", Int(0, i64::MAX), "15728640", "Accepted and without effect in this program").ops().hidden(),
    Field::new("otel-collector-endpoint", Text, "", "OpenTelemetry collector that gets a trace of each task, as host:port (OTLP over gRPC)").ops(),
    Field::new("otel-collector-endpoint-tls-cert-path", Text, "", "File with the collector's certificate authority, in PEM; the system's are left out then").ops().hidden(),
    Field::new("otel-collector-endpoint-tls-cert", Text, "", "The collector's certificate authority itself, PEM in base64url").ops().hidden(),
    Field::new("otel-collector-endpoint-tls-insecure", Bool, "false", "Plaintext to the collector").ops().hidden(),
    Field::new("otel-tracing-disabled", Bool, "false", "No traces, whatever the endpoint is").ops().hidden(),
    Field::new("otel-logging-disabled", Bool, "false", "Accepted and without effect: no logs are sent to a collector").ops().hidden(),
    Field::new("health-check", Bool, "false", "Fail at startup if the health server cannot listen; the server itself is on in every daemon mode").ops(),
    Field::new("health-check-port", Int(0, 65_535), "8081", "Port of health, metrics and status").ops(),
    Field::new("health-check-bind-address", Text, "127.0.0.1", "Address of health, metrics and status").ops().hidden(),
    Field::new("http-timeout-seconds", Int(1, 1_800), "300", "Seconds that one answer of PingOne or C1's token endpoint may take").ops(),
    Field::new("pingone-client-id", Text, "", "OAuth client id of the PingOne worker application").shown("PingOne Client ID").required(),
    Field::new("pingone-client-secret", Text, "", "OAuth client secret of the PingOne worker application").shown("PingOne Client Secret").required().secret(),
    Field::new("pingone-environment-id", Text, "", "Id of the PingOne environment whose directory is synced").shown("PingOne Environment ID").required(),
    Field::new("pingone-auth-environment-id", Text, "", "Id of the environment that the worker application lives in, if it is a different one").shown("PingOne Auth Environment ID"),
    Field::new("pingone-region", Choice(REGIONS), "com", "Top-level domain of the region's hosts: com (North America), ca, eu, com.au, sg, or asia (existing customers only); the codes NA, CA, EU, AU, SG, AP are accepted too").shown("PingOne Region"),
    Field::new("pingone-base-url", Text, "", "Overrides the API's origin, for proxies and tests").shown("PingOne API URL"),
    Field::new("pingone-auth-url", Text, "", "Overrides the authorization server's origin; ending in /as or /as/token it is the whole token URL, as with a custom domain").shown("PingOne Auth URL"),
    Field::new("pingone-rate-limit", Int(0, 1_000_000), "0", "Maximum requests per second to PingOne; 0 means automatic (the licence's limits, else 100)").shown("PingOne rate limit"),
    Field::new("pingone-max-in-flight", Int(1, 256), "64", "Maximum concurrent requests to PingOne").shown("PingOne requests in flight"),
    Field::new("state-dir", Text, "", "Directory for the counts of the last good sync and for stored observations").shown("State directory"),
    Field::new("accept-shrink", Bool, "false", "Accept one sync that shrinks by more than max-shrink-percent").shown("Accept shrink"),
    Field::new("insecure", Bool, "false", "Accept http and certificates that are not trusted; tests only").hidden(),
    Field::new("role-model", Choice(RoleModel::NAMES), "entitlements", "How roles and their scopes are shown: as entitlements of roles, or each role over a scope as a resource of its own; switching changes the ids in C1").shown("Role model"),
    Field::new("role-population-entitlements", Choice(RolePopulationEntitlements::NAMES), "all", "Offer each role on every population, or only on those that occur in an assignment").shown("Role entitlements on populations"),
    Field::new("role-assignment-scan", Choice(RoleScan::NAMES), "all", "Whose role assignments are read; anything but all hides access of the others").shown("Role assignment scan"),
    Field::new("role-assignment-candidates", List, "", "With the scan candidates: populations (ids or names), or one SCIM expression after filter:").shown("Role assignment candidates"),
    Field::new("max-shrink-percent", Int(0, 100), "50", "Largest loss of users, groups or role grants since the last good sync; 0 switches the check off").shown("Largest shrink in percent"),
    Field::new("protected-roles", List, "", "Role names or ids that are never granted or revoked").shown("Protected roles"),
    Field::new("protected-users", List, "", "Ids of users that are never written: no grant, revoke, action, new password or deletion").shown("Protected users"),
    Field::new("writable-role-scopes", List, "", "Scopes over which roles may be granted and revoked besides the environment, its organization and its populations: environment:<id>, application:<id>, group:<id> or population:<id>, or * in place of an id").shown("Writable role scopes"),
    Field::new("default-population-id", Text, "", "Population of new accounts that name none").shown("Default population"),
    Field::new("deprovision-mode", Choice(DeprovisionMode::NAMES), "delete", "What deleting an account does: delete, disable, or disable first and then delete").shown("Deprovision mode"),
    Field::new("population-filter", List, "", "Sync only users of these populations (ids or names); hides the others, which can trip C1's anomaly check").shown("Population filter"),
    Field::new("user-filter", Text, "", "SCIM filter for users; hides the others, which can trip C1's anomaly check").shown("User filter"),
    Field::new("skip-external-groups", Bool, "false", "Leave external groups out; hides them, which can trip C1's anomaly check").shown("Skip external groups"),
    Field::new("sync-custom-attributes", List, "", "Custom attributes to put into profiles, or * for all; they may hold personal data").shown("Custom attributes"),
    Field::new("employee-id-attributes", List, "", "Attributes that hold employee ids, compared without case and underscores (default employeenumber, employeeid, employeeidnumber)").shown("Employee ID attributes"),
    Field::new("service-account-types", List, "", "Values of the user attribute type that mark service accounts").shown("Service account types"),
    Field::new("sync-applications", Choice(SyncApplications::NAMES), "none", "Which applications are synced, with who may open them: none, workers (and whatever else holds a role), or all; needs Configuration Read Only").shown("Applications"),
    Field::new("population-provisioning", Bool, "false", "Grant and revoke memberships of populations: a grant moves the user, who leaves the former population and its groups").shown("Population provisioning"),
    Field::new("sync-gateways", Bool, "false", "Sync gateways as holders of roles; needs Configuration Read Only").shown("Gateways"),
    Field::new("sync-secrets", Bool, "false", "Sync what is known of credentials of applications and gateways and of keys: kind, age, expiry, last use, never a value; needs sync-applications or sync-gateways").shown("Credentials"),
    Field::new("event-feed-enabled", Bool, "false", "Offer PingOne's audit activities as an event feed").shown("Event feed"),
    Field::new("client-id", Text, "", "C1 client id; with it the program is a daemon that serves C1's tasks"),
    Field::new("client-secret", Text, "", "C1 client secret").secret(),
    Field::new("client-secret-file", Text, "", "File that holds the C1 client secret"),
    Field::new("pingone-client-secret-file", Text, "", "File that holds the PingOne client secret"),
    Field::new("pingone-private-key", Text, "", "RSA key in PEM form that signs in as the worker application, instead of a client secret (PRIVATE_KEY_JWT)").secret(),
    Field::new("pingone-private-key-file", Text, "", "File that holds the PingOne private key"),
    Field::new("pingone-private-key-id", Text, "", "The key's kid in the application's JWKS, needed where several keys stand there"),
    Field::new("file", Text, "sync.c1z", "Path of the .c1z file; a sync replaces it and the older syncs in it").short('f'),
    Field::new("output", Choice(Output::NAMES), "table", "How a result is printed; csv is for inspect and diff").short('o'),
    Field::new("provisioning", Bool, "false", "Carry out C1's tasks that change PingOne; one-shot flags do not need it").short('p'),
    Field::new("sync-resource-types", List, "", "Resource types to sync: user, group, population, role, and those that a setting switches on"),
    Field::new("sync-resources", List, "", "Sync only these resources, each as bid:r:<type>/<id>"),
    Field::new("skip-full-sync", Bool, "false", "Answer a full sync with an empty one"),
    Field::new("skip-entitlements-and-grants", Bool, "false", "Sync resource types and resources only"),
    Field::new("skip-grants", Bool, "false", "Leave grants out; only together with sync-resources").hidden(),
    Field::new("workers", Int(-1, 1_000), "0", "Accepted for compatibility: the limiter decides how many requests run"),
    Field::new("parallel-sync", Bool, "false", "Accepted for compatibility").hidden(),
    Field::new("task-concurrency", Int(1, 100), "3", "Tasks of C1 at a time"),
    Field::new("storage-engine", Choice(StorageEngine::NAMES), "", "Kind of .c1z file: sqlite is version 1, pebble version 3; beats what a task asks for, else pebble"),
    Field::new("c1z-temp-dir", Text, "", "Directory for growing files (else BATON_TMPDIR, else the system's)").hidden(),
    Field::new("log-format", Text, "", "console or json; without it console on a terminal, json elsewhere"),
    Field::new("log-path", List, "stderr", "Where log lines go"),
    Field::new("sync-interval", Duration, "off", "Sync on its own schedule: a snapshot for C1, or without C1 credentials a daemon that replaces --file"),
    Field::new("sync-max-age", Duration, "5m", "Maximum age of a snapshot used to answer a full sync of C1"),
    Field::new("incremental", Choice(Incremental::NAMES), "false", "Use again what earlier syncs observed and PingOne's audit activities prove unchanged; verify: read everything and report what would have been wrong; needs state-dir"),
    Field::new("observation-max-age", Duration, "168h", "Age at which an observation is read again whatever proves it, at most 312h"),
    Field::new("resume-max-age", Duration, "2h", "How long an interrupted sync can be resumed; 0 switches resuming off"),
    Field::new("observations-configmap", Text, "", "Name of ConfigMaps (NAME-0 to NAME-7) in which a leader leaves what it observed of roles, for a pod without the volume; needs incremental"),
    Field::new("shutdown-grace", Duration, "30s", "Time for running work after SIGTERM"),
    Field::new("dry-run", Bool, "false", "Provisioning reads and checks but writes nothing"),
    Field::new("show-password", Bool, "false", "Print a created password to the terminal"),
    Field::new("password-file", Text, "", "New file, readable by its owner alone, that a created password is written to"),
    Field::new("credentials-secret", Text, "", "Kubernetes Secret in the pod's namespace that is watched for credentials"),
    Field::new("credentials-dir", Text, "", "Directory of a mounted Secret that is watched for credentials"),
    Field::new("leader-election", Choice(LeaderElection::NAMES), "auto", "Hold a Lease while serving C1; auto: in a cluster that lets the Lease be read"),
    Field::new("leader-election-lease-name", Text, "baton-ping-one-leader", "Name of the Lease"),
    Field::new("leader-election-lease-duration", Duration, "15s", "How long a Lease lasts"),
    Field::new("leader-election-renew-deadline", Duration, "10s", "How long the leader tries to renew; less than the Lease's duration"),
    Field::new("leader-election-retry-period", Duration, "2s", "Time between tries; less than half of the renew deadline"),
    Field::new("event-feed", Bool, "false", "Print audit events and exit").hidden(),
    Field::new("event-feed-id", Text, "", "Feed to print").hidden(),
    Field::new("event-feed-cursor", Text, "", "Cursor to continue from").hidden(),
    Field::new("event-feed-start-at", Text, "", "Time to start from, RFC 3339").hidden(),
    Field::new("grant-entitlement", Text, "", "Entitlement to grant").hidden(),
    Field::new("grant-principal", Text, "", "Principal to grant it to").hidden(),
    Field::new("grant-principal-type", Text, "", "Type of that principal").hidden(),
    Field::new("revoke-grant", Text, "", "Grant to revoke").hidden(),
    Field::new("create-account-login", Text, "", "Login of an account to create").hidden(),
    Field::new("create-account-email", Text, "", "E-mail of an account to create").hidden(),
    Field::new("create-account-profile", Text, "", "Profile of an account to create, a JSON object").hidden(),
    Field::new("create-account-resource-type", Text, "", "Resource type of an account to create").hidden(),
    Field::new("delete-resource", Text, "", "Resource to delete").hidden(),
    Field::new("delete-resource-type", Text, "", "Type of the resource to delete").hidden(),
    Field::new("rotate-credentials", Text, "", "Resource whose credentials are rotated").hidden(),
    Field::new("rotate-credentials-type", Text, "", "Type of that resource").hidden(),
    Field::new("invoke-action", Text, "", "Action to run").hidden(),
    Field::new("invoke-action-args", Text, "{}", "Its arguments, a JSON object").hidden(),
    Field::new("invoke-action-resource-type", Text, "", "Resource type it belongs to").hidden(),
    Field::new("list-action-schemas", Bool, "false", "Print the actions").hidden(),
    Field::new("list-action-schemas-resource-type", Text, "", "Print only actions of this resource type").hidden(),
    Field::new("user-agent-suffix", Text, "", "Appended to the user agent that C1 sees, such as baton-sdk/v0.24.6").hidden(),
    Field::new("auth-method", Text, "", "Accepted for compatibility: there is one way to sign in").hidden(),
    Field::new("keep-previous-sync-c1z", Bool, "false", "Accepted for compatibility").hidden(),
    Field::new("ticketing", Bool, "false", "Ticket tasks").unsupported(),
    Field::new("create-ticket", Bool, "false", "Create a ticket").unsupported(),
    Field::new("bulk-create-ticket", Bool, "false", "Create tickets").unsupported(),
    Field::new("get-ticket", Bool, "false", "Read a ticket").unsupported(),
    Field::new("list-ticket-schemas", Bool, "false", "List ticket schemas").unsupported(),
    Field::new("ticket-template-path", Text, "", "Template of a ticket").unsupported(),
    Field::new("bulk-ticket-template-path", Text, "", "Templates of tickets").unsupported(),
    Field::new("ticket-id", Text, "", "Ticket to read").unsupported(),
    Field::new("diff-syncs", Bool, "false", "Compare two syncs").unsupported(),
    Field::new("base-sync-id", Text, "", "Sync to compare with").unsupported(),
    Field::new("applied-sync-id", Text, "", "Sync to compare").unsupported(),
    Field::new("compact-syncs", Bool, "false", "Join syncs").unsupported(),
    Field::new("compact-file-paths", List, "", "Files to join").unsupported(),
    Field::new("compact-sync-ids", List, "", "Syncs to join").unsupported(),
    Field::new("compact-output-path", Text, "", "Where the joined file goes").unsupported(),
    Field::new("external-resource-c1z", Text, "", "File to match external identities").unsupported(),
    Field::new("external-resource-entitlement-id-filter", Text, "", "Entitlement that external identities must hold").unsupported(),
    Field::new("external-resource-traits", List, "", "Traits of external identities").unsupported(),
    Field::new("list-resource-actions", Text, "", "Accepted and without effect").hidden(),
    Field::new("invoke-resource-action", Text, "", "Accepted and without effect").hidden(),
    Field::new("invoke-resource-action-resource-type", Text, "", "Accepted and without effect").hidden(),
    Field::new("invoke-resource-action-args", Text, "{}", "Accepted and without effect").hidden(),
];

/// The setting of this name.
pub fn field(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

/// Settings that only make sense together (c1-protocol.md §12.2).
pub const TOGETHER: &[&[&str]] = &[
    &["grant-entitlement", "grant-principal"],
    &["client-id", "client-secret"],
];

/// Settings of which at most one may be set (c1-protocol.md §12.2, sets A and B without what is not built).
pub const EXCLUSIVE: &[&[&str]] = &[
    &[
        "grant-entitlement",
        "revoke-grant",
        "create-account-login",
        "delete-resource",
        "rotate-credentials",
        "event-feed",
    ],
    &[
        "otel-collector-endpoint-tls-insecure",
        "otel-collector-endpoint-tls-cert",
        "otel-collector-endpoint-tls-cert-path",
    ],
    &[
        "grant-entitlement",
        "revoke-grant",
        "create-account-email",
        "delete-resource-type",
        "rotate-credentials-type",
        "event-feed",
    ],
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_derive_their_environment_name() {
        let names: HashSet<_> = FIELDS.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), FIELDS.len());
        assert_eq!(field("pingone-region").unwrap().env(), "BATON_PINGONE_REGION");
        let lists = TOGETHER.iter().chain(EXCLUSIVE).flat_map(|list| list.iter());
        assert!(lists.copied().all(|name| field(name).is_some()));
    }

    #[test]
    fn every_region_is_offered() {
        assert_eq!(REGIONS, Region::ALL.map(Region::tld));
    }

    #[test]
    fn shown_fields_have_a_name_and_operator_fields_come_first() {
        let exported: Vec<_> = FIELDS.iter().filter(|field| field.export).collect();
        assert!(exported.iter().all(|field| field.ops || !field.display_name.is_empty()));
        assert!(exported.is_sorted_by_key(|field| !field.ops));
    }
}
