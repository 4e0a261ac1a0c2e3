//! Finds what texts cite: sections of contracts, records of decisions, files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The contracts by the name that citations use, each with its sections.
pub type Contracts = BTreeMap<String, BTreeSet<String>>;

/// The sections that a contract has: the numbers of its headings.
pub fn sections(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| line.starts_with("##"))
        .map(|line| line.trim_start_matches('#').trim_start())
        .map(|heading| number(heading).to_owned())
        .filter(|number| !number.is_empty())
        .collect()
}

/// The section number that a text begins with: `11`, `6.10`.
fn number(text: &str) -> &str {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    text[..end].trim_end_matches('.')
}

/// How the contracts call one another.
const SHORT: [(&str, &str); 2] = [("CM", "connector-model"), ("PA", "pingone-api")];

/// What is wrong with the sections that a text cites. `own` is the contract that a bare `§` means, if the text is one.
///
/// Elsewhere a bare `§` means the contract that the same paragraph named last.
pub fn faults(text: &str, own: Option<&str>, contracts: &Contracts) -> Vec<String> {
    let mut faults = Vec::new();
    let mut named = own.map(str::to_owned);
    for line in text.lines() {
        let bare = line.trim_start_matches([' ', '\t', '/', '!', '#', '*', '>', '|']);
        if bare.is_empty() {
            named = own.map(str::to_owned);
        }
        let mut before = 0;
        for (at, mark) in line.match_indices('§') {
            let between = &line[before..at];
            before = at + mark.len();
            match document(between, contracts) {
                Some(Document::Contract(name)) => named = Some(name),
                Some(Document::Unknown(name)) if own.is_none() => {
                    faults.push(format!("cites {name}, which is not in docs/contracts: {}", line.trim()));
                    continue;
                }
                Some(Document::Standard | Document::Unknown(_)) => continue,
                None if own.is_some() && !continues(between) => named = own.map(str::to_owned),
                None => {}
            }
            let cited = number(&line[before..]);
            match &named {
                None => faults.push(format!("§{cited} of which contract? {}", line.trim())),
                Some(name) if cited.is_empty() && !line[before..].starts_with(['§', 'n']) => {
                    faults.push(format!("{name} § without a number: {}", line.trim()));
                }
                Some(name) if !cited.is_empty() && !contracts[name].contains(cited) => {
                    faults.push(format!("{name} has no §{cited}: {}", line.trim()));
                }
                Some(_) => {}
            }
        }
        // The name can stand at the end of a line, its sections on the next.
        if own.is_none()
            && contracts.keys().any(|name| line[before..].contains(name.as_str()))
            && let Some(Document::Contract(name)) = document(&line[before..], contracts)
        {
            named = Some(name);
        }
    }
    faults
}

/// Whether a section goes on with a list of sections of one document: `§1, §2 and §3`.
fn continues(between: &str) -> bool {
    let words = between
        .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')
        .trim();
    words.is_empty() || [",", "and", ", and", "–", "to"].contains(&words)
}

enum Document {
    Contract(String),
    /// A public standard, or a document of the reference implementation (`RFC 7518`, "RFC 0005").
    Standard,
    Unknown(String),
}

/// The last document that the text between two citations names. A file name that is no contract counts only right before
/// the mark.
fn document(text: &str, contracts: &Contracts) -> Option<Document> {
    let words: Vec<&str> = text
        .split(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '.' | '/'))
        .map(|word| word.trim_matches('.'))
        .filter(|word| !word.is_empty())
        .collect();
    for (position, word) in words.iter().enumerate().rev() {
        let name = word.rsplit('/').next().unwrap().trim_end_matches(".md");
        if contracts.contains_key(name) {
            return Some(Document::Contract(name.to_owned()));
        }
        if let Some((_, name)) = SHORT.iter().find(|(short, _)| short == word) {
            return Some(Document::Contract((*name).to_owned()));
        }
        let last = position + 1 == words.len();
        if last && position > 0 && words[position - 1] == "RFC" {
            return Some(Document::Standard);
        }
        if last && is_markdown(word) {
            return Some(Document::Unknown((*word).to_owned()));
        }
    }
    None
}

fn is_markdown(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|ending| ending == "md")
}

/// Records of decisions that a text cites: `docs/adr/0005`, `ADR 0005`.
pub fn records(text: &str) -> Vec<&str> {
    let marks = ["docs/adr/", "ADR "]
        .into_iter()
        .flat_map(|mark| text.match_indices(mark));
    marks
        .map(|(at, mark)| number(&text[at + mark.len()..]))
        .filter(|number| number.len() == 4)
        .collect()
}

/// Links of a Markdown text that lead nowhere; `folder` is where it lies.
pub fn dead_links(text: &str, folder: &Path) -> Vec<String> {
    text.match_indices("](")
        .filter_map(|(at, _)| text[at + 2..].split([')', '#', ' ']).next())
        .filter(|target| !target.is_empty() && !target.contains(':') && !target.starts_with('/'))
        .filter(|target| !folder.join(target).exists())
        .map(str::to_owned)
        .collect()
}

/// Text files of the project, without what is built or generated elsewhere.
pub fn texts(root: &Path) -> Vec<PathBuf> {
    const SKIPPED: [&str; 3] = [".git", "target", "node_modules"];
    const READ: [&str; 11] = [
        "rs", "md", "mdx", "sh", "py", "go", "toml", "yaml", "yml", "tpl", "proto",
    ];
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !SKIPPED.contains(&name) {
                found.extend(texts(&path));
            }
        } else if path
            .extension()
            .is_some_and(|ending| READ.iter().any(|read| ending == *read))
            || ["Makefile", "Dockerfile", "run"].contains(&name)
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Files that a text names and that the project does not have: a `.md` that is nowhere, a path that leaves the project.
/// `depth` is how many folders the text lies below the project's root.
pub fn outside(text: &str, depth: usize, known: &BTreeSet<String>) -> Vec<String> {
    let words = text.split(|c: char| c.is_whitespace() || "()[]<>`'\"|,;:={}*".contains(c));
    words
        .map(|word| {
            word.trim_start_matches('-')
                .trim_end_matches('.')
                .split('#')
                .next()
                .unwrap()
        })
        .filter(|word| {
            let name = word.rsplit('/').next().unwrap();
            let missing = is_markdown(name) && !word.contains('$') && !known.contains(name);
            missing || word.split('/').take_while(|part| *part == "..").count() > depth
        })
        .map(str::to_owned)
        .collect()
}
