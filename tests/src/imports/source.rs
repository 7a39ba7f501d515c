//! The modules of a crate: what each defines, imports and mentions, as it stands in the text.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use proc_macro2::{Delimiter, Ident, Spacing, TokenStream, TokenTree};
use syn::{
    Attribute, Item, Macro, Meta, Token, UseTree, Visibility,
    punctuated::Punctuated,
    visit::{self, Visit},
};

/// The text of each source file, by its path below `src`, with `/` between the parts.
pub type Files = BTreeMap<String, String>;

/// Why the imports of a crate cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// A file or directory cannot be read.
    #[error("{path}: {error}")]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// A file is no Rust.
    #[error("{file}: {error}")]
    Syntax {
        /// Below `src`.
        file: String,
        /// Where and why.
        error: syn::Error,
    },
    /// A module without a file.
    #[error("{file}: there is no file for `mod {module};`")]
    NoFile {
        /// The file that declares it.
        file: String,
        /// Its name.
        module: String,
    },
    /// A module whose file is named by an attribute; nothing here does that.
    #[error("{file}: `mod {module};` has a path attribute, which is not followed")]
    PathAttribute {
        /// The file that declares it.
        file: String,
        /// Its name.
        module: String,
    },
    /// A path into a module of this crate that defines no such name: the reader of imports is wrong, or cannot see what
    /// a macro defines.
    #[error("{file}: `{path}` leads to no definition")]
    NoDefinition {
        /// The file that names it.
        file: String,
        /// As it is written.
        path: String,
    },
}

/// Reads every `.rs` file below a directory.
pub fn read_files(src: &Path) -> Result<Files, Unreadable> {
    fn below(directory: &Path, prefix: &str, files: &mut Files) -> Result<(), Unreadable> {
        let at = |error| Unreadable::Io { path: directory.into(), error };
        for entry in directory.read_dir().map_err(at)? {
            let path = entry.map_err(at)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if path.is_dir() {
                below(&path, &format!("{prefix}{name}/"), files)?;
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path);
                let text = text.map_err(|error| Unreadable::Io { path: path.clone(), error })?;
                files.insert(format!("{prefix}{name}"), text);
            }
        }
        Ok(())
    }

    let mut files = Files::new();
    below(src, "", &mut files)?;
    Ok(files)
}

/// Which module of [`Modules`].
pub(super) type Id = usize;

/// The words of a path, from left to right.
pub(super) type Words = Vec<String>;

/// What a name in a module is.
#[derive(Debug, Clone)]
pub(super) enum Meaning {
    Module(Id),
    Item(Kind),
    Import(Words),
}

/// What was defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Names can be found in it: `Type::name`.
    Type,
    /// Its methods are called without naming it.
    Trait,
    /// A function, constant, static or macro.
    Value,
}

/// A `use` of one name, or of all names (`glob`).
#[derive(Debug)]
pub(super) struct Import {
    pub(super) path: Words,
    pub(super) is_glob: bool,
    pub(super) is_reexport: bool,
}

/// One module, a file of its own or inline.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) file: String,
    pub(super) parent: Option<Id>,
    pub(super) root: Id,
    pub(super) names: BTreeMap<String, Vec<Meaning>>,
    pub(super) imports: Vec<Import>,
    pub(super) mentions: BTreeSet<Words>,
    pub(super) macros_called: BTreeSet<Words>,
    pub(super) macros_defined: BTreeSet<String>,
    /// The words of macros that stand between items: they may define what the module has besides.
    pub(super) words_between: BTreeSet<String>,
}

/// All modules of a crate's library and programs.
#[derive(Debug, Default)]
pub(super) struct Modules {
    pub(super) all: Vec<Module>,
    /// The crate's name, as code writes it.
    pub(super) name: String,
    /// The library's root, which the programs beside it know by the crate's name.
    pub(super) library: Option<Id>,
}

