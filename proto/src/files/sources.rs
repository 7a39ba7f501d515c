//! The files of a configuration: which there are, and whether they may count.

use std::path::{Path, PathBuf};

use super::{problem::Problem, surroundings::Surroundings};
use crate::{
    home::{FILES_TOML, HomeError, private_file},
    shell,
    trust::{Judge, Reason, TrustError},
};

/// The directory of further ones, beside it and in the site's directory.
pub const FILES_D: &str = "files.d";
/// No configuration has more files.
const MAX_FILES: usize = 1000;

/// A file and what it holds.
pub(super) struct Text {
    pub(super) path: PathBuf,
    pub(super) content: String,
    /// It is one of the site's, which counts for the user that it names.
    pub(super) is_system: bool,
}

/// The texts of all files that there are: `files.toml` first, then those beside it by name, then the site's.
pub(super) fn texts(
    directory: &Path,
    surroundings: &Surroundings,
    problems: &mut Vec<Problem>,
    remarks: &mut Vec<Problem>,
) -> Vec<Text> {
    let mut paths = vec![(directory.join(FILES_TOML), false)];
    for (directory, is_system) in [(directory, false), (&surroundings.system, true)] {
        let found =
            dropped_in(&directory.join(FILES_D), if is_system { &mut *remarks } else { &mut *problems });
        paths.extend(found.into_iter().map(|path| (path, is_system)));
    }
    let read = |(path, is_system): (PathBuf, bool)| match text(&path, surroundings) {
        Ok(text) => Some(Text { path, content: text?, is_system }),
        Err(what) => {
            // What somebody else's file is like is no obstacle to this user.
            let told = if is_system { &mut *remarks } else { &mut *problems };
            told.push(Problem::of_file(&path, what));
            None
        }
    };
    paths.into_iter().filter_map(read).collect()
}

/// A text that somebody else's program reads too: a configuration of the OSG renewer. Like ours it names files that are
/// written, so that it is trusted no further.
pub(super) fn osg(path: &Path, surroundings: &Surroundings) -> Result<String, String> {
    let wrong = |what: String| format!("{}: {what}", path.display());
    text(path, surroundings).map_err(wrong)?.ok_or_else(|| wrong("it does not exist".into()))
}

/// The text of a configuration file, as strictly as the agent reads it; `None` where there is none.
pub fn text_of(path: &Path, surroundings: &Surroundings) -> Result<Option<String>, Problem> {
    text(path, surroundings).map_err(|what| Problem::of_file(path, what))
}

/// A file's text; `None` where there is none.
fn text(path: &Path, surroundings: &Surroundings) -> Result<Option<String>, String> {
    // People keep such files elsewhere, and link to them.
    let Ok(target) = fs_err::canonicalize(path) else {
        return if fs_err::symlink_metadata(path).is_ok() {
            Err("it is a link that leads nowhere, or may not be followed".into())
        } else {
            Ok(None)
        };
    };
    let bytes = match private_file::read(&target) {
        Ok(bytes) => bytes,
        Err(HomeError::NotFound(_)) => return Ok(None),
        Err(HomeError::TooLarge(_)) => return Err("it is larger than 1 MiB".into()),
        Err(error) => return Err(error.to_string()),
    };
    if let Some(why) = distrust(&target, surroundings.uid) {
        return Err(why);
    }
    String::from_utf8(bytes.to_vec()).map(Some).map_err(|_| "it is not UTF-8 text".into())
}

/// Whoever can change the file, or put another one in its place, has programs run.
fn distrust(path: &Path, uid: u32) -> Option<String> {
    match Judge::user(uid).file(path).err()? {
        TrustError::Untrusted { path: culprit, reason } => {
            let whose = if culprit == path { "it".to_owned() } else { culprit.display().to_string() };
            let advice = match reason {
                Reason::Owner(_) => String::new(),
                Reason::Others | Reason::Group => {
                    format!("; chmod go-w {}", shell::quoted(&culprit.to_string_lossy()))
                }
            };
            Some(format!("{whose} {reason}, and the file names programs that are run{advice}"))
        }
        error @ TrustError::Unusable { .. } => Some(error.to_string()),
    }
}

/// The files of a `.d` directory that end in `.toml`, by name; hidden ones are left out.
fn dropped_in(directory: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let entries = match fs_err::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            problems.push(Problem::of_file(directory, format!("it cannot be read: {}", error.kind())));
            return Vec::new();
        }
    };
    let is_meant = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.starts_with('.') && name.ends_with(".toml")
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(is_meant).collect();
    paths.sort();
    if paths.len() > MAX_FILES {
        problems.push(Problem::of_file(directory, format!("it holds more than {MAX_FILES} files")));
        paths.truncate(MAX_FILES);
    }
    paths
}
