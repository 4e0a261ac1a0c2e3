//! The pages for people say what the program says.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "test code"
)]

use std::collections::BTreeSet;
use std::path::Path;

use baton_ping_one::config::fields::{FIELDS, field};
use baton_ping_one::model::ResourceType;

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The texts between single backticks, code blocks left out.
fn quoted(text: &str) -> BTreeSet<&str> {
    let outside = text.split("```").step_by(2);
    outside.flat_map(|part| part.split('`').skip(1).step_by(2)).collect()
}

fn permissions<'a>(texts: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    texts.iter().copied().filter(|text| text.starts_with("p1:")).collect()
}

/// Names of the environment that a page writes: `BATON_…`.
fn variables(text: &str) -> BTreeSet<&str> {
    let parts = text.split(|c: char| !(c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit()));
    parts.filter(|part| part.starts_with("BATON_")).collect()
}

fn unknown_variables(text: &str) -> Vec<&str> {
    let known: BTreeSet<String> = FIELDS.iter().map(baton_ping_one::config::fields::Field::env).collect();
    variables(text)
        .into_iter()
        .filter(|name| *name != "BATON_HOST_ID" && !known.contains(*name))
        .collect()
}

#[test]
fn both_pages_name_the_permissions_of_the_manifest_and_no_other() {
    let expected: BTreeSet<&str> = ResourceType::ALL
        .iter()
        .flat_map(|kind| kind.permissions())
        .copied()
        .collect();
    for name in ["docs/connector.mdx", "docs/docs-info.md"] {
        let text = page(name);
        assert_eq!(permissions(&quoted(&text)), expected, "{name}");
    }
    assert_ne!(permissions(&quoted("| `p1:read:user` |")), expected);
}

#[test]
fn the_published_page_names_only_settings_that_exist() {
    let text = page("docs/connector.mdx");
    assert_eq!(unknown_variables(&text), Vec::<&str>::new());
    assert_eq!(unknown_variables("BATON_PINGONE_REGOIN: eu"), ["BATON_PINGONE_REGOIN"]);
    let secret = [
        "client-id",
        "client-secret",
        "pingone-client-id",
        "pingone-client-secret",
        "pingone-environment-id",
        "provisioning",
    ];
    for name in secret {
        let line = format!("  {}: ", field(name).unwrap().env());
        assert!(text.contains(&line), "{line}");
    }
    for shown in [
        "pingone-client-id",
        "pingone-client-secret",
        "pingone-environment-id",
        "pingone-region",
    ] {
        let shown = field(shown).unwrap().display_name;
        assert!(text.contains(&format!("**{shown}**")), "{shown}");
    }
}

#[test]
fn every_type_is_in_the_table_of_what_is_synced() {
    let text = page("docs/docs-info.md");
    for kind in ResourceType::ALL {
        assert!(text.contains(&format!("| `{}` |", kind.id())), "{kind}");
    }
}

/// connector-model.md §10: what a person is told to do about a failure.
#[test]
fn the_runbook_has_the_standard_remedies() {
    let text = page("docs/runbook.md").split_whitespace().collect::<Vec<_>>().join(" ");
    for remedy in [
        "Check pingone-client-id, pingone-client-secret and pingone-region; the worker application must be enabled and \
         allow the client credentials grant.",
        "Check pingone-environment-id and that the worker application has a role in that environment.",
        "Give the application Identity Data Read Only or Identity Data Admin for this environment; it must be of type \
         Worker.",
        "The MFA service is not enabled in this environment; enable it in PingOne or leave the action out.",
        "The user holds \"<role>\" through group \"<group>\"; remove the user from that group instead.",
        "The worker application must itself hold \"<role>\", or a role allowed to assign it, at <scope>.",
        "\"<group>\" fills itself from a filter; change the user's attributes or the filter in PingOne.",
        "\"<group>\" is managed by its source; change the membership there.",
        "The user belongs to \"<group>\" through \"<child>\"; revoke that membership instead.",
        "\"<group>\" only accepts users of population \"<population>\".",
        "Start the connector with --provisioning (BATON_PROVISIONING=true).",
    ] {
        assert!(text.contains(remedy), "{remedy}");
    }
}
