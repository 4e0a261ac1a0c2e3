//! Reads Rust source as far as imports need it: tokens without comments and strings, without what only tests see.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Where a name that a file imports comes from.
#[derive(Debug, Clone)]
pub struct Import {
    /// As written: `["crate", "model", "Grant"]`; a glob ends in `*`.
    pub path: Vec<String>,
    /// `pub use` and the like: the name is only passed on.
    pub passed_on: bool,
}

/// What one file says to others.
#[derive(Debug, Default)]
pub struct Source {
    /// Modules that it declares with `mod x;`, and whether only tests see them.
    pub children: BTreeMap<String, bool>,
    /// Imported names.
    pub imports: BTreeMap<String, Import>,
    /// Paths of glob imports.
    pub globs: Vec<Import>,
    /// Names that it defines.
    pub items: BTreeSet<String>,
    /// Paths in its code that are no imports.
    pub paths: Vec<Vec<String>>,
}

/// All `.rs` files below a folder.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Words and marks of a text; comments, strings and characters are left out.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied().unwrap_or(' ');
        if c == '/' && next == '/' {
            at += chars[at..].iter().take_while(|c| **c != '\n').count();
        } else if c == '/' && next == '*' {
            at = after(&chars, at + 2, &['*', '/']);
        } else if c == 'r' && (next == '"' || next == '#') && raw_string(&chars, at).is_some() {
            at = raw_string(&chars, at).unwrap();
        } else if c == '"' {
            at = string_end(&chars, at);
        } else if c == '\'' {
            at = character_end(&chars, at);
        } else if c.is_alphanumeric() || c == '_' {
            let word: String = chars[at..]
                .iter()
                .take_while(|c| c.is_alphanumeric() || **c == '_')
                .collect();
            at += word.chars().count();
            found.push(word);
        } else if c == ':' && next == ':' {
            found.push("::".to_owned());
            at += 2;
        } else {
            if !c.is_whitespace() {
                found.push(c.to_string());
            }
            at += 1;
        }
    }
    found
}

fn after(chars: &[char], from: usize, end: &[char]) -> usize {
    (from..chars.len())
        .find(|at| chars[*at..].starts_with(end))
        .map_or(chars.len(), |at| at + end.len())
}

fn raw_string(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    (chars.get(at + 1 + hashes) == Some(&'"')).then(|| {
        let mut end = vec!['"'];
        end.extend(std::iter::repeat_n('#', hashes));
        after(chars, at + 2 + hashes, &end)
    })
}

fn string_end(chars: &[char], mut at: usize) -> usize {
    at += 1;
    while let Some(c) = chars.get(at) {
        match c {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    at
}

/// The end of a character, or of the tick that begins a lifetime.
fn character_end(chars: &[char], at: usize) -> usize {
    if chars.get(at + 1) == Some(&'\\') {
        return after(chars, at + 3, &['\'']);
    }
    if chars.get(at + 2) == Some(&'\'') {
        at + 3
    } else {
        at + 1
    }
}

/// The first position after the item that begins at `at`.
fn item_end(tokens: &[String], mut at: usize) -> usize {
    while tokens.get(at).is_some_and(|token| token == "#") {
        at = group_end(tokens, at + 1);
    }
    let import = tokens[at..].iter().take(5).any(|token| token == "use");
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            ";" => return at + 1,
            "{" if !import => return group_end(tokens, at),
            "{" | "(" | "[" => at = group_end(tokens, at),
            _ => at += 1,
        }
    }
    at
}

