//! Fails when a module imports what the layout forbids (ARCHITECTURE.md, "Modules"), or when the sandbox leans on the
//! program it stands in for.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "test code"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each module may import of ours. `error` is for everybody.
const ALLOWED: [(&str, &[&str]); 17] = [
    ("admin", &["telemetry", "runtime"]),
    ("c1z", &["model", "wire"]),
    ("config", &[]),
    ("credentials", &["config", "runtime"]),
    ("feed", &["pingone", "model", "provision", "task", "runtime"]),
    ("k8s", &["config", "credentials", "runtime", "telemetry"]),
    ("manifest", &["wire", "model", "config"]),
    ("model", &[]),
    ("pingone", &["credentials", "runtime", "telemetry"]),
    ("proto", &[]),
    ("provision", &["pingone", "model", "runtime", "sync", "task"]),
    ("runtime", &[]),
    ("schedule", &["runtime", "task", "telemetry"]),
    (
        "session",
        &["proto", "wire", "task", "credentials", "runtime", "telemetry", "model"],
    ),
    ("sync", &["pingone", "model", "wire", "c1z", "runtime"]),
    ("task", &["sync", "model", "runtime", "telemetry"]),
    ("wire", &["model", "proto"]),
];
/// `telemetry` imports nothing of ours, `app` everything.
const FREE: [&str; 3] = ["app", "telemetry", "error"];

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The module that a source file belongs to.
fn module_of(path: &Path, root: &Path) -> String {
    let first = path.strip_prefix(root).unwrap().components().next().unwrap();
    first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// Modules of ours that a text names outside its tests and comments.
fn imports(text: &str) -> Vec<String> {
    let code: Vec<&str> = text
        .lines()
        .take_while(|line| line.trim() != "#[cfg(test)]")
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let code = code.join("\n");
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let list = &list[..list.find("};").unwrap_or(list.len())];
            found.extend(
                list.split(',')
                    .map(|item| item.trim().split("::").next().unwrap().trim().to_owned()),
            );
        } else {
            found.push(
                rest.split(|c: char| !c.is_alphanumeric() && c != '_')
                    .next()
                    .unwrap()
                    .to_owned(),
            );
        }
    }
    found
}

/// The first import that a module may not have.
fn forbidden(module: &str, text: &str) -> Option<String> {
    if FREE.contains(&module) {
        return None;
    }
    let allowed: BTreeMap<_, _> = ALLOWED.into_iter().collect();
    let allowed = allowed.get(module).copied().unwrap_or_default();
    let known = |name: &str| allowed.contains(&name) || name == module || name == "error";
    let ours = |name: &str| ALLOWED.iter().any(|(module, _)| *module == name) || FREE.contains(&name);
    imports(text).into_iter().find(|name| ours(name) && !known(name))
}

#[test]
fn modules_import_only_what_the_layout_allows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut faults = Vec::new();
    for path in sources(&root) {
        let module = module_of(&path, &root);
        if module == "main" || module == "lib" || path.file_name().is_some_and(|name| name == "tests.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        if let Some(name) = forbidden(&module, &text) {
            faults.push(format!(
                "{} imports {name}",
                path.strip_prefix(&root).unwrap().display()
            ));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_module_has_a_row_and_a_description() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    for line in lib.lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        let module = line.trim_end_matches(';');
        assert!(
            FREE.contains(&module) || ALLOWED.iter().any(|(name, _)| *name == module),
            "{module} has no row"
        );
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/{module}.rs"));
        assert!(
            fs::read_to_string(file).unwrap().starts_with("//!"),
            "{module} does not say what it does"
        );
    }
}

#[test]
fn the_rule_catches_each_kind_of_forbidden_import() {
    let cases = [
        ("model", "use crate::wire::resource;", Some("wire")),
        ("pingone", "let x = crate::c1z::Reader::open();", Some("c1z")),
        ("c1z", "use crate::{model::Grant, pingone::Client};", Some("pingone")),
        ("sync", "use crate::proto::c1;", Some("proto")),
        ("session", "use crate::pingone::Client;", Some("pingone")),
        (
            "wire",
            "use crate::proto::c1;\nuse crate::model::Grant;\nuse crate::error::ErrorClass;",
            None,
        ),
        ("model", "// crate::wire\n#[cfg(test)]\nuse crate::wire;", None),
        ("app", "use crate::proto;", None),
    ];
    for (module, text, expected) in cases {
        assert_eq!(forbidden(module, text).as_deref(), expected, "{module}: {text}");
    }
}

/// Whether a text of the sandbox leans on the program.
fn leans_on_program(text: &str) -> bool {
    let includes = text
        .match_indices("include")
        .any(|(at, _)| text[at..].lines().next().unwrap().contains("../../src"));
    text.contains("baton_ping_one::") || text.contains("#[path = \"../") || includes
}

#[test]
fn the_sandbox_stands_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sandbox");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    assert!(!manifest.contains("baton-ping-one") && !manifest.contains("path = \"../../src"));
    let ours: Vec<String> = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for path in sources(&root) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(!leans_on_program(&text), "{} leans on the program", path.display());
        assert!(
            text.lines().count() < 10 || !ours.contains(&text),
            "{} is a copy",
            path.display()
        );
    }
    let build = fs::read_to_string(root.join("build.rs")).unwrap();
    assert!(
        build.contains("../../proto"),
        "the sandbox compiles the shared .proto files"
    );
}

#[test]
fn the_sandbox_rule_catches_each_way_to_lean() {
    for text in [
        "use baton_ping_one::model;",
        "#[path = \"../../../src/model.rs\"] mod model;",
        "include!(\"../../../src/model.rs\");",
    ] {
        assert!(leans_on_program(text), "{text}");
    }
    assert!(!leans_on_program("include!(concat!(env!(\"OUT_DIR\"), \"/x.rs\"));"));
}
