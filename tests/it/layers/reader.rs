//! Reads source files for the paths that they name. Owns no rule about them.
//!
//! What counts is code: `use` trees, paths, and what looks like a path within a
//! macro or an attribute. Comments, texts and what is `#[cfg(test)]` do not. A
//! name is followed through `use` and `pub use` to the file that defines it, in
//! the way that the compiler does, as far as this house needs it.

use std::collections::{BTreeMap, BTreeSet};

use syn::buffer::{Cursor, TokenBuffer};
use syn::ext::IdentExt;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree, Visibility};

/// A module's names, its crate's first: `downlink`, `main` or that of a
/// directory in `src/bin`.
pub type Module = Vec<String>;

/// A file and its text.
pub type Source = (String, String);

pub const LIBRARY: &str = "downlink";

/// That one file names something of another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrow {
    pub from: String,
    pub to: String,
    /// The module that `to` is.
    pub module: Module,
    /// What is named of it; nothing if it is the module itself.
    pub item: Option<String>,
}

/// What was found in some files.
#[derive(Debug, Default)]
pub struct Read {
    /// Each file and the module that it is.
    pub files: BTreeMap<String, Module>,
    pub arrows: BTreeSet<Arrow>,
    /// Each file and a crate that it names. Or what looks like one, such as a
    /// type: nobody asks for those.
    pub crates: BTreeSet<(String, String)>,
    /// Each file and a module of which it imports everything, so that nobody
    /// can tell where a name comes from.
    pub globs: BTreeSet<(String, String)>,
    /// Each file and what it does that hides names from this reader.
    pub hidden: BTreeSet<(String, String)>,
}

/// The module that a file is.
pub fn module_of(file: &str) -> Module {
    let path = file.strip_prefix("src/").unwrap_or(file);
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let mut names: Module = path.split('/').map(str::to_owned).collect();
    match path {
        "main" => return names,
        "lib" => return vec![LIBRARY.to_owned()],
        _ if names[0] == "bin" => drop(names.remove(0)),
        _ => names.insert(0, LIBRARY.to_owned()),
    }
    if names.last().is_some_and(|last| last == "mod" || last == "main") {
        names.pop();
    }
    names
}

pub fn read(sources: &[Source]) -> Read {
    let mut names = Names::default();
    let mut mentions = Vec::new();
    let mut hidden = BTreeSet::new();
    for (file, text) in sources {
        let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let module = module_of(file);
        names.modules.insert(module.clone(), file.clone());
        let mut reader = Reader {
            file,
            module,
            names: &mut names,
            mentions: &mut mentions,
            tests: Vec::new(),
            real: Vec::new(),
            hidden: &mut hidden,
        };
        reader.visit_file(&syntax);
        let Reader { tests, real, .. } = reader;
        names.tests.extend(tests);
        names.real.extend(real);
    }
    // Files that only tests have.
    let only_tests: Vec<_> = names.tests.difference(&names.real).collect();
    let is_test = |module: &Module| only_tests.iter().any(|tests| module.starts_with(tests));
    let mut read = Read { hidden, ..Read::default() };
    for (module, file) in &names.modules {
        if !is_test(module) && module_of(file) == *module {
            read.files.insert(file.clone(), module.clone());
        }
    }
    for Mention { file, module, path, kind } in mentions.iter().filter(|it| !is_test(&it.module)) {
        match names.resolve(module, path, *kind, 0) {
            Some(Place::Crate(name)) => drop(read.crates.insert((file.clone(), name))),
            Some(Place::Own(target, item)) => {
                let to = names.modules[&target].clone();
                if *kind == Kind::Glob && item.is_none() {
                    read.globs.insert((file.clone(), to.clone()));
                }
                // What is below is only pointed to, and not used.
                let is_sign = *kind == Kind::ReExport && target.starts_with(module);
                if !is_sign && to != *file {
                    let (from, module) = (file.clone(), target);
                    read.arrows.insert(Arrow { from, to, module, item });
                }
            }
            None => {}
        }
    }
    read
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// In code.
    Path,
    Import,
    ReExport,
    Glob,
}

