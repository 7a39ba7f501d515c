//! Managed token files: which tokens are to be ready, where, and for which readers. The agent keeps them fresh; the client
//! checks, shows and writes the configuration.

mod account_table;
pub mod condor;
mod configuration;
mod document;
pub mod due;
pub mod entry;
mod entry_table;
pub mod formats;
pub mod gate;
mod hook_table;
pub mod keys;
pub mod osg;
mod osg_entries;
mod problem;
pub mod readers;
mod sources;
mod surroundings;
mod value;
mod values;

use std::path::Path;

pub use self::{
    account_table::{AccountPassword, PasswordSource},
    configuration::MAX_ENTRIES,
    entry_table::Origin,
    osg_entries::{client_credentials, to_toml},
    problem::{Problem, Problems},
    sources::{FILES_D, text_of},
    surroundings::Surroundings,
    values::{Source, Value},
};
use self::{
    configuration::{Gathered, gather},
    entry::Entry,
    sources::Text,
};
pub use crate::home::FILES_TOML;
use crate::home::Home;

/// So many problems are told; who has more has one.
const MAX_PROBLEMS: usize = 100;

/// A whole configuration, in which nothing is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenFiles {
    /// What is kept fresh, in the order of the files. Names, paths, and services with handles are one of a kind.
    pub entries: Vec<Entry>,
    /// Where each entry stands and where its values are from, in the same order.
    pub origins: Vec<Origin>,
    /// The accounts that the agent loads by itself; each once.
    pub accounts: Vec<AccountPassword>,
    /// What works and may be a mistake, or is not meant for anybody.
    pub remarks: Vec<Problem>,
}

impl TokenFiles {
    /// Reads `files.toml` and `files.d/*.toml` of the oidc-agent directory, and of `/etc/oidc-agent/files.d/*.toml` those
    /// for this user. All or nothing: with a single problem no part of the configuration counts. Without any file it is
    /// empty.
    pub fn read(home: &Home, surroundings: &Surroundings) -> Result<Self, Problems> {
        Self::read_instead(home, surroundings, None)
    }

    /// [`TokenFiles::read`], as if a file held another text, or as if it held one where there is none yet.
    pub fn read_instead(
        home: &Home,
        surroundings: &Surroundings,
        instead: Option<(&Path, &str)>,
    ) -> Result<Self, Problems> {
        let mut gathered = Gathered::default();
        let Gathered { problems, remarks, .. } = &mut gathered;
        let mut texts = sources::texts(home.path(), surroundings, problems, remarks);
        if let Some((path, text)) = instead {
            if let Some(found) = texts.iter_mut().find(|text| text.path == path) {
                found.content = text.into();
            } else {
                // The first one's defaults count for all.
                let is_first = path.parent() == Some(home.path());
                let own = texts.iter().take_while(|text| !text.is_system).count();
                let text = Text { path: path.into(), content: text.into(), is_system: false };
                texts.insert(if is_first { 0 } else { own }, text);
            }
        }
        gather(&texts, home.path(), surroundings, &mut gathered);
        let named = std::mem::take(&mut gathered.osg);
        for osg in named {
            match sources::osg(&osg.path, surroundings) {
                Ok(text) => osg_entries::gather_osg(&osg.path, &text, surroundings, &mut gathered),
                Err(what) => gathered.problems.push(Problem { what, ..osg.place }),
            }
        }
        gathered.check_whole(home.path());
        Self::from(gathered)
    }

    /// Reads one text as if it stood in the file `path`; `directory` is the oidc-agent directory. Files of the OSG renewer
    /// that it names are left alone.
    pub fn parse(
        path: &Path,
        text: &str,
        directory: &Path,
        surroundings: &Surroundings,
    ) -> Result<Self, Problems> {
        let texts = [Text { path: path.into(), content: text.into(), is_system: false }];
        let mut gathered = Gathered::default();
        gather(&texts, directory, surroundings, &mut gathered);
        gathered.check_whole(directory);
        Self::from(gathered)
    }

    fn from(gathered: Gathered) -> Result<Self, Problems> {
        let Gathered { entries, origins, accounts, mut problems, mut remarks, .. } = gathered;
        if problems.is_empty() {
            remarks.truncate(MAX_PROBLEMS);
            return Ok(Self { entries, origins, accounts, remarks });
        }
        let left_out = problems.len().saturating_sub(MAX_PROBLEMS);
        problems.truncate(MAX_PROBLEMS);
        if let Some(last) = problems.last_mut().filter(|_| left_out > 0) {
            last.what = format!("{} (and {left_out} more problems)", last.what);
        }
        Err(Problems(problems))
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.accounts.is_empty()
    }
}

#[cfg(test)]
mod tests;
