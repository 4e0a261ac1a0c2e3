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

use baton::task::TaskKind;
use baton_ping_one::config::fields::{FIELDS, field};
use baton_ping_one::model::{ALL_TYPES, RESOURCE_TYPES};
use pingone::Operation;

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
    let expected: BTreeSet<&str> = RESOURCE_TYPES
        .iter()
        .flat_map(|kind| kind.0.permissions)
        .copied()
        .collect();
    for name in ["docs/connector.mdx", "docs/docs-info.md"] {
        let text = page(name);
        assert_eq!(permissions(&quoted(&text)), expected, "{name}");
    }
    assert_ne!(permissions(&quoted("| `p1:read:user` |")), expected);
}

/// What a page for people lacks of these permissions.
fn unnamed<'a>(text: &str, wanted: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let named = quoted(text);
    wanted.filter(|permission| !named.contains(permission)).collect()
}

/// access-model.md §9: per feature, on every page.
#[test]
fn every_page_names_the_permissions_of_what_a_setting_switches_on() {
    let all = || ALL_TYPES.iter().flat_map(|kind| kind.0.permissions).copied();
    for name in ["docs/connector.mdx", "docs/docs-info.md"] {
        assert_eq!(unnamed(&page(name), all()), Vec::<&str>::new(), "{name}");
    }
    let more = || all().filter(|permission| !permission.starts_with("p1:"));
    assert!(more().count() > 9);
    assert_eq!(unnamed(&page("README.md"), more()), Vec::<&str>::new());
    assert_eq!(unnamed("| `certmgt:read:key` |", more()).len(), more().count() - 1);
}

#[test]
fn the_front_page_says_what_is_never_read_and_which_role_is_better() {
    let text = words(&page("README.md"));
    for sentence in [
        "What is never read: the value of any credential.",
        "This one has no request that ends in `/secret`",
        "a custom role without the right to client secrets is better than Configuration Read Only.",
    ] {
        assert!(text.contains(sentence), "{sentence}");
    }
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
        "pingone-region",
        "provisioning",
    ];
    let quickstart = page("manifests/quickstart/secret.yaml");
    for text in [&text, &quickstart] {
        for name in secret {
            let line = format!("  {}: ", field(name).unwrap().env());
            assert!(text.contains(&line), "{line}");
        }
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
    for kind in RESOURCE_TYPES {
        assert!(text.contains(&format!("| `{}` |", kind.id())), "{kind}");
    }
}

/// connector-model.md §10: what a person is told to do about a failure.
#[test]
fn the_runbook_has_the_standard_remedies() {
    let text = words(&page("docs/runbook.md"));
    for remedy in [
        "Check pingone-client-id, pingone-client-secret and pingone-region; the worker application must be enabled and \
         allow the client credentials grant.",
        "Check pingone-environment-id and that the worker application has a role in that environment.",
        "Give the application Identity Data Read Only or Identity Data Admin for this environment; it must be of type \
         Worker.",
        "Or leave roles out of the sync: --sync-resource-types without role.",
        "The MFA service is not enabled in this environment; enable it in PingOne or leave the action out.",
        "The user holds \"<role>\" through group \"<group>\"; remove the user from that group instead.",
        "The worker application must itself hold \"<role>\", or a role allowed to assign it, at <scope>.",
        "\"<group>\" fills itself from a filter; change the user's attributes or the filter in PingOne.",
        "\"<group>\" is managed by its source; change the membership there.",
        "The user belongs to \"<group>\" through \"<child>\"; revoke that membership instead.",
        "\"<group>\" only accepts users of population \"<population>\".",
        "Start the connector with --provisioning (BATON_PROVISIONING=true).",
        // access-model.md §10
        "Give the application Configuration Read Only for this environment, or a custom role with \
         applications:read:application, or set sync-applications=none.",
        "Give the application Configuration Read Only for this environment, or set sync-gateways=false.",
        "Give the application Configuration Read Only for this environment, or set sync-secrets=false.",
        "Give the application permissions:read:applicationRoleAssignments (Configuration Read Only has it).",
        "follows from membership in <any> of: <groups>. Grant or revoke the membership instead.",
        "\"<app>\" is open to every user of the environment. Limit it to a group in PingOne first.",
        "\"<app>\" is open to holders of an administrator role. Grant or revoke the role instead.",
        "baton-ping-one does not issue or rotate client secrets: PingOne keeps one secret and one previous, and the new \
         one exists only in one answer. Rotate it in PingOne.",
        "only users and groups can be granted roles",
        "the role belongs to gateway \"<name>\". Change it in PingOne under Gateways.",
        "this connector does not change roles on <type> <name>. Add <type>:<id> to writable-role-scopes to allow it.",
        "writable-role-scopes names <entry>, which is of another organization than the environment of \
         pingone-environment-id. Take the entry out",
        "PingOne takes at most 250 assignments over populations, 250 over applications and 3,500 in all of one principal. \
         Take some back, or grant the role over a wider scope or through a group.",
        "the request names no scope for role <id>: select the role_assignment type in C1 and sync once.",
        "a user is always in one population: grant another population instead.",
        "is outside population-filter: the user would vanish from C1.",
        "Remove that first.",
    ] {
        assert!(text.contains(remedy), "{remedy}");
    }
}

/// The program's text, with texts that go over several lines in one.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
    text
}

/// What of a quoted message the program does not say. What stands in `<…>`, after `…`, a colon or a bracket is a part of
/// its own, because messages are put together there.
fn unsaid<'a>(message: &'a str, sources: &str) -> Vec<&'a str> {
    let parts = message.split('<').flat_map(|part| {
        let (_, rest) = part.split_once('>').unwrap_or(("", part));
        rest.split(['…', '('])
            .flat_map(|part| part.split(": "))
            .flat_map(|part| part.split("--"))
    });
    parts
        .map(|part| part.trim_matches([' ', '.', '"']))
        .filter(|part| part.len() > 4 && !sources.contains(part))
        .collect()
}

#[test]
fn the_page_of_metrics_lists_every_kind_of_task_and_of_request() {
    let text = page("docs/metrics.md");
    let listed = |from: &str| {
        let (_, rest) = text.split_once(from).unwrap();
        let (list, _) = rest.split_once([';', '.']).unwrap();
        let names = list.split('`').skip(1).step_by(2);
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(listed("`kind` of tasks:"), TaskKind::NAMES);
    let operations: Vec<&str> = Operation::ALL.iter().map(|operation| operation.as_str()).collect();
    assert_eq!(listed("\n  `operation`:"), operations);
}

#[test]
fn the_runbook_quotes_only_what_the_program_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let both = sources(&root.join("src")) + &sources(&root.join("crates"));
    let sources = words(&both.replace("\\\n", " ").replace("\\\"", "\""));
    let text = page("docs/runbook.md");
    let quotes: Vec<String> = quoted(&text).into_iter().map(words).collect();
    let messages: Vec<&String> = quotes.iter().filter(|quote| quote.contains(' ')).collect();
    assert!(messages.len() > 50, "{}", messages.len());
    for message in messages {
        assert_eq!(unsaid(message, &sources), Vec::<&str>::new(), "{message}");
    }
    let wrong = "the role is guarded: \"<group>\" is managed by its source";
    assert_eq!(unsaid(wrong, &sources), ["the role is guarded"]);
}

/// However lines are broken.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
