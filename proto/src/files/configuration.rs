//! All files together: which ones are meant, and what must be one of a kind.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::{
    account_table::{AccountPassword, account},
    document::{Document, Section, quoted},
    entry::{Entry, Sink},
    entry_table::{Origin, check_defaults, entry},
    keys::{Table, allowed},
    problem::Problem,
    sources::Text,
    surroundings::Surroundings,
    value,
    values::Values,
};
use crate::{private_file::Location, shortname::Shortname};

/// No configuration has more entries.
pub const MAX_ENTRIES: usize = 10_000;

/// What was read so far.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) entries: Vec<Entry>,
    pub(super) origins: Vec<Origin>,
    pub(super) accounts: Vec<AccountPassword>,
    pub(super) problems: Vec<Problem>,
    pub(super) remarks: Vec<Problem>,
    /// Configurations of the OSG renewer that are named, to be read after the rest.
    pub(super) osg: Vec<NamedOsg>,
}

/// A configuration of the OSG renewer, and where it is named.
pub(super) struct NamedOsg {
    pub(super) path: PathBuf,
    /// For what is wrong with it as a whole.
    pub(super) place: Problem,
}

impl Gathered {
    /// What only shows once everything is there.
    pub(super) fn check_whole(&mut self, directory: &Path) {
        if self.entries.len() > MAX_ENTRIES {
            let what = format!("there are more than {MAX_ENTRIES} entries");
            self.problems.push(Problem::of_file(directory, what));
        }
        let twice = twice(self);
        self.problems.extend(twice);
        tell_dangers(directory, self);
    }
}

/// Reads texts. The first one's defaults count for those of the same directory too.
pub(super) fn gather(texts: &[Text], directory: &Path, surroundings: &Surroundings, gathered: &mut Gathered) {
    let mut documents = Vec::new();
    for text in texts {
        let mut problems = Vec::new();
        let document = Document::parse(&text.path, &text.content, &mut problems);
        if text.is_system && !is_for_this_user(&document, surroundings, gathered) {
            continue;
        }
        gathered.problems.append(&mut problems);
        documents.push((document, text.is_system));
    }
    let main = documents.iter().find(|(_, is_system)| !is_system).map(|(document, _)| document);
    let main = main.filter(|main| main.path.parent() == Some(directory));
    let lacks_defaults = main.is_some_and(|main| main.is_broken);
    let main = main.and_then(|main| defaults(main));
    for (document, is_system) in &documents {
        // What only follows from a mistake of the syntax would hide it.
        if document.is_broken || (lacks_defaults && !is_system) {
            continue;
        }
        let own = defaults(document);
        let others = main.filter(|main| !is_system && !std::ptr::eq(main.document, document));
        let defaults: Vec<_> = own.into_iter().chain(others).collect();
        read(document, *is_system, &defaults, surroundings, gathered);
    }
}

fn is_for_this_user(document: &Document<'_>, surroundings: &Surroundings, gathered: &mut Gathered) -> bool {
    let user = document.section().get("user").map(|(value, _)| value.get_ref());
    let text = user.and_then(|user| {
        user.as_str().map(str::to_owned).or_else(|| value::number(user).ok().map(|number| number.to_string()))
    });
    if text.is_none() {
        gathered.remarks.push(Problem::of_file(
            document.path,
            "it counts for nobody: it has to say for whom, as in user = \"NAME\"",
        ));
    }
    text.is_some_and(|user| surroundings.is(&user))
}

fn defaults<'a>(document: &'a Document<'a>) -> Option<Section<'a>> {
    let table = document.section().get("defaults")?.0.get_ref().as_table()?;
    Some(Section { document, table, kind: Table::Defaults })
}

fn read<'a>(
    document: &'a Document<'a>,
    is_system: bool,
    defaults: &[Section<'a>],
    surroundings: &Surroundings,
    gathered: &mut Gathered,
) {
    let top = document.section();
    let mut values = Values::new(vec![top], String::new(), &mut gathered.problems);
    if values.get("version", value::number).is_some_and(|version| version != 1) {
        values.tell_here("version", format!("must be {}; a newer program wrote this", allowed("version")));
    }
    if !is_system && values.has("user") {
        values.tell_here("user", "is for files in /etc/oidc-agent/files.d alone; this one is yours");
    }
    let osg = values.get("osg", |given| {
        value::list(given, 16)?.iter().map(|path| surroundings.expand(path)).collect::<Result<Vec<_>, _>>()
    });
    let line = top.get("osg").map(|(_, line)| line);
    if values.within("defaults", "", Table::Defaults).is_some()
        && let Some(own) = defaults.iter().find(|section| std::ptr::eq(section.document, document))
    {
        let mut values = Values::new(vec![*own], "defaults".into(), &mut gathered.problems);
        check_defaults(&mut values);
        super::hook_table::hook(&mut values, surroundings);
    }
    for (key, kind) in [("file", Table::File), ("condor", Table::Condor)] {
        for (table, place) in tables(top, key, gathered) {
            let name = table.get("name").and_then(|name| name.get_ref().as_str()).map(quoted);
            let label = format!("{key} {}", name.unwrap_or(format!("number {place}")));
            let own = Section { document, table, kind };
            let sections = std::iter::once(own).chain(defaults.iter().copied()).collect();
            let mut values = Values::new(sections, label, &mut gathered.problems);
            if let Some((entry, origin)) = entry(&mut values, kind, surroundings) {
                gathered.entries.push(entry);
                gathered.origins.push(origin);
            }
        }
    }
    accounts(document, surroundings, gathered);
    gathered.osg.extend(osg.unwrap_or_default().into_iter().map(|path| {
        let place = Problem { path: document.path.into(), line, key: "osg".into(), what: String::new() };
        NamedOsg { path, place }
    }));
}

