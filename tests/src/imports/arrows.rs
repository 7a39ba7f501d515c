//! From file to file: who names what of whom, and where that goes round in a circle.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{
    resolve::Target,
    source::{Files, Id, Kind, Modules, Unreadable},
};

/// Which file uses which names of which other file.
#[derive(Debug, Default)]
pub struct Arrows {
    /// Every source file that is not there for tests only.
    pub files: BTreeSet<String>,
    /// Those among them that a library or program begins with.
    pub roots: BTreeSet<String>,
    /// By the file that names and the file that defines: the paths as they are written.
    pub names: BTreeMap<(String, String), BTreeSet<String>>,
}

/// Files that lead to one another, with the arrows among them. Shown as a list of those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circle {
    /// At least two, in order of their names.
    pub files: BTreeSet<String>,
    /// By from and to: the names.
    pub arrows: BTreeMap<(String, String), BTreeSet<String>>,
}

impl Arrows {
    /// Reads the imports of a crate of this name (as in its `Cargo.toml`) from its source files.
    pub fn of(name: &str, files: &Files) -> Result<Self, Unreadable> {
        let modules = Modules::parse(name, files)?;
        let mut arrows = Self::default();
        for id in 0..modules.all.len() {
            let module = &modules.all[id];
            arrows.files.insert(module.file.clone());
            if module.parent.is_none() {
                arrows.roots.insert(module.file.clone());
            }
            arrows.of_module(&modules, id)?;
        }
        Ok(arrows)
    }

    fn of_module(&mut self, modules: &Modules, id: Id) -> Result<(), Unreadable> {
        let module = &modules.all[id];
        for import in &module.imports {
            for target in modules.resolve(id, &import.path) {
                let traits = match (&target, import.is_glob) {
                    (Target::Module(of), true) => modules.traits_in(*of),
                    _ => BTreeSet::from([target]),
                };
                for target in traits {
                    // A trait's methods are used without its name; all else that is passed on counts where it is used.
                    let is_used =
                        !import.is_reexport || matches!(target, Target::Item { kind: Kind::Trait, .. });
                    self.add(&module.file, &import.path, &target, is_used)?;
                }
            }
        }
        for path in &module.mentions {
            for target in modules.resolve(id, path) {
                self.add(&module.file, path, &target, true)?;
            }
        }
        for path in &module.macros_called {
            for target in modules.resolve_macro(id, path) {
                self.add(&module.file, path, &target, true)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, from: &str, path: &[String], to: &Target, is_used: bool) -> Result<(), Unreadable> {
        match to {
            Target::Item { file, .. } if is_used && file != from => {
                self.names.entry((from.to_owned(), file.clone())).or_default().insert(path.join("::"));
            }
            Target::Missing => {
                return Err(Unreadable::NoDefinition { file: from.to_owned(), path: path.join("::") });
            }
            _ => {}
        }
        Ok(())
    }

    /// The files that lead to one another: the strongly connected components of more than one file.
    pub fn circles(&self) -> Vec<Circle> {
        let mut circles: Vec<Circle> = Vec::new();
        for file in &self.files {
            if circles.iter().any(|circle| circle.files.contains(file)) {
                continue;
            }
            let ahead = self.reached_from(file, |(from, to)| (from, to));
            let behind = self.reached_from(file, |(from, to)| (to, from));
            let files: BTreeSet<String> = ahead.intersection(&behind).cloned().collect();
            if files.len() > 1 {
                let arrows =
                    self.names.iter().filter(|((from, to), _)| files.contains(from) && files.contains(to));
                let arrows = arrows.map(|(arrow, names)| (arrow.clone(), names.clone())).collect();
                circles.push(Circle { files, arrows });
            }
        }
        circles
    }

    /// The file itself and all files that its arrows lead to, over any number of others.
    fn reached_from<'a>(
        &'a self,
        file: &str,
        direction: impl Fn(&'a (String, String)) -> (&'a String, &'a String),
    ) -> BTreeSet<String> {
        let mut reached = BTreeSet::from([file.to_owned()]);
        let mut waiting = vec![file.to_owned()];
        while let Some(file) = waiting.pop() {
            for (from, to) in self.names.keys().map(&direction) {
                if *from == file && reached.insert(to.clone()) {
                    waiting.push(to.clone());
                }
            }
        }
        reached
    }
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "circle of {} files", self.files.len())?;
        for ((from, to), names) in &self.arrows {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            writeln!(f, "    {from} -> {to}: {}", names.join(", "))?;
        }
        Ok(())
    }
}
