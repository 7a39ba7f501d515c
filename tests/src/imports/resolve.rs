//! From a name to the file that defines it.

use std::collections::BTreeSet;

use super::source::{Id, Kind, Meaning, Modules, Words};

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Item {
        file: String,
        kind: Kind,
    },
    Module(Id),
    /// Another crate, the language, or a local name.
    Elsewhere,
    /// A module of this crate that has no such name.
    Missing,
}

type Seen = BTreeSet<(Id, Words)>;

impl Modules {
    /// Where a path leads that is written in a module. More than one answer where a name means more than one thing.
    pub(super) fn resolve(&self, from: Id, path: &[String]) -> BTreeSet<Target> {
        self.follow(from, path, &mut Seen::new())
    }

    /// Where the name of a macro leads: as any path, or by its place in the text above.
    pub(super) fn resolve_macro(&self, from: Id, path: &[String]) -> BTreeSet<Target> {
        let [name] = path else { return self.resolve(from, path) };
        let mut module = Some(from);
        while let Some(id) = module {
            if self.all[id].macros_defined.contains(name) {
                return [Target::Item { file: self.all[id].file.clone(), kind: Kind::Value }].into();
            }
            module = self.all[id].parent;
        }
        self.resolve(from, path)
    }

    /// The traits that a module's names lead to.
    pub(super) fn traits_in(&self, module: Id) -> BTreeSet<Target> {
        let names = self.all[module].names.keys();
        names
            .flat_map(|name| self.resolve(module, &["self".to_owned(), name.clone()]))
            .filter(|target| matches!(target, Target::Item { kind: Kind::Trait, .. }))
            .collect()
    }

    fn follow(&self, from: Id, path: &[String], seen: &mut Seen) -> BTreeSet<Target> {
        let Some((first, rest)) = path.split_first() else { return BTreeSet::new() };
        match first.as_str() {
            "crate" | "self" | "super" => self.walk(from, path, seen),
            name => match self.look_up(from, path, seen) {
                Some(found) => found,
                None => match self.library {
                    // A program beside the library knows it by the crate's name.
                    Some(library) if self.all[from].root != library && name == self.name => {
                        self.walk(library, rest, seen)
                    }
                    _ => [Target::Elsewhere].into(),
                },
            },
        }
    }

    /// Goes on from a module of this crate: what it does not have is missing.
    fn walk(&self, module: Id, path: &[String], seen: &mut Seen) -> BTreeSet<Target> {
        let Some((first, rest)) = path.split_first() else { return [Target::Module(module)].into() };
        match first.as_str() {
            "crate" => self.walk(self.all[module].root, rest, seen),
            "self" => self.walk(module, rest, seen),
            "super" => match self.all[module].parent {
                Some(parent) => self.walk(parent, rest, seen),
                None => [Target::Missing].into(),
            },
            // On the way to itself: a name that is imported under the same name.
            _ if seen.contains(&(module, path.to_vec())) => BTreeSet::new(),
            _ => self.look_up(module, path, seen).unwrap_or_else(|| [Target::Missing].into()),
        }
    }

    /// Follows a path from the names of a module; `None` where it has no such name.
    fn look_up(&self, module: Id, path: &[String], seen: &mut Seen) -> Option<BTreeSet<Target>> {
        let (name, rest) = path.split_first()?;
        if !seen.insert((module, path.to_vec())) {
            return None;
        }
        let here = &self.all[module];
        let Some(meanings) = here.names.get(name) else { return self.look_up_unnamed(module, path, seen) };
        // Only a module or a type has names in it.
        let can_be = |kind: Kind| rest.is_empty() || kind != Kind::Value;
        let mut found = BTreeSet::new();
        for meaning in meanings {
            match meaning {
                Meaning::Module(child) => found.extend(self.walk(*child, rest, seen)),
                Meaning::Item(kind) if can_be(*kind) => {
                    found.insert(Target::Item { file: here.file.clone(), kind: *kind });
                }
                Meaning::Item(_) => {}
                Meaning::Import(imported) => {
                    for target in self.follow(module, imported, seen) {
                        match target {
                            Target::Module(id) => found.extend(self.walk(id, rest, seen)),
                            // Of another crate, but had from here.
                            Target::Elsewhere => {
                                found.insert(Target::Item { file: here.file.clone(), kind: Kind::Type });
                            }
                            Target::Item { kind, .. } if !can_be(kind) => {}
                            other => {
                                found.insert(other);
                            }
                        }
                    }
                }
            }
        }
        // What one meaning does not have another one does.
        if found.iter().any(|target| *target != Target::Missing) {
            found.remove(&Target::Missing);
        }
        Some(found)
    }

    /// What no item of the module names: found through a glob, or defined by a macro.
    fn look_up_unnamed(&self, module: Id, path: &[String], seen: &mut Seen) -> Option<BTreeSet<Target>> {
        let mut leads_elsewhere = false;
        for glob in self.all[module].imports.iter().filter(|import| import.is_glob) {
            for target in self.follow(module, &glob.path, seen) {
                match target {
                    Target::Module(id) => {
                        if let Some(found) = self.look_up(id, path, seen) {
                            return Some(found);
                        }
                    }
                    // A variant of this enum, or a name of another crate: nobody knows.
                    _ => leads_elsewhere = true,
                }
            }
        }
        let here = &self.all[module];
        if path.first().is_some_and(|name| here.words_between.contains(name)) {
            return Some([Target::Item { file: here.file.clone(), kind: Kind::Type }].into());
        }
        leads_elsewhere.then(|| [Target::Elsewhere].into())
    }
}