/// The tables of a list of tables, each with its number from 1.
fn tables<'a>(
    top: Section<'a>,
    key: &str,
    gathered: &mut Gathered,
) -> Vec<(&'a toml::de::DeTable<'a>, usize)> {
    let Some((value, line)) = top.get(key) else { return Vec::new() };
    let list = value.get_ref().as_array().map(|list| list.iter().map(|one| one.get_ref().as_table()));
    let Some(tables) = list.and_then(Iterator::collect::<Option<Vec<_>>>) else {
        gathered.problems.push(Problem {
            path: top.document.path.into(),
            line: Some(line),
            key: key.into(),
            what: format!("must be {}", allowed(key)),
        });
        return Vec::new();
    };
    // The rest would be too many anyway.
    tables.into_iter().zip(1..).take(MAX_ENTRIES + 1).collect()
}

fn accounts<'a>(document: &'a Document<'a>, surroundings: &Surroundings, gathered: &mut Gathered) {
    let Some((value, line)) = document.section().get("accounts") else { return };
    let tell = |line, key: String, what: String, gathered: &mut Gathered| {
        gathered.problems.push(Problem { path: document.path.into(), line: Some(line), key, what });
    };
    let Some(accounts) = value.get_ref().as_table() else {
        return tell(line, "accounts".into(), format!("must be {}", allowed("accounts")), gathered);
    };
    for (name, value) in accounts {
        let line = document.line(&name.span());
        let label = format!("accounts.{}", quoted(name.get_ref()));
        let shortname = name.get_ref().parse::<Shortname>();
        match (shortname, value.get_ref().as_table()) {
            (Ok(shortname), Some(table)) => {
                let own = Section { document, table, kind: Table::Account };
                let mut values = Values::new(vec![own], label, &mut gathered.problems);
                let account = account(&shortname, &mut values, surroundings);
                gathered.accounts.extend(account);
            }
            (Err(error), _) => tell(line, label, error.to_string(), gathered),
            (Ok(_), None) => tell(line, label, format!("must be {}", allowed("accounts")), gathered),
        }
    }
}

/// What must be there once only.
#[derive(PartialEq, Eq, Hash)]
enum Unique {
    Name(String),
    /// By whatever path.
    File(Location),
    Service(String),
    Password(Shortname),
}

/// Something that must be there once only, and where it stands.
struct Given<'a> {
    unique: Unique,
    /// For people.
    what: String,
    key: String,
    path: &'a Path,
    line: usize,
}

fn given(gathered: &Gathered) -> Vec<Given<'_>> {
    let mut all = Vec::new();
    for (entry, origin) in gathered.entries.iter().zip(&gathered.origins) {
        let (kind, key, unique, what) = match &entry.sink {
            Sink::File(file) => {
                let what = format!("the path {}", file.path.display());
                ("file", "path", Unique::File(Location::of(&file.path)), what)
            }
            Sink::Condor(condor) => {
                let handle = condor.handle.as_ref().map(|handle| format!(" with the handle {handle}"));
                let what = format!("the service {}{}", condor.service, handle.unwrap_or_default());
                ("condor", "service", Unique::Service(condor.credential()), what)
            }
        };
        let at = |key: &str, unique, what| Given {
            unique,
            what,
            key: format!("{kind} {}: {key}", entry.name),
            path: &origin.path,
            line: origin.line,
        };
        let name = &entry.name;
        all.push(at("name", Unique::Name(name.clone()), format!("the name {name}")));
        all.push(at(key, unique, what));
    }
    all.extend(gathered.accounts.iter().map(|account| Given {
        unique: Unique::Password(account.account.clone()),
        what: format!("a password for the account {}", account.account),
        key: format!("accounts.{}", quoted(account.account.as_str())),
        path: &account.path,
        line: account.line,
    }));
    all
}

fn twice(gathered: &Gathered) -> Vec<Problem> {
    let mut seen: HashMap<Unique, (String, &Path, usize)> = HashMap::new();
    let mut problems = Vec::new();
    for Given { unique, what, key, path, line } in given(gathered) {
        let Some((first, in_file, at)) = seen.get(&unique) else {
            seen.insert(unique, (what, path, line));
            continue;
        };
        let place = format!("{}:{at}", in_file.display());
        let what = if *first == what {
            format!("{what} is given twice; first in {place}")
        } else {
            format!("{what} leads to the same file as {first} in {place}")
        };
        problems.push(Problem { path: path.into(), line: Some(line), key, what });
    }
    problems
}

/// What works, and may be a mistake; and what would destroy something.
fn tell_dangers(directory: &Path, gathered: &mut Gathered) {
    for (entry, origin) in gathered.entries.iter().zip(&gathered.origins) {
        let Sink::File(file) = &entry.sink else { continue };
        let at = |key: &str, what: &str| Problem {
            path: origin.path.clone(),
            line: Some(origin.line),
            key: format!("file {}: {key}", entry.name),
            what: what.into(),
        };
        if file.path.starts_with(directory) {
            let what = "must not be in the oidc-agent directory: there it could replace an account";
            gathered.problems.push(at("path", what));
        }
        if file.mode & 0o004 != 0 {
            let what = "everybody on this machine can read the token and do what you can do with it";
            gathered.remarks.push(at("mode", what));
        }
    }
}
