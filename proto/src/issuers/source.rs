//! The files, in the order of their priority.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use zeroize::Zeroizing;

use super::{
    Problem,
    document::{Document, Form},
    text::{self, Place},
};
use crate::{
    home::{HomeError, private_file},
    json::Object,
};

/// The user's file, in the oidc-agent directory, and the system's.
pub(super) const ISSUER_CONFIG: &str = "issuer.config";
const PUBCLIENTS_CONFIG: &str = "pubclients.config";
/// So many lines of a file are told that are none.
const MAX_TOLD: usize = 20;

/// The entries of all files, highest priority first. Public clients of 4.x come last, the system's before the user's.
pub(super) fn read_all(user: Option<&Path>, systems: &[PathBuf], problems: &mut Vec<Problem>) -> Vec<Object> {
    let mut entries = Vec::new();
    let systems = systems.iter().map(PathBuf::as_path);
    let of_systems = systems.clone().map(|system| (system, Place::System));
    for (directory, place) in user.map(|user| (user, Place::User)).into_iter().chain(of_systems) {
        entries.extend(read(&directory.join(ISSUER_CONFIG), problems, |text| parse(text, place)));
        for path in dropped_in(&directory.join(format!("{ISSUER_CONFIG}.d")), place) {
            entries.extend(read(&path, problems, |text| parse(text, place)));
        }
    }
    for directory in systems.chain(user) {
        let path = directory.join(PUBCLIENTS_CONFIG);
        let mut others = Vec::new();
        entries.extend(read(&path, problems, |all| {
            others = text::not_pubclients(all);
            Ok(text::pubclients(all))
        }));
        problems.extend(others.into_iter().take(MAX_TOLD).map(|line| Problem {
            path: path.clone(),
            line: Some(line),
            what: "it is no public client, as in CLIENT_ID[:SECRET]@ISSUER[@SCOPES]".to_owned(),
        }));
    }
    entries
}

fn read(
    path: &Path,
    problems: &mut Vec<Problem>,
    parse: impl FnOnce(&str) -> Result<Vec<Object>, String>,
) -> Vec<Object> {
    let text = match read_text(path) {
        Ok(text) => text,
        Err(HomeError::NotFound(_)) => return Vec::new(),
        Err(error) => {
            problems.push(Problem { path: path.into(), line: None, what: error.to_string() });
            return Vec::new();
        }
    };
    parse(&text).unwrap_or_else(|what| {
        problems.push(Problem { path: path.into(), line: None, what });
        Vec::new()
    })
}

/// A configuration file's text. Here, unlike for accounts, symbolic links are followed: people keep such files elsewhere.
pub(super) fn read_text(path: &Path) -> Result<Zeroizing<String>, HomeError> {
    let mut bytes = private_file::read(&resolve(path)?)?;
    String::from_utf8(std::mem::take(&mut bytes)).map(Zeroizing::new).map_err(|_| {
        HomeError::Io(std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8 text"))
    })
}

/// The file itself, behind any symbolic links.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, HomeError> {
    fs_err::canonicalize(path).map_err(|error| HomeError::at(path, &error))
}

fn parse(text: &str, place: Place) -> Result<Vec<Object>, String> {
    let document = Document::parse(text)?;
    Ok(match document.form() {
        Form::Array | Form::Object => document.objects(),
        Form::Lines => text::issuers(text, place),
        Form::Empty => Vec::new(),
    })
}

/// The files of a `.d` directory: the user's oldest first, as in the C suite; the system's, which that one takes as the
/// file system gives them, by name. Hidden ones and backups are skipped.
fn dropped_in(directory: &Path, place: Place) -> Vec<PathBuf> {
    let Ok(found) = fs_err::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<PathBuf> =
        found.flatten().map(|entry| entry.path()).filter(|path| is_data_file(path)).collect();
    let modified =
        |path: &PathBuf| fs_err::metadata(path).and_then(|file| file.modified()).unwrap_or(SystemTime::now());
    paths.sort();
    if place == Place::User {
        paths.sort_by_cached_key(modified);
    }
    paths
}

fn is_data_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    !name.starts_with('.') && !name.ends_with('~') && path.is_file()
}
