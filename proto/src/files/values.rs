//! Looking up keys: in a table, then in the defaults, then what is built in; with where each value is from.

use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::{
    document::{Section, beside},
    keys::{Table, allowed, default},
    problem::Problem,
    value::Converted,
};

/// A value that holds for an entry, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The key; those of a hook begin with `hook.`.
    pub key: String,
    /// As it is written in the file, in one line.
    pub value: String,
    /// Where it is from.
    pub from: Source,
}

/// Where a value is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The entry's own table.
    Entry(PathBuf, usize),
    /// `[defaults]`, of the same file or of `files.toml`.
    Defaults(PathBuf, usize),
    /// Nothing is said: what is built in.
    BuiltIn,
}

/// The tables in which keys are looked up, one after the other, and what was found.
pub(super) struct Values<'a, 'p> {
    sections: Vec<Section<'a>>,
    /// What the table is called in messages.
    label: String,
    /// Begins the keys in [`Value`].
    prefix: &'static str,
    pub(super) problems: &'p mut Vec<Problem>,
    pub(super) found: Vec<Value>,
}

impl<'a, 'p> Values<'a, 'p> {
    /// The first section is the table itself; the others are defaults.
    pub(super) fn new(sections: Vec<Section<'a>>, label: String, problems: &'p mut Vec<Problem>) -> Self {
        if let Some(own) = sections.first() {
            own.tell_unknown(&label, problems);
        }
        Self { sections, label, prefix: "", problems, found: Vec::new() }
    }

    /// A table in a table, such as a hook, as `label` and with the prefix of its keys. The table is found as keys are.
    pub(super) fn within<'s>(
        &'s mut self,
        name: &'static str,
        prefix: &'static str,
        kind: Table,
    ) -> Option<Values<'a, 's>> {
        let (section, value, line) = self.look_up(name)?;
        let label = beside(&self.label_of(section), name);
        let Some(table) = value.as_table() else {
            self.tell(section, line, name, format!("must be {}", allowed(name)));
            return None;
        };
        let inner = Section { document: section.document, table, kind };
        let mut values = Values::new(vec![inner], label, self.problems);
        values.prefix = prefix;
        Some(values)
    }

    /// A key's value. What is wrong with it goes to the problems, and it counts as not given.
    pub(super) fn get<T>(
        &mut self,
        name: &'static str,
        convert: impl Fn(&DeValue<'a>) -> Converted<T>,
    ) -> Option<T> {
        let (section, value, line) = self.look_up(name)?;
        match convert(value) {
            Ok(converted) => {
                let span = section.get(name).map(|(value, _)| value.span()).unwrap_or_default();
                let from = (section.document.path.to_owned(), line);
                self.found.push(Value {
                    key: format!("{}{name}", self.prefix),
                    value: section.document.written(span),
                    from: if section.kind == Table::Defaults {
                        Source::Defaults(from.0, from.1)
                    } else {
                        Source::Entry(from.0, from.1)
                    },
                });
                Some(converted)
            }
            Err(reason) => {
                let what = if reason.is_empty() { format!("must be {}", allowed(name)) } else { reason };
                self.tell(section, line, name, what);
                None
            }
        }
    }

    /// [`Values::get`], else what is built in.
    pub(super) fn get_or<T>(
        &mut self,
        name: &'static str,
        built_in: T,
        convert: impl Fn(&DeValue<'a>) -> Converted<T>,
    ) -> T {
        let is_there = self.has(name);
        self.get(name, convert).unwrap_or_else(|| {
            if !is_there {
                self.note_built_in(name, default(name));
            }
            built_in
        })
    }

    /// A value that nobody wrote.
    pub(super) fn note_built_in(&mut self, name: &str, value: &str) {
        self.found.push(Value {
            key: format!("{}{name}", self.prefix),
            value: value.to_owned(),
            from: Source::BuiltIn,
        });
    }

    /// [`Values::get`] of a key that has to be there.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        convert: impl Fn(&DeValue<'a>) -> Converted<T>,
    ) -> Option<T> {
        if self.look_up(name).is_none() {
            self.tell_here("", format!("{name} is missing: {}", allowed(name)));
        }
        self.get(name, convert)
    }

    /// Whether a key is given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.look_up(name).is_some()
    }

    /// Tells of a problem with a key of the table, or with the table where `name` is empty.
    pub(super) fn tell_here(&mut self, name: &str, what: impl Into<String>) {
        let Some((section, line)) = self
            .look_up(name)
            .map(|(section, _, line)| (section, line))
            .or_else(|| self.sections.first().map(|own| (*own, self.line())))
        else {
            return;
        };
        self.tell(section, line, name, what.into());
    }

    /// The file in which the table is.
    pub(super) fn path(&self) -> &'a Path {
        self.sections[0].document.path
    }

    /// The line in which the table begins: that of its first key.
    pub(super) fn line(&self) -> usize {
        let own = self.sections[0];
        let lines = own.table.keys().map(|key| own.document.line(&key.span()));
        lines.min().unwrap_or(1)
    }

    fn look_up(&self, name: &str) -> Option<(Section<'a>, &'a DeValue<'a>, usize)> {
        let knowing = self.sections.iter().filter(|section| section.kind.has(name));
        knowing.into_iter().find_map(|section| {
            let (value, line) = section.get(name)?;
            Some((*section, value.get_ref(), line))
        })
    }

    fn label_of(&self, section: Section<'a>) -> String {
        if section.kind == Table::Defaults { "defaults".into() } else { self.label.clone() }
    }

    fn tell(&mut self, section: Section<'a>, line: usize, name: &str, what: String) {
        let problem = Problem {
            path: section.document.path.into(),
            line: Some(line),
            key: beside(&self.label_of(section), name),
            what,
        };
        // Those of the defaults come up for every entry.
        if section.kind != Table::Defaults || !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}
