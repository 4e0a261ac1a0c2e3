//! Which file of a crate needs which, and which top-level module needs which.

use super::source::{Import, Source, files, read};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The files of one crate by module path (`["sync", "plan"]`; the root is empty).
pub struct Crate {
    modules: BTreeMap<Vec<String>, Source>,
}

type Module = Vec<String>;

/// What a path leads to.
enum Target {
    /// A module as such.
    Module(Module),
    /// Something that a module's file defines.
    Item(Module),
    /// Another crate.
    Foreign(String),
}

impl Crate {
    pub fn read(root: &Path) -> Self {
        let texts = files(root).into_iter().filter_map(|path| {
            let relative = path.strip_prefix(root).unwrap().with_extension("");
            let mut module: Module = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            if module
                .last()
                .is_some_and(|last| last == "mod" || (last == "lib" && module.len() == 1))
            {
                module.pop();
            }
            (module != ["main"]).then(|| (module, fs::read_to_string(&path).unwrap()))
        });
        Self::of(texts)
    }

    /// A crate of the given texts; what only tests see is left out.
    pub fn of(texts: impl IntoIterator<Item = (Module, String)>) -> Self {
        let mut modules: BTreeMap<Module, Source> =
            texts.into_iter().map(|(module, text)| (module, read(&text))).collect();
        let hidden: Vec<Module> = modules
            .iter()
            .flat_map(|(module, source)| {
                source
                    .children
                    .iter()
                    .filter(|(_, test)| **test)
                    .map(|(name, _)| child(module, name))
            })
            .collect();
        modules.retain(|module, _| !hidden.iter().any(|test| module.starts_with(test)));
        Self { modules }
    }

    pub fn tops(&self) -> BTreeSet<String> {
        self.modules
            .keys()
            .filter_map(|module| module.first().cloned())
            .collect()
    }

    /// Resolves a path that stands in `module`. `depth` ends a circle of re-exports.
    fn resolve(&self, module: &Module, path: &[String], depth: usize) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        let source = self.modules.get(module)?;
        let start = match first.as_str() {
            "crate" => Vec::new(),
            "self" => module.clone(),
            "super" => module.split_last()?.1.to_vec(),
            name if self.modules.contains_key(&child(module, name)) => child(module, name),
            name => match source.imports.get(name) {
                Some(import) if depth > 0 => {
                    return match self.resolve(module, &import.path, depth - 1)? {
                        Target::Module(found) => self.walk(found, rest, depth - 1),
                        other => Some(other),
                    };
                }
                Some(_) => return None,
                None => return Some(Target::Foreign(name.to_owned())),
            },
        };
        self.walk(start, rest, depth)
    }

    fn walk(&self, mut module: Module, rest: &[String], depth: usize) -> Option<Target> {
        for (position, name) in rest.iter().enumerate() {
            if name == "super" {
                module.pop();
                continue;
            }
            let inner = child(&module, name);
            if self.modules.contains_key(&inner) {
                module = inner;
                continue;
            }
            let source = self.modules.get(&module)?;
            let candidates = source
                .imports
                .get(name)
                .map(|import| import.path.clone())
                .into_iter()
                .chain(
                    source
                        .globs
                        .iter()
                        .map(|glob| [glob.path.clone(), vec![name.clone()]].concat()),
                );
            if !source.items.contains(name) && depth > 0 {
                for path in candidates {
                    let after = [path, rest[position + 1..].to_vec()].concat();
                    if let Some(found) = self.resolve(&module, &after, depth - 1) {
                        return Some(found);
                    }
                }
            }
            return Some(Target::Item(module));
        }
        Some(Target::Module(module))
    }

    /// Pairs of a file and what it needs: another file (`Ok`) or another crate (`Err`). A name that is only passed on counts
    /// for whoever uses it, unless `facades`.
    fn needs(&self, facades: bool) -> Vec<(Module, Result<Module, String>)> {
        let mut found = Vec::new();
        for (module, source) in &self.modules {
            let imports = source
                .imports
                .values()
                .chain(&source.globs)
                .filter(|Import { passed_on, .. }| facades || !passed_on)
                .map(|import| &import.path);
            for path in imports.chain(&source.paths) {
                match self.resolve(module, path, 8) {
                    Some(Target::Module(target) | Target::Item(target)) if target != *module => {
                        found.push((module.clone(), Ok(target)));
                    }
                    Some(Target::Foreign(name)) => found.push((module.clone(), Err(name))),
                    _ => {}
                }
            }
        }
        found
    }

    /// What each top-level module needs: other top-level modules, and crates of `ours`.
    pub fn module_needs(&self, ours: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in self.needs(true) {
            let Some(top) = from.first() else { continue };
            let target = match to {
                Ok(module) => module.first().cloned(),
                Err(name) => ours.contains(&name.as_str()).then_some(name),
            };
            if let Some(target) = target.filter(|target| target != top) {
                found.entry(top.clone()).or_default().insert(target);
            }
        }
        found
    }

    /// Circles between files.
    pub fn circles(&self) -> Vec<BTreeSet<String>> {
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in self.needs(false) {
            if let Ok(to) = to
                && !from.starts_with(&to)
            {
                edges.entry(from.join("/")).or_default().insert(to.join("/"));
            }
        }
        circles(&edges)
    }
}

fn child(module: &Module, name: &str) -> Module {
    [module.as_slice(), &[name.to_owned()]].concat()
}

/// Sets of more than one node that all reach one another.
pub fn circles(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> = edges.keys().map(|from| (from, reach(edges, from))).collect();
    let mut found: Vec<BTreeSet<String>> = Vec::new();
    for (from, targets) in &reached {
        let back = targets
            .iter()
            .filter(|to| reached.get(**to).is_some_and(|theirs| theirs.contains(from)));
        let circle: BTreeSet<String> = back.map(|to| (**to).clone()).collect();
        if circle.len() > 1 && !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}

fn reach<'a>(edges: &'a BTreeMap<String, BTreeSet<String>>, from: &String) -> BTreeSet<&'a String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&String> = edges.get(from).into_iter().flatten().collect();
    while let Some(next) = open.pop() {
        if found.insert(next) {
            open.extend(edges.get(next).into_iter().flatten());
        }
    }
    found
}
