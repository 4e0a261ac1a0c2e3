//! The walls that crates cannot keep: which modules of the connector know which (ARCHITECTURE.md, "Modules"), that no two
//! files need each other, that a crate knows nothing of what it must not know, and that whatever a text cites is in the
//! repository.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "test code"
)]

#[path = "architecture/citations.rs"]
mod citations;
#[path = "architecture/graph.rs"]
mod graph;
#[path = "architecture/source.rs"]
mod source;

use citations::Contracts;
use graph::Crate;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What each module of the connector needs of its other modules and of our crates; `app` may need everything.
const MODULES: [(&str, &[&str]); 9] = [
    ("admin", &["process"]),
    ("config", &["baton", "pingone", "process"]),
    ("credentials", &["baton", "pingone", "process"]),
    ("feed", &["baton", "model", "pingone", "provision"]),
    ("k8s", &["credentials", "process"]),
    ("manifest", &["baton", "config", "model"]),
    ("model", &["baton"]),
    ("provision", &["baton", "model", "pingone", "process", "sync"]),
    ("sync", &["baton", "model", "pingone", "process"]),
];

/// Our crates, what each needs of the others, and words that its sources must not contain.
const CRATES: [(&str, &[&str], &[&str]); 4] = [
    ("crates/process", &[], &[]),
    ("crates/pingone", &["process"], &["conductorone", "tonic", "prost"]),
    ("crates/baton", &["process"], &["pingone", "ping_one", "ping-one"]),
    ("sandbox", &[], &["baton_ping_one", "../../src"]),
];
const OURS: [&str; 4] = ["baton", "pingone", "process", "sandbox"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn crates() -> Vec<(&'static str, Crate)> {
    let folders = [
        "src",
        "crates/process/src",
        "crates/pingone/src",
        "crates/baton/src",
        "sandbox/src",
    ];
    folders
        .into_iter()
        .map(|folder| (folder, Crate::read(&root().join(folder))))
        .collect()
}

/// Differences between what modules need and what they may need, either way.
fn differences(needs: &BTreeMap<String, BTreeSet<String>>, allowed: &[(&str, &[&str])]) -> Vec<String> {
    let allowed: BTreeMap<&str, BTreeSet<String>> = allowed
        .iter()
        .map(|(module, names)| (*module, names.iter().map(|name| (*name).to_owned()).collect()))
        .collect();
    let mut found = Vec::new();
    for (module, names) in needs {
        let may = allowed.get(module.as_str()).cloned().unwrap_or_default();
        found.extend(
            names
                .difference(&may)
                .map(|name| format!("{module} may not know {name}")),
        );
    }
    for (module, names) in &allowed {
        let does = needs.get(*module).cloned().unwrap_or_default();
        found.extend(
            names
                .difference(&does)
                .map(|name| format!("{module} does not need {name} any more")),
        );
    }
    found
}

#[test]
fn modules_know_what_their_row_says_and_nothing_else() {
    let mut needs = Crate::read(&root().join("src")).module_needs(&OURS);
    needs.remove("app");
    let faults = differences(&needs, &MODULES);
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_module_says_what_it_does_and_is_in_the_table_of_architecture_md() {
    let described = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for module in Crate::read(&root().join("src")).tops() {
        let file = root().join(format!("src/{module}.rs"));
        assert!(
            fs::read_to_string(file).unwrap().starts_with("//!"),
            "{module} does not say what it does"
        );
        assert!(
            described.contains(&format!("| `{module}` |")),
            "{module} has no row in ARCHITECTURE.md"
        );
    }
}

#[test]
fn modules_of_a_crate_need_each_other_in_one_direction() {
    for (folder, sources) in crates() {
        let circles = graph::circles(&sources.module_needs(&[]));
        assert!(circles.is_empty(), "{folder}: {circles:#?}");
    }
}

#[test]
fn no_two_files_need_each_other() {
    let found: Vec<(&str, BTreeSet<String>)> = crates()
        .iter()
        .filter(|(folder, _)| *folder != "sandbox/src")
        .flat_map(|(folder, sources)| sources.circles().into_iter().map(|circle| (*folder, circle)))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// The dependencies on our crates that a manifest names for what is built, and the words of `forbidden` in the sources.
fn crate_faults(manifest: &str, sources: &[(PathBuf, String)], needs: &[&str], forbidden: &[&str]) -> Vec<String> {
    let built = manifest
        .split("[dependencies]")
        .nth(1)
        .unwrap_or_default()
        .split("\n[")
        .next()
        .unwrap();
    let named: BTreeSet<&str> = built
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| OURS.contains(name) || *name == "baton-ping-one")
        .collect();
    let needs: BTreeSet<&str> = needs.iter().copied().collect();
    let mut faults: Vec<String> = named
        .symmetric_difference(&needs)
        .map(|name| format!("dependency {name}"))
        .collect();
    for (path, text) in sources {
        let text = text.to_lowercase();
        faults.extend(
            forbidden
                .iter()
                .filter(|word| text.contains(**word))
                .map(|word| format!("{}: {word}", path.display())),
        );
    }
    faults
}

#[test]
fn crates_know_nothing_of_what_is_above_them() {
    for (folder, needs, forbidden) in CRATES {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let sources: Vec<(PathBuf, String)> = source::files(&root().join(folder).join("src"))
            .into_iter()
            .map(|path| (path.clone(), fs::read_to_string(&path).unwrap()))
            .collect();
        let faults = crate_faults(&manifest, &sources, needs, forbidden);
        assert!(faults.is_empty(), "{folder}: {faults:#?}");
    }
}

#[test]
fn every_public_item_says_what_it_is_for() {
    let folders = [
        "src",
        "crates/process/src",
        "crates/pingone/src",
        "crates/baton/src",
        "sandbox/src",
    ];
    let mut faults = Vec::new();
    for path in folders.iter().flat_map(|folder| source::files(&root().join(folder))) {
        let text = fs::read_to_string(&path).unwrap();
        faults.extend(
            source::undocumented(&text)
                .iter()
                .map(|item| format!("{}: {item}", path.display())),
        );
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn an_item_without_a_word_is_found() {
    for text in [
        "pub fn f() {}",
        "#[must_use]\npub const fn f() {}",
        "\n    pub async fn f() {}",
        "pub const X: u8 = 1;",
    ] {
        assert_eq!(source::undocumented(text).len(), 1, "{text}");
    }
    for text in [
        "/// Why.\npub fn f() {}",
        "/// Why.\n#[must_use]\npub fn f() {}",
        "/// Why.\n#[expect(\n    clippy::x,\n    reason = \"y\"\n)]\npub fn f() {}",
        "fn f() {}\npub(crate) fn g() {}",
        "/// Why.\npub struct S {\n    pub field: u8,\n}",
        "#[cfg(test)]\nmod tests { pub fn f() {} }",
    ] {
        assert!(source::undocumented(text).is_empty(), "{text}");
    }
}

fn contracts() -> Contracts {
    let mut found = Contracts::new();
    for entry in fs::read_dir(root().join("docs/contracts")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "md") && !path.ends_with("README.md") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            found.insert(name, citations::sections(&fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

#[test]
fn whatever_a_text_cites_is_in_the_repository() {
    let contracts = contracts();
    let records: BTreeSet<String> = fs::read_dir(root().join("docs/adr"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().chars().take(4).collect())
        .collect();
    let texts = citations::texts(&root());
    let names: BTreeSet<String> = texts
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let mut faults = Vec::new();
    for path in &texts {
        let relative = path.strip_prefix(root()).unwrap();
        if relative.starts_with("tests/architecture") || relative == Path::new("tests/architecture.rs") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let own = relative
            .starts_with("docs/contracts")
            .then_some(stem)
            .filter(|stem| contracts.contains_key(*stem));
        let mut found = citations::faults(&text, own, &contracts);
        found.extend(
            citations::records(&text)
                .into_iter()
                .filter(|number| !records.contains(*number))
                .map(|number| format!("no docs/adr/{number}")),
        );
        if path.extension().is_some_and(|ending| ending == "md") {
            let dead = citations::dead_links(&text, path.parent().unwrap());
            found.extend(dead.into_iter().map(|target| format!("dead link to {target}")));
        }
        if own.is_none() {
            let outside = citations::outside(&text, relative.components().count() - 1, &names);
            found.extend(
                outside
                    .into_iter()
                    .map(|name| format!("{name} is not in the repository")),
            );
        }
        faults.extend(
            found
                .into_iter()
                .map(|fault| format!("{}: {fault}", relative.display())),
        );
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

fn of(files: &[(&str, &str)]) -> Crate {
    Crate::of(files.iter().map(|(module, text)| {
        let module = module
            .split('/')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        (module, (*text).to_owned())
    }))
}

fn needs_of(files: &[(&str, &str)], module: &str) -> Vec<String> {
    of(files)
        .module_needs(&OURS)
        .remove(module)
        .unwrap_or_default()
        .into_iter()
        .collect()
}

#[test]
fn every_kind_of_import_is_seen() {
    let others = [
        ("", "mod a; mod b; pub use b::Thing;"),
        ("b", "pub struct Thing; pub fn act() {}"),
    ];
    for text in [
        "use crate::b::Thing;",
        "use crate::{b::{self, Thing}};",
        "use super::b;",
        "use super::b::*;",
        "fn f() { crate::b::act(); }",
        "use crate::Thing;",
        "#[cfg(test)]\nmod tests;\nuse crate::b::Thing;",
        "#[cfg(test)]\nmod tests { fn t() { let x = \"}\"; } }\nfn f() -> crate::b::Thing { todo!() }",
        "use crate::b as other;\nfn f() { other::act(); }",
    ] {
        let files = [others[0], others[1], ("a", text)];
        assert_eq!(needs_of(&files, "a"), ["b"], "{text}");
    }
    for text in [
        "// crate::b::Thing",
        "/// [`crate::b::Thing`]",
        "const X: &str = \"crate::b::Thing\";",
        "const X: &str = r#\"crate::b \"Thing\" \"#;",
        "#[cfg(test)]\nuse crate::b::Thing;",
        "#[cfg(test)]\nmod tests {\n use crate::b::Thing; }",
        "#[cfg(test)]\n#[allow(dead_code)]\nfn helper() { crate::b::act(); }",
    ] {
        let files = [others[0], others[1], ("a", text)];
        assert!(needs_of(&files, "a").is_empty(), "{text}");
    }
    let behind = [
        ("", "mod a; mod b;"),
        ("b", ""),
        ("a", "#[cfg(test)]\nmod tests;"),
        ("a/tests", "use crate::b;"),
    ];
    assert!(needs_of(&behind, "a").is_empty(), "a file that only tests see");
    assert_eq!(needs_of(&[("a", "fn f() { baton::open(); }")], "a"), ["baton"]);
}

#[test]
fn an_allowance_too_few_and_one_too_many_are_told() {
    let needs = BTreeMap::from([("a".to_owned(), BTreeSet::from(["b".to_owned()]))]);
    assert!(differences(&needs, &[("a", &["b"])]).is_empty());
    assert_eq!(differences(&needs, &[]), ["a may not know b"]);
    assert_eq!(
        differences(&needs, &[("a", &["b", "c"])]),
        ["a does not need c any more"]
    );
    assert_eq!(
        differences(&BTreeMap::new(), &[("gone", &["b"])]),
        ["gone does not need b any more"]
    );
}

#[test]
fn circles_are_found_past_facades_and_children_may_know_their_parents() {
    let both = [("", "mod m;"), ("m", "mod a; mod b; pub use a::A; pub use b::B;")];
    let circle = of(&[
        both[0],
        both[1],
        ("m/a", "use super::B; pub struct A;"),
        ("m/b", "use super::A; pub struct B;"),
    ]);
    assert_eq!(circle.circles(), [BTreeSet::from(["m/a".to_owned(), "m/b".to_owned()])]);
    let line = of(&[
        both[0],
        both[1],
        ("m/a", "use super::B; pub struct A;"),
        ("m/b", "pub struct B;"),
    ]);
    assert!(line.circles().is_empty());
    let family = of(&[
        ("m", "mod a; use a::A; pub struct M;"),
        ("m/a", "use super::M; pub struct A;"),
    ]);
    assert!(family.circles().is_empty());
}

#[test]
fn a_crate_that_knows_too_much_is_told() {
    let manifest = "[package]\n[dependencies]\nprocess.workspace = true\nserde = \"1\"\n\n[dev-dependencies]\nsandbox.workspace = true\n";
    let sources = [(PathBuf::from("x.rs"), "//! Asks PingOne.".to_owned())];
    assert!(crate_faults(manifest, &sources, &["process"], &["grpc"]).is_empty());
    assert_eq!(
        crate_faults(manifest, &sources, &["process"], &["pingone"]),
        ["x.rs: pingone"]
    );
    assert_eq!(crate_faults(manifest, &[], &[], &[]), ["dependency process"]);
    assert_eq!(
        crate_faults(manifest, &[], &["process", "baton"], &[]),
        ["dependency baton"]
    );
}

#[test]
fn a_citation_of_something_that_is_not_there_is_told() {
    let contracts = Contracts::from([
        (
            "c1z".to_owned(),
            citations::sections("# 9 no\n## 11. Growth\n### 11.2 Order\n"),
        ),
        ("c1-protocol".to_owned(), citations::sections("## 3. Token\n")),
    ]);
    let faults = |text: &str| citations::faults(text, None, &contracts);
    for text in [
        "c1z.md §11.2",
        "(c1z.md §11, §11.2)",
        "docs/contracts/c1z.md §11",
        "see c1-protocol\n//! §3, and more",
        "c1z.md §11 and c1-protocol.md §3",
        "RFC 7518 §4.6",
    ] {
        assert!(faults(text).is_empty(), "{text}: {:?}", faults(text));
    }
    for (text, why) in [
        ("c1z.md §9", "c1z has no §9"),
        ("c1z.md §11.3", "c1z has no §11.3"),
        ("c1z.md §11, §12", "c1z has no §12"),
        ("c1-protocol.md §3, c1z.md §3", "c1z has no §3"),
        ("other.md §3", "cites other.md"),
        ("as §11 says", "§11 of which contract"),
        ("c1z.md §11\n//!\n//! §11.2", "§11.2 of which contract"),
    ] {
        assert!(
            faults(text).iter().any(|fault| fault.starts_with(why)),
            "{text}: {:?}",
            faults(text)
        );
    }
    assert!(citations::faults("§11 and c1-protocol §3: §11.2", Some("c1z"), &contracts).is_empty());
    let known = BTreeSet::from(["README.md".to_owned()]);
    assert_eq!(
        citations::outside("in `notes.md`, ../x and ../../y, README.md", 1, &known),
        ["notes.md", "../../y"]
    );
    assert_eq!(
        citations::records("docs/adr/0005-x.md, ADR 0011; ADR n"),
        ["0005", "0011"]
    );
    assert_eq!(
        citations::dead_links("[a](nowhere.md) [b](https://x) [c](#here)", Path::new("/")),
        ["nowhere.md"]
    );
}