/// A path as it stands in a file.
struct Mention {
    file: String,
    module: Module,
    path: Vec<String>,
    kind: Kind,
}

/// What a path leads to.
enum Place {
    /// Another crate, or what looks like one.
    Crate(String),
    /// A module, and an item of it.
    Own(Module, Option<String>),
}

#[derive(Default)]
struct Names {
    /// Modules, inline ones too, and the files that they are in.
    modules: BTreeMap<Module, String>,
    /// What a module imports: each name and where it comes from.
    imports: BTreeMap<(Module, String), Vec<String>>,
    /// Modules that are declared for tests, and those that are declared for all.
    tests: BTreeSet<Module>,
    real: BTreeSet<Module>,
}

/// More hops than any name takes; an import of itself never ends.
const MAX_HOPS: usize = 16;

impl Names {
    /// Follows a path that stands in the module `from`.
    fn resolve(&self, from: &Module, path: &[String], kind: Kind, hops: usize) -> Option<Place> {
        let (first, rest) = path.split_first()?;
        // A single name in code is mostly a local one.
        let outside =
            || (kind != Kind::Path || path.len() > 1).then(|| Place::Crate(first.clone()));
        match first.as_str() {
            // Of a leading `::`.
            "" if rest.first().is_some_and(|name| name == LIBRARY) => {
                self.walk(vec![LIBRARY.to_owned()], &rest[1..], hops)
            }
            "" => rest.first().cloned().map(Place::Crate),
            "self" => self.walk(from.clone(), rest, hops),
            "super" => self.walk(from[..from.len() - 1].to_vec(), rest, hops),
            "crate" => self.walk(from[..1].to_vec(), rest, hops),
            LIBRARY if from[0] != LIBRARY => self.walk(vec![LIBRARY.to_owned()], rest, hops),
            name if self.modules.contains_key(&below(from, name)) => {
                self.walk(from.clone(), path, hops)
            }
            // An import of a whole crate does not come from itself.
            _ if matches!(kind, Kind::Import | Kind::ReExport) && rest.is_empty() => outside(),
            name => match self.imports.get(&(from.clone(), name.to_owned())) {
                Some(import) if import != path && hops < MAX_HOPS => {
                    self.resolve(from, &[import, rest].concat(), Kind::Import, hops + 1)
                }
                _ => outside(),
            },
        }
    }

    /// Follows the rest of a path from the module `at`.
    fn walk(&self, mut at: Module, mut path: &[String], hops: usize) -> Option<Place> {
        while let Some((name, rest)) = path.split_first() {
            if name == "super" {
                at.pop();
            } else if self.modules.contains_key(&below(&at, name)) {
                at.push(name.clone());
            } else if let Some(import) = self.imports.get(&(at.clone(), name.clone()))
                && hops < MAX_HOPS
            {
                return self.resolve(&at, &[import, rest].concat(), Kind::Import, hops + 1);
            } else {
                return self.modules.contains_key(&at).then(|| Place::Own(at, Some(name.clone())));
            }
            path = rest;
        }
        self.modules.contains_key(&at).then_some(Place::Own(at, None))
    }
}

fn below(module: &[String], name: &str) -> Module {
    module.iter().map(String::as_str).chain([name]).map(str::to_owned).collect()
}

/// Goes through one file.
struct Reader<'a> {
    file: &'a str,
    module: Module,
    names: &'a mut Names,
    mentions: &'a mut Vec<Mention>,
    tests: Vec<Module>,
    real: Vec<Module>,
    hidden: &'a mut BTreeSet<(String, String)>,
}

