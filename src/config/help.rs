//! How the settings stand in the help: under which heading, and whether in the short one.

use super::fields::{FIELDS, Field};

/// Where a name stands that fits no other heading.
const REST: &str = "What is synced, and where to";

/// Headings in their order, with the beginnings of the names under them.
const HEADINGS: [(&str, &[&str]); 6] = [
    ("PingOne", &["pingone-", "http-timeout"]),
    (REST, &[]),
    (
        "C1 and the cluster",
        &[
            "client-",
            "credentials-",
            "leader-election",
            "user-agent",
            "shutdown-grace",
            "task-concurrency",
            "sync-interval",
            "sync-max-age",
        ],
    ),
    (
        "Provisioning",
        &[
            "provisioning",
            "dry-run",
            "protected-",
            "default-population",
            "deprovision-",
            "population-provisioning",
            "writable-role-scopes",
        ],
    ),
    (
        "One piece of work, without C1 and without --provisioning",
        &[
            "grant-",
            "revoke-grant",
            "create-account",
            "delete-resource",
            "rotate-",
            "invoke-action",
            "list-action",
            "show-password",
            "password-file",
            "event-feed-id",
            "event-feed-cursor",
            "event-feed-start",
        ],
    ),
    (
        "Logs, health and output",
        &["log-", "otel-", "health-", "output", "c1z-temp-dir"],
    ),
];

/// What somebody needs first.
const FIRST: [&str; 14] = [
    "pingone-client-id",
    "pingone-client-secret",
    "pingone-environment-id",
    "pingone-region",
    "client-id",
    "client-secret",
    "credentials-secret",
    "provisioning",
    "dry-run",
    "file",
    "output",
    "log-level",
    "sync-interval",
    "health-check-port",
];

/// Without effect, or for tests only: known, and in no help.
const SILENT: [&str; 9] = [
    "auth-method",
    "insecure",
    "invoke-resource-action",
    "invoke-resource-action-args",
    "invoke-resource-action-resource-type",
    "keep-previous-sync-c1z",
    "list-resource-actions",
    "parallel-sync",
    "session-store-maximum-size",
];

/// The heading of a setting.
pub(super) fn heading(field: &Field) -> &'static str {
    let fits = |beginnings: &[&str]| beginnings.iter().any(|begin| field.name.starts_with(begin));
    let is_one_shot_feed = field.name == "event-feed";
    let found = HEADINGS
        .iter()
        .find(|(heading, beginnings)| fits(beginnings) || is_one_shot_feed && heading.starts_with("One piece"));
    found.map_or(REST, |(heading, _)| heading)
}

/// Every setting, in the order of the headings.
pub(super) fn in_order() -> impl Iterator<Item = &'static Field> {
    let under = |wanted: &'static str| FIELDS.iter().filter(move |field| heading(field) == wanted);
    HEADINGS.iter().flat_map(move |(heading, _)| under(heading))
}

/// It stands in the short help.
pub(super) fn is_first(field: &Field) -> bool {
    FIRST.contains(&field.name)
}

/// It stands in no help.
pub(super) fn is_silent(field: &Field) -> bool {
    field.unsupported || SILENT.contains(&field.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::fields::field;

    #[test]
    fn each_setting_has_its_heading_and_the_lists_name_settings() {
        for (name, begins) in [
            ("pingone-region", "PingOne"),
            ("event-feed", "One piece"),
            ("event-feed-enabled", "What is synced"),
            ("grant-principal", "One piece"),
            ("client-secret-file", "C1"),
            ("file", "What is synced"),
        ] {
            assert!(heading(field(name).unwrap()).starts_with(begins), "{name}");
        }
        for name in FIRST.iter().chain(&SILENT) {
            assert!(field(name).is_some(), "{name}");
        }
        let all: Vec<&str> = in_order().map(|field| field.name).collect();
        assert_eq!(all.len(), FIELDS.len());
        assert!(
            all.first()
                .is_some_and(|name| heading(field(name).unwrap()) == "PingOne")
        );
        assert_eq!(
            all.last().map(|name| heading(field(name).unwrap())),
            Some("Logs, health and output")
        );
        let shown = FIELDS.iter().filter(|field| !is_silent(field)).count();
        assert!(shown > 60 && shown < FIELDS.len());
    }

    #[test]
    fn no_setting_with_an_effect_is_left_out_of_the_help() {
        let has_effect = |field: &Field| !field.help.starts_with("Accepted ") && !field.help.ends_with("; tests only");
        let hidden = FIELDS
            .iter()
            .filter(|field| !field.unsupported && has_effect(field) && is_silent(field));
        assert_eq!(hidden.map(|field| field.name).collect::<Vec<_>>(), Vec::<&str>::new());
    }
}