impl Modules {
    /// Reads the trees that start at `lib.rs`, `main.rs`, and at whatever file no other one declares: a program.
    pub(super) fn parse(name: &str, files: &Files) -> Result<Self, Unreadable> {
        let modules = Self { name: name.replace('-', "_"), ..Self::default() };
        let mut reader = Reader { files, seen: BTreeSet::new(), modules };
        if files.contains_key("lib.rs") {
            reader.modules.library = Some(reader.root("lib.rs")?);
        }
        if files.contains_key("main.rs") {
            reader.root("main.rs")?;
        }
        for file in files.keys() {
            if !reader.seen.contains(file) {
                reader.root(file)?;
            }
        }
        Ok(reader.modules)
    }
}

struct Reader<'a> {
    files: &'a Files,
    /// Files that belong to a tree already, those of tests included.
    seen: BTreeSet<String>,
    modules: Modules,
}

impl Reader<'_> {
    fn root(&mut self, file: &str) -> Result<Id, Unreadable> {
        let directory = file.rsplit_once('/').map_or(String::new(), |(directory, _)| format!("{directory}/"));
        self.file(file, None, &directory)
    }

    /// Reads a file as a module whose children lie in `directory`, which is empty or ends with `/`.
    fn file(&mut self, file: &str, parent: Option<Id>, directory: &str) -> Result<Id, Unreadable> {
        self.seen.insert(file.to_owned());
        let parsed = syn::parse_file(&self.files[file]);
        let parsed = parsed.map_err(|error| Unreadable::Syntax { file: file.to_owned(), error })?;
        self.module(file, parent, directory, &parsed.items)
    }

    fn module(
        &mut self,
        file: &str,
        parent: Option<Id>,
        directory: &str,
        items: &[Item],
    ) -> Result<Id, Unreadable> {
        let id = self.modules.all.len();
        let root = parent.map_or(id, |parent| self.modules.all[parent].root);
        self.modules.all.push(Module {
            file: file.to_owned(),
            parent,
            root,
            names: BTreeMap::new(),
            imports: Vec::new(),
            mentions: BTreeSet::new(),
            macros_called: BTreeSet::new(),
            macros_defined: BTreeSet::new(),
            words_between: BTreeSet::new(),
        });
        for item in items {
            match item {
                Item::Mod(module) if is_for_tests(&module.attrs) => {
                    if module.content.is_none() {
                        self.forget(file, directory, module)?;
                    }
                }
                Item::Mod(module) => {
                    let child = if let Some((_, items)) = &module.content {
                        let directory = format!("{directory}{}/", plain(&module.ident));
                        self.module(file, Some(id), &directory, items)?
                    } else {
                        let (child, directory) = self.file_of(file, directory, module)?;
                        self.file(&child, Some(id), &directory)?
                    };
                    self.modules.all[id].define(&plain(&module.ident), Meaning::Module(child));
                }
                item => {
                    let module = &mut self.modules.all[id];
                    if let Item::Macro(called) = item {
                        module.words_between.extend(idents(called.mac.tokens.clone()));
                    }
                    module.visit_item(item);
                }
            }
        }
        Ok(id)
    }

    /// The file of `mod x;`, and the directory of its children.
    fn file_of(
        &self,
        file: &str,
        directory: &str,
        module: &syn::ItemMod,
    ) -> Result<(String, String), Unreadable> {
        let name = plain(&module.ident);
        if module.attrs.iter().any(|attribute| attribute.path().is_ident("path")) {
            return Err(Unreadable::PathAttribute { file: file.to_owned(), module: name });
        }
        let children = format!("{directory}{name}/");
        [format!("{directory}{name}.rs"), format!("{children}mod.rs")]
            .into_iter()
            .find(|candidate| self.files.contains_key(candidate))
            .map(|found| (found, children))
            .ok_or_else(|| Unreadable::NoFile { file: file.to_owned(), module: name })
    }

    /// Leaves out a module of tests, with everything below it.
    fn forget(&mut self, file: &str, directory: &str, module: &syn::ItemMod) -> Result<(), Unreadable> {
        let (own, children) = self.file_of(file, directory, module)?;
        self.seen.insert(own);
        self.seen.extend(self.files.keys().filter(|file| file.starts_with(&children)).cloned());
        Ok(())
    }
}

