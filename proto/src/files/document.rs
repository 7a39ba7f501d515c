//! One file's text as TOML, with the lines of its parts.

use std::{ops::Range, path::Path};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{keys::Table, problem::Problem};

/// A file's text, taken apart.
pub(super) struct Document<'a> {
    pub(super) path: &'a Path,
    text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
    pub(super) top: DeTable<'a>,
    /// It is no TOML: what could be read of it is not all that was written.
    pub(super) is_broken: bool,
}

/// A table of a document.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    pub(super) document: &'a Document<'a>,
    pub(super) table: &'a DeTable<'a>,
    /// Which kind it is.
    pub(super) kind: Table,
}

impl<'a> Document<'a> {
    /// Takes a text apart; that it is no TOML goes to the problems. What could be read of it is returned in any case.
    pub(super) fn parse(path: &'a Path, text: &'a str, problems: &mut Vec<Problem>) -> Self {
        let (top, errors) = DeTable::parse_recoverable(text);
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
        let is_broken = !errors.is_empty();
        let document = Self { path, text, lines: starts.collect(), top: top.into_inner(), is_broken };
        // One mistake is taken for many: the first one is where somebody has to look.
        let first = errors.into_iter().min_by_key(|error| error.span().map_or(usize::MAX, |span| span.start));
        problems.extend(first.map(|error| Problem {
            path: path.into(),
            line: error.span().map(|span| document.line(&span)),
            key: String::new(),
            what: format!("this is not TOML: {}", error.message().replace('\n', ", ")),
        }));
        document
    }

    /// The document itself as a table.
    pub(super) fn section(&self) -> Section<'_> {
        Section { document: self, table: &self.top, kind: Table::Top }
    }

    /// The line in which something begins, from 1.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        self.lines.partition_point(|start| *start <= span.start)
    }

    /// How something is written, in one line and cut where it is long.
    pub(super) fn written(&self, span: Range<usize>) -> String {
        const MAX: usize = 300;
        let text = self.text.get(span).unwrap_or_default();
        let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.len() > MAX {
            let cut = (0..=MAX).rev().find(|at| line.is_char_boundary(*at)).unwrap_or_default();
            line.truncate(cut);
            line.push('…');
        }
        line
    }
}

impl<'a> Section<'a> {
    /// A key's value and the line in which the key stands.
    pub(super) fn get(&self, name: &str) -> Option<(&'a Spanned<DeValue<'a>>, usize)> {
        let (key, value) = self.table.get_key_value(name)?;
        Some((value, self.document.line(&key.span())))
    }

    /// Tells of keys that the table does not have.
    pub(super) fn tell_unknown(&self, label: &str, problems: &mut Vec<Problem>) {
        for key in self.table.keys().filter(|key| !self.kind.has(key.get_ref())) {
            let problem = Problem {
                path: self.document.path.into(),
                line: Some(self.document.line(&key.span())),
                key: beside(label, &quoted(key.get_ref())),
                what: self.kind.says_of(key.get_ref()),
            };
            // The defaults are looked at more than once.
            if self.kind != Table::Defaults || !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }
}

/// A key beside the name of its table.
pub(super) fn beside(label: &str, key: &str) -> String {
    match (label, key) {
        ("", key) => key.to_owned(),
        (label, "") => label.to_owned(),
        (label, key) => format!("{label}: {key}"),
    }
}

/// A name out of a file: as it is where it is a plain one, else in quotes, with escapes, and not too long.
pub(super) fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !name.is_empty() && name.len() <= 100 && name.chars().all(is_plain) {
        return name.to_owned();
    }
    format!("{:?}", name.chars().take(100).collect::<String>())
}
