//! Imports between the files of a crate: no cycles, and each type name once.
//!
//! A node of the graph is a file. Two rules keep the graph meaningful:
//!
//! - An import through a re-export leads to the file that defines the item.
//! - A file may name its ancestors: a folder's `mod.rs` declares the type, the files in the folder are
//!   parts of its implementation. The opposite direction, and all imports between siblings, count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Item, UseTree};

use crate::{PROGRAM, sources_of, workspace};

/// A module by its path below the crate root; the root is empty.
type Module = Vec<String>;

#[derive(Default)]
struct File {
    /// Names that a `pub use` brings from another module, with their full path.
    reexports: BTreeMap<String, Module>,
    /// Paths that the code names.
    imports: BTreeSet<Module>,
    /// Types that the file defines.
    types: Vec<String>,
}

fn module_of(relative: &Path) -> Module {
    let mut module: Module =
        relative.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    module
}

/// Returns the full path of a path in `module`, or `None` for paths into other crates.
fn absolute(module: &Module, path: &[String]) -> Option<Module> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([module.as_slice(), rest].concat()),
        "super" => {
            let parent = module[..module.len().checked_sub(1)?].to_vec();
            if rest.first().is_some_and(|word| word == "super") {
                absolute(&parent, rest)
            } else {
                Some([parent.as_slice(), rest].concat())
            }
        }
        _ => None,
    }
}

fn flatten(tree: &UseTree, prefix: &[String], found: &mut Vec<(Vec<String>, String)>) {
    match tree {
        UseTree::Path(path) => flatten(&path.tree, &[prefix, &[path.ident.to_string()]].concat(), found),
        UseTree::Name(name) if name.ident == "self" => {
            found.push((prefix.to_vec(), prefix.last().cloned().unwrap_or_default()));
        }
        UseTree::Name(name) => {
            found.push(([prefix, &[name.ident.to_string()]].concat(), name.ident.to_string()));
        }
        UseTree::Rename(rename) => {
            found.push(([prefix, &[rename.ident.to_string()]].concat(), rename.rename.to_string()));
        }
        UseTree::Glob(_) => found.push((prefix.to_vec(), "*".to_owned())),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, prefix, found)),
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && quote::ToTokens::to_token_stream(attribute).to_string().contains("test")
    })
}

struct Reader<'a> {
    module: Module,
    children: &'a BTreeSet<Module>,
    file: File,
}

impl Reader<'_> {
    fn resolve(&self, path: &[String]) -> Option<Module> {
        let child = path.first().map(|first| [self.module.as_slice(), std::slice::from_ref(first)].concat());
        match child {
            Some(child) if self.children.contains(&child) => Some([self.module.as_slice(), path].concat()),
            _ => absolute(&self.module, path),
        }
    }

    fn define(&mut self, name: &syn::Ident) {
        self.file.types.push(name.to_string());
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Mod(inner) if is_test(&inner.attrs) => return,
            Item::Fn(inner) if is_test(&inner.attrs) => return,
            Item::Impl(inner) if is_test(&inner.attrs) => return,
            Item::Use(inner) if is_test(&inner.attrs) => return,
            Item::Use(inner) => {
                let mut found = Vec::new();
                flatten(&inner.tree, &[], &mut found);
                let is_reexport = !matches!(inner.vis, syn::Visibility::Inherited);
                for (path, name) in found {
                    let Some(path) = self.resolve(&path) else { continue };
                    if is_reexport {
                        self.file.reexports.insert(name, path);
                    } else {
                        self.file.imports.insert(path);
                    }
                }
            }
            Item::Struct(inner) => self.define(&inner.ident),
            Item::Enum(inner) => self.define(&inner.ident),
            Item::Union(inner) => self.define(&inner.ident),
            Item::Trait(inner) => self.define(&inner.ident),
            Item::Type(inner) => self.define(&inner.ident),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let words: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if words.len() > 1 {
            self.file.imports.extend(self.resolve(&words));
        }
        visit::visit_path(self, path);
    }
}

fn read(folder: &str) -> BTreeMap<Module, File> {
    let root = workspace().join(folder);
    let sources = sources_of(folder);
    let modules: BTreeSet<Module> =
        sources.keys().map(|path| module_of(path.strip_prefix(&root).unwrap())).collect();
    let mut files = BTreeMap::new();
    for (path, text) in &sources {
        let module = module_of(path.strip_prefix(&root).unwrap());
        let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut reader = Reader { module: module.clone(), children: &modules, file: File::default() };
        reader.visit_file(&parsed);
        files.insert(module, reader.file);
    }
    files
}