impl Module {
    fn define(&mut self, name: &str, meaning: Meaning) {
        self.names.entry(name.to_owned()).or_default().push(meaning);
    }

    fn import(&mut self, item: &syn::ItemUse) {
        // `::name` is another crate's in any case.
        if item.leading_colon.is_none() {
            let is_reexport = !matches!(item.vis, Visibility::Inherited);
            self.import_tree(&item.tree, Words::new(), is_reexport);
        }
    }

    fn import_tree(&mut self, tree: &UseTree, mut path: Words, is_reexport: bool) {
        match tree {
            UseTree::Path(tree) => {
                path.push(plain(&tree.ident));
                self.import_tree(&tree.tree, path, is_reexport);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import_tree(tree, path.clone(), is_reexport);
                }
            }
            UseTree::Name(name) => self.import_as(path, &plain(&name.ident), None, is_reexport),
            UseTree::Rename(name) => {
                let other = plain(&name.rename);
                self.import_as(path, &plain(&name.ident), Some(&other), is_reexport);
            }
            UseTree::Glob(_) => self.imports.push(Import { path, is_glob: true, is_reexport }),
        }
    }

    fn import_as(&mut self, mut path: Words, name: &str, rename: Option<&str>, is_reexport: bool) {
        // `use a::{self}` is `use a`.
        if name != "self" || path.is_empty() {
            path.push(name.to_owned());
        }
        let known_as = rename.map(str::to_owned).or_else(|| path.last().cloned()).unwrap_or_default();
        if known_as != "_" {
            self.define(&known_as, Meaning::Import(path.clone()));
        }
        self.imports.push(Import { path, is_glob: false, is_reexport });
    }

    /// Notes the paths in the words of a macro or an attribute.
    fn words_of(&mut self, tokens: TokenStream, are_names: impl Fn(&str) -> bool + Copy) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let is = |at: usize, wanted: char| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == wanted);
        let is_joint =
            |at: usize| matches!(&tokens[at], TokenTree::Punct(punct) if punct.spacing() == Spacing::Joint);
        let are_colons = |at: usize| is(at, ':') && is_joint(at) && is(at + 1, ':');
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Ident(first) => {
                    let mut path = vec![plain(first)];
                    let is_member = at > 0 && is(at - 1, '.') && !(at > 1 && is(at - 2, '.'));
                    let has_front = at > 1 && are_colons(at - 2);
                    while are_colons(at + 1) {
                        let Some(TokenTree::Ident(next)) = tokens.get(at + 3) else { break };
                        path.push(plain(next));
                        at += 3;
                    }
                    let is_field = is(at + 1, ':') && !are_colons(at + 1);
                    let counts = path.len() > 1 || (!is_field && are_names(&path[0]));
                    if counts && !is_member && !has_front {
                        self.mentions.insert(path);
                    }
                }
                TokenTree::Group(group) => self.words_of(group.stream(), are_names),
                _ => {}
            }
            at += 1;
        }
    }
}