impl Reader<'_> {
    fn hides(&mut self, what: &str) {
        self.hidden.insert((self.file.to_owned(), what.to_owned()));
    }

    fn mention(&mut self, path: Vec<String>, kind: Kind) {
        let (file, module) = (self.file.to_owned(), self.module.clone());
        self.mentions.push(Mention { file, module, path, kind });
    }

    fn import(&mut self, before: &[String], tree: &UseTree, kind: Kind) {
        let then = |name: &syn::Ident| [before, &[name.unraw().to_string()]].concat();
        let (path, name) = match tree {
            UseTree::Path(path) => return self.import(&then(&path.ident), &path.tree, kind),
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.import(before, tree, kind));
            }
            UseTree::Glob(_) => return self.mention(before.to_vec(), Kind::Glob),
            UseTree::Name(name) => (then(&name.ident), &name.ident),
            UseTree::Rename(rename) => (then(&rename.ident), &rename.rename),
        };
        // `a::{self}` is `a`.
        let is_self = path.len() > 1 && path.last().is_some_and(|last| last == "self");
        let path = if is_self { path[..path.len() - 1].to_vec() } else { path };
        let name =
            if name == "self" { path[path.len() - 1].clone() } else { name.unraw().to_string() };
        self.names.imports.insert((self.module.clone(), name), path.clone());
        self.mention(path, kind);
    }

    /// Whatever looks like a path among tokens that nobody has parsed.
    fn tokens(&mut self, mut at: Cursor) {
        while !at.eof() {
            if let Some((ident, mut next)) = at.ident() {
                let mut path = vec![ident.unraw().to_string()];
                while let Some((ident, after)) = colons(next).and_then(Cursor::ident) {
                    path.push(ident.unraw().to_string());
                    next = after;
                }
                self.mention(path, Kind::Path);
                at = next;
            } else if let Some((inside, _, _, after)) = at.any_group() {
                self.tokens(inside);
                at = after;
            } else if let Some((_, after)) = at.token_tree() {
                at = after;
            }
        }
    }
}

/// What is behind `::`.
fn colons<'a>(at: Cursor<'a>) -> Option<Cursor<'a>> {
    let colon = |at: Cursor<'a>| at.punct().filter(|(punct, _)| punct.as_char() == ':');
    let (_, at) = colon(at)?;
    colon(at).map(|(_, after)| after)
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Const(item) => &item.attrs,
            Item::Enum(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Macro(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Static(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            Item::Trait(item) => &item.attrs,
            Item::Type(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if attributes.iter().any(|attribute| attribute.path().is_ident("path")) {
            self.hides("#[path]");
        }
        if !is_for_tests(attributes) {
            if let Item::Mod(module) = item {
                self.real.push(below(&self.module, &module.ident.unraw().to_string()));
            }
            visit::visit_item(self, item);
        } else if let Item::Mod(tests) = item {
            self.tests.push(below(&self.module, &tests.ident.unraw().to_string()));
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.unraw().to_string());
        if item.content.is_some() {
            self.names.modules.insert(self.module.clone(), self.file.to_owned());
        }
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let kind = match item.vis {
            Visibility::Inherited => Kind::Import,
            _ => Kind::ReExport,
        };
        let root: &[String] = if item.leading_colon.is_some() { &[String::new()] } else { &[] };
        self.import(root, &item.tree, kind);
    }

    fn visit_item_extern_crate(&mut self, _: &'ast syn::ItemExternCrate) {
        self.hides("extern crate");
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let root = path.leading_colon.is_some().then(String::new);
        let names = path.segments.iter().map(|segment| segment.ident.unraw().to_string());
        self.mention(root.into_iter().chain(names).collect(), Kind::Path);
        visit::visit_path(self, path);
    }

    /// `pub(super)` names nothing.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        if called.path.segments.last().is_some_and(|last| last.ident == "include") {
            self.hides("include!");
        }
        visit::visit_macro(self, called);
        self.tokens(TokenBuffer::new2(called.tokens.clone()).begin());
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        visit::visit_meta_list(self, list);
        self.tokens(TokenBuffer::new2(list.tokens.clone()).begin());
    }
}
