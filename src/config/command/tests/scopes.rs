//! Entries of `writable-role-scopes` (access-model.md §5).

use super::*;

#[test]
fn an_entry_that_names_no_scope_ends_the_start() {
    for entry in [
        "planet:*",
        "environment:7",
        "organization:*",
        "application",
        "group:",
        ":*",
    ] {
        let entries = format!("application:*,{entry}");
        let text = problem(load(&["--writable-role-scopes", &entries], &full(&[])));
        assert!(text.contains("must be entries such as environment:<id>"), "{text}");
    }
    let good = format!("Environment:{ENVIRONMENT}, application:*,organization:{ENVIRONMENT}");
    let config = load(&["--writable-role-scopes", &good], &full(&[])).unwrap().config;
    let kinds: Vec<_> = config
        .sync
        .access
        .writable_scopes
        .iter()
        .map(|(kind, id)| (kind.as_str(), id.is_some()))
        .collect();
    assert_eq!(
        kinds,
        [("environment", true), ("application", false), ("organization", true)]
    );
}