impl<'ast> Visit<'ast> for Module {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_for_tests(attributes_of(item)) {
            return;
        }
        let defined = match item {
            Item::Const(item) => Some((&item.ident, Kind::Value)),
            Item::Static(item) => Some((&item.ident, Kind::Value)),
            Item::Fn(item) => Some((&item.sig.ident, Kind::Value)),
            Item::Struct(item) => Some((&item.ident, Kind::Type)),
            Item::Enum(item) => Some((&item.ident, Kind::Type)),
            Item::Union(item) => Some((&item.ident, Kind::Type)),
            Item::Type(item) => Some((&item.ident, Kind::Type)),
            Item::Trait(item) => Some((&item.ident, Kind::Trait)),
            Item::TraitAlias(item) => Some((&item.ident, Kind::Trait)),
            Item::Macro(syn::ItemMacro { ident: Some(ident), .. }) => {
                self.macros_defined.insert(plain(ident));
                Some((ident, Kind::Value))
            }
            Item::Use(item) => {
                self.import(item);
                None
            }
            _ => None,
        };
        if let Some((name, kind)) = defined {
            self.define(&plain(name), Meaning::Item(kind));
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        let attributes: &[Attribute] = match item {
            syn::ImplItem::Const(item) => &item.attrs,
            syn::ImplItem::Fn(item) => &item.attrs,
            syn::ImplItem::Type(item) => &item.attrs,
            syn::ImplItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        if !is_for_tests(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast syn::TraitItem) {
        let attributes: &[Attribute] = match item {
            syn::TraitItem::Const(item) => &item.attrs,
            syn::TraitItem::Fn(item) => &item.attrs,
            syn::TraitItem::Type(item) => &item.attrs,
            syn::TraitItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        if !is_for_tests(attributes) {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        if !is_for_tests(&variant.attrs) {
            visit::visit_variant(self, variant);
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if !is_for_tests(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_field_value(&mut self, field: &'ast syn::FieldValue) {
        if !is_for_tests(&field.attrs) {
            visit::visit_field_value(self, field);
        }
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if !is_for_tests(&arm.attrs) {
            visit::visit_arm(self, arm);
        }
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        if !is_for_tests(&local.attrs) {
            visit::visit_local(self, local);
        }
    }

    fn visit_expr_block(&mut self, block: &'ast syn::ExprBlock) {
        if !is_for_tests(&block.attrs) {
            visit::visit_expr_block(self, block);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            self.mentions.insert(words(path));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.macros_called.insert(words(&called.path));
        self.words_of(called.tokens.clone(), |_| true);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        let Meta::List(list) = &attribute.meta else { return };
        // A single word is more often an option's name than something in scope.
        self.words_of(list.tokens.clone(), |word| word.starts_with(char::is_uppercase));
        for text in texts(list.tokens.clone()) {
            if let Ok(path) = syn::parse_str::<syn::Path>(&text)
                && path.segments.len() > 1
            {
                self.visit_path(&path);
            }
        }
    }
}

/// A name as it would be without `r#`, which makes no difference to what it means.
fn plain(ident: &Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").map_or_else(|| text.clone(), str::to_owned)
}

fn words(path: &syn::Path) -> Words {
    path.segments.iter().map(|segment| plain(&segment.ident)).collect()
}

/// All words of a macro.
fn idents(tokens: TokenStream) -> Vec<String> {
    let idents = |token| match token {
        TokenTree::Group(group) => idents(group.stream()),
        TokenTree::Ident(ident) => vec![plain(&ident)],
        _ => Vec::new(),
    };
    tokens.into_iter().flat_map(idents).collect()
}

/// The string literals in the words of an attribute, such as the path in `serde(with = "…")`.
fn texts(tokens: TokenStream) -> Vec<String> {
    let text = |token| match token {
        TokenTree::Group(group) if group.delimiter() != Delimiter::None => texts(group.stream()),
        TokenTree::Literal(literal) => {
            syn::parse_str::<syn::LitStr>(&literal.to_string()).map(|text| text.value()).into_iter().collect()
        }
        _ => Vec::new(),
    };
    tokens.into_iter().flat_map(text).collect()
}

fn attributes_of(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether something is there in tests only.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || (attribute.path().is_ident("cfg")
                && attribute.parse_args::<Meta>().is_ok_and(|condition| needs_test(&condition)))
    })
}

fn needs_test(condition: &Meta) -> bool {
    let parts = |list: &syn::MetaList| {
        list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .map(|parts| parts.iter().map(needs_test).collect::<Vec<_>>())
            .unwrap_or_default()
    };
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => parts(list).contains(&true),
        Meta::List(list) if list.path.is_ident("any") => {
            let parts = parts(list);
            !parts.is_empty() && !parts.contains(&false)
        }
        _ => false,
    }
}
