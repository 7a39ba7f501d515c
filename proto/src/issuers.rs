//! Issuer data: `issuer.config` in every form the C suite has had, with the system's, merged in memory only.
//!
//! The C suite writes its merged list of all sources back into the user's file. Here that file is edited in place, one
//! account at a time, and what it holds otherwise stays byte for byte; a file that does not parse is reported and left.

mod document;
mod edit;
mod error;
mod issuer;
mod merge;
mod source;
mod text;

use std::path::{Path, PathBuf};

use self::issuer::url;
pub use self::{
    edit::{add_account, remove_account},
    error::{IssuersError, Problem},
    issuer::{Issuer, KnownClient},
};
use crate::{account::same_issuer, home::Home, json::Object, shortname::Shortname};

/// Where the system's issuer data is.
pub const SYSTEM_DIRECTORY: &str = "/etc/oidc-agent";

/// `share/oidc-agent` beside the `bin` directory that this program is in.
fn installed() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    Some(program.parent()?.parent()?.join("share/oidc-agent"))
}

/// The issuer data of all sources.
#[derive(Debug, Clone, Default)]
pub struct Issuers {
    /// One for each spelling of an issuer's URL, those of the source with the highest priority first.
    entries: Vec<Object>,
    problems: Vec<Problem>,
}

impl Issuers {
    /// Reads the user's files, the system's, and those installed with this program. Files that cannot be read are
    /// among the [`Issuers::problems`].
    pub fn load(home: Option<&Home>) -> Self {
        Self::read(
            home,
            &[Some(PathBuf::from(SYSTEM_DIRECTORY)), installed()].into_iter().flatten().collect::<Vec<_>>(),
        )
    }

    /// [`Issuers::load`] with another place for the system's files, and none installed with this program.
    pub fn load_from(home: Option<&Home>, system: &Path) -> Self {
        Self::read(home, &[system.to_owned()])
    }

    fn read(home: Option<&Home>, systems: &[PathBuf]) -> Self {
        let mut problems = Vec::new();
        let sources = source::read_all(home.map(Home::path), systems, &mut problems);
        Self { entries: merge::by_issuer(sources), problems }
    }

    /// All issuers, those of the user first. URLs that differ in a trailing slash are separate entries here.
    pub fn iter(&self) -> impl Iterator<Item = Issuer> {
        self.entries.iter().map(|entry| Issuer::from_object(entry.clone()))
    }

    /// What is known about an issuer, from its own entry and then from one that differs in a trailing slash.
    pub fn get(&self, issuer: &str) -> Option<Issuer> {
        let mut same: Vec<&Object> =
            self.entries.iter().filter(|entry| same_issuer(&url(entry), issuer)).collect();
        same.sort_by_key(|entry| url(entry) != issuer);
        let (first, rest) = same.split_first()?;
        let mut merged = (*first).clone();
        for entry in rest {
            merge::fill(&mut merged, entry);
        }
        Some(Issuer::from_object(merged))
    }

    /// The account for token requests that name the issuer only: `default_account`, else the first of `accounts`.
    pub fn default_account(&self, issuer: &str) -> Option<Shortname> {
        let issuer = self.get(issuer)?;
        issuer.default_account.or_else(|| issuer.accounts.into_iter().next())
    }

    /// What could not be read.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

#[cfg(test)]
mod tests;
