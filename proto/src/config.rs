//! The C suite's `config` file (release 5): what its programs do where the command line says nothing.
//!
//! The file of the system is overlaid with the person's, key by key (RFC 7396: `null` removes a key, or a section). A key
//! that no file has keeps the value that is built in: without a file, everything is as with the one that the C suite
//! ships. Nothing in a file ends a program: what cannot be used is among the [`Config::problems`], and passed over, but
//! for keys that [guard](Guard) something.

mod comments;
mod file;
mod key;
mod problem;
mod salvage;
mod setting;
mod table;
#[cfg(test)]
mod tests;

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use self::file::{Content, File};
pub use self::{
    key::{Guard, Key, Kind, Value},
    problem::Problem,
    setting::Setting,
    table::*,
};

/// Where administrators put theirs.
const GLOBAL: &str = "/etc/oidc-agent/config";
/// The variable that names the person's, in place of `config` in the oidc-agent directory.
pub const OIDC_USER_CONFIG: &str = "OIDC_USER_CONFIG";

/// The files together.
#[derive(Debug, Clone, Default)]
pub struct Config {
    files: Vec<File>,
    problems: Vec<Problem>,
}

impl Config {
    /// Reads the system's file and the person's: `$OIDC_USER_CONFIG`, else `config` in the oidc-agent directory.
    pub fn load(home: Option<&Path>) -> Self {
        let chosen = env::var_os(OIDC_USER_CONFIG);
        Self::read(paths(home, chosen.as_ref()), chosen.as_ref().map(PathBuf::from).as_deref())
    }

    /// Reads these files, the last one being the most important. One that does not exist is no problem, unless it is
    /// the one that was `named`.
    pub fn read(paths: impl IntoIterator<Item = PathBuf>, named: Option<&Path>) -> Self {
        let mut config = Self::default();
        for path in paths {
            let is_named = named == Some(path.as_path());
            if let Some(file) = File::read(path, is_named, &mut config.problems) {
                config.files.push(file);
            }
        }
        config
    }

    /// What cannot be used of the files, in their order.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Those that concern the program whose section this is.
    pub fn problems_of(&self, section: &str) -> impl Iterator<Item = &Problem> {
        let concerns = move |problem: &&Problem| {
            let theirs = problem.section.as_deref();
            theirs.is_none_or(|theirs| theirs == section)
        };
        self.problems.iter().filter(concerns)
    }

    /// The files that were there, the most important one last.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// What counts for a key.
    pub fn setting(&self, key: &Key) -> Setting {
        let mut setting = Setting { value: key.built_in(), source: None, is_guess: false };
        for file in &self.files {
            file.overlay(key, &mut setting);
        }
        setting
    }

    /// A switch; keys of other kinds are off.
    pub fn switch(&self, key: &Key) -> bool {
        self.setting(key).value == Value::Switch(true)
    }

    /// A number of seconds; keys of other kinds have 0.
    pub fn seconds(&self, key: &Key) -> u64 {
        match self.setting(key).value {
            Value::Seconds(seconds) => seconds,
            _ => 0,
        }
    }

    /// A text or word; keys of other kinds have none.
    pub fn text(&self, key: &Key) -> Option<String> {
        match self.setting(key).value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether any file names the key so that it can be read.
    pub fn is_set(&self, key: &Key) -> bool {
        self.setting(key).source.is_some()
    }
}

/// The places of the files, the most important one last.
fn paths(home: Option<&Path>, chosen: Option<&OsString>) -> impl Iterator<Item = PathBuf> {
    let user = chosen.map(PathBuf::from).or_else(|| Some(home?.join("config")));
    std::iter::once(PathBuf::from(GLOBAL)).chain(user)
}

/// Whether a file's bytes can be read as a configuration, for tests that try any bytes.
pub fn is_readable(bytes: &[u8]) -> bool {
    matches!(Content::parse(bytes), Content::Sections(_))
}