/// Returns the module that defines the item at the end of a path.
fn definition(files: &BTreeMap<Module, File>, path: &Module) -> Option<Module> {
    let mut path = path.clone();
    for _ in 0..8 {
        let len = (0..=path.len()).rev().find(|len| files.contains_key(&path[..*len]))?;
        let (module, item) = (path[..len].to_vec(), path.get(len));
        let reexport = item.and_then(|item| files[&module].reexports.get(item));
        match reexport {
            Some(target) => path = [target.as_slice(), &path[len + 1..]].concat(),
            None => return Some(module),
        }
    }
    None
}

fn graph(files: &BTreeMap<Module, File>) -> BTreeMap<&Module, BTreeSet<Module>> {
    let edges = files.iter().map(|(module, file)| {
        let targets = file.imports.iter().filter_map(|path| definition(files, path));
        (module, targets.filter(|target| !module.starts_with(target)).collect())
    });
    edges.collect()
}

/// Returns the groups of modules that reach each other.
fn cycles(graph: &BTreeMap<&Module, BTreeSet<Module>>) -> Vec<BTreeSet<Module>> {
    let reach = |from: &Module| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(module) = next.pop() {
            for target in &graph[&module] {
                if seen.insert(target.clone()) {
                    next.push(target.clone());
                }
            }
        }
        seen
    };
    let reachable: BTreeMap<&Module, BTreeSet<Module>> =
        graph.keys().map(|module| (*module, reach(module))).collect();
    let mut groups: Vec<BTreeSet<Module>> = Vec::new();
    for (module, targets) in &reachable {
        if !targets.contains(*module) || groups.iter().any(|group| group.contains(*module)) {
            continue;
        }
        groups.push(targets.iter().filter(|target| reachable[target].contains(*module)).cloned().collect());
    }
    groups
}

/// A trait and its argument, which name each other, and the session that the argument holds.
const HANDLER_AND_CONTEXT: [&str; 4] = ["handler", "context", "context::session", "context::session_cell"];

#[test]
fn modules_do_not_import_in_a_circle() {
    for folder in ["ws-core/src", PROGRAM, "ws-macros/src", "benches/src"] {
        let files = read(folder);
        assert!(files.len() > 5, "{folder}");
        let groups = cycles(&graph(&files))
            .into_iter()
            .map(|group| group.into_iter().map(|module| module.join("::")).collect::<Vec<_>>());
        let wrong: Vec<_> = groups
            .filter(|group| !group.iter().all(|module| HANDLER_AND_CONTEXT.contains(&module.as_str())))
            .collect();
        assert!(wrong.is_empty(), "{folder}: these modules import each other: {wrong:#?}");
    }
}

/// Types that exist twice on purpose, because a `cfg` selects one of the two.
const CFG_TWINS: [&str; 12] = [
    // `wire::deflate` and its stub for builds without the feature.
    "Deflater",
    "Inflater",
    "SharedDeflate",
    // `metrics`, and the module without the feature.
    "BrokerMetrics",
    "CallTimer",
    "ConnectionMetrics",
    "CountedKind",
    "LoopMetrics",
    // `worker::poll`: epoll, and mio elsewhere.
    "Events",
    "Poller",
    "PollerRegistry",
    "Waker",
];

#[test]
fn each_type_name_is_used_once() {
    for folder in ["ws-core/src", PROGRAM, "ws-macros/src"] {
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (module, file) in read(folder) {
            // Wrappers of the same names for fuzz targets.
            if module.last().is_some_and(|name| name == "fuzzing") {
                continue;
            }
            for name in file.types {
                names.entry(name).or_default().push(module.join("::"));
            }
        }
        names.retain(|name, modules| modules.len() > 1 && !CFG_TWINS.contains(&name.as_str()));
        assert!(names.is_empty(), "{folder}: {names:#?}");
    }
}

#[test]
fn cycles_are_found() {
    let module = |name: &str| vec![name.to_owned()];
    let [a, b, c] = ["a", "b", "c"].map(module);
    let graph = |edges: [&[&Module]; 3]| {
        let targets = edges.map(|targets| targets.iter().map(|target| (*target).clone()).collect());
        [&a, &b, &c].into_iter().zip(targets).collect::<BTreeMap<_, BTreeSet<Module>>>()
    };
    assert!(cycles(&graph([&[&b, &c], &[&c], &[]])).is_empty());
    assert_eq!(cycles(&graph([&[&b], &[&c], &[&b]])), [BTreeSet::from([b.clone(), c.clone()])]);
}