/// The first position after the bracket that opens at `at` is closed.
fn group_end(tokens: &[String], at: usize) -> usize {
    let mut depth = 0_usize;
    for (position, token) in tokens.iter().enumerate().skip(at) {
        match token.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth -= 1;
                if depth == 0 {
                    return position + 1;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

const DEFINES: [&str; 9] = [
    "fn",
    "struct",
    "enum",
    "trait",
    "type",
    "const",
    "static",
    "union",
    "macro_rules",
];

/// Reads one file.
pub fn read(text: &str) -> Source {
    let tokens = tokens(text);
    let mut source = Source::default();
    let word = |at: usize| tokens.get(at).map_or("", String::as_str);
    let test_mark = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut at = 0;
    while at < tokens.len() {
        if (0..test_mark.len()).all(|offset| word(at + offset) == test_mark[offset]) {
            let end = item_end(&tokens, at + test_mark.len());
            if word(end - 3) == "mod" {
                source.children.insert(word(end - 2).to_owned(), true);
            }
            at = end;
        } else if word(at) == "use" {
            let passed_on = at > 0 && (word(at - 1) == "pub" || word(at - 1) == ")");
            let mut end = at + 1;
            tree(&tokens, &mut end, &mut Vec::new(), passed_on, &mut source);
            at = end;
        } else if word(at) == "mod" && word(at + 2) == ";" {
            source.children.insert(word(at + 1).to_owned(), false);
            at += 3;
        } else if DEFINES.contains(&word(at)) {
            source
                .items
                .insert(word(if word(at) == "macro_rules" { at + 2 } else { at + 1 }).to_owned());
            at += 1;
        } else if is_name(word(at)) && word(at + 1) == "::" && (at == 0 || word(at - 1) != "::") {
            let mut path = vec![word(at).to_owned()];
            while word(at + 1) == "::" && is_name(word(at + 2)) {
                path.push(word(at + 2).to_owned());
                at += 2;
            }
            source.paths.push(path);
            at += 1;
        } else {
            at += 1;
        }
    }
    source
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Reads a tree of imports from `at` to behind its end.
fn tree(tokens: &[String], at: &mut usize, base: &mut Vec<String>, passed_on: bool, source: &mut Source) {
    let depth = base.len();
    loop {
        let word = tokens.get(*at).map_or("", String::as_str);
        *at += 1;
        match word {
            "::" => {}
            "{" => {
                while tokens.get(*at).is_some_and(|token| token != "}") {
                    tree(tokens, at, base, passed_on, source);
                }
                *at += 1;
            }
            "*" => source.globs.push(Import {
                path: base.clone(),
                passed_on,
            }),
            "as" => {
                let name = tokens[*at].clone();
                *at += 1;
                source.imports.insert(
                    name,
                    Import {
                        path: base.clone(),
                        passed_on,
                    },
                );
                base.push(String::new());
            }
            "," | ";" | "}" | "" => {
                if word == "}" {
                    *at -= 1;
                }
                let plain = !tokens[..*at]
                    .iter()
                    .rev()
                    .skip(usize::from(word != "}"))
                    .take(1)
                    .any(|token| token == "}" || token == "*");
                if let Some(last) = base
                    .last()
                    .filter(|last| plain && base.len() > depth && !last.is_empty())
                {
                    let (name, path) = if last == "self" {
                        (base[base.len() - 2].clone(), base[..base.len() - 1].to_vec())
                    } else {
                        (last.clone(), base.clone())
                    };
                    source.imports.insert(name, Import { path, passed_on });
                }
                base.truncate(depth);
                return;
            }
            name => base.push(name.to_owned()),
        }
    }
}

/// Public items without a doc comment. Fields and variants need none where their names say it.
pub fn undocumented(text: &str) -> Vec<&str> {
    const ITEMS: [&str; 8] = ["fn", "struct", "enum", "trait", "type", "static", "const", "union"];
    let lines: Vec<&str> = text.lines().take_while(|line| line.trim() != "#[cfg(test)]").collect();
    let is_item = |line: &str| {
        let mut words = line
            .trim()
            .split(' ')
            .filter(|word| !["const", "async", "unsafe"].contains(word));
        words.next() == Some("pub") && words.next().is_some_and(|word| ITEMS.contains(&word)) && !line.contains('$')
            || line.trim().starts_with("pub const ")
    };
    // The line above the item and its attributes, which may have several lines.
    let documented = |mut at: usize| {
        while at > 0 && (lines[at - 1].trim().starts_with("#[") || lines[at - 1].trim() == ")]") {
            at -= 1;
            while at > 0 && !lines[at].trim().starts_with("#[") {
                at -= 1;
            }
        }
        at > 0 && lines[at - 1].trim().starts_with("///")
    };
    (0..lines.len())
        .filter(|at| is_item(lines[*at]) && !documented(*at))
        .map(|at| lines[at].trim())
        .collect()
}
