//! No path that the client can build leads to the value of a credential (access-model.md §3.4).
#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::{Path, PathBuf};

/// Every text literal of a source, tests and comments left out.
fn literals(source: &str) -> Vec<String> {
    let product = source.split("#[cfg(test)]").next().unwrap_or_default();
    let code = product.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = code.collect::<Vec<_>>().join("\n").replace("\\\"", "");
    code.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Parts of a path that would lead to a secret or to a key's private part.
fn leads_to_a_secret(literal: &str) -> bool {
    literal.split(['/', '?']).any(|part| {
        let part = part.to_ascii_lowercase();
        matches!(part.as_str(), "secret" | "secrets" | "clientsecret")
            || ["pkcs12", "pkcs7", "x-pem-file", "pem-certificate"]
                .iter()
                .any(|kind| part.contains(kind))
    })
}

/// A path is made of literals and of ids, so that whoever asks for a secret has a literal that says so.
#[test]
fn no_path_leads_to_a_secret() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let literals: Vec<(PathBuf, String)> = files
        .into_iter()
        .flat_map(|file| {
            let source = std::fs::read_to_string(&file).unwrap();
            literals(&source)
                .into_iter()
                .map(move |literal| (file.clone(), literal))
        })
        .collect();
    // It sees the paths that there are.
    for known in [
        "applications",
        "roleAssignments",
        "keys",
        "gateways",
        "credentials",
        "users",
        "password",
    ] {
        assert!(literals.iter().any(|(_, literal)| literal == known), "{known}");
    }
    let found: Vec<_> = literals
        .iter()
        .filter(|(_, literal)| leads_to_a_secret(literal))
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn the_walk_sees_what_would_lead_to_a_secret() {
    for planted in [
        "secret",
        "applications/x/secret",
        "keys/x?Accept=application/x-pkcs12",
        "application/x-pem-file",
    ] {
        assert!(leads_to_a_secret(planted), "{planted}");
    }
    assert!(!leads_to_a_secret("client_secret is missing"));
    let sample = "self.url(&[\"applications\", &id, \"secret\"])\n// \"not\"\n#[cfg(test)]\nlet x = \"not\";";
    assert_eq!(literals(sample), ["applications", "secret"]);
}
